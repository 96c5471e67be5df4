// Package tiger computes Tiger, the 192-bit hash of Ross Anderson and Eli
// Biham (Tiger: A Fast New Hash Function, 1996), which hashdeep writes.
//
// It is here to check lists that others wrote, and nothing else uses it.
package tiger

import (
	"encoding/binary"
	"hash"
	"sync"
)

// Size is the length of a digest and BlockSize that of a block, in bytes.
const (
	Size      = 24
	BlockSize = 64
)

// boxes are the four S-boxes.
type boxes [4][256]uint64

// state is what the compression of a block changes.
type state [3]uint64

func start() state { return state{0x0123456789abcdef, 0xfedcba9876543210, 0xf096a5b4c3b2e187} }

// generated returns the S-boxes. The paper defines them by the program that
// makes them: five passes in which the hash, under the boxes as far as they
// are made, shuffles each column of bytes.
var generated = sync.OnceValue(func() *boxes {
	const seed = "Tiger - A Fast New Hash Function, by Ross Anderson and Eli Biham"
	t := &boxes{}
	for box := range t {
		for i := range t[box] {
			t[box][i] = uint64(i) * 0x0101010101010101
		}
	}
	s, word := start(), 2
	for range 5 {
		for i := range 256 {
			for box := range t {
				if word++; word == len(s) {
					word = 0
					t.compress(&s, []byte(seed))
				}
				for column := 0; column < 64; column += 8 {
					other := s[word] >> column & 0xff
					swapped := (t[box][i] ^ t[box][other]) & (0xff << column)
					t[box][i] ^= swapped
					t[box][other] ^= swapped
				}
			}
		}
	}
	return t
})

func (t *boxes) compress(s *state, block []byte) {
	var x [8]uint64
	for i := range x {
		x[i] = binary.LittleEndian.Uint64(block[8*i:])
	}
	a, b, c := s[0], s[1], s[2]
	for pass, times := range [3]uint64{5, 7, 9} {
		if pass > 0 {
			schedule(&x)
		}
		for _, word := range x {
			c ^= word
			a -= t[0][c&0xff] ^ t[1][c>>16&0xff] ^ t[2][c>>32&0xff] ^ t[3][c>>48&0xff]
			b += t[3][c>>8&0xff] ^ t[2][c>>24&0xff] ^ t[1][c>>40&0xff] ^ t[0][c>>56]
			b *= times
			a, b, c = b, c, a
		}
	}
	s[0], s[1], s[2] = a^s[0], b-s[1], c+s[2]
}

// schedule mixes the words of a block between two passes.
func schedule(x *[8]uint64) {
	x[0] -= x[7] ^ 0xa5a5a5a5a5a5a5a5
	x[1] ^= x[0]
	x[2] += x[1]
	x[3] -= x[2] ^ (^x[1] << 19)
	x[4] ^= x[3]
	x[5] += x[4]
	x[6] -= x[5] ^ (^x[4] >> 23)
	x[7] ^= x[6]
	x[0] += x[7]
	x[1] -= x[0] ^ (^x[7] << 19)
	x[2] ^= x[1]
	x[3] += x[2]
	x[4] -= x[3] ^ (^x[2] >> 23)
	x[5] ^= x[4]
	x[6] += x[5]
	x[7] -= x[6] ^ 0x0123456789abcdef
}

type digest struct {
	boxes  *boxes
	state  state
	part   [BlockSize]byte
	filled int
	length uint64 // bytes
}

// New returns a hash that computes Tiger with the padding of the paper.
func New() hash.Hash {
	d := &digest{boxes: generated()}
	d.Reset()
	return d
}

func (d *digest) Size() int      { return Size }
func (d *digest) BlockSize() int { return BlockSize }
func (d *digest) Reset()         { d.state, d.filled, d.length = start(), 0, 0 }

func (d *digest) Write(p []byte) (int, error) {
	n := len(p)
	d.length += uint64(n)
	for len(p) > 0 {
		if d.filled == 0 && len(p) >= BlockSize {
			d.boxes.compress(&d.state, p)
			p = p[BlockSize:]
			continue
		}
		taken := copy(d.part[d.filled:], p)
		p = p[taken:]
		if d.filled += taken; d.filled == BlockSize {
			d.boxes.compress(&d.state, d.part[:])
			d.filled = 0
		}
	}
	return n, nil
}

func (d *digest) Sum(in []byte) []byte {
	end := *d
	padding := make([]byte, 1+(2*BlockSize-9-int(d.length%BlockSize))%BlockSize+8)
	padding[0] = 0x01
	binary.LittleEndian.PutUint64(padding[len(padding)-8:], d.length*8)
	end.Write(padding)
	for _, word := range end.state {
		in = binary.LittleEndian.AppendUint64(in, word)
	}
	return in
}
