package verify

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"bitmend/hashsets/manifest"
)

// A ListFile is a list on its way to its place. Until Commit it is a file of
// another name beside it, so that nobody ever reads half a list.
type ListFile struct {
	*manifest.Writer
	path      string
	file      *os.File
	overwrite bool
}

// CreateList begins a list that will stand at path. Unless overwrite, it is
// fs.ErrExist when something stands there.
func CreateList(path string, list manifest.List, overwrite bool) (*ListFile, error) {
	if err := free(path, overwrite); err != nil {
		return nil, err
	}
	dir, base := filepath.Split(path)
	unfinished := filepath.Join(dir, "."+base+"."+rand.Text()[:8]+".unfinished")
	f, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("writing the list %s: %w", path, err)
	}
	return &ListFile{Writer: manifest.NewWriter(f, list), path: path, file: f, overwrite: overwrite}, nil
}

// free tells whether a list may be put at path.
func free(path string, overwrite bool) error {
	if _, err := os.Lstat(path); err == nil && !overwrite {
		return fmt.Errorf("writing the list %s: %w; --force writes over it", path, fs.ErrExist)
	}
	return nil
}

// Commit puts the list in its place, whole and durable, in one step.
func (l *ListFile) Commit() error {
	err := l.Writer.Close()
	if err == nil {
		err = l.file.Sync()
	}
	unfinished := l.file.Name()
	if err = errors.Join(err, l.file.Close()); err == nil {
		err = l.put(unfinished)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the list %s: %w", l.path, err), removed(unfinished))
	}
	return nil
}

func (l *ListFile) put(unfinished string) error {
	if l.overwrite {
		if err := os.Rename(unfinished, l.path); err != nil {
			return err
		}
		return syncFolder(filepath.Dir(l.path))
	}
	// A second name is refused where something stands, and a rename is not.
	err := os.Link(unfinished, l.path)
	switch {
	case errors.Is(err, fs.ErrExist):
		return err
	case err != nil: // a file system without hard links
		if err := free(l.path, false); err != nil {
			return err
		}
		if err := os.Rename(unfinished, l.path); err != nil {
			return err
		}
	}
	return errors.Join(removed(unfinished), syncFolder(filepath.Dir(l.path)))
}

// Discard gives the list up. After Commit it does nothing.
func (l *ListFile) Discard() error {
	if err := l.file.Close(); errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return removed(l.file.Name())
}

func removed(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncFolder makes the names in a folder durable, where the platform can.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
