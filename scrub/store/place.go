package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bitmend/hashsets"
)

// A place is where a replacement goes: a name in an open directory, and the
// temporary name beside it.
type place struct {
	store  *Directory
	folder folder
	name   string // in the store
	leaf   string // in the folder
	staged string // in the folder
	id     string // of what is staged
	kept   *kept
}

// placeFor opens the directory of name, making it when it is missing.
func (d *Directory) placeFor(ctx context.Context, doing, name, id string) (place, error) {
	top, err := d.enter(ctx, doing, name)
	if err != nil {
		return place{}, err
	}
	if err := checkID(id); err != nil {
		return place{}, d.fail(doing, name, fmt.Errorf("id %q: %w", id, err))
	}
	directory, leaf := split(name)
	parent, err := d.makeParent(top, directory)
	if err != nil {
		return place{}, d.fail(doing, name, err)
	}
	return d.newPlace(parent, name, leaf, id), nil
}

func (d *Directory) newPlace(parent folder, name, leaf, id string) place {
	d.stages(id, true)
	return place{store: d, folder: parent, name: name, leaf: leaf, staged: StagedName(id), id: id, kept: d.times.hold(parent)}
}

// settled says that nothing is staged any more.
func (p place) settled() { p.store.stages(p.id, false) }

func (p place) close() error {
	p.store.times.release(p.kept)
	return p.folder.close()
}

// existingParent opens a directory of the store, "" for the root.
func (d *Directory) existingParent(top folder, directory string) (folder, error) {
	if directory == "" {
		directory = "."
	}
	return top.openFolder(directory)
}

// makeParent opens a directory of the store, making it and those above it
// when they are missing. A link on the way is refused: what is written through
// it would land elsewhere.
func (d *Directory) makeParent(top folder, directory string) (folder, error) {
	opened, err := d.existingParent(top, directory)
	if err == nil {
		return opened, nil
	}
	if !isMissing(err) {
		return folder{}, fmt.Errorf("directory %q: %w", directory, refusedParent(err))
	}
	at, err := top.openFolder(".")
	if err != nil {
		return folder{}, err
	}
	path := 0
	for component := range strings.SplitSeq(directory, "/") {
		path += len(component) + 1
		next, err := at.makeAndOpen(component)
		at.close()
		if err != nil {
			return folder{}, fmt.Errorf("directory %q: %w", directory[:path-1], refusedParent(err))
		}
		at = next
	}
	return at, nil
}

// makeAndOpen opens the directory leaf, which it makes durably if there is
// none.
func (f folder) makeAndOpen(leaf string) (folder, error) {
	opened, err := f.openFolder(leaf)
	if err == nil || !isMissing(err) {
		return opened, err
	}
	if err := f.makeFolder(leaf); err != nil && !isTaken(err) {
		return folder{}, err
	}
	if err := f.sync(); err != nil {
		return folder{}, fmt.Errorf("sync: %w", err)
	}
	return f.openFolder(leaf)
}

// refusedParent names what stands where a directory should be.
func refusedParent(err error) error {
	switch {
	case isLinkOnTheWay(err):
		return fmt.Errorf("%w: a symbolic link on the way to the name", ErrNotABlob)
	case isNoFolder(err):
		return fmt.Errorf("%w: a directory of the name is none", ErrNotABlob)
	case isTooLong(err):
		return &failure{ErrUnsupported, bare(err)}
	}
	return err
}

// change does something to the names in the folder, so that its times can be
// put back.
func (p place) change(do func() error) error { return p.kept.change(p.folder, do) }

// clear removes what an earlier attempt of the same repair staged, and makes
// sure that the file system has names as long as the two that are wanted.
func (p place) clear() error {
	if _, err := p.folder.lookAt(p.leaf); isTooLong(err) {
		return &failure{ErrUnsupported, bare(err)}
	}
	entry, err := p.folder.lookAt(p.staged)
	if isMissing(err) {
		return nil
	}
	if isTooLong(err) {
		return &failure{ErrUnsupported, bare(err)}
	}
	if err != nil {
		return err
	}
	if entry.Kind != hashsets.File && entry.Kind != hashsets.Link {
		return fmt.Errorf("temporary name %q: %w", p.staged, notA(hashsets.File, entry.Kind))
	}
	return p.folder.remove(p.staged)
}

// step lets a test crash here.
func (p place) step(name string) error {
	if p.store.atStep != nil {
		return p.store.atStep(name)
	}
	return nil
}

// put gives the temporary thing, which is the inode self, the name of the
// target, and makes that durable.
func (p place) put(self hashsets.Identity, expect *hashsets.Identity) error {
	staged, err := p.folder.lookAt(p.staged)
	if err != nil {
		return fmt.Errorf("temporary name %q: %w", p.staged, err)
	}
	if !sameInode(staged.Identity, self) {
		return fmt.Errorf("temporary name %q: %w", p.staged, ErrChanged)
	}
	if expect == nil {
		return p.putNew()
	}
	return p.putInstead(self, *expect)
}

