//go:build !portable

package store

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// A medium is a source of which some blocks cannot be read.
type medium struct {
	bytes    []byte
	bad      []int64 // offsets of bad blocks
	direct   bool
	refuses  bool // whether direct reads are refused
	attempts int
}

func (m *medium) setDirect(on bool) error {
	m.direct = on
	return nil
}

// pread fails whole when a direct read touches a bad block, as the block layer
// does.
func (m *medium) pread(p []byte, off int64) (int, error) {
	m.attempts++
	if m.direct && m.refuses {
		return 0, syscall.EINVAL
	}
	if m.direct && (off%BlockSize != 0 || len(p)%BlockSize != 0 || !isAligned(p)) {
		panic("an unaligned direct read")
	}
	for _, bad := range m.bad {
		if off < bad+BlockSize && bad < off+int64(len(p)) {
			return 0, syscall.EIO
		}
	}
	if off >= int64(len(m.bytes)) {
		return 0, nil
	}
	return copy(p, m.bytes[off:]), nil
}

func newMedium(size int, bad ...int64) *medium {
	m := &medium{bytes: make([]byte, size), bad: bad}
	for i := range m.bytes {
		m.bytes[i] = byte(i>>12) ^ byte(i)
	}
	return m
}

func (m *medium) content() *content {
	c := &content{source: m, blocks: new(sync.Pool)}
	c.direct.Store(true)
	m.direct = true
	return c
}

func TestBytesBeforeDamageAreDeliveredInFewAttempts(t *testing.T) {
	const size = 8 << 20
	for _, bad := range []int64{0, BlockSize, 64<<10 - BlockSize, 64 << 10, 1<<20 + 5*BlockSize, size - BlockSize} {
		m := newMedium(size, bad)
		p := alignedSlice(size)
		n, err := m.content().readAt(p, 0, size)
		if int64(n) != bad || !errors.Is(readFailed(err), ErrMedium) || !bytes.Equal(p[:n], m.bytes[:n]) {
			t.Errorf("bad at %d: %d bytes, %v", bad, n, err)
		}
		if good, failing := int(bad)/finer[0]+finer[0]/BlockSize, 3; m.attempts > good+failing {
			t.Errorf("bad at %d took %d attempts", bad, m.attempts)
		}
	}
}

func TestReadingGoesOnBehindDamage(t *testing.T) {
	const size = 1<<20 + 100
	m := newMedium(size, 256<<10)
	c := m.content()
	var got []byte
	var damaged []int64
	for off := int64(0); off < size; {
		p := alignedSlice(size)
		n, err := c.readAt(p, off, size)
		got = append(got, p[:n]...)
		off += int64(n)
		if err != nil && err != io.EOF {
			damaged = append(damaged, off)
			got = append(got, m.bytes[off:off+BlockSize]...)
			off += BlockSize
		}
	}
	if !bytes.Equal(got, m.bytes) || !slices.Equal(damaged, []int64{256 << 10}) {
		t.Errorf("%d of %d bytes, damage at %v", len(got), size, damaged)
	}
}

func TestRefusedDirectReadsAreReadBuffered(t *testing.T) {
	m := newMedium(3<<20 + 5)
	m.refuses = true
	c := m.content()
	p := alignedSlice(4 << 20)
	n, err := c.readAt(p, 0, int64(len(m.bytes)))
	if err != io.EOF || !bytes.Equal(p[:n], m.bytes) || c.direct.Load() || m.direct {
		t.Errorf("%d bytes, %v, direct %v", n, err, c.direct.Load())
	}
}

func TestErrorsOfReadingAreMapped(t *testing.T) {
	for errno, want := range map[syscall.Errno]error{
		syscall.EIO:     ErrMedium,
		syscall.EBADMSG: ErrMedium,
		syscall.ENODATA: ErrMedium, // what a direct read of a bad sector says
		syscall.EACCES:  ErrPermission,
		syscall.EPERM:   ErrPermission,
		syscall.EROFS:   ErrPermission,
		syscall.ENOENT:  ErrNotFound,
		syscall.ENOSPC:  ErrNoSpace,
		syscall.EDQUOT:  ErrNoSpace,
	} {
		if err := readFailed(errno); !errors.Is(err, want) || !errors.Is(err, errno) {
			t.Errorf("%v is %v, want %v", errno, err, want)
		}
	}
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR, syscall.ETIMEDOUT} {
		if err := readFailed(errno); isClassified(err) {
			t.Errorf("%v, an error of the host, is %v", errno, err)
		}
	}
}
