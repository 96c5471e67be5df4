package repair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/store"
)

// file tells one inode of one store from another.
type file struct {
	store  string
	device uint64
	inode  uint64
}

func fileOf(storeName string, id *hashsets.Identity) file {
	return file{storeName, id.Device, id.Inode}
}

// linked is a recorded name of a file of several names.
type linked struct {
	name       string
	generation int64
	digests    []hashsets.Digest
}

// joinNames makes one repair of the names that are one file. Where names of
// one file are recorded with different contents, healing it in place would harm
// one of them: each damaged name then gets a file of its own.
func (m *planner) joinNames(ctx context.Context) error {
	names, err := m.findNames(ctx)
	if err != nil {
		return err
	}
	found := make(map[[2]string]catalog.Finding)
	for _, p := range m.plan.Repairs {
		if p.Action == Overwrite {
			found[[2]string{p.Store, p.Blob}] = p.found
		}
	}
	joined := make(map[file]bool)
	repairs := m.plan.Repairs[:0]
	for _, p := range m.plan.Repairs {
		if p.Action == Overwrite {
			f := fileOf(p.Store, &p.seen)
			switch {
			case !alike(names[f]):
				p.Action = Replace
			case joined[f]:
				continue // it is healed with the first of its names
			default:
				joined[f] = true
				for _, l := range names[f] {
					if l.name != p.Blob {
						other, damaged := found[[2]string{p.Store, l.name}]
						p.Names = append(p.Names, Name{l.name, l.generation, damaged})
						if damaged {
							p.others = append(p.others, other)
						}
					}
				}
			}
		}
		repairs = append(repairs, p)
	}
	m.plan.Repairs = repairs
	return nil
}

// alike tells whether all names are recorded with the same content.
func alike(names []linked) bool {
	for _, l := range names {
		if !slices.EqualFunc(l.digests, names[0].digests, func(a, b hashsets.Digest) bool {
			return a.Algorithm == b.Algorithm && bytes.Equal(a.Sum, b.Sum)
		}) {
			return false
		}
	}
	return true
}

