package store

import (
	"errors"
	"syscall"
)

// errnoDamagedMetadata is how ext4, XFS and others report a structure of
// theirs that fails its check.
const errnoDamagedMetadata = syscall.EUCLEAN

// isMediumRead tells whether err is the medium's when it comes from a read.
// Direct reads report the block layer's status as it is: ENODATA for a
// critical medium error, EREMOTEIO for one of the target, EILSEQ for failed
// protection information (blk_errors in Linux's block/blk-core.c).
func isMediumRead(err error) bool {
	return errors.Is(err, syscall.ENODATA) || errors.Is(err, syscall.EREMOTEIO) || errors.Is(err, syscall.EILSEQ)
}
