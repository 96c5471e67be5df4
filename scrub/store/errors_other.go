//go:build unix && !linux

package store

import "syscall"

// errnoDamagedMetadata is not known here; EIO stands for it.
const errnoDamagedMetadata = syscall.EIO

func isMediumRead(error) bool { return false }
