package parity

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// part names a kind of part of a parity file, in the bytes that its sum begins
// with.
type part [8]byte

var (
	partShard = part([]byte("shard\x00\x00\x00"))    // position: the stripe in the band
	partSums  = part([]byte("sums\x00\x00\x00\x00")) // position: 0 for the table before the shards, 1 for the one after them
	partList  = part([]byte("list\x00\x00\x00\x00")) // position: the number of the chunk
)

// binder computes the sums of the parts of one parity file. A sum covers what
// the part is, which file it belongs to and where in the file it stands, before
// its bytes: a part that was misplaced fails its sum.
type binder struct {
	id    BandID
	index int
	sum   xxhash.Digest
}

// begin starts the sum of a part.
func (b *binder) begin(kind part, position int) {
	var bound [48]byte
	copy(bound[:], kind[:])
	for i, v := range [...]int64{b.id.Set, b.id.Number, b.id.Version, int64(b.index), int64(position)} {
		binary.LittleEndian.PutUint64(bound[8+8*i:], uint64(v))
	}
	b.sum.Reset()
	b.add(bound[:])
}

func (b *binder) add(p []byte) { b.sum.Write(p) } // never returns an error

// of returns the sum of a part of those bytes.
func (b *binder) of(kind part, position int, p ...[]byte) uint64 {
	b.begin(kind, position)
	for _, piece := range p {
		b.add(piece)
	}
	return b.sum.Sum64()
}
