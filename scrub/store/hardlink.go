package store

import (
	"context"
	"fmt"

	"bitmend/hashsets"
)

// A Linker is a Store in which one file can have several names.
type Linker interface {
	// PutName makes name a further name of the File that existing names, and
	// makes it durable. ErrChanged when the name is taken; ErrUnsupported where
	// the file system has no hard links.
	PutName(ctx context.Context, name, existing string) error
}

// PutName makes name a further name of existing.
func (d *Directory) PutName(ctx context.Context, name, existing string) error {
	top, err := d.enter(ctx, "make the hard link", name)
	if err == nil {
		_, err = d.enter(ctx, "make a hard link to", existing)
	}
	if err != nil {
		return err
	}
	if err := d.putName(top, name, existing); err != nil {
		return d.fail("make the hard link", name, err)
	}
	return nil
}

func (d *Directory) putName(top folder, name, existing string) error {
	directory, leaf := split(existing)
	from, err := d.existingParent(top, directory)
	if err != nil {
		return fmt.Errorf("directory %q: %w", directory, err)
	}
	defer from.close()
	seen, err := from.lookAt(leaf)
	if err != nil {
		return fmt.Errorf("%q: %w", existing, err)
	}
	if seen.Kind != hashsets.File {
		return fmt.Errorf("%q: %w", existing, notA(hashsets.File, seen.Kind))
	}
	directory, newLeaf := split(name)
	to, err := d.makeParent(top, directory)
	if err != nil {
		return err
	}
	defer to.close()
	err = to.linkFrom(from, leaf, newLeaf)
	if isTaken(err) {
		return &failure{ErrChanged, fmt.Errorf("something is there: %w", err)}
	}
	if err != nil {
		return err
	}
	if err := to.sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

var _ Linker = (*Directory)(nil)
