package store

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"bitmend/hashsets"
)

// DirectMinimum is the size in bytes from which on a file is read past the
// page cache when that is asked for. Smaller ones cost less to read through it
// and to drop afterwards.
const DirectMinimum = 1 << 20

// diskReader is the Reader of a file on disk.
type diskReader struct {
	store   *Directory
	file    file
	content content
	windows windows // of content, where it has any
	opened  Entry
	closed  atomic.Bool
}

func (d *Directory) newReader(name string, opened file, access Access) (*diskReader, error) {
	entry, err := opened.look()
	if err != nil {
		return nil, err
	}
	if entry.Kind != hashsets.File {
		return nil, notA(hashsets.File, entry.Kind)
	}
	entry.Name = name
	r := &diskReader{store: d, file: opened, opened: entry,
		content: content{source: opened, blocks: &d.blocks}}
	size := entry.Identity.Size
	if !access.Direct {
		return r, nil
	}
	if access.Cached {
		if resident, err := opened.resident(0, size); err == nil && resident == size {
			return r, nil
		}
	}
	if size >= DirectMinimum && opened.setDirect(true) == nil {
		r.content.direct.Store(true)
	}
	r.windows.file, r.windows.size, r.windows.warmth = opened, size, &d.warmth
	r.content.windows = &r.windows
	return r, nil
}

// ReadAt is as in io.ReaderAt.
func (r *diskReader) ReadAt(p []byte, off int64) (int, error) {
	if r.closed.Load() {
		return 0, r.store.failAt("read", r.opened.Name, off, os.ErrClosed)
	}
	n, err := Held(r.store.pace, func() (int, error) { return r.content.readAt(p, off, r.opened.Identity.Size) })
	if err != nil && err != io.EOF {
		err = r.store.failAt("read", r.opened.Name, off+int64(n), err)
	}
	return n, err
}

// Opened is the blob as it was when it was opened.
func (r *diskReader) Opened() Entry { return r.opened }

// Entry looks at the open blob anew.
func (r *diskReader) Entry() (Entry, error) {
	if r.closed.Load() {
		return Entry{}, r.store.fail("stat", r.opened.Name, os.ErrClosed)
	}
	entry, err := r.file.look()
	if err != nil {
		return Entry{}, r.store.fail("stat", r.opened.Name, err)
	}
	entry.Name = r.opened.Name
	return entry, nil
}

// Attributes returns what belongs to the open blob besides its bytes.
func (r *diskReader) Attributes() (hashsets.Attributes, error) {
	if r.closed.Load() {
		return hashsets.Attributes{}, r.store.fail("read attributes of", r.opened.Name, os.ErrClosed)
	}
	attrs, err := r.file.attributes()
	if err != nil {
		return hashsets.Attributes{}, r.store.fail("read attributes of", r.opened.Name, err)
	}
	return attrs, nil
}

// Direct tells whether reads go past the page cache.
func (r *diskReader) Direct() bool { return r.content.direct.Load() }

// Close closes the file. It comes after the last ReadAt has returned.
func (r *diskReader) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	if r.content.windows != nil {
		r.content.windows.dropAll()
	}
	if err := r.file.close(); err != nil {
		return r.store.fail("close", r.opened.Name, err)
	}
	return nil
}

// content reads the bytes of an open file, past the page cache where that was
// asked for and the file system agrees.
type content struct {
	source  source
	direct  atomic.Bool
	windows *windows   // what buffered reads bring in and is dropped; nil when nothing is
	blocks  *sync.Pool // of *[]byte
}

// A source is what content needs of an open file.
type source interface {
	// pread is as pread(2): at the end it reads 0 bytes without an error.
	pread(p []byte, off int64) (int, error)
	setDirect(on bool) error
}

// What is tried after a direct read of a large range has failed, so that the
// bytes before the damage are delivered in few attempts: a failing disk takes
// many seconds for each.
var finer = [...]int{64 << 10, BlockSize}

// readAt fills p from off. A short read up to end, the size when the file was
// opened, is taken to be the last one, which saves a system call a file.
func (c *content) readAt(p []byte, off, end int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	n, attempt := 0, 0
	piece := len(p)
	for n < len(p) {
		at := off + int64(n)
		q := p[n:min(len(p), n+piece)]
		m, err := c.readOnce(q, at)
		n += m
		switch {
		case err == nil && m == 0:
			return n, io.EOF
		case err == nil && at+int64(m) == end && n < len(p):
			return n, io.EOF
		case err == nil:
		case c.direct.Load() && directRefused(err):
			c.direct.Store(false)
			if err := c.source.setDirect(false); err != nil {
				return n, err
			}
		case c.direct.Load() && errors.Is(readFailed(err), ErrMedium):
			for attempt < len(finer) && finer[attempt] >= len(q) {
				attempt++
			}
			if attempt == len(finer) {
				return n, err
			}
			piece = finer[attempt]
		default:
			return n, err
		}
	}
	return n, nil
}

// readOnce reads what one system call delivers, in the way that is in force.
func (c *content) readOnce(p []byte, off int64) (int, error) {
	if !c.direct.Load() {
		if c.windows != nil {
			if n, ok := c.windows.readCached(p, off); ok {
				return n, nil
			}
			c.windows.touch(off, int64(len(p)))
		}
		return c.source.pread(p, off)
	}
	if isAligned(p) && off%BlockSize == 0 && len(p) >= BlockSize {
		return c.source.pread(p[:len(p)&^(BlockSize-1)], off)
	}
	return c.readUnaligned(p, off)
}

// readUnaligned reads whole blocks into memory of ours and copies what was
// asked for.
func (c *content) readUnaligned(p []byte, off int64) (int, error) {
	block, ok := c.blocks.Get().(*[]byte)
	if !ok {
		fresh := alignedSlice(64 << 10)
		block = &fresh
	}
	defer c.blocks.Put(block)
	start := off &^ (BlockSize - 1)
	skip := int(off - start)
	length := (skip + len(p) + BlockSize - 1) &^ (BlockSize - 1)
	m, err := c.source.pread((*block)[:min(length, len(*block))], start)
	if m <= skip {
		return 0, err
	}
	return copy(p, (*block)[skip:m]), err
}
