package store

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bitmend/hashsets"
)

// A Home is a Directory for what bitmend makes itself, such as parity files.
// It may therefore remove blobs, and it makes its root with the first one that
// is written. No store of the user's is opened as one.
type Home struct{ *Directory }

// OpenHome returns the Home name in the directory root, which may be missing.
// Until something is written there, reading from a missing root is
// ErrNotMounted.
func OpenHome(name, root string) (*Home, error) {
	d, err := OpenDirectory(name, root)
	if err != nil {
		return nil, err
	}
	return &Home{d}, nil
}

// Remove removes a File or Link durably. ErrNotFound when there is none.
func (h *Home) Remove(ctx context.Context, name string) error {
	top, err := h.enter(ctx, "remove", name)
	if err != nil {
		return err
	}
	directory, leaf := split(name)
	parent, err := h.existingParent(top, directory)
	if err != nil {
		return h.fail("remove", name, h.absent(top, err))
	}
	defer parent.close()
	entry, err := parent.lookAt(leaf)
	if err == nil && entry.Kind != hashsets.File && entry.Kind != hashsets.Link {
		err = notA(hashsets.File, entry.Kind)
	}
	if err == nil {
		err = parent.remove(leaf)
	}
	if err == nil {
		err = parent.sync()
	}
	if err != nil {
		return h.fail("remove", name, err)
	}
	return nil
}

// Stage is Directory's, in a root that is made when it is missing.
func (h *Home) Stage(ctx context.Context, name, id string) (Staged, error) {
	if err := h.makeRoot(); err != nil {
		return nil, err
	}
	return h.Directory.Stage(ctx, name, id)
}

// PutLink is Directory's, in a root that is made when it is missing.
func (h *Home) PutLink(ctx context.Context, name, target, id string, attrs hashsets.Attributes, expect *hashsets.Identity) (Entry, error) {
	if err := h.makeRoot(); err != nil {
		return Entry{}, err
	}
	return h.Directory.PutLink(ctx, name, target, id, attrs, expect)
}

// PutDirectory is Directory's, in a root that is made when it is missing.
func (h *Home) PutDirectory(ctx context.Context, name string, attrs hashsets.Attributes) error {
	if err := h.makeRoot(); err != nil {
		return err
	}
	return h.Directory.PutDirectory(ctx, name, attrs)
}

// makeRoot makes the root and what is missing above it, durably.
func (h *Home) makeRoot() error {
	var missing []string
	for path := h.root; ; path = filepath.Dir(path) {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			break
		}
		missing = append(missing, path)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := h.makeOne(missing[i]); err != nil {
			return fmt.Errorf("store %q: make root %q: %w", h.name, missing[i], failed(err))
		}
	}
	return nil
}

func (h *Home) makeOne(path string) error {
	if err := os.Mkdir(path, 0o777); err != nil && !os.IsExist(err) {
		return err
	}
	above, err := openRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer above.close()
	listed, err := above.openFolder(".")
	if err != nil {
		return err
	}
	defer listed.close()
	return listed.sync()
}

var (
	_ Writable  = (*Directory)(nil)
	_ Residency = (*Directory)(nil)
	_ Remover   = (*Home)(nil)
	_ io.Closer = (*Home)(nil)
)
