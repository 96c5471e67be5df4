package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// root is a folder that nothing is opened outside of, be it by "..", by an
// absolute path or through a symbolic link.
type root struct {
	*os.Root
	shown string // as it was given
	real  string // absolute, with no symbolic link in it
}

// roots are the folders that are open, by their real path.
type roots struct{ byPath map[string]*root }

func newRoots() *roots { return &roots{byPath: map[string]*root{}} }

// open opens a folder, or returns it when it is open already.
func (r *roots) open(dir string) (*root, error) {
	real, err := filepath.Abs(dir)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the folder %s: %w", dir, err)
	}
	if known, ok := r.byPath[real]; ok {
		return known, nil
	}
	opened, err := os.OpenRoot(real)
	if err != nil {
		return nil, fmt.Errorf("opening the folder %s: %w", dir, err)
	}
	made := &root{Root: opened, shown: filepath.ToSlash(dir), real: real}
	r.byPath[real] = made
	return made, nil
}

func (r *roots) close() {
	for _, open := range r.byPath {
		open.Close() // it was only read from
	}
}

// place is a name below a root.
type place struct {
	root *root
	name string // slash-separated; "" for the root itself
}

// below returns the place of a name below p.
func (p place) below(name string) place {
	if p.name == "" {
		return place{p.root, name}
	}
	return place{p.root, p.name + "/" + name}
}

// dir is the folder that the place is in.
func (p place) dir() place {
	i := strings.LastIndexByte(p.name, '/')
	return place{p.root, p.name[:max(i, 0)]}
}

// base is the last component.
func (p place) base() string { return p.name[strings.LastIndexByte(p.name, '/')+1:] }

// full is the absolute path: what two places of one file share.
func (p place) full() string {
	if p.name == "" {
		return p.root.real
	}
	if strings.HasSuffix(p.root.real, string(filepath.Separator)) {
		return p.root.real + p.name
	}
	return p.root.real + string(filepath.Separator) + filepath.FromSlash(p.name)
}

// shown is the path for people.
func (p place) shown() string {
	switch {
	case p.name == "":
		return p.root.shown
	case p.root.shown == ".":
		return p.name
	}
	return strings.TrimSuffix(p.root.shown, "/") + "/" + p.name
}

// local is the name as the operating system takes it.
func (p place) local() string {
	if p.name == "" {
		return "."
	}
	return filepath.FromSlash(p.name)
}

// isThere tells whether something of that name is there and in the root.
func (p place) isThere() bool {
	_, err := p.root.Stat(p.local())
	return err == nil
}

// fullPath is the full path of a file as places have it, with no symbolic link
// in the folders above it, so far as those are there.
func fullPath(name string) (string, error) {
	full, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	dir, base := filepath.Dir(full), filepath.Base(full)
	for {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, base), nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return full, nil
		}
		dir, base = above, filepath.Join(filepath.Base(dir), base)
	}
}

// escapes tells whether an error of os.Root is that the name leads out of the
// root. The error has no name of its own (os/root.go: errPathEscapes).
func escapes(err error) bool {
	return err != nil && strings.Contains(err.Error(), "path escapes from parent")
}
