//go:build !portable

package store

import (
	"bytes"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"bitmend/hashsets"
)

// attributes returns what belongs to the open file or directory besides its
// bytes.
func (f file) attributes() (hashsets.Attributes, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(f.fd, &st) }); err != nil {
		return hashsets.Attributes{}, err
	}
	xattrs, err := readXattrs(
		func(list []byte) (int, error) { return unix.Flistxattr(f.fd, list) },
		func(name string, value []byte) (int, error) { return unix.Fgetxattr(f.fd, name, value) })
	return attributesOf(&st, xattrs), err
}

func attributesOf(st *unix.Stat_t, xattrs map[string][]byte) hashsets.Attributes {
	return hashsets.Attributes{
		Mode:    st.Mode & 0o7777,
		UID:     st.Uid,
		GID:     st.Gid,
		ModTime: st.Mtim.Nano(),
		Xattrs:  xattrs,
	}
}

// attributes returns what belongs to whatever stands at path below f.
func (f folder) attributes(path string) (hashsets.Attributes, error) {
	fd, err := f.open(path, unix.O_PATH)
	if err != nil {
		return hashsets.Attributes{}, err
	}
	defer unix.Close(fd)
	entry, err := file{fd}.look()
	if err != nil {
		return hashsets.Attributes{}, err
	}
	switch entry.Kind {
	case hashsets.Link:
		return f.linkAttributes(path, fd)
	case hashsets.File, hashsets.Directory:
		opened, err := f.openFile(path)
		if err != nil {
			return hashsets.Attributes{}, err
		}
		defer opened.close()
		return opened.attributes()
	}
	return hashsets.Attributes{}, ErrNotABlob
}

// linkAttributes looks at a symbolic link, opened as fd. Its extended
// attributes can only be asked for by name, which /proc makes relative to an
// open directory.
func (f folder) linkAttributes(path string, fd int) (hashsets.Attributes, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return hashsets.Attributes{}, err
	}
	directory, leaf := split(path)
	parent, err := f.openParent(directory)
	if err != nil {
		return hashsets.Attributes{}, err
	}
	defer parent.close()
	here := parent.proc(leaf)
	xattrs, err := readXattrs(
		func(list []byte) (int, error) { return unix.Llistxattr(here, list) },
		func(name string, value []byte) (int, error) { return unix.Lgetxattr(here, name, value) })
	if err == unix.ENOENT { // no /proc here, or the link is gone: either way none can be told
		err = nil
	}
	return attributesOf(&st, xattrs), err
}

// openParent opens a directory only to reach the names in it.
func (f folder) openParent(path string) (folder, error) {
	if path == "" {
		path = "."
	}
	fd, err := f.open(path, unix.O_PATH|unix.O_DIRECTORY)
	return folder{fd: fd, openat2: f.openat2}, err
}

// proc is a path to leaf in f for the system calls that know only paths.
func (f folder) proc(leaf string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", f.fd, leaf) }

// readXattrs reads all extended attributes, posix access control lists and
// file capabilities among them. A file system without them has none.
func readXattrs(list func([]byte) (int, error), get func(string, []byte) (int, error)) (map[string][]byte, error) {
	names, err := readSized(list)
	if err == unix.ENOTSUP || len(names) == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list extended attributes: %w", err)
	}
	xattrs := make(map[string][]byte)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		value, err := readSized(func(p []byte) (int, error) { return get(name, p) })
		if err == unix.ENODATA || err == unix.ENOTSUP { // removed meanwhile, or listed and not for reading
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("extended attribute %q: %w", name, err)
		}
		xattrs[name] = value
	}
	return xattrs, nil
}

// readSized calls get with a buffer that is large enough, as the extended
// attribute calls want it.
func readSized(get func([]byte) (int, error)) ([]byte, error) {
	for {
		size, err := get(nil)
		if err != nil || size == 0 {
			return []byte{}, err
		}
		p := make([]byte, size)
		n, err := get(p)
		if err != unix.ERANGE { // it grew meanwhile
			return p[:max(n, 0)], err
		}
	}
}

