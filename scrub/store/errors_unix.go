//go:build unix

package store

import (
	"errors"
	"syscall"
)

// sentinelOf maps what the operating system says, or returns nil.
func sentinelOf(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return nil
	}
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ENAMETOOLONG:
		return ErrNotFound
	case syscall.EACCES, syscall.EPERM, syscall.EROFS:
		return ErrPermission
	case syscall.EIO, syscall.EBADMSG:
		return ErrMedium
	case syscall.ELOOP, syscall.ENXIO:
		return ErrNotABlob
	case syscall.ENOSPC, syscall.EDQUOT:
		return ErrNoSpace
	case syscall.ENOTCONN:
		return ErrNotMounted // the server behind a mount is gone
	case syscall.ESTALE:
		return ErrChanged
	case syscall.EOPNOTSUPP, syscall.ENOSYS:
		return ErrUnsupported
	}
	if errno == errnoDamagedMetadata {
		return ErrMedium
	}
	return nil
}
