// Package sm3 computes SM3, the 256-bit hash of GB/T 32905-2016, which
// cksum(1) writes.
//
// It is here to check lists that others wrote, and nothing else uses it.
package sm3

import (
	"encoding/binary"
	"hash"
	"math/bits"
)

// Size is the length of a digest and BlockSize that of a block, in bytes.
const (
	Size      = 32
	BlockSize = 64
)

type digest struct {
	state  [8]uint32
	part   [BlockSize]byte
	filled int
	length uint64 // bytes
}

// New returns a hash that computes SM3.
func New() hash.Hash {
	d := &digest{}
	d.Reset()
	return d
}

func (d *digest) Size() int      { return Size }
func (d *digest) BlockSize() int { return BlockSize }

func (d *digest) Reset() {
	*d = digest{state: [8]uint32{
		0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
	}}
}

func (d *digest) Write(p []byte) (int, error) {
	n := len(p)
	d.length += uint64(n)
	for len(p) > 0 {
		if d.filled == 0 && len(p) >= BlockSize {
			d.compress(p)
			p = p[BlockSize:]
			continue
		}
		taken := copy(d.part[d.filled:], p)
		p = p[taken:]
		if d.filled += taken; d.filled == BlockSize {
			d.compress(d.part[:])
			d.filled = 0
		}
	}
	return n, nil
}

func (d *digest) Sum(in []byte) []byte {
	end := *d
	padding := make([]byte, 1+(2*BlockSize-9-int(d.length%BlockSize))%BlockSize+8)
	padding[0] = 0x80
	binary.BigEndian.PutUint64(padding[len(padding)-8:], d.length*8)
	end.Write(padding)
	for _, word := range end.state {
		in = binary.BigEndian.AppendUint32(in, word)
	}
	return in
}

// compress is the function CF of section 5.3.3, with the names of the
// standard.
func (d *digest) compress(block []byte) {
	var w [68]uint32
	for i := range 16 {
		w[i] = binary.BigEndian.Uint32(block[4*i:])
	}
	for i := 16; i < len(w); i++ {
		x := w[i-16] ^ w[i-9] ^ bits.RotateLeft32(w[i-3], 15)
		w[i] = x ^ bits.RotateLeft32(x, 15) ^ bits.RotateLeft32(x, 23) ^ bits.RotateLeft32(w[i-13], 7) ^ w[i-6]
	}
	s := d.state
	for j := range 64 {
		constant := uint32(0x79cc4519)
		if j >= 16 {
			constant = 0x7a879d8a
		}
		a := bits.RotateLeft32(s[0], 12)
		ss1 := bits.RotateLeft32(a+s[4]+bits.RotateLeft32(constant, j%32), 7)
		ss2 := ss1 ^ a
		ff, gg := s[0]^s[1]^s[2], s[4]^s[5]^s[6]
		if j >= 16 {
			ff, gg = s[0]&s[1]|s[0]&s[2]|s[1]&s[2], s[4]&s[5]|^s[4]&s[6]
		}
		tt1 := ff + s[3] + ss2 + (w[j] ^ w[j+4])
		tt2 := gg + s[7] + ss1 + w[j]
		s[3], s[2], s[1], s[0] = s[2], bits.RotateLeft32(s[1], 9), s[0], tt1
		s[7], s[6], s[5], s[4] = s[6], bits.RotateLeft32(s[5], 19), s[4], tt2^bits.RotateLeft32(tt2, 9)^bits.RotateLeft32(tt2, 17)
	}
	for i := range d.state {
		d.state[i] ^= s[i]
	}
}