// findNames returns the recorded names of each file that would be overwritten.
// Names are looked for among the findings and in what the catalog knows of
// inodes, and each is looked at.
func (m *planner) findNames(ctx context.Context) (map[file][]linked, error) {
	names := make(map[file][]linked)
	candidates := make(map[string][]string) // by store
	inodes := make(map[file]bool)           // without the device, which may have had another number
	for _, p := range m.plan.Repairs {
		if p.Action == Overwrite {
			names[fileOf(p.Store, &p.seen)] = nil
			inodes[file{store: p.Store, inode: p.seen.Inode}] = true
			candidates[p.Store] = nil
		}
	}
	if len(names) == 0 {
		return names, nil
	}
	consider := func(storeName, name string, id *hashsets.Identity) {
		if inodes[file{store: storeName, inode: id.Inode}] {
			candidates[storeName] = append(candidates[storeName], name)
		}
	}
	for _, p := range m.plan.Repairs {
		consider(p.Store, p.Blob, &p.found.Identity)
	}
	for _, l := range m.plan.Left {
		consider(l.Store, l.Blob, &l.found.Identity)
	}
	for storeName := range candidates {
		for known, err := range m.vault.Catalog.Records(ctx, catalog.Query{Store: storeName}) {
			if err != nil {
				return nil, fmt.Errorf("look for further names of hard-linked files: %w", err)
			}
			consider(storeName, known.Name, &known.Identity)
			if known.Seen != nil {
				consider(storeName, known.Name, &known.Seen.Identity)
			}
		}
		slices.Sort(candidates[storeName])
		for _, name := range slices.Compact(candidates[storeName]) {
			if err := m.addName(ctx, storeName, name, names); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

// addName adds a name to its file, if it is a name of one of them still.
func (m *planner) addName(ctx context.Context, storeName, name string, names map[file][]linked) error {
	seen, err := statOrNil(ctx, m.stores[storeName], name)
	if err != nil || seen == nil || seen.Kind != hashsets.File {
		return ctx.Err() // not to be looked at: then it is not healed with the others
	}
	f := fileOf(storeName, &seen.Identity)
	if _, ok := names[f]; !ok {
		return nil
	}
	record, err := m.vault.Catalog.Current(ctx, name)
	if errors.Is(err, catalog.ErrNotRecorded) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up the record of %q: %w", name, err)
	}
	l := linked{name: name, generation: record.Generation}
	if record.Damage == nil {
		l.digests = record.Hashes.Digests
	}
	names[f] = append(names[f], l)
	return nil
}

// overwrite heals a file of several names in place. The replacement beside it
// is proven and the original is in quarantine, so that it can be done again
// from the beginning however far it came.
func (r *run) overwrite(ctx context.Context, e *entry, target store.Writable, staged *stagedFile) (placed store.Entry, err error) {
	seen, err := statOrNil(ctx, target, e.name())
	if err != nil {
		return placed, err
	}
	if stands(e.Expect.plain(), seen) {
		placed, err = r.writeOver(ctx, e, target, staged, *seen)
	} else {
		err = store.ErrChanged
	}
	if errors.Is(err, store.ErrChanged) {
		e.Phase = begun // nothing was written, and what stands there is somebody's
		return placed, changedInRepair()
	}
	if err != nil {
		return placed, err
	}
	return placed, r.proveOver(ctx, e, target, staged, &placed)
}

// writeOver writes the replacement over the file that was looked at.
func (r *run) writeOver(ctx context.Context, e *entry, target store.Writable, staged *stagedFile, over store.Entry) (placed store.Entry, err error) {
	err = staged.with(func(file store.Staged) error {
		return r.step(e, Placed, func() error {
			placed, err = target.Overwrite(ctx, e.name(), file, e.Rewritten, e.Size, e.Attributes.plain(), over.Identity)
			return err
		})
	})
	if err != nil {
		return placed, fmt.Errorf("heal %q in place: %w", e.name(), err)
	}
	return placed, nil
}

// proveOver reads back what was healed in place, and lets go of the replacement.
func (r *run) proveOver(ctx context.Context, e *entry, target store.Writable, staged *stagedFile, placed *store.Entry) error {
	whole, err := r.isReplacement(ctx, e, target, placed)
	if err != nil {
		return fmt.Errorf("read %q back: %w", e.name(), err)
	}
	if !whole {
		return r.badRepair(ctx, e, "it was healed in place and reads differently; the journal keeps its replacement")
	}
	return r.discardStaged(ctx, e, staged)
}

func (r *run) discardStaged(ctx context.Context, e *entry, staged *stagedFile) error {
	err := staged.with(func(file store.Staged) error {
		return r.step(e, Discarded, func() error { return file.Discard(ctx) })
	})
	if err != nil {
		return fmt.Errorf("remove the temporary file of %q: %w", e.name(), err)
	}
	return staged.leave()
}

// resolveOverwrite goes on where healing in place was interrupted: the proven
// replacement beside it says what every byte must be.
func (r *run) resolveOverwrite(ctx context.Context, e *entry, target store.Writable) (resolution, error) {
	seen, err := statOrNil(ctx, target, e.name())
	if err != nil {
		return unresolved, err
	}
	if stands(e.Expect.plain(), seen) {
		return r.rollBack(ctx, e, target)
	}
	if seen == nil || seen.Identity.Inode != e.Expect.Inode {
		r.rep.Note("%s: %q was replaced by somebody during its repair and is left as it is; the damaged original is kept in quarantine as %s", e.Store, e.name(), e.ID)
		return r.rollBack(ctx, e, target)
	}
	file, err := target.Reopen(ctx, e.name(), e.ID)
	if errors.Is(err, store.ErrNotFound) {
		return r.resolveReplace(ctx, e, target) // it was discarded because all was done
	}
	if err != nil {
		return unresolved, fmt.Errorf("look for the replacement of %q: %w", e.name(), err)
	}
	staged := r.staged.add(target, e.name(), e.ID, file)
	ours, err := r.onlyOurs(ctx, e, target, *seen, staged)
	if err != nil || !ours {
		if err = errors.Join(err, staged.leave()); err != nil {
			return unresolved, err
		}
		return putAside, r.setAside(e.ID+entrySuffix, fmt.Errorf("%q was written by somebody while it was healed in place (quarantine has the original as %s)", e.name(), e.ID))
	}
	placed, err := r.writeOver(ctx, e, target, staged, *seen)
	if err == nil {
		err = r.proveOver(ctx, e, target, staged, &placed)
	}
	if err != nil {
		return unresolved, errors.Join(err, staged.leave())
	}
	return completed, r.conclude(ctx, e, placed)
}

// sectorSize is what disks write at once, in bytes: less is never half
// written.
const sectorSize = 512

// onlyOurs tells whether the replacement is whole, and every sector of the
// target is either that of the replacement or that of the original in
// quarantine. Anything else was written by somebody.
func (r *run) onlyOurs(ctx context.Context, e *entry, target store.Store, seen store.Entry, staged *stagedFile) (ours bool, err error) {
	if size := seen.Identity.Size; size < min(e.Size, e.Expect.Size) || size > max(e.Size, e.Expect.Size) {
		return false, nil
	}
	want, err := e.hashes()
	if err != nil {
		return false, err
	}
	original, err := r.quarantine().open(e.ID)
	if err != nil {
		return false, fmt.Errorf("look at the original in quarantine: %w", err)
	}
	defer original.Close()
	reader, err := target.Open(ctx, seen.Name, store.Access{Direct: true})
	if err != nil {
		return false, err
	}
	defer reader.Close()
	err = staged.with(func(file store.Staged) error {
		if err := r.verify(ctx, file, &want); err != nil {
			return err
		}
		ours, err = r.mixed(ctx, seen.Identity.Size, reader, file, original)
		return err
	})
	if errors.Is(err, errMismatch) {
		return false, nil
	}
	return ours, err
}

// mixed tells whether each sector of the first size bytes of now is that of
// one of the two others, which count as zero beyond their ends.
func (r *run) mixed(ctx context.Context, size int64, now, one, other io.ReaderAt) (bool, error) {
	var chunks [3][]byte
	for i := range chunks {
		chunks[i] = r.buffers.get()
		defer r.buffers.put(chunks[i])
	}
	for offset := int64(0); offset < size; offset += chunkSize {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n := int(min(chunkSize, size-offset))
		for i, from := range []io.ReaderAt{now, one, other} {
			read, err := from.ReadAt(chunks[i][:n], offset)
			if err != nil && !errors.Is(err, io.EOF) {
				return false, err
			}
			clear(chunks[i][read:n])
			r.count(int64(read), 0)
		}
		for at := 0; at < n; at += sectorSize {
			end := min(at+sectorSize, n)
			sector := chunks[0][at:end]
			if !bytes.Equal(sector, chunks[1][at:end]) && !bytes.Equal(sector, chunks[2][at:end]) {
				return false, nil
			}
		}
	}
	return true, nil
}

// putName gives a file one more name, where the store knows how.
func putName(ctx context.Context, s store.Store, name, existing string) error {
	linker, ok := s.(store.Linker)
	if !ok {
		return store.ErrUnsupported
	}
	return linker.PutName(ctx, name, existing)
}
