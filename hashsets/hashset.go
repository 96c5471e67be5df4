package hashsets

// DefaultShardSize is the length of a shard where nothing else is configured.
const DefaultShardSize = 64 << 10

// A Digest is the outcome of one algorithm over the whole of a blob. It is
// compared as bytes, never as text.
type Digest struct {
	Algorithm Algorithm
	Sum       []byte
}

// A HashSet is what is recorded of the bytes of one generation of a blob.
type HashSet struct {
	Size      int64    // bytes
	Digests   []Digest // one per algorithm, sorted by the algorithm's name
	ShardSize int64    // bytes; 0 when there are no shard sums
	ShardSums []uint64 // XXH64 (seed 0) of each shard in order; nil when none were recorded
}

// Shards returns how many shards a blob of size bytes has. An empty blob has
// none.
func Shards(size, shardSize int64) int {
	return int((size + shardSize - 1) / shardSize)
}

// ShardRange returns where shard i of the blob lies: its offset and its
// length in bytes. The last shard may be shorter than ShardSize.
func (h *HashSet) ShardRange(i int) (offset, length int64) {
	offset = int64(i) * h.ShardSize
	return offset, min(h.ShardSize, h.Size-offset)
}

// Digest returns the digest under algorithm a, and whether there is one.
func (h *HashSet) Digest(a Algorithm) ([]byte, bool) {
	for _, d := range h.Digests {
		if d.Algorithm == a {
			return d.Sum, true
		}
	}
	return nil, false
}

// Algorithms returns the algorithms of the digests, in their order.
func (h *HashSet) Algorithms() []Algorithm {
	names := make([]Algorithm, len(h.Digests))
	for i, d := range h.Digests {
		names[i] = d.Algorithm
	}
	return names
}
