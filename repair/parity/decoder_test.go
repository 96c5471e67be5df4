package parity_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// This is a decoder of parity files as FORMAT.md describes them, written from
// it and sharing no code with the package. It is naive: it wants the file to
// be intact, holds all of it in memory, and solves the equations of each byte
// column by elimination, with the coefficients that the heads give.

type parityFile struct {
	set, band, version    uint64
	index, k, m, stripes  int
	shardSize, columnSize uint64
	row                   []byte
	parity                []byte // all parity shards of the band
	entries               []entry
}

type entry struct {
	column, offset, length, blobOffset int
	name                               string
	generation                         uint64
	recordedAt                         int64
	kind                               int

	size                uint64
	modTime, changeTime int64
	device, inode       uint64
	etag, objectVersion string

	mode, uid, gid            uint64
	attrModTime               int64
	xattrs                    map[string]string
	contentType, storageClass string
	metadata, tags            map[string]string

	target string

	hashedSize uint64
	digests    map[string]string
	shardSize  uint64
	shardSums  []uint64
}

func decodeFile(p []byte) (*parityFile, error) {
	u16 := func(at int) int { return int(binary.LittleEndian.Uint16(p[at:])) }
	u32 := func(at int) int { return int(binary.LittleEndian.Uint32(p[at:])) }
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(p[at:]) }

	if string(p[:16]) != "bitmend parity\r\n" || u32(16) != 1 {
		return nil, errors.New("magic or version")
	}
	length := u32(20)
	if xxhash.Sum64(p[:length-8]) != u64(length-8) {
		return nil, errors.New("sum of the head")
	}
	f := &parityFile{
		set: u64(24), band: u64(32), version: u64(40),
		index: u32(48), k: u32(52), m: u32(56), stripes: u32(60),
		shardSize: u64(64), columnSize: u64(72),
	}
	tables, shardsAt := [2]uint64{u64(80), u64(96)}, u64(88)
	listAt, listLength, listEntries, tailAt := u64(104), u64(112), u64(120), u64(128)
	name := string(p[140 : 140+u16(136)])
	if name != "reed-solomon gf(2^8)/0x11d lagrange 0..k+m-1" {
		return nil, errors.New("another code")
	}
	f.row = p[140+u16(136):][:u16(138)]
	if len(f.row) != f.k {
		return nil, errors.New("coefficients")
	}

	// The copy of the head, and the locator.
	if !bytes.Equal(p[tailAt:tailAt+uint64(length)], p[:length]) {
		return nil, errors.New("copy of the head")
	}
	locator := p[len(p)-32:]
	if string(locator[:16]) != "bitmend par end\n" || binary.LittleEndian.Uint64(locator[16:]) != uint64(length) ||
		xxhash.Sum64(locator[:24]) != binary.LittleEndian.Uint64(locator[24:]) {
		return nil, errors.New("locator")
	}

	sum := func(kind string, position int, parts ...[]byte) uint64 {
		b := make([]byte, 48)
		copy(b, kind)
		for i, v := range []uint64{f.set, f.band, f.version, uint64(f.index), uint64(position)} {
			binary.LittleEndian.PutUint64(b[8+8*i:], v)
		}
		return xxhash.Sum64(bytes.Join(append([][]byte{b}, parts...), nil))
	}
	for i, at := range tables {
		table := p[at : at+uint64(8*f.stripes)]
		if sum("sums", i, table) != u64(int(at)+len(table)) {
			return nil, fmt.Errorf("table %d", i)
		}
		for stripe := range f.stripes {
			shard := p[shardsAt+uint64(stripe)*f.shardSize:][:f.shardSize]
			if sum("shard", stripe, shard) != binary.LittleEndian.Uint64(table[8*stripe:]) {
				return nil, fmt.Errorf("shard %d", stripe)
			}
		}
	}
	f.parity = p[shardsAt : shardsAt+uint64(f.stripes)*f.shardSize]

	var stream []byte
	list := p[listAt : listAt+listLength]
	for number := 0; len(list) > 0; number++ {
		chunk := list[:min(65536, len(list))]
		list = list[len(chunk):]
		if binary.LittleEndian.Uint64(chunk[8:]) != sum("list", number, chunk[:8], chunk[16:]) ||
			int(binary.LittleEndian.Uint32(chunk)) != len(chunk)-16 {
			return nil, fmt.Errorf("chunk %d", number)
		}
		stream = append(stream, chunk[16:]...)
	}
	for len(stream) > 0 {
		n := binary.LittleEndian.Uint32(stream)
		f.entries = append(f.entries, decode(stream[4:4+n]))
		stream = stream[4+n:]
	}
	if uint64(len(f.entries)) != listEntries {
		return nil, errors.New("number of entries")
	}
	return f, nil
}

