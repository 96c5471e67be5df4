package repair

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// directories remembers the directories that repairs make, so that they get
// their times when nothing is put into them any more. The store itself keeps
// the times of directories that were there.
type directories struct {
	mu    sync.Mutex
	known map[[2]string]*made // by store and name; nil for one that was there
}

// made is a directory that a repair made.
type made struct {
	target  store.Writable
	name    string
	modTime int64  // nanoseconds since 1970, as recorded
	entry   *entry // of the repair; nil when it was made for the sake of a blob alone
}

// prepare makes the missing directories above name as they are recorded.
func (d *directories) prepare(ctx context.Context, r *run, target store.Writable, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for dir := parent(name); dir != ""; dir = parent(dir) {
		if d.knows(target, dir) {
			break
		}
		there, err := d.look(ctx, target, dir)
		if err != nil {
			return err
		}
		if there {
			break
		}
	}
	return d.makeMissing(ctx, r, target, name)
}

// parent returns the directory that name lies in, "" for the root.
func parent(name string) string {
	dir := path.Dir(name)
	if dir == "." || dir == "/" {
		return ""
	}
	return dir
}

// look tells whether a directory is there.
func (d *directories) look(ctx context.Context, target store.Writable, dir string) (there bool, err error) {
	seen, err := statOrNil(ctx, target, dir)
	if err != nil || seen == nil {
		return false, err
	}
	if seen.Kind != hashsets.Directory {
		return false, skipped("%s stands in the place of the directory %q: move it away and run repair again", kindWord(seen.Kind), dir)
	}
	d.keep(target, dir, nil)
	return true, nil
}

func (d *directories) knows(target store.Store, dir string) bool {
	_, ok := d.known[[2]string{target.Name(), dir}]
	return ok
}

func (d *directories) keep(target store.Store, dir string, m *made) {
	if d.known == nil {
		d.known = make(map[[2]string]*made)
	}
	d.known[[2]string{target.Name(), dir}] = m
}

// makeMissing makes the missing directories above name, the topmost first. One
// that is not recorded is left for the store to make.
func (d *directories) makeMissing(ctx context.Context, r *run, target store.Writable, name string) error {
	var missing []string
	for dir := parent(name); dir != "" && !d.knows(target, dir); dir = parent(dir) {
		missing = append(missing, dir)
	}
	for _, dir := range slices.Backward(missing) {
		record, err := r.vault.Catalog.Current(ctx, dir)
		if errors.Is(err, catalog.ErrNotRecorded) || err == nil && (record.Damage != nil || record.Kind != hashsets.Directory) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look up the record of directory %q: %w", dir, err)
		}
		err = target.PutDirectory(ctx, dir, record.Attributes)
		if errors.Is(err, store.ErrUnsupported) {
			d.keep(target, dir, nil) // names in a bucket need no directories
			continue
		}
		if err != nil {
			return fmt.Errorf("make directory %q: %w", dir, err)
		}
		d.keep(target, dir, &made{target: target, name: dir, modTime: record.Attributes.ModTime})
	}
	return nil
}

// makeDirectory makes a lost directory. It is recorded at the end, when its
// time was put back.
func (r *run) makeDirectory(ctx context.Context, p *Planned) error {
	if err := r.checkGates(ctx, p); err != nil {
		return err
	}
	j, err := r.newJob(ctx, p)
	if err != nil {
		return err
	}
	if j.seen != nil {
		return skipped("%s stands in the place of the directory: move it away and run repair again", kindWord(j.seen.Kind))
	}
	if err := r.dirs.prepare(ctx, r, j.target, p.Blob); err != nil {
		return err
	}
	j.sources[FromRecord]++
	if err := r.announcePlacing(j); err != nil {
		return err
	}
	err = r.step(j.entry, Placed, func() error { return j.target.PutDirectory(ctx, p.Blob, j.attrs) })
	if err != nil {
		err = fmt.Errorf("make directory %q: %w", p.Blob, err)
		_, abandonErr := r.abandon(context.WithoutCancel(ctx), j)
		return errors.Join(err, abandonErr)
	}
	r.dirs.mu.Lock()
	defer r.dirs.mu.Unlock()
	r.dirs.keep(j.target, p.Blob, &made{target: j.target, name: p.Blob, modTime: j.attrs.ModTime, entry: j.entry})
	return nil
}

// putBackDirectories gives the directories that repairs made their times, the
// deepest first, and records them.
func (r *run) putBackDirectories(ctx context.Context) error {
	r.dirs.mu.Lock()
	defer r.dirs.mu.Unlock()
	var all []*made
	for _, m := range r.dirs.known {
		if m != nil {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *made) int {
		return strings.Compare(b.name, a.name)
	})
	for _, m := range all {
		placed, err := putBackTime(ctx, m)
		if m.entry == nil {
			if err != nil {
				r.rep.Note("%s: the time of directory %q could not be put back: %v", m.target.Name(), m.name, err)
			}
			continue
		}
		if err == nil {
			err = r.conclude(ctx, m.entry, placed)
		}
		if errors.Is(err, errCatalog) {
			return err
		}
		if err != nil {
			r.rep.Repair(report.Repair{Store: m.target.Name(), Blob: m.name, Outcome: report.Skipped, Reason: err.Error()})
		}
	}
	r.dirs.known = nil
	return nil
}

// putBackTime changes nothing but the time, so that what somebody else changed
// in between stays.
func putBackTime(ctx context.Context, t *made) (store.Entry, error) {
	seen, err := t.target.Stat(ctx, t.name)
	if err != nil || seen.Kind != hashsets.Directory || seen.Identity.ModTime == t.modTime {
		return seen, err
	}
	attrs, err := t.target.Attributes(ctx, t.name)
	if err != nil {
		return seen, err
	}
	attrs.ModTime = t.modTime
	if err := t.target.PutDirectory(ctx, t.name, attrs); err != nil {
		return seen, err
	}
	return t.target.Stat(ctx, t.name)
}

// resolveDirectory records a directory that was made, or forgets one that was
// not.
func (r *run) resolveDirectory(ctx context.Context, e *entry, target store.Writable) (resolution, error) {
	seen, err := statOrNil(ctx, target, e.name())
	if err != nil {
		return unresolved, err
	}
	if seen == nil || seen.Kind != hashsets.Directory {
		return r.rollBack(ctx, e, target)
	}
	if err := target.PutDirectory(ctx, e.name(), e.Attributes.plain()); err != nil {
		return unresolved, err
	}
	placed, err := target.Stat(ctx, e.name())
	if err != nil {
		return unresolved, err
	}
	return completed, r.conclude(ctx, e, placed)
}
