package repair

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// content tells one content from another: the SHA-256 of a hash set's digests.
type content [16]byte

func contentOf(h *hashsets.HashSet) content {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d\n", h.Size)
	for _, d := range h.Digests {
		fmt.Fprintf(sum, "%s %x\n", d.Algorithm, d.Sum)
	}
	return content(sum.Sum(nil)[:16])
}

// recordedAs is a generation of a blob by its name; the zero value is none.
type recordedAs struct {
	name       string
	generation int64
}

// inode tells one file on disk from another, as it was recorded.
type inode struct{ device, number uint64 }

// firstName is the name under which a file of several names is restored first.
type firstName struct {
	name    string
	content content
	placed  bool // it stands in the target
}

// severalNames returns the files that occur more than once.
func severalNames(all []inode) map[inode]*firstName {
	slices.SortFunc(all, func(a, b inode) int {
		return cmp.Or(cmp.Compare(a.device, b.device), cmp.Compare(a.number, b.number))
	})
	shared := make(map[inode]*firstName)
	for i := 1; i < len(all); i++ {
		if all[i] == all[i-1] {
			shared[all[i]] = nil
		}
	}
	return shared
}

// follows tells whether the blob is a further name of a file that another name
// was met of. The inode alone does not say so: it may have been used again.
func (s *restoring) follows(then *catalog.Past) bool {
	file := inode{then.Identity.Device, then.Identity.Inode}
	first, several := s.shared[file]
	if !several || then.Kind != hashsets.File || then.Damage != nil {
		return false
	}
	if first == nil {
		s.shared[file] = &firstName{name: then.Name, content: contentOf(&then.Hashes)}
		return false
	}
	return first.content == contentOf(&then.Hashes)
}

// furtherNames gives files their further names. One whose first name could not
// be had, or that cannot be linked here, is restored by itself.
func (s *restoring) furtherNames(ctx context.Context, followers []catalog.Past) error {
	var alone []catalog.Past
	for _, f := range followers {
		if err := ctx.Err(); err != nil {
			return err
		}
		there, err := s.isThere(ctx, &f.Record)
		if there && err == nil {
			s.foundThere(&f.Record)
			continue
		}
		first := s.shared[inode{f.Identity.Device, f.Identity.Inode}]
		if err != nil || !first.placed || putName(ctx, s.target, f.Name, first.name) != nil {
			alone = append(alone, f)
			continue
		}
		s.restored(&f.Record, map[SourceKind]int{FromRecord: 1})
	}
	return s.batch(ctx, alone)
}

// one restores a file or a link as far as it can be without its stripes. One
// that needs them is left waiting.
func (s *restoring) one(ctx context.Context, b *batch, then *catalog.Past) error {
	record := &then.Record
	if record.Damage != nil {
		return &ending{outcome: report.Lost, reason: fmt.Sprintf("its record of that time is damaged: %v", record.Damage)}
	}
	there, err := s.isThere(ctx, record)
	if there {
		s.foundThere(record)
	}
	if there || err != nil {
		return err
	}
	if record.Kind == hashsets.Link {
		err := s.withAttributes(record.Attributes, func(attrs hashsets.Attributes) error {
			_, err := s.target.PutLink(ctx, record.Name, record.Target, stageID(restoreStore, record.Name), attrs, nil)
			return err
		})
		if err == nil {
			s.restored(record, map[SourceKind]int{FromRecord: 1})
		}
		return err
	}
	j := s.newRestoreJob(then)
	if err := s.stageAnew(ctx, j, restoreStore); err != nil {
		return err
	}
	if err := s.fromCopies(ctx, j); err != nil {
		return errors.Join(err, discardStaged(context.WithoutCancel(ctx), j))
	}
	if b.wait(j) {
		return nil
	}
	return s.place(ctx, j)
}

// stands notes that a blob stands in the target. s.mu is held.
func (s *restoring) stands(record *catalog.Record) {
	s.had++
	first := s.shared[inode{record.Identity.Device, record.Identity.Inode}]
	if first != nil && first.name == record.Name {
		first.placed = true
	}
}

// foundThere counts a blob that an earlier run restored.
func (s *restoring) foundThere(record *catalog.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stands(record)
	s.summary.Intact++
	s.summary.Bytes += record.Hashes.Size
}

