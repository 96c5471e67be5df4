package hashsets

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// ShardSum returns the sum of one shard: XXH64 with seed 0.
func ShardSum(shard []byte) uint64 { return xxhash.Sum64(shard) }

// A Hasher computes the hash set of the bytes that are written to it, all
// digests and shard sums in one pass. Use it for one blob after another, with
// Reset in between; one goroutine at a time.
type Hasher struct {
	algorithms []Algorithm // sorted by name
	digests    []hash.Hash // one per algorithm; nil where whole computes it
	sumBytes   int         // of all digests together
	scratch    []byte      // for one digest

	// whole computes the xxh64 digest, when it is asked for. As long as the
	// first shard is not complete, shard is in the very state that whole would
	// be in, and stands in for it: a blob of one shard is summed once.
	whole      xxhash.Digest
	wholeAsked bool

	shardSize int64 // 0 when no shard sums are asked for
	shard     xxhash.Digest
	shardLeft int64    // bytes until the shard in work is complete
	shardSums []uint64 // of the shards that are complete

	size int64 // bytes written since Reset
}

// NewHasher returns a Hasher for digests under algorithms and for the sums of
// shards of shardSize bytes; no shard sums for shardSize 0. An unknown
// algorithm, one that is given twice, and a negative shardSize are errors.
func NewHasher(algorithms []Algorithm, shardSize int64) (*Hasher, error) {
	if shardSize < 0 {
		return nil, fmt.Errorf("shard size %d is negative", shardSize)
	}
	h := &Hasher{algorithms: slices.Clone(algorithms), shardSize: shardSize}
	slices.Sort(h.algorithms)
	if len(slices.Compact(slices.Clone(h.algorithms))) != len(algorithms) {
		return nil, errors.New("a checksum algorithm is given twice")
	}
	h.digests = make([]hash.Hash, len(h.algorithms))
	for i, a := range h.algorithms {
		if _, err := ParseAlgorithm(string(a)); err != nil {
			return nil, err
		}
		h.sumBytes += a.Size()
		if a == XXH64 {
			h.wholeAsked = true
		} else {
			h.digests[i] = a.New()
		}
	}
	h.Reset()
	return h, nil
}

// Reset begins a new blob.
func (h *Hasher) Reset() {
	for _, d := range h.digests {
		if d != nil {
			d.Reset()
		}
	}
	h.whole.Reset()
	h.shard.Reset()
	h.shardLeft = h.shardSize
	h.shardSums = h.shardSums[:0]
	if cap(h.shardSums) > keptSums {
		h.shardSums = nil
	}
	h.size = 0
}

// Bounds of the memory for shard sums.
const (
	keptSums = 1 << 14 // that a Hasher keeps room for from one blob to the next
	mostRoom = 1 << 24 // for which Expect makes room at once
)

// Expect makes room for the sums of a blob of size bytes, so that those of a
// large one need not be copied as they grow in number. It comes after Reset
// and before the first Write; the blob may turn out to be of another size.
func (h *Hasher) Expect(size int64) {
	if h.shardSize == 0 || size <= 0 {
		return
	}
	shards := min((size-1)/h.shardSize+1, mostRoom)
	h.shardSums = slices.Grow(h.shardSums, int(shards))
}

// Write adds p to the blob. It takes all of p and returns no error.
func (h *Hasher) Write(p []byte) (int, error) {
	for _, d := range h.digests {
		if d != nil {
			d.Write(p) // a hash.Hash never returns an error
		}
	}
	if h.shardSize > 0 {
		h.writeShards(p)
	} else if h.wholeAsked {
		h.whole.Write(p)
	}
	h.size += int64(len(p))
	return len(p), nil
}

