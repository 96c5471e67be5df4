package store

import "unsafe"

// A Buffer is memory that direct reads are fastest into. It lies outside the
// garbage-collected heap where the platform can, on pages of 2 MiB if it is at
// least as large; reading into those is measured at two to three times the
// rate of reading into an ordinary slice.
type Buffer struct {
	bytes   []byte
	release func() error
}

// Bytes is the memory of b, size bytes, beginning at a multiple of BlockSize.
// It must not be used after Free.
func (b *Buffer) Bytes() []byte { return b.bytes }

// Free gives the memory back. A second call does nothing.
func (b *Buffer) Free() error {
	release := b.release
	b.bytes, b.release = nil, nil
	if release == nil {
		return nil
	}
	return release()
}

// alignedSlice is a slice of size bytes that begins at a multiple of
// BlockSize.
func alignedSlice(size int) []byte {
	p := make([]byte, size+BlockSize)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) & (BlockSize - 1)
	return p[skip : skip+size : skip+size]
}

func isAligned(p []byte) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(p)))&(BlockSize-1) == 0
}
