//go:build unix

package store

import (
	"errors"
	"syscall"
)

func isMissing(err error) bool      { return errors.Is(err, syscall.ENOENT) }
func isTaken(err error) bool        { return errors.Is(err, syscall.EEXIST) }
func isNoFolder(err error) bool     { return errors.Is(err, syscall.ENOTDIR) }
func isLinkOnTheWay(err error) bool { return errors.Is(err, syscall.ELOOP) }
func isTooLong(err error) bool      { return errors.Is(err, syscall.ENAMETOOLONG) }
