// Package xxh32 computes XXH32 with seed 0, as the xxHash specification (doc/
// xxhash_spec.md, version 0.2.0) has it; xxhsum and MHL write it.
//
// It is here to check lists that others wrote, and nothing else uses it.
package xxh32

import (
	"encoding/binary"
	"hash"
	"math/bits"
)

// Size is the length of a digest and BlockSize that of a block, in bytes.
const (
	Size      = 4
	BlockSize = 16
)

const (
	prime1 = 0x9e3779b1
	prime2 = 0x85ebca77
	prime3 = 0xc2b2ae3d
	prime4 = 0x27d4eb2f
	prime5 = 0x165667b1
)

type digest struct {
	lanes  [4]uint32
	part   [BlockSize]byte
	filled int
	length uint64 // bytes
}

// New returns a hash that computes XXH32. Its Sum is big-endian, as it is
// printed.
func New() hash.Hash {
	d := &digest{}
	d.Reset()
	return d
}

func (d *digest) Size() int      { return Size }
func (d *digest) BlockSize() int { return BlockSize }

func (d *digest) Reset() {
	sum, less := uint32(prime1), uint32(prime1) // the additions below overflow on purpose
	sum += prime2
	*d = digest{lanes: [4]uint32{sum, prime2, 0, -less}}
}

func (d *digest) Write(p []byte) (int, error) {
	n := len(p)
	d.length += uint64(n)
	for len(p) > 0 {
		if d.filled == 0 && len(p) >= BlockSize {
			d.mix(p)
			p = p[BlockSize:]
			continue
		}
		taken := copy(d.part[d.filled:], p)
		p = p[taken:]
		if d.filled += taken; d.filled == BlockSize {
			d.mix(d.part[:])
			d.filled = 0
		}
	}
	return n, nil
}

func (d *digest) mix(block []byte) {
	for i := range d.lanes {
		lane := d.lanes[i] + binary.LittleEndian.Uint32(block[4*i:])*prime2
		d.lanes[i] = bits.RotateLeft32(lane, 13) * prime1
	}
}

func (d *digest) Sum(in []byte) []byte {
	h := d.lanes[2] + prime5 // the seed, where no block was complete
	if d.length >= BlockSize {
		h = bits.RotateLeft32(d.lanes[0], 1) + bits.RotateLeft32(d.lanes[1], 7) +
			bits.RotateLeft32(d.lanes[2], 12) + bits.RotateLeft32(d.lanes[3], 18)
	}
	h += uint32(d.length)
	rest := d.part[:d.filled]
	for ; len(rest) >= 4; rest = rest[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(rest)*prime3, 17) * prime4
	}
	for _, b := range rest {
		h = bits.RotateLeft32(h+uint32(b)*prime5, 11) * prime1
	}
	h = (h ^ h>>15) * prime2
	h = (h ^ h>>13) * prime3
	return binary.BigEndian.AppendUint32(in, h^h>>16)
}