// newRestoreJob is the job of rebuilding a blob where nothing stands.
func (s *restoring) newRestoreJob(then *catalog.Past) *job {
	record := then.Record
	j := &job{
		planned: &Planned{Store: restoreStore, Blob: record.Name, Action: Replace, Kind: record.Kind, Generation: record.Generation},
		target:  s.target, record: record, attrs: record.Attributes, sources: make(map[SourceKind]int),
		missing: allShards(&record.Hashes), sought: allShards(&record.Hashes),
	}
	j.entry = &entry{ID: restoreStore, Store: restoreStore, named: nameOf(record.Name), Action: Replace}
	if !then.Current {
		j.other = s.other[contentOf(&record.Hashes)]
	}
	return j
}

// fromCopies fills the temporary file from every source but the stripes.
func (s *restoring) fromCopies(ctx context.Context, j *job) error {
	peers := s.peers("")
	for _, from := range peers {
		if j.complete() {
			return nil
		}
		if err := s.fillFrom(ctx, j, from, j.record.Name); err != nil {
			return err
		}
	}
	for _, from := range peers {
		if j.other.name == "" || j.complete() {
			break
		}
		if err := s.fillFrom(ctx, j, from, j.other.name); err != nil {
			return err
		}
	}
	for _, c := range s.vault.Config.Stores {
		if from := s.stores[c.Name]; from != nil {
			if err := s.fillFromVersionsIn(ctx, j, from); err != nil {
				return err
			}
		}
	}
	if err := s.fillFromElsewhere(ctx, j); err != nil {
		return err
	}
	return s.fillFromQuarantine(ctx, j)
}

// place proves the replacement and gives it its name.
func (s *restoring) place(ctx context.Context, j *job) error {
	err := s.withAttributes(j.record.Attributes, func(attrs hashsets.Attributes) error {
		j.attrs = attrs
		return s.prove(ctx, j)
	})
	if err == nil {
		err = j.staged.with(func(file store.Staged) error {
			_, err := file.Publish(ctx, nil)
			return err
		})
	}
	if errors.Is(err, store.ErrChanged) {
		err = skipped("something stands in its place in the target: nothing is replaced there")
	}
	if err != nil {
		return errors.Join(err, discardStaged(context.WithoutCancel(ctx), j))
	}
	if err := j.staged.leave(); err != nil {
		return fmt.Errorf("close %q: %w", j.record.Name, err)
	}
	s.restored(&j.record, maps.Clone(j.sources))
	return nil
}

// discardStaged takes away the temporary file of a job.
func discardStaged(ctx context.Context, j *job) error {
	err := j.staged.with(func(file store.Staged) error { return file.Discard(ctx) })
	return errors.Join(err, j.staged.leave())
}

// isThere tells whether an earlier run restored the blob. Its size and its time
// say so, for it got them together and only when it was proven; where no time
// is recorded it is read. An error is an *ending when something else stands in
// its place.
func (s *restoring) isThere(ctx context.Context, record *catalog.Record) (bool, error) {
	seen, err := statOrNil(ctx, s.target, record.Name)
	if err != nil || seen == nil {
		return false, err
	}
	there := false
	switch {
	case seen.Kind != record.Kind:
	case seen.Kind == hashsets.Link:
		target, err := s.target.ReadLink(ctx, record.Name)
		if err != nil {
			return false, err
		}
		there = target == record.Target
	case record.Attributes.ModTime != 0 && seen.Identity.ModTime == record.Attributes.ModTime:
		there = seen.Identity.Size == record.Hashes.Size
	default:
		if there, err = s.intact(ctx, s.target, *seen, &record.Hashes); err != nil {
			return false, err
		}
	}
	if !there {
		return false, skipped("something else stands in its place in the target: nothing is replaced there")
	}
	return true, nil
}

// withAttributes does something with the recorded attributes, and again with
// less where the target refuses them: an owner is root's to give, and not every
// file system has extended attributes. What is not given is counted.
func (s *restoring) withAttributes(recorded hashsets.Attributes, do func(hashsets.Attributes) error) error {
	err := do(recorded)
	if !refusedAttributes(err) {
		return err
	}
	s.mu.Lock()
	s.denied++
	s.mu.Unlock()
	own := recorded
	own.UID, own.GID = uint32(os.Geteuid()), uint32(os.Getegid())
	if own.UID != recorded.UID || own.GID != recorded.GID {
		own.Mode &^= 0o6000 // the right to run as the owner is not another's
	}
	if err = do(own); !refusedAttributes(err) {
		return err
	}
	own.Xattrs = nil
	return do(own)
}

func refusedAttributes(err error) bool {
	return errors.Is(err, store.ErrPermission) || errors.Is(err, store.ErrUnsupported)
}
