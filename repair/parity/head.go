package parity

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"
)

const (
	magic         = "bitmend parity\r\n"
	locatorMagic  = "bitmend par end\n"
	formatVersion = 1

	headRoom      = 1024 // bytes before the first table of sums; the head is shorter
	shardsAlign   = 4096
	locatorLength = 32
)

// head is what a parity file says of itself, at its beginning and again at its
// end.
type head struct {
	id          BandID
	geometry    Geometry
	index       int
	stripes     int
	row         []byte // the coefficients of this parity column
	listLength  int64  // bytes; 0 when the file carries no list
	listEntries int64
}

// parts is where the parts of a parity file lie. It follows from the head.
type parts struct {
	sums       [2]int64 // the two tables of sums
	sumsLength int64    // of each
	shards     int64
	list       int64
	tail       int64 // the copy of the head
	size       int64
}

func (h *head) parts() parts {
	p := parts{sumsLength: 8 * (int64(h.stripes) + 1)}
	p.sums[0] = headRoom
	p.shards = ceilDiv(p.sums[0]+p.sumsLength, shardsAlign) * shardsAlign
	p.sums[1] = p.shards + int64(h.stripes)*h.geometry.ShardSize
	p.list = p.sums[1] + p.sumsLength
	p.tail = p.list + h.listLength
	p.size = p.tail + h.length() + locatorLength
	return p
}

// length is that of the encoded head in bytes.
func (h *head) length() int64 { return int64(headFixed + len(Code) + len(h.row) + 8) }

// headFixed is the length of what stands before the name of the code.
const headFixed = len(magic) + 4 + 4 + 3*8 + 4*4 + 2*8 + 7*8 + 2 + 2

// encode returns the bytes of the head, as FORMAT.md has them.
func (h *head) encode() []byte {
	at := h.parts()
	le := binary.LittleEndian
	b := make([]byte, 0, h.length())
	b = append(b, magic...)
	b = le.AppendUint32(b, formatVersion)
	b = le.AppendUint32(b, uint32(h.length()))
	for _, v := range []int64{h.id.Set, h.id.Number, h.id.Version} {
		b = le.AppendUint64(b, uint64(v))
	}
	for _, v := range []int{h.index, h.geometry.Data, h.geometry.Parity, h.stripes} {
		b = le.AppendUint32(b, uint32(v))
	}
	for _, v := range []int64{
		h.geometry.ShardSize, h.geometry.ColumnSize,
		at.sums[0], at.shards, at.sums[1], at.list, h.listLength, h.listEntries, at.tail,
	} {
		b = le.AppendUint64(b, uint64(v))
	}
	b = le.AppendUint16(b, uint16(len(Code)))
	b = le.AppendUint16(b, uint16(len(h.row)))
	b = append(b, Code...)
	b = append(b, h.row...)
	return le.AppendUint64(b, xxhash.Sum64(b))
}

// locator returns the bytes that stand at the very end of a file and tell
// where its second head begins.
func (h *head) locator() []byte {
	b := append(make([]byte, 0, locatorLength), locatorMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.length()))
	return binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b))
}

// headLength reads a locator.
func headLength(locator []byte) (int64, bool) {
	n := binary.LittleEndian.Uint64(locator[16:])
	intact := bytes.HasPrefix(locator, []byte(locatorMagic)) &&
		binary.LittleEndian.Uint64(locator[24:]) == xxhash.Sum64(locator[:24])
	return int64(n), intact && n <= headRoom
}

// decodeHead reads the head that b begins with. A head that fails its sum is
// ErrDamaged, and so is one that contradicts itself; ErrFormat is what has
// another magic, version or code.
func decodeHead(b []byte) (*head, error) {
	if !bytes.HasPrefix(b, []byte(magic)) {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrFormat)
	}
	le := binary.LittleEndian
	r := b[len(magic):]
	if len(b) < headFixed {
		return nil, fmt.Errorf("%w: its head is cut off", ErrDamaged)
	}
	version, length := le.Uint32(r), int(le.Uint32(r[4:]))
	if length < headFixed+8 || length > len(b) {
		return nil, fmt.Errorf("%w: a head of %d bytes", ErrDamaged, length)
	}
	if le.Uint64(b[length-8:]) != xxhash.Sum64(b[:length-8]) {
		return nil, fmt.Errorf("%w: its head fails its sum", ErrDamaged)
	}
	if version != formatVersion {
		return nil, fmt.Errorf("%w: format version %d, this program reads %d", ErrFormat, version, formatVersion)
	}
	r = r[8:]
	next64 := func() (v int64) { v = int64(le.Uint64(r)); r = r[8:]; return v }
	next32 := func() (v int) { v = int(min(le.Uint32(r), math.MaxInt32)); r = r[4:]; return v }
	h := &head{}
	h.id = BandID{Set: next64(), Number: next64(), Version: next64()}
	h.index, h.geometry.Data, h.geometry.Parity, h.stripes = next32(), next32(), next32(), next32()
	h.geometry.ShardSize, h.geometry.ColumnSize = next64(), next64()
	r = r[4*8:] // the places of tables, shards and list follow from the rest
	h.listLength, h.listEntries = next64(), next64()
	r = r[8:]
	nameLength, rowLength := int(le.Uint16(r)), int(le.Uint16(r[2:]))
	r = r[4:]
	if len(r) < nameLength+rowLength {
		return nil, fmt.Errorf("%w: its head contradicts itself", ErrDamaged)
	}
	if name := r[:nameLength]; string(name) != Code {
		return nil, fmt.Errorf("%w: its code is %q, this program knows %q", ErrFormat, name, Code)
	}
	h.row = r[nameLength : nameLength+rowLength]
	if err := h.validate(); err != nil {
		return nil, err
	}
	if !bytes.Equal(h.encode(), b[:length]) {
		return nil, fmt.Errorf("%w: its head contradicts itself", ErrDamaged)
	}
	return h, nil
}

// validate holds a head that was read to what a writer makes, so that nothing
// in it can overflow or be allocated without bound.
func (h *head) validate() error {
	g := h.geometry
	if err := g.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	switch {
	case h.id.Set < 0 || h.id.Number < 0 || h.id.Version < 0 || h.id.Number > maxColumnSize/g.BandSize(),
		h.index >= g.Parity,
		h.stripes > BandStripes,
		h.listLength < 0 || h.listLength > math.MaxInt64/2,
		h.listEntries < 0 || h.listEntries > h.listLength:
		return fmt.Errorf("%w: its head is impossible", ErrDamaged)
	}
	if !bytes.Equal(h.row, newGF().interpolate(points(0, g.Data), []int{g.Data + h.index})[0]) {
		return fmt.Errorf("%w: its coefficients are not those of %q", ErrFormat, Code)
	}
	return nil
}