// setAttributes gives attrs to an open file or directory. made tells that it
// was made by us, so that an access control list that it has, and that is not
// in attrs, was inherited and goes.
//
// The order matters: a new owner takes set-user-ID and capabilities away, so
// the owner comes first; an access control list sets the group's permissions,
// so it comes after the mode; and the time is set when all else is.
func (f file) setAttributes(attrs hashsets.Attributes, made bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return err
	}
	if made {
		f.dropInheritedACL(attrs)
	}
	if st.Uid != attrs.UID || st.Gid != attrs.GID {
		if err := unix.Fchown(f.fd, int(attrs.UID), int(attrs.GID)); err != nil {
			return fmt.Errorf("owner %d:%d: %w", attrs.UID, attrs.GID, err)
		}
	}
	if err := unix.Fchmod(f.fd, attrs.Mode&0o7777); err != nil {
		return fmt.Errorf("mode %#o: %w", attrs.Mode, err)
	}
	if err := f.setXattrs(attrs.Xattrs); err != nil {
		return err
	}
	if err := unix.Fstat(f.fd, &st); err != nil {
		return err
	}
	if got := st.Mode & 0o7777; got != attrs.Mode&0o7777 {
		// The kernel drops set-group-ID silently for a group one is not in.
		return fmt.Errorf("mode %#o, the store made it %#o: %w", attrs.Mode, got, ErrPermission)
	}
	return f.setModTime(attrs.ModTime)
}

const accessACL = "system.posix_acl_access"

func (f file) dropInheritedACL(attrs hashsets.Attributes) {
	for _, name := range []string{accessACL, "system.posix_acl_default"} {
		if _, recorded := attrs.Xattrs[name]; !recorded {
			// Most have none, and most file systems say so with an error. One
			// that stays shows in the mode, which is checked.
			_ = unix.Fremovexattr(f.fd, name)
		}
	}
}

// setXattrs sets those of xattrs that differ. Others that the file has are
// left alone.
func (f file) setXattrs(xattrs map[string][]byte) error {
	names := make([]string, 0, len(xattrs))
	for name := range xattrs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		present, err := readSized(func(p []byte) (int, error) { return unix.Fgetxattr(f.fd, name, p) })
		if err == nil && bytes.Equal(present, xattrs[name]) {
			continue
		}
		if err := unix.Fsetxattr(f.fd, name, xattrs[name], 0); err != nil {
			return fmt.Errorf("extended attribute %q: %w", name, err)
		}
	}
	return nil
}

// setModTime sets the modification time to the nanosecond and leaves the time
// of last access as it is.
func (f file) setModTime(modTime int64) error {
	return f.setTimes(unix.Timespec{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(modTime))
}

func (f file) setTimes(access, modification unix.Timespec) error {
	times := [2]unix.Timespec{access, modification}
	// futimens(3): utimensat without a path, which the package does not offer.
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(f.fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("modification time: %w", errno)
	}
	return nil
}

// setLinkAttributes gives attrs to the symbolic link leaf. Links have no mode
// of their own.
func (f folder) setLinkAttributes(leaf string, attrs hashsets.Attributes) error {
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd, leaf, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Uid != attrs.UID || st.Gid != attrs.GID {
		if err := unix.Fchownat(f.fd, leaf, int(attrs.UID), int(attrs.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("owner %d:%d: %w", attrs.UID, attrs.GID, err)
		}
	}
	for name, value := range attrs.Xattrs {
		if err := unix.Lsetxattr(f.proc(leaf), name, value, 0); err != nil {
			return fmt.Errorf("extended attribute %q: %w", name, err)
		}
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(attrs.ModTime)}
	if err := unix.UtimesNanoAt(f.fd, leaf, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("modification time: %w", err)
	}
	return nil
}

// setUsualMode gives the permissions that a new file would have under the
// process's umask, which can only be asked for through /proc without changing
// it for other threads. Without /proc only the owner gets any.
func (f file) setUsualMode(usual uint32) error {
	mask := uint32(0o077)
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, "Umask:"); ok {
				if parsed, err := strconv.ParseUint(strings.TrimSpace(value), 8, 32); err == nil {
					mask = uint32(parsed)
				}
			}
		}
	}
	return unix.Fchmod(f.fd, usual&^mask)
}

// setAttributes gives attrs to the directory that f is.
func (f folder) setAttributes(attrs hashsets.Attributes, made bool) error {
	return file{f.fd}.setAttributes(attrs, made)
}

// folderTimes are the times of a directory that can be put back.
type folderTimes struct{ access, modification unix.Timespec }

func (f folder) times() (folderTimes, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstat(f.fd, &st) })
	return folderTimes{st.Atim, st.Mtim}, err
}

func (f folder) setTimes(t folderTimes) error {
	return file{f.fd}.setTimes(t.access, t.modification)
}

func (f file) chmod(mode uint32) error { return unix.Fchmod(f.fd, mode) }
