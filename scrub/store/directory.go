package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"bitmend/hashsets"
)

// A Directory is a store that is a directory tree. File systems mounted inside
// it are part of it; symbolic links are never followed, but for those on the
// way to its root.
type Directory struct {
	name string
	root string // absolute

	mu      sync.Mutex
	anchor  *folder  // the root, once it could be opened
	retired []folder // former roots, which calls under way may still hold

	staging map[string]bool      // IDs that this process stages now, or left behind
	known   func(id string) bool // of an ID that an earlier process left behind; nil for none

	pace   Pace      // nil for as fast as it can be
	times  keeper    // of the directories in which replacements are staged
	blocks sync.Pool // of *[]byte: aligned memory for unaligned direct reads
	warmth warmth    // of its small files

	// atStep, when set by a test, is called before each step of putting a
	// replacement in place; an error is a crash at that step.
	atStep func(step string) error
}

// OpenDirectory returns the store name whose root is the directory root. The
// root may be missing: then all that is asked of it is ErrNotMounted.
func OpenDirectory(name, root string) (*Directory, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", name, err)
	}
	return &Directory{name: name, root: absolute}, nil
}

// KnowStaged tells the store of the IDs under which another process may have
// left a staged replacement behind. A listing leaves out what is staged under
// such an ID, and under those that this process stages; whatever else is named
// like it is a blob. It comes before all other use.
func (d *Directory) KnowStaged(known func(id string) bool) { d.known = known }

// isStaged tells whether a name in a directory is that of a replacement which
// bitmend itself staged.
func (d *Directory) isStaged(leaf string) bool {
	id, ok := stagedID(leaf)
	if !ok {
		return false
	}
	d.mu.Lock()
	ours := d.staging[id]
	d.mu.Unlock()
	return ours || d.known != nil && d.known(id)
}

// stages notes that a replacement is staged under an ID, or is no more.
func (d *Directory) stages(id string, now bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !now {
		delete(d.staging, id)
		return
	}
	if d.staging == nil {
		d.staging = make(map[string]bool)
	}
	d.staging[id] = true
}

// Name is the store's name in the configuration.
func (d *Directory) Name() string { return d.name }

// URL is the absolute path of the root.
func (d *Directory) URL() string { return d.root }

// Close lets go of the root, so that its file system can be unmounted. It
// comes after all other use of the store and of its Readers.
func (d *Directory) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	if d.anchor != nil {
		errs = append(errs, d.anchor.close())
		d.anchor = nil
	}
	for _, f := range d.retired {
		errs = append(errs, f.close())
	}
	d.retired = nil
	return errors.Join(errs...)
}

// Probe looks at the root and returns the file system that it is on. When
// another directory stands there than before (a file system was mounted or
// unmounted), the store is that directory from then on.
func (d *Directory) Probe(ctx context.Context) (Volume, error) {
	if err := ctx.Err(); err != nil {
		return Volume{}, fmt.Errorf("store %q: probe: %w", d.name, err)
	}
	fresh, err := openRoot(d.root)
	if err != nil {
		return Volume{}, d.notMounted(err)
	}
	volume, err := fresh.volume()
	if err = errors.Join(err, d.adopt(fresh)); err != nil {
		return Volume{}, fmt.Errorf("store %q: probe %q: %w", d.name, d.root, failed(err))
	}
	return volume, nil
}

// adopt makes fresh the root if it is another directory than the root so far,
// which stays open for the calls that use it, and closes it otherwise.
func (d *Directory) adopt(fresh folder) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.anchor != nil {
		before, beforeErr := d.anchor.lookSelf()
		now, err := fresh.lookSelf()
		if err != nil {
			return errors.Join(err, fresh.close())
		}
		if beforeErr == nil && sameInode(before.Identity, now.Identity) {
			return fresh.close()
		}
		d.retired = append(d.retired, *d.anchor)
	}
	d.anchor = &fresh
	return nil
}

