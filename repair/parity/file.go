package parity

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"bitmend/scrub/store"
)

// File is an open parity file whose head was read and checked. Its methods may
// be called from many goroutines at once.
type File struct {
	ID       BandID
	Geometry Geometry
	Index    int // parity column
	Stripes  int
	HasList  bool

	name   string
	home   string // the name of the store
	reader store.Reader
	size   int64 // bytes that are there
	head   *head
	parts  parts
	tables [2][]byte // of sums, as far as they could be read
}

// OpenFile opens and checks the head (or, when that is damaged, the copy at
// the file's end). A file that belongs elsewhere by what its head says is
// ErrDamaged too, unless name is none of FileName's.
func OpenFile(ctx context.Context, home store.Store, name string) (*File, error) {
	reader, err := home.Open(ctx, name, store.Access{})
	if err != nil {
		return nil, fmt.Errorf("opening parity file %s in %s: %w", name, home.Name(), err)
	}
	f := &File{name: name, home: home.Name(), reader: reader}
	if err := f.begin(); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.reader.Close() }

// Name is the file's name below the parity folder.
func (f *File) Name() string { return f.name }

func (f *File) begin() error {
	entry, err := f.reader.Entry()
	if err != nil {
		return f.failed("looking at it", err)
	}
	f.size = entry.Identity.Size
	if f.head, err = f.findHead(); err != nil {
		return err
	}
	f.parts = f.head.parts()
	f.ID, f.Geometry, f.Index, f.Stripes = f.head.id, f.head.geometry, f.head.index, f.head.stripes
	f.HasList = f.Index < listCopies
	for i := range f.tables {
		table := make([]byte, f.parts.sumsLength)
		if err := f.read(table, f.parts.sums[i]); err == nil {
			f.tables[i] = table
		} else if !isDamage(err) {
			return err
		}
	}
	return nil
}

// findHead returns the head, or its copy, that fits the file's name.
func (f *File) findHead() (*head, error) {
	first, err := f.headAt(0, min(f.size, headRoom))
	if err == nil {
		return first, nil
	}
	if !isDamage(err) && !errors.Is(err, ErrFormat) {
		return nil, err
	}
	locator := make([]byte, locatorLength)
	if f.size < locatorLength || f.read(locator, f.size-locatorLength) != nil {
		return nil, err
	}
	length, ok := headLength(locator)
	if !ok || length > f.size-locatorLength {
		return nil, err
	}
	second, err2 := f.headAt(f.size-locatorLength-length, length)
	if err2 != nil {
		return nil, err
	}
	return second, nil
}

// headAt reads a head from the room bytes at offset.
func (f *File) headAt(offset, room int64) (*head, error) {
	b := make([]byte, room)
	if err := f.read(b, offset); err != nil {
		return nil, err
	}
	h, err := decodeHead(b)
	if err != nil {
		return nil, f.failed("reading its head", err)
	}
	if id, index, ok := ParseFileName(f.name); ok && (id != h.id || index != h.index) {
		return nil, f.damaged("it holds parity column %d of %v", h.index, h.id)
	}
	return h, nil
}

// Shard reads the parity shard of a stripe into p, of ShardSize bytes, and
// checks its sum: ErrDamaged when it fails.
func (f *File) Shard(stripe int, p []byte) error {
	size := f.Geometry.ShardSize
	if stripe < 0 || stripe >= f.Stripes || int64(len(p)) != size {
		return fmt.Errorf("reading %d bytes of stripe %d of parity file %s: it has %d of %d bytes", len(p), stripe, f.name, f.Stripes, size)
	}
	if err := f.read(p, f.parts.shards+int64(stripe)*size); err != nil {
		return err
	}
	sums := f.binder()
	if !f.sumOK(&sums, stripe, p) {
		return f.damaged("its shard of stripe %d fails its sum", stripe)
	}
	return nil
}

// sumOK tells whether p is the parity shard of a stripe by either table of
// sums. An entry that is damaged matches nothing, so no table need be intact as
// a whole.
func (f *File) sumOK(sums *binder, stripe int, p []byte) bool {
	sum := sums.of(partShard, stripe, p)
	for _, table := range f.tables {
		if table != nil && binary.LittleEndian.Uint64(table[8*stripe:]) == sum {
			return true
		}
	}
	return false
}

func (f *File) binder() binder { return binder{id: f.ID, index: f.Index} }

// read fills p from offset. Bytes that are missing, or that the medium does
// not deliver, are damage.
func (f *File) read(p []byte, offset int64) error {
	n, err := f.reader.ReadAt(p, offset)
	switch {
	case n == len(p):
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return f.damaged("it ends at %d of %d", offset+int64(n), offset+int64(len(p)))
	case errors.Is(err, store.ErrMedium):
		return f.damaged("reading at %d: %w", offset, err)
	}
	return f.failed(fmt.Sprintf("reading at %d", offset), err)
}

func isDamage(err error) bool { return errors.Is(err, ErrDamaged) }

// damaged is ErrDamaged with the file's name and a reason.
func (f *File) damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s in %s: %w", ErrDamaged, f.name, f.home, fmt.Errorf(format, args...))
}

// failed wraps an error with what was being done.
func (f *File) failed(doing string, err error) error {
	return fmt.Errorf("parity file %s in %s: %s: %w", f.name, f.home, doing, err)
}
