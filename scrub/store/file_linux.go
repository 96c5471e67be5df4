//go:build !portable

package store

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A file is an open file, by its descriptor alone: the runtime's poller has
// nothing to do for files on disk, and costs two system calls a file.
type file struct{ fd int }

func (f file) close() error { return unix.Close(f.fd) }

func (f file) look() (Entry, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(f.fd, &st) }); err != nil {
		return Entry{}, err
	}
	return entryOf(&st), nil
}

func (f file) pread(p []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(f.fd, p, off)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// preadCached reads from the beginning of the file as far as the page cache
// holds it, and does not wait for more. It is not able to on kernels before
// 4.14 and on file systems that always may wait.
func (f file) preadCached(p []byte) (n int, able bool) {
	into := unix.Iovec{Base: unsafe.SliceData(p)}
	into.SetLen(len(p))
	read, _, errno := unix.Syscall6(unix.SYS_PREADV2, uintptr(f.fd), uintptr(unsafe.Pointer(&into)), 1, 0, 0, unix.RWF_NOWAIT)
	switch errno {
	case 0:
		return int(read), true
	case unix.EAGAIN, unix.EINTR:
		return 0, true
	}
	return 0, false
}

func (f file) pwrite(p []byte, off int64) (int, error) {
	written := 0
	for written < len(p) {
		n, err := unix.Pwrite(f.fd, p[written:], off+int64(written))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

func (f file) truncate(size int64) error {
	return again(func() error { return unix.Ftruncate(f.fd, size) })
}

func (f file) sync() error { return again(func() error { return unix.Fsync(f.fd) }) }

// setDirect switches between reads past the page cache and through it. The
// file system may refuse, here or with EINVAL at the first read.
func (f file) setDirect(on bool) error {
	flags, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	flags &^= unix.O_DIRECT
	if on {
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(uintptr(f.fd), unix.F_SETFL, flags)
	return err
}

// directRefused tells whether a direct read failed for being direct.
func directRefused(err error) bool { return err == unix.EINVAL }

// drop lets go of clean pages of the file in the page cache; length 0 means
// up to the end.
func (f file) drop(off, length int64) {
	// It is advice: a refusal costs memory and nothing else.
	_ = unix.Fadvise(f.fd, off, length, unix.FADV_DONTNEED)
}