// top returns the root, opening it when that has not succeeded yet.
func (d *Directory) top(ctx context.Context) (folder, error) {
	if err := ctx.Err(); err != nil {
		return folder{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.anchor == nil {
		opened, err := openRoot(d.root)
		if err != nil {
			return folder{}, d.notMounted(err)
		}
		d.anchor = &opened
	}
	return *d.anchor, nil
}

// notMounted says why the root cannot be used. Only a host that is out of
// something, and a root that may not be looked at, are not told as unmounted.
func (d *Directory) notMounted(err error) error {
	mapped := failed(err)
	if errors.Is(mapped, ErrNotFound) || errors.Is(mapped, ErrNotABlob) {
		mapped = &failure{ErrNotMounted, err}
	}
	return fmt.Errorf("store %q: open root %q: %w", d.name, d.root, mapped)
}

// enter begins what is done to one blob: it checks its name and returns the
// root.
func (d *Directory) enter(ctx context.Context, doing, name string) (folder, error) {
	if err := checkName(name); err != nil {
		return folder{}, d.fail(doing, name, err)
	}
	top, err := d.top(ctx)
	if err != nil && !errors.Is(err, ErrNotMounted) {
		return folder{}, d.fail(doing, name, err)
	}
	return top, err
}

// Stat looks at one name.
func (d *Directory) Stat(ctx context.Context, name string) (Entry, error) {
	top, err := d.enter(ctx, "stat", name)
	if err != nil {
		return Entry{}, err
	}
	entry, err := top.look(name)
	if err != nil {
		return Entry{}, d.fail("stat", name, d.absent(top, err))
	}
	entry.Name = name
	return entry, nil
}

// absent refines an error of looking for a name. A name below a link is not in
// the store. Nothing is missing from a root that was itself removed.
func (d *Directory) absent(top folder, err error) error {
	if errors.Is(failed(err), ErrNotABlob) {
		err = &failure{ErrNotFound, err}
	}
	if errors.Is(failed(err), ErrNotFound) {
		if self, lookErr := top.lookSelf(); lookErr == nil && self.Kind == hashsets.Directory && self.Links == 0 {
			return &failure{ErrNotMounted, fmt.Errorf("root %q was removed", d.root)}
		}
	}
	return err
}

// Open opens a File for reading by ranges.
func (d *Directory) Open(ctx context.Context, name string, access Access) (Reader, error) {
	top, err := d.enter(ctx, "open", name)
	if err != nil {
		return nil, err
	}
	opened, err := top.openFile(name)
	if err != nil {
		return nil, d.fail("open", name, d.unopened(top, name, err))
	}
	reader, err := d.newReader(name, opened, access)
	if err != nil {
		opened.close()
		return nil, d.fail("open", name, err)
	}
	return reader, nil
}

// unopened says why a name could not be opened as a File.
func (d *Directory) unopened(top folder, name string, err error) error {
	if !errors.Is(failed(err), ErrNotABlob) {
		return d.absent(top, err)
	}
	entry, lookErr := top.look(name)
	if lookErr != nil {
		return d.absent(top, lookErr)
	}
	if entry.Kind == hashsets.File { // it was something else a moment ago
		return err
	}
	return notA(hashsets.File, entry.Kind)
}

// notA says that a name stands for another kind of thing than was asked for.
func notA(want, is hashsets.Kind) error {
	if is == 0 {
		return fmt.Errorf("%w: a socket, device or FIFO", ErrNotABlob)
	}
	return fmt.Errorf("%w: a %v, not a %v", ErrNotABlob, is, want)
}

// ReadLink returns the target of a Link.
func (d *Directory) ReadLink(ctx context.Context, name string) (string, error) {
	top, err := d.enter(ctx, "read link", name)
	if err != nil {
		return "", err
	}
	target, err := top.readLink(name)
	if err != nil && !errors.Is(err, ErrNotABlob) {
		err = d.absent(top, err)
	}
	if err != nil {
		return "", d.fail("read link", name, err)
	}
	return target, nil
}

// Attributes returns what belongs to the blob besides its bytes.
func (d *Directory) Attributes(ctx context.Context, name string) (hashsets.Attributes, error) {
	top, err := d.enter(ctx, "read attributes of", name)
	if err != nil {
		return hashsets.Attributes{}, err
	}
	attrs, err := top.attributes(name)
	if err != nil && !errors.Is(err, ErrNotABlob) {
		err = d.absent(top, err)
	}
	if err != nil {
		return hashsets.Attributes{}, d.fail("read attributes of", name, err)
	}
	return attrs, nil
}
