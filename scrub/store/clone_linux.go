package store

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// CloneTo makes a file a copy of the blob that shares its blocks, on a file
// system that can (FICLONE, ioctl_ficlone(2)); to is of the same one. It fails
// without harm anywhere else.
func (r *diskReader) CloneTo(to *os.File) error {
	if err := unix.IoctlFileClone(int(to.Fd()), r.file.fd); err != nil {
		return fmt.Errorf("clone %q: %w", r.opened.Name, err)
	}
	return nil
}
