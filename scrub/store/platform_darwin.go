package store

import (
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func changeTime(st *syscall.Stat_t) int64 { return st.Ctimespec.Nano() }

// setDirect switches between reads past the page cache and through it.
func (f file) setDirect(on bool) error {
	value := 0
	if on {
		value = 1
	}
	_, err := unix.FcntlInt(f.opened.Fd(), unix.F_NOCACHE, value)
	return err
}

// exchange swaps two names in one step. It returns ErrUnsupported where the
// file system has no such thing.
func (f folder) exchange(a, b string) error {
	opened, err := f.root.Open(".")
	if err != nil {
		return err
	}
	defer opened.Close()
	fd := int(opened.Fd())
	err = unix.RenameatxNp(fd, a, fd, b, unix.RENAME_SWAP)
	if err == unix.ENOTSUP || err == unix.EINVAL {
		return ErrUnsupported
	}
	return err
}

func (f file) xattrs() (map[string][]byte, error) {
	fd := int(f.opened.Fd())
	size, err := unix.Flistxattr(fd, nil)
	if err == unix.ENOTSUP || size == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list extended attributes: %w", err)
	}
	names := make([]byte, size)
	if size, err = unix.Flistxattr(fd, names); err != nil {
		return nil, fmt.Errorf("list extended attributes: %w", err)
	}
	xattrs := make(map[string][]byte)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:size]), "\x00"), "\x00") {
		size, err := unix.Fgetxattr(fd, name, nil)
		value := make([]byte, max(size, 0))
		if err == nil && size > 0 {
			size, err = unix.Fgetxattr(fd, name, value)
		}
		if err == unix.ENOATTR { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("extended attribute %q: %w", name, err)
		}
		xattrs[name] = value[:size]
	}
	return xattrs, nil
}

func (f file) setXattrs(xattrs map[string][]byte) error {
	for name, value := range xattrs {
		if err := unix.Fsetxattr(int(f.opened.Fd()), name, value, 0); err != nil {
			return fmt.Errorf("extended attribute %q: %w", name, err)
		}
	}
	return nil
}
