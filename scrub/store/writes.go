package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bitmend/hashsets"
)

// PutLink makes the symbolic link name, atomically.
func (d *Directory) PutLink(ctx context.Context, name, target, id string, attrs hashsets.Attributes, expect *hashsets.Identity) (Entry, error) {
	p, err := d.placeFor(ctx, "put link", name, id)
	if err != nil {
		return Entry{}, err
	}
	defer p.close()
	entry, err := p.putLink(target, attrs, expect)
	if err != nil {
		return Entry{}, d.fail("put link", name, err)
	}
	p.settled()
	entry.Name = name
	return entry, nil
}

func (p place) putLink(target string, attrs hashsets.Attributes, expect *hashsets.Identity) (Entry, error) {
	err := p.change(func() error {
		if err := p.clear(); err != nil {
			return err
		}
		return p.folder.makeLink(target, p.staged)
	})
	if err != nil {
		return Entry{}, err
	}
	made, err := p.folder.lookAt(p.staged)
	if err != nil {
		return Entry{}, err
	}
	if !isZero(attrs) {
		err = p.folder.setLinkAttributes(p.staged, attrs)
	}
	if err == nil {
		err = p.put(made.Identity, expect)
	}
	if err != nil {
		// After a failed swap it may be another's; discard looks.
		if discardErr := p.discard(made.Identity); discardErr != nil {
			err = errors.Join(err, discardErr)
		}
		return Entry{}, err
	}
	return p.folder.lookAt(p.leaf)
}

// PutDirectory makes the directory name, or gives attrs to the one that is
// there. Making names in it changes its time again, so directories get their
// attributes last, the deepest first.
func (d *Directory) PutDirectory(ctx context.Context, name string, attrs hashsets.Attributes) error {
	top, err := d.enter(ctx, "put directory", name)
	if err != nil {
		return err
	}
	directory, leaf := split(name)
	parent, err := d.makeParent(top, directory)
	if err != nil {
		return d.fail("put directory", name, err)
	}
	defer parent.close()
	if err := putDirectory(parent, leaf, attrs); err != nil {
		return d.fail("put directory", name, err)
	}
	return nil
}

func putDirectory(parent folder, leaf string, attrs hashsets.Attributes) error {
	_, err := parent.lookAt(leaf)
	made := isMissing(err)
	opened, err := parent.makeAndOpen(leaf)
	if err != nil {
		return refusedParent(err)
	}
	defer opened.close()
	if isZero(attrs) {
		return nil
	}
	if err := opened.setAttributes(attrs, made); err != nil {
		return err
	}
	if err := opened.sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// Overwrite writes ranges of a File in place.
func (d *Directory) Overwrite(ctx context.Context, name string, from io.ReaderAt, ranges []Range, size int64, attrs hashsets.Attributes, expect hashsets.Identity) (Entry, error) {
	top, err := d.enter(ctx, "overwrite", name)
	if err != nil {
		return Entry{}, err
	}
	opened, protected, err := openOver(top, name)
	if err != nil {
		return Entry{}, d.fail("overwrite", name, d.unopened(top, name, err))
	}
	defer opened.close()
	entry, err := d.overwrite(ctx, opened, from, ranges, size, attrs, expect)
	if protected != nil && (err != nil || isZero(attrs)) {
		err = errors.Join(err, opened.chmod(*protected))
	}
	if err != nil {
		return Entry{}, d.fail("overwrite", name, err)
	}
	entry.Name = name
	return entry, nil
}

// openOver opens a File for writing in place. One that its owner, whom we run
// as, protected from writing is unprotected first; protected is then the mode
// that it had.
func openOver(top folder, name string) (opened file, protected *uint32, err error) {
	opened, err = top.openWritable(name)
	if !errors.Is(failed(err), ErrPermission) {
		return opened, nil, err
	}
	readable, readErr := top.openFile(name)
	if readErr != nil {
		return file{}, nil, err
	}
	defer readable.close()
	attrs, readErr := readable.attributes()
	if readErr != nil || readable.chmod(attrs.Mode|0o200) != nil {
		return file{}, nil, err
	}
	if opened, err = top.openWritable(name); err != nil {
		return file{}, nil, errors.Join(err, readable.chmod(attrs.Mode))
	}
	return opened, &attrs.Mode, nil
}

func (d *Directory) overwrite(ctx context.Context, f file, from io.ReaderAt, ranges []Range, size int64, attrs hashsets.Attributes, expect hashsets.Identity) (Entry, error) {
	entry, err := f.look()
	if err != nil {
		return Entry{}, err
	}
	if entry.Kind != hashsets.File {
		return Entry{}, notA(hashsets.File, entry.Kind)
	}
	expect.Device, expect.ChangeTime = 0, 0 // either may have changed since, by a reboot and by opening it
	if err := differs(entry.Identity, expect); err != nil {
		return Entry{}, err
	}
	p := make([]byte, 1<<20)
	for _, r := range ranges {
		if err := d.overwriteRange(ctx, f, from, r, p); err != nil {
			return Entry{}, err
		}
	}
	if err := f.truncate(size); err != nil {
		return Entry{}, fmt.Errorf("size %d: %w", size, err)
	}
	if !isZero(attrs) {
		if err := f.setAttributes(attrs, false); err != nil {
			return Entry{}, err
		}
	}
	if err := f.sync(); err != nil {
		return Entry{}, fmt.Errorf("sync: %w", err)
	}
	f.drop(0, 0) // so that reading it back reads the medium
	return f.look()
}

func (d *Directory) overwriteRange(ctx context.Context, f file, from io.ReaderAt, r Range, p []byte) error {
	for off, end := r.Offset, r.Offset+r.Length; off < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := from.ReadAt(p[:min(int64(len(p)), end-off)], off)
		if n == 0 && err != nil {
			return fmt.Errorf("replacement at %d: %w", off, err)
		}
		if _, err := Held(d.pace, func() (int, error) { return f.pwrite(p[:n], off) }); err != nil {
			return fmt.Errorf("at %d: %w", off, err)
		}
		off += int64(n)
	}
	return nil
}