// putNew takes a name that must be free.
func (p place) putNew() error {
	if err := p.step("rename"); err != nil {
		return err
	}
	p.kept.disown() // the directory has a name more: its time is rightly now
	err := p.change(func() error { return p.folder.renameNew(p.staged, p.leaf) })
	if isTaken(err) {
		return &failure{ErrChanged, fmt.Errorf("something is there: %w", err)}
	}
	if err != nil {
		return err
	}
	return p.sync()
}

// putInstead takes the name from the thing expected there.
func (p place) putInstead(self, expect hashsets.Identity) error {
	// In one change, so that two replacements of one name by this process come
	// one after the other.
	swapped := false
	err := p.change(func() (err error) {
		swapped, err = p.swap(self, expect)
		return err
	})
	if err != nil {
		return err
	}
	if swapped {
		if err := p.sync(); err != nil {
			return err
		}
		if err := p.removeOriginal(); err != nil {
			return err
		}
	}
	p.kept.restore(p.folder)
	return p.sync()
}

// swap lets the replacement and the thing expected change names in one step,
// and looks at what came out: so nobody's change between looking and swapping
// is lost. swapped is false where the file system cannot do so and the thing
// expected is gone already.
func (p place) swap(self, expect hashsets.Identity) (swapped bool, err error) {
	if err := p.isThere(expect); err != nil {
		return false, err
	}
	if err := p.step("exchange"); err != nil {
		return false, err
	}
	err = p.folder.exchange(p.staged, p.leaf)
	if errors.Is(err, ErrUnsupported) {
		// A change in the instant since looking is lost.
		return false, p.folder.rename(p.staged, p.leaf)
	}
	if isMissing(err) {
		return false, &failure{ErrChanged, err}
	}
	if err != nil {
		return false, err
	}
	expect.ChangeTime = 0 // the swap is itself a change
	return true, p.checkSwapped(self, expect)
}

// isThere holds what has the name to what is expected.
func (p place) isThere(expect hashsets.Identity) error {
	found, err := p.folder.lookAt(p.leaf)
	if isMissing(err) {
		return &failure{ErrChanged, err}
	}
	if err != nil {
		return err
	}
	if found.Kind != hashsets.File && found.Kind != hashsets.Link {
		return notA(hashsets.File, found.Kind)
	}
	return differs(found.Identity, expect)
}

// checkSwapped swaps back when what came out is not what was expected.
func (p place) checkSwapped(self, expect hashsets.Identity) error {
	out, err := p.folder.lookAt(p.staged)
	if err == nil {
		err = differs(out.Identity, expect)
	}
	if err == nil {
		return nil
	}
	if stepErr := p.step("swap back"); stepErr != nil {
		return stepErr
	}
	if swapErr := p.folder.exchange(p.staged, p.leaf); swapErr != nil {
		return errors.Join(err, fmt.Errorf("put back what is now %q: %w", p.staged, swapErr))
	}
	back, lookErr := p.folder.lookAt(p.staged)
	if lookErr != nil || !sameInode(back.Identity, self) {
		// A third one came in between; it keeps its bytes under this name.
		return errors.Join(err, fmt.Errorf("something else took the name meanwhile and is now %q", p.staged))
	}
	return err
}

func (p place) removeOriginal() error {
	if err := p.step("remove"); err != nil {
		return err
	}
	err := p.change(func() error { return p.folder.remove(p.staged) })
	if err != nil && !isMissing(err) {
		return fmt.Errorf("remove the original from its temporary name %q: %w", p.staged, err)
	}
	return nil
}

func (p place) sync() error {
	if err := p.step("sync"); err != nil {
		return err
	}
	if err := p.folder.sync(); err != nil {
		return fmt.Errorf("sync its directory: %w", err)
	}
	return nil
}

// discard removes the temporary thing if it is still the inode self.
func (p place) discard(self hashsets.Identity) error {
	staged, err := p.folder.lookAt(p.staged)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !sameInode(staged.Identity, self) {
		return fmt.Errorf("temporary name %q: %w", p.staged, ErrChanged)
	}
	if err := p.change(func() error { return p.folder.remove(p.staged) }); err != nil && !isMissing(err) {
		return err
	}
	p.kept.restore(p.folder)
	return p.sync()
}

func sameInode(a, b hashsets.Identity) bool { return a.Inode == b.Inode && a.Device == b.Device }

// differs tells what in found is not as expected, as an ErrChanged. The change
// time, and the device, which may have another number after a reboot, are left
// out where expect has none.
func differs(found, expect hashsets.Identity) error {
	switch {
	case found.Inode != expect.Inode, expect.Device != 0 && found.Device != expect.Device:
		return fmt.Errorf("%w: another file stands there", ErrChanged)
	case found.Size != expect.Size:
		return fmt.Errorf("%w: its size is %d, not %d", ErrChanged, found.Size, expect.Size)
	case found.ModTime != expect.ModTime:
		return fmt.Errorf("%w: it was written to", ErrChanged)
	case expect.ChangeTime != 0 && found.ChangeTime != expect.ChangeTime:
		return fmt.Errorf("%w: its inode was changed", ErrChanged)
	}
	return nil
}
