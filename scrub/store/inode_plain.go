//go:build !unix

package store

import (
	"errors"
	"io/fs"
	"syscall"

	"bitmend/hashsets"
)

// Inodes and owners of the Unix kind are not known here.
func addInode(*Entry, fs.FileInfo)               {}
func addOwner(*hashsets.Attributes, fs.FileInfo) {}
func (f folder) sync() error                     { return nil }
func isMissing(err error) bool                   { return errors.Is(err, fs.ErrNotExist) }
func isTaken(err error) bool                     { return errors.Is(err, fs.ErrExist) }
func isNoFolder(err error) bool                  { return errors.Is(err, syscall.ENOTDIR) }
func isLinkOnTheWay(err error) bool              { return errors.Is(err, syscall.ELOOP) }
func isTooLong(err error) bool                   { return errors.Is(err, syscall.ENAMETOOLONG) }
