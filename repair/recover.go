package repair

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"bitmend/hashsets"
	"bitmend/repair/protect"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// Recover finishes or rolls back every repair that an interrupted run left in
// the journal. A repair whose replacement stands in its place gets its receipt;
// of any other the temporary file is removed and the damaged original stays. An
// entry that fails its check, or that no longer fits what it finds, is reported
// and kept aside, and nothing is guessed. An entry of a store that is not
// mounted stays for the next run. The summary counts what was completed as
// damaged and repaired.
func Recover(ctx context.Context, v *vault.Vault, rep report.Reporter) (protect.Recovered, error) {
	r := newRun(v, Options{}.withDefaults(), rep)
	err := r.recoverAll(ctx)
	return protect.Recovered{Summary: r.summary, Open: r.stuck}, err
}

// leaveAlone notes that the blob of an entry, under all of its names, waits
// for a run that can end its repair.
func (r *run) leaveAlone(e *entry) {
	for _, n := range e.allNames() {
		r.stuck[[2]string{e.Store, n.name()}] = true
	}
}

func (r *run) recoverAll(ctx context.Context) error {
	files, err := r.journal.files()
	if err != nil || len(files) == 0 {
		return err
	}
	var entries []*entry
	for _, file := range files {
		e, err := r.journal.read(file)
		if errors.Is(err, errEntryDamaged) {
			if err := r.setAside(file, err); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	// Directories get their times back when nothing is put into them any more,
	// the deepest first.
	slices.SortStableFunc(entries, func(a, b *entry) int {
		if a.Action != MakeDirectory || b.Action != MakeDirectory {
			return boolRank(a.Action == MakeDirectory) - boolRank(b.Action == MakeDirectory)
		}
		return strings.Compare(b.name(), a.name())
	})
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.recoverOne(ctx, e); err != nil {
			return fmt.Errorf("recover repair %s of %q in store %q: %w", e.ID, e.name(), e.Store, err)
		}
	}
	return nil
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (r *run) setAside(file string, why error) error {
	aside, err := r.journal.setAside(file)
	if err != nil {
		return err
	}
	r.rep.Note("journal: %v; it is kept as %s, and nothing was done about its repair", why, aside)
	return nil
}

func (r *run) recoverOne(ctx context.Context, e *entry) error {
	if r.config(e.Store) == nil {
		r.rep.Note("journal: store %q of interrupted repair %s is not in the configuration; the entry is kept", e.Store, e.ID)
		return nil
	}
	target, err := r.open(e.Store)
	if err != nil {
		return err
	}
	mounted, err := gate.Mounted(ctx, r.vault.Catalog, target, r.opts.Now())
	if err != nil {
		return err
	}
	if !mounted {
		r.leaveAlone(e)
		r.rep.Note("journal: store %q of interrupted repair %s is not mounted; the entry is kept", e.Store, e.ID)
		return nil
	}
	end, err := r.resolve(ctx, e, target)
	if ctx.Err() != nil || errors.Is(err, errCatalog) {
		return err
	}
	if err != nil {
		// It waits for a run that can; meanwhile its blob is left alone.
		r.leaveAlone(e)
		r.rep.Note("%s: the interrupted repair of %q can be neither finished nor rolled back now: %v", e.Store, e.name(), err)
		return nil
	}
	if end == rolledBack {
		r.rep.Note("%s: the interrupted repair of %q was rolled back", e.Store, e.name())
	}
	return nil
}

// resolution is how an interrupted repair was brought to an end.
type resolution int

const (
	unresolved resolution = iota // not at all: an error says why
	rolledBack                   // nothing of it is left
	completed                    // the replacement is in place and recorded
	putAside                     // what was found does not fit, and a person must look
)

// resolve brings an interrupted repair to one of its ends.
func (r *run) resolve(ctx context.Context, e *entry, target store.Writable) (resolution, error) {
	if e.Phase == begun {
		return r.rollBack(ctx, e, target)
	}
	switch e.Action {
	case MakeDirectory:
		return r.resolveDirectory(ctx, e, target)
	case Overwrite:
		return r.resolveOverwrite(ctx, e, target)
	}
	return r.resolveReplace(ctx, e, target)
}

// resolveReplace looks at which of the two stands in the place: publishing is
// one step, so there is nothing between them.
func (r *run) resolveReplace(ctx context.Context, e *entry, target store.Writable) (resolution, error) {
	seen, err := statOrNil(ctx, target, e.name())
	if err != nil {
		return unresolved, err
	}
	if e.untouched(seen) {
		return r.rollBack(ctx, e, target)
	}
	whole, err := r.isReplacement(ctx, e, target, seen)
	if err != nil {
		return unresolved, err
	}
	if !whole {
		r.rep.Note("%s: %q was changed by somebody during its repair and is left as it is; the damaged original is kept in quarantine as %s", e.Store, e.name(), e.ID)
		return r.rollBack(ctx, e, target)
	}
	// The store may have swapped the two and not yet removed the original.
	if err := r.discard(ctx, e, target); err != nil {
		return r.unlessForeign(e, err)
	}
	return completed, r.conclude(ctx, e, *seen)
}

// untouched tells whether seen is the original as it was found. The store may
// have moved it aside and back, which changes its inode-change time; one that
// is healed in place keeps all but that time.
func (e *entry) untouched(seen *store.Entry) bool {
	expect := e.Expect.plain()
	if expect != nil && e.Action != Overwrite {
		expect.ChangeTime = 0
	}
	return stands(expect, seen)
}

// isReplacement tells whether seen is the verified replacement of e.
func (r *run) isReplacement(ctx context.Context, e *entry, target store.Store, seen *store.Entry) (bool, error) {
	if seen == nil {
		return false, nil
	}
	if e.Action == MakeLink {
		if seen.Kind != hashsets.Link {
			return false, nil
		}
		text, err := target.ReadLink(ctx, seen.Name)
		return text == string(e.LinkTarget), err
	}
	want, err := e.hashes()
	if err != nil {
		return false, err
	}
	return r.intact(ctx, target, *seen, &want)
}

// rollBack removes what the repair made. The copy of an original goes only
// while the original itself stands in its place, or when it is only a part.
func (r *run) rollBack(ctx context.Context, e *entry, target store.Writable) (resolution, error) {
	if err := r.discard(ctx, e, target); err != nil {
		return r.unlessForeign(e, err)
	}
	seen, err := statOrNil(ctx, target, e.name())
	if err != nil {
		return unresolved, err
	}
	unkeep := r.quarantine().dropUnlessWhole
	if seen != nil && e.untouched(seen) {
		unkeep = r.quarantine().drop
	}
	if err := unkeep(e.ID); err != nil {
		return unresolved, err
	}
	return rolledBack, r.step(e, Forgotten, func() error { return r.journal.drop(e.ID) })
}

// errForeign is wrapped when the temporary name of a repair holds neither its
// replacement nor the original.
var errForeign = errors.New("is neither the replacement nor the original")

// unlessForeign keeps the entry aside when what stands under the temporary name
// may be somebody's work: a writer that came in the instant of the swap.
func (r *run) unlessForeign(e *entry, err error) (resolution, error) {
	if !errors.Is(err, errForeign) {
		return unresolved, err
	}
	return putAside, r.setAside(e.ID+entrySuffix, err)
}

// discard removes what stands under the temporary name of e, once it is known
// to be the repair's own file or an original that is in quarantine.
func (r *run) discard(ctx context.Context, e *entry, target store.Writable) error {
	temporary := path.Join(parent(e.name()), store.StagedName(e.ID))
	seen, err := statOrNil(ctx, target, temporary)
	if err != nil || seen == nil {
		return err
	}
	if e.Phase == placing && !e.untouched(seen) {
		ours, err := r.isReplacement(ctx, e, target, seen)
		if err != nil {
			return err
		}
		if !ours {
			return fmt.Errorf("%q in store %q %w of %q", temporary, e.Store, errForeign, e.name())
		}
	}
	// Staging takes away whatever has the name, a link or a file that cannot be
	// opened included.
	staged, err := target.Stage(ctx, e.name(), e.ID)
	if err != nil {
		return fmt.Errorf("take away the temporary file of %q: %w", e.name(), err)
	}
	err = r.step(e, Discarded, func() error { return staged.Discard(ctx) })
	if err != nil {
		err = fmt.Errorf("remove the temporary file of %q: %w", e.name(), err)
	}
	return errors.Join(err, staged.Close())
}

// abandon ends a job that did not come to its end, so that nothing of it is
// left. The repair may turn out to be done after all.
func (r *run) abandon(ctx context.Context, j *job) (resolution, error) {
	var err error
	if j.staged != nil {
		err = j.staged.leave()
	}
	end, resolveErr := r.resolve(ctx, j.entry, j.target)
	return end, errors.Join(err, resolveErr)
}

// kindWord names what stands in a place, for messages.
func kindWord(k hashsets.Kind) string {
	if k == 0 {
		return "socket, device or FIFO"
	}
	return k.String()
}
