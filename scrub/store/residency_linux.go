//go:build !portable

package store

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resident returns how many bytes of a run of the file are in the page cache,
// counted in whole pages.
func (f file) resident(off, length int64) (int64, error) {
	if length <= 0 {
		return 0, nil
	}
	pageSize := int64(unix.Getpagesize())
	var stat unix.Cachestat_t
	err := unix.Cachestat(uint(f.fd), &unix.CachestatRange{Off: uint64(off), Len: uint64(length)}, &stat, 0)
	if err == nil {
		return min(int64(stat.Cache)*pageSize, length), nil
	}
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // before 6.5, or a sandbox
		return f.residentPages(off, length, pageSize)
	}
	return 0, err
}

// residentPages asks mincore(2), which wants the file mapped.
func (f file) residentPages(off, length, pageSize int64) (int64, error) {
	const window = 64 << 20
	start := off &^ (pageSize - 1)
	resident := int64(0)
	pages := make([]byte, window/pageSize)
	for end := off + length; start < end; start += window {
		size := min(window, end-start)
		mapped, err := unix.Mmap(f.fd, start, int(size), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return 0, err
		}
		count := (size + pageSize - 1) / pageSize
		err = mincore(mapped, pages[:count])
		unix.Munmap(mapped)
		if err != nil {
			return 0, err
		}
		for _, page := range pages[:count] {
			resident += int64(page&1) * pageSize
		}
	}
	return min(resident, length), nil
}

func mincore(mapped, pages []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(mapped))), uintptr(len(mapped)), uintptr(unsafe.Pointer(unsafe.SliceData(pages))))
	if errno != 0 {
		return errno
	}
	return nil
}