func decode(p []byte) (e entry) {
	number := func() uint64 { // LEB128
		v, shift := uint64(0), 0
		for {
			b := p[0]
			p = p[1:]
			v |= uint64(b&0x7f) << shift
			if b < 0x80 {
				return v
			}
			shift += 7
		}
	}
	time := func() int64 { // zigzag
		v := number()
		return int64(v>>1) ^ -int64(v&1)
	}
	text := func() string {
		n := number()
		t := string(p[:n])
		p = p[n:]
		return t
	}
	pairs := func() map[string]string {
		m := map[string]string{}
		for range number() {
			k := text()
			m[k] = text()
		}
		return m
	}
	e.column, e.offset, e.length, e.blobOffset = int(number()), int(number()), int(number()), int(number())
	e.name, e.generation, e.recordedAt, e.kind = text(), number(), time(), int(number())
	e.size, e.modTime, e.changeTime, e.device, e.inode, e.etag, e.objectVersion = number(), time(), time(), number(), number(), text(), text()
	e.mode, e.uid, e.gid, e.attrModTime = number(), number(), number(), time()
	e.xattrs, e.contentType, e.storageClass, e.metadata, e.tags = pairs(), text(), text(), pairs(), pairs()
	e.target = text()
	e.hashedSize, e.digests, e.shardSize = number(), pairs(), number()
	for range number() {
		e.shardSums = append(e.shardSums, binary.LittleEndian.Uint64(p))
		p = p[8:]
	}
	if len(p) > 0 {
		panic("bytes behind an entry")
	}
	return e
}

// multiply is the product in GF(2^8) modulo x^8+x^4+x^3+x^2+1.
func multiply(a, b byte) byte {
	product := 0
	for x, y := int(a), int(b); y > 0; y >>= 1 {
		if y&1 == 1 {
			product ^= x
		}
		if x <<= 1; x > 255 {
			x ^= 0x11d
		}
	}
	return byte(product)
}

func inverse(a byte) byte {
	for b := range 256 {
		if multiply(a, byte(b)) == 1 {
			return byte(b)
		}
	}
	panic("zero has no inverse")
}

// solve returns the data columns, given the columns that are known (k data,
// then the parity columns of rows; nil for those that are lost).
func solve(known [][]byte, rows [][]byte) [][]byte {
	k := len(known) - len(rows)
	// One equation for each known column: coefficients × data = column.
	var left, right [][]byte
	for i, column := range known {
		if column == nil {
			continue
		}
		equation := make([]byte, k)
		if i < k {
			equation[i] = 1
		} else {
			copy(equation, rows[i-k])
		}
		left, right = append(left, equation), append(right, bytes.Clone(column))
	}
	scale := func(p []byte, by byte) {
		for i := range p {
			p[i] = multiply(p[i], by)
		}
	}
	addTimes := func(to, from []byte, by byte) {
		for i := range to {
			to[i] ^= multiply(from[i], by)
		}
	}
	for c := range k {
		pivot := c
		for left[pivot][c] == 0 {
			pivot++
		}
		left[c], left[pivot] = left[pivot], left[c]
		right[c], right[pivot] = right[pivot], right[c]
		by := inverse(left[c][c])
		scale(left[c], by)
		scale(right[c], by)
		for other := range left {
			if by := left[other][c]; other != c && by != 0 {
				addTimes(left[other], left[c], by)
				addTimes(right[other], right[c], by)
			}
		}
	}
	return right[:k]
}
