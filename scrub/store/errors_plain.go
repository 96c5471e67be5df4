//go:build !unix

package store

import (
	"errors"
	"io/fs"
	"syscall"
)

// sentinelOf maps what the operating system says, or returns nil.
func sentinelOf(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNotFound
	case errors.Is(err, fs.ErrPermission):
		return ErrPermission
	case errors.Is(err, errors.ErrUnsupported):
		return ErrUnsupported
	case errors.Is(err, syscall.ELOOP):
		return ErrNotABlob
	case errors.Is(err, syscall.ENOTDIR):
		return ErrNotFound
	}
	return nil
}

func isMediumRead(error) bool { return false }