// writeShards feeds the shard sums and, one piece of a shard after the other
// so that it is still in the processor's cache, the xxh64 digest.
func (h *Hasher) writeShards(p []byte) {
	for len(p) > 0 {
		piece := p[:min(int64(len(p)), h.shardLeft)]
		p = p[len(piece):]
		h.shard.Write(piece)
		h.shardLeft -= int64(len(piece))
		if h.wholeAsked && len(h.shardSums) > 0 {
			h.whole.Write(piece)
		}
		if h.shardLeft == 0 {
			h.completeShard()
		}
	}
}

func (h *Hasher) completeShard() {
	if len(h.shardSums) == 0 {
		h.whole = h.shard
	}
	h.shardSums = append(h.shardSums, h.shard.Sum64())
	h.shard.Reset()
	h.shardLeft = h.shardSize
}

// HashSet returns the hash set of what was written since Reset. It shares no
// memory with h; writing may go on.
func (h *Hasher) HashSet() HashSet {
	return HashSet{
		Size:      h.size,
		Digests:   h.digestsSoFar(),
		ShardSize: h.shardSize,
		ShardSums: h.shardSumsSoFar(),
	}
}

// Take returns what HashSet does and begins a new blob, as Reset does. The sums
// of a large blob are handed over and not copied.
func (h *Hasher) Take() HashSet {
	set := HashSet{Size: h.size, Digests: h.digestsSoFar(), ShardSize: h.shardSize}
	if len(h.shardSums) < keptSums {
		set.ShardSums = h.shardSumsSoFar()
	} else {
		set.ShardSums = h.shardSums
		if h.shardLeft < h.shardSize {
			set.ShardSums = append(set.ShardSums, h.shard.Sum64())
		}
		h.shardSums = nil
	}
	h.Reset()
	return set
}

// Matches tells whether the hash set of what was written since Reset equals
// other, as HashSet and Equal would, without making one.
func (h *Hasher) Matches(other *HashSet) bool {
	if h.size != other.Size || h.shardSize != other.ShardSize || len(h.digests) != len(other.Digests) {
		return false
	}
	for i, d := range other.Digests {
		h.scratch = h.appendDigest(h.scratch[:0], i)
		if h.algorithms[i] != d.Algorithm || !bytes.Equal(h.scratch, d.Sum) {
			return false
		}
	}
	return h.shardsMatch(other.ShardSums)
}

func (h *Hasher) shardsMatch(sums []uint64) bool {
	complete := len(h.shardSums)
	if h.shardLeft == h.shardSize {
		return slices.Equal(h.shardSums, sums)
	}
	return len(sums) == complete+1 && slices.Equal(h.shardSums, sums[:complete]) && h.shard.Sum64() == sums[complete]
}

func (h *Hasher) digestsSoFar() []Digest {
	digests := make([]Digest, len(h.digests))
	sums := make([]byte, 0, h.sumBytes) // one allocation for all of them
	for i := range h.digests {
		from := len(sums)
		sums = h.appendDigest(sums, i)
		digests[i] = Digest{Algorithm: h.algorithms[i], Sum: sums[from:len(sums):len(sums)]}
	}
	return digests
}

// appendDigest appends the digest under algorithm i of what was written.
func (h *Hasher) appendDigest(sums []byte, i int) []byte {
	if d := h.digests[i]; d != nil {
		return d.Sum(sums)
	}
	return h.wholeSoFar().Sum(sums)
}

func (h *Hasher) wholeSoFar() *xxhash.Digest {
	if h.shardSize > 0 && len(h.shardSums) == 0 {
		return &h.shard
	}
	return &h.whole
}

// shardSumsSoFar counts an incomplete last shard. It is nil for a blob without
// shards.
func (h *Hasher) shardSumsSoFar() []uint64 {
	shards := len(h.shardSums)
	if h.shardLeft < h.shardSize {
		shards++
	}
	if shards == 0 {
		return nil
	}
	sums := make([]uint64, shards)
	copy(sums, h.shardSums)
	if h.shardLeft < h.shardSize {
		sums[shards-1] = h.shard.Sum64()
	}
	return sums
}
