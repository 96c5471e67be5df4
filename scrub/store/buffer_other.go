//go:build !linux

package store

// NewBuffer returns a Buffer of size bytes, zeroed. The caller frees it.
func NewBuffer(size int) *Buffer { return &Buffer{bytes: alignedSlice(size)} }
