package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A failure is an error of the operating system together with the sentinel
// that callers decide by.
type failure struct {
	sentinel error
	cause    error
}

func (f *failure) Error() string {
	if f.sentinel.Error() == f.cause.Error() {
		return f.cause.Error()
	}
	return f.sentinel.Error() + ": " + f.cause.Error()
}

func (f *failure) Unwrap() []error { return []error{f.sentinel, f.cause} }

// failed adds the sentinel that stands for err, where one does. What has none
// is an error of the host and says nothing of the blob.
func failed(err error) error {
	if isClassified(err) {
		return err
	}
	if sentinel := sentinelOf(err); sentinel != nil {
		return &failure{sentinel, bare(err)}
	}
	return err
}

// bare takes off what the standard library adds to an error of the system: the
// name is there already, and unquoted.
func bare(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	case *os.SyscallError:
		return e.Err
	}
	return err
}

// readFailed is failed for errors of reading, where more of them are the
// medium's.
func readFailed(err error) error {
	if !isClassified(err) && isMediumRead(err) {
		return &failure{ErrMedium, err}
	}
	return failed(err)
}

func isClassified(err error) bool {
	for _, sentinel := range []error{ErrNotFound, ErrNotMounted, ErrPermission, ErrMedium, ErrChanged,
		ErrNotABlob, ErrUnsupported, ErrNoSpace, ErrName, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}

// fail says what was being done to which blob of this store. Blob names are
// quoted: they may hold what a terminal obeys.
func (d *Directory) fail(doing, name string, err error) error {
	return fmt.Errorf("store %q: %s %q: %w", d.name, doing, name, failed(err))
}

// failAt is fail for a read or write at an offset in bytes.
func (d *Directory) failAt(doing, name string, off int64, err error) error {
	return fmt.Errorf("store %q: %s %q at %d: %w", d.name, doing, name, off, readFailed(err))
}

// failList says that the store as a whole could not be listed.
func (d *Directory) failList(err error) error {
	return fmt.Errorf("store %q: list: %w", d.name, failed(err))
}
