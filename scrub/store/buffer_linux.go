package store

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugePage = 2 << 20

// NewBuffer returns a Buffer of size bytes, zeroed. The caller frees it.
func NewBuffer(size int) *Buffer {
	if size < hugePage {
		return &Buffer{bytes: alignedSlice(size)}
	}
	// One huge page more, so that an aligned run of them is inside.
	mapped, err := unix.Mmap(-1, 0, size+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return &Buffer{bytes: alignedSlice(size)}
	}
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(mapped)))) & (hugePage - 1)
	bytes := mapped[skip : skip+size : skip+size]
	// Advice: without huge pages the buffer is slower and nothing else.
	_ = unix.Madvise(bytes, unix.MADV_HUGEPAGE)
	return &Buffer{bytes: bytes, release: func() error { return unix.Munmap(mapped) }}
}
