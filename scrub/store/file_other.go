//go:build !linux || portable

package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"bitmend/hashsets"
)

// A file is an open file, with the way to it, by which its times are set.
type file struct {
	opened  *os.File
	in      folder
	leaf    string
	reached bool // whether in was opened for this file
}

func (f file) close() error {
	err := f.opened.Close()
	if f.reached {
		err = errors.Join(err, f.in.close())
	}
	return err
}

func (f file) look() (Entry, error) {
	info, err := f.opened.Stat()
	if err != nil {
		return Entry{}, err
	}
	return entryOf(info), nil
}

// pread reads as pread(2) does: the end of the file is 0 bytes and no error.
func (f file) pread(p []byte, off int64) (int, error) {
	n, err := f.opened.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func (f file) pwrite(p []byte, off int64) (int, error) { return f.opened.WriteAt(p, off) }
func (f file) truncate(size int64) error               { return f.opened.Truncate(size) }
func (f file) sync() error                             { return f.opened.Sync() }

// drop does nothing: there is no such advice here.
func (f file) drop(off, length int64) {}

func (f file) resident(off, length int64) (int64, error) { return 0, ErrUnsupported }

func (f file) preadCached([]byte) (n int, able bool) { return 0, false }

func directRefused(error) bool { return false }

func (f file) attributes() (hashsets.Attributes, error) {
	info, err := f.opened.Stat()
	if err != nil {
		return hashsets.Attributes{}, err
	}
	attrs := attributesOf(info)
	attrs.Xattrs, err = f.xattrs()
	return attrs, err
}

func attributesOf(info fs.FileInfo) hashsets.Attributes {
	attrs := hashsets.Attributes{Mode: modeBits(info.Mode()), ModTime: info.ModTime().UnixNano()}
	addOwner(&attrs, info)
	return attrs
}

// modeBits are the bits of st_mode that Attributes hold.
func modeBits(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

func fileMode(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if bits&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

// setAttributes gives attrs to an open file, the owner first, since a new
// owner takes set-user-ID away, and the time last.
func (f file) setAttributes(attrs hashsets.Attributes, _ bool) error {
	info, err := f.opened.Stat()
	if err != nil {
		return err
	}
	if now := attributesOf(info); now.UID != attrs.UID || now.GID != attrs.GID {
		if err := f.opened.Chown(int(attrs.UID), int(attrs.GID)); err != nil {
			return fmt.Errorf("owner %d:%d: %w", attrs.UID, attrs.GID, err)
		}
	}
	if err := f.opened.Chmod(fileMode(attrs.Mode)); err != nil {
		return fmt.Errorf("mode %#o: %w", attrs.Mode, err)
	}
	if err := f.setXattrs(attrs.Xattrs); err != nil {
		return err
	}
	if err := f.in.root.Chtimes(f.leaf, time.Time{}, time.Unix(0, attrs.ModTime)); err != nil {
		return fmt.Errorf("modification time: %w", err)
	}
	return nil
}

// setUsualMode gives permissions to the owner alone: the umask is not known.
func (f file) setUsualMode(usual uint32) error { return f.opened.Chmod(fs.FileMode(usual) & 0o700) }

// setAttributes gives attrs to the directory that f is.
func (f folder) setAttributes(attrs hashsets.Attributes, made bool) error {
	opened, err := f.root.Open(".")
	if err != nil {
		return err
	}
	defer opened.Close()
	return file{opened: opened, in: f, leaf: "."}.setAttributes(attrs, made)
}

// setLinkAttributes gives a link its owner. Its times stay those of its
// making: the platform's library has no call for them.
func (f folder) setLinkAttributes(leaf string, attrs hashsets.Attributes) error {
	info, err := f.root.Lstat(leaf)
	if err != nil {
		return err
	}
	if now := attributesOf(info); now.UID == attrs.UID && now.GID == attrs.GID {
		return nil
	}
	if err := f.root.Lchown(leaf, int(attrs.UID), int(attrs.GID)); err != nil {
		return fmt.Errorf("owner %d:%d: %w", attrs.UID, attrs.GID, err)
	}
	return nil
}

// folderTimes are the times of a directory that can be put back.
type folderTimes struct{ modification time.Time }

func (f folder) times() (folderTimes, error) {
	info, err := f.root.Stat(".")
	if err != nil {
		return folderTimes{}, err
	}
	return folderTimes{info.ModTime()}, nil
}

func (f folder) setTimes(t folderTimes) error {
	return f.root.Chtimes(".", time.Time{}, t.modification)
}

func (f file) chmod(mode uint32) error { return f.opened.Chmod(fileMode(mode)) }
