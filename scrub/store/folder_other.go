//go:build !linux || portable

package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"bitmend/hashsets"
)

// A folder is an open directory. os.Root keeps what is reached through it
// inside; links are refused by looking before and after.
type folder struct{ root *os.Root }

func openRoot(path string) (folder, error) {
	root, err := os.OpenRoot(path)
	return folder{root}, err
}

func (f folder) close() error { return f.root.Close() }

// reach opens the directory that holds what stands at path below f, one
// component after the other, so that no link is followed. The folder is f
// itself for a single component; leave lets go of it.
func (f folder) reach(path string) (at folder, leaf string, err error) {
	at = f
	for {
		component, rest, more := strings.Cut(path, "/")
		if !more {
			return at, path, nil
		}
		next, err := at.openAt(component)
		f.leave(at)
		if err != nil {
			return folder{}, "", err
		}
		at, path = next, rest
	}
}

func (f folder) leave(reached folder) {
	if reached != f {
		reached.close()
	}
}

// openAt opens the directory leaf of f, "." for f itself.
func (f folder) openAt(leaf string) (folder, error) {
	before, err := f.root.Lstat(leaf)
	if err != nil {
		return folder{}, err
	}
	switch {
	case before.Mode()&fs.ModeSymlink != 0:
		return folder{}, syscall.ELOOP
	case !before.IsDir():
		return folder{}, syscall.ENOTDIR
	}
	opened, err := f.root.OpenRoot(leaf)
	if err != nil {
		return folder{}, err
	}
	if after, err := opened.Stat("."); err != nil || !os.SameFile(before, after) {
		return folder{}, errors.Join(err, opened.Close(), syscall.ELOOP)
	}
	return folder{opened}, nil
}

func (f folder) openFolder(path string) (folder, error) {
	at, leaf, err := f.reach(path)
	if err != nil {
		return folder{}, err
	}
	defer f.leave(at)
	return at.openAt(leaf)
}

func (f folder) openFile(path string) (file, error) {
	return f.openRegular(path, os.O_RDONLY|syscall.O_NONBLOCK)
}

func (f folder) openWritable(path string) (file, error) {
	return f.openRegular(path, os.O_RDWR|syscall.O_NONBLOCK)
}

func (f folder) openRegular(path string, flags int) (file, error) {
	at, leaf, err := f.reach(path)
	if err != nil {
		return file{}, err
	}
	opened, err := at.openRegularAt(leaf, flags)
	if err != nil {
		f.leave(at)
		return file{}, err
	}
	return file{opened: opened, in: at, leaf: leaf, reached: at != f}, nil
}

func (f folder) openRegularAt(leaf string, flags int) (*os.File, error) {
	before, err := f.root.Lstat(leaf)
	if err != nil {
		return nil, err
	}
	if kind := kindOf(before.Mode()); kind != hashsets.File && kind != hashsets.Directory {
		return nil, notA(hashsets.File, kind)
	}
	opened, err := f.root.OpenFile(leaf, flags, 0)
	if err != nil {
		return nil, err
	}
	if after, err := opened.Stat(); err != nil || !os.SameFile(before, after) {
		return nil, errors.Join(err, opened.Close(), syscall.ELOOP)
	}
	return opened, nil
}

func (f folder) create(leaf string) (file, error) {
	opened, err := f.root.OpenFile(leaf, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	return file{opened: opened, in: f, leaf: leaf}, err
}

func (f folder) look(path string) (Entry, error) {
	at, leaf, err := f.reach(path)
	if err != nil {
		return Entry{}, err
	}
	defer f.leave(at)
	return at.lookAt(leaf)
}

func (f folder) lookAt(leaf string) (Entry, error) {
	info, err := f.root.Lstat(leaf)
	if err != nil {
		return Entry{}, err
	}
	return entryOf(info), nil
}

func (f folder) lookSelf() (Entry, error) {
	info, err := f.root.Stat(".")
	if err != nil {
		return Entry{}, err
	}
	return entryOf(info), nil
}

// entryOf turns what the platform says into an Entry without a name.
func entryOf(info fs.FileInfo) Entry {
	entry := Entry{Kind: kindOf(info.Mode())}
	entry.Identity.Size = info.Size()
	entry.Identity.ModTime = info.ModTime().UnixNano()
	addInode(&entry, info)
	return entry
}

func kindOf(mode fs.FileMode) hashsets.Kind {
	switch {
	case mode.IsRegular():
		return hashsets.File
	case mode.IsDir():
		return hashsets.Directory
	case mode&fs.ModeSymlink != 0:
		return hashsets.Link
	}
	return 0
}

func (f folder) readLink(path string) (string, error) {
	at, leaf, err := f.reach(path)
	if err != nil {
		return "", err
	}
	defer f.leave(at)
	entry, err := at.lookAt(leaf)
	if err != nil {
		return "", err
	}
	if entry.Kind != hashsets.Link {
		return "", ErrNotABlob
	}
	return at.root.Readlink(leaf)
}

func (f folder) attributes(path string) (hashsets.Attributes, error) {
	at, leaf, err := f.reach(path)
	if err != nil {
		return hashsets.Attributes{}, err
	}
	defer f.leave(at)
	info, err := at.root.Lstat(leaf)
	if err != nil {
		return hashsets.Attributes{}, err
	}
	switch kindOf(info.Mode()) {
	case hashsets.Link:
		return attributesOf(info), nil
	case hashsets.File, hashsets.Directory:
		opened, err := at.openFile(leaf)
		if err != nil {
			return hashsets.Attributes{}, err
		}
		defer opened.close()
		return opened.attributes()
	}
	return hashsets.Attributes{}, ErrNotABlob
}

// linkFrom is for platforms on which a link can be made between two open
// directories.
func (f folder) linkFrom(folder, string, string) error { return ErrUnsupported }

func (f folder) makeFolder(leaf string) error       { return f.root.Mkdir(leaf, 0o777) }
func (f folder) makeLink(target, leaf string) error { return f.root.Symlink(target, leaf) }
func (f folder) remove(leaf string) error           { return f.root.Remove(leaf) }
func (f folder) rename(from, to string) error       { return f.root.Rename(from, to) }

// renameNew renames from to a name that must be free.
func (f folder) renameNew(from, to string) error {
	if err := f.root.Link(from, to); err == nil {
		return f.root.Remove(from)
	} else if isTaken(err) {
		return err
	}
	// A file system without hard links, or a link itself.
	if _, err := f.root.Lstat(to); err == nil {
		return fmt.Errorf("%q: %w", to, fs.ErrExist)
	} else if !isMissing(err) {
		return err
	}
	return f.root.Rename(from, to)
}

func (f folder) readNames(_ []byte, add func(name []byte, kind nameKind) error) error {
	listed, err := f.root.Open(".")
	if err != nil {
		return err
	}
	defer listed.Close()
	for {
		entries, err := listed.ReadDir(1024)
		for _, entry := range entries {
			kind := nameOfOther
			switch {
			case entry.IsDir():
				kind = nameOfDirectory
			case entry.Type().IsRegular():
				kind = nameOfFile
			}
			if err := add([]byte(entry.Name()), kind); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// volume does not know an id that lasts on this platform.
func (f folder) volume() (Volume, error) { return Volume{}, nil }
