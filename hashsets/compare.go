package hashsets

import (
	"bytes"
	"slices"
)

// Mismatches returns the algorithms under which the recorded hash set h and
// the computed one have different digests, sorted by name. An algorithm that
// only one of them has is neither a match nor a mismatch.
func (h *HashSet) Mismatches(computed *HashSet) []Algorithm {
	return h.compared(computed, false)
}

// Matches returns the algorithms under which the recorded hash set h and the
// computed one have the same digest, sorted by name. Where it is empty,
// nothing was checked, whatever Mismatches says.
func (h *HashSet) Matches(computed *HashSet) []Algorithm {
	return h.compared(computed, true)
}

func (h *HashSet) compared(computed *HashSet, equal bool) []Algorithm {
	var algorithms []Algorithm
	for _, d := range h.Digests {
		sum, ok := computed.Digest(d.Algorithm)
		if ok && bytes.Equal(d.Sum, sum) == equal {
			algorithms = append(algorithms, d.Algorithm)
		}
	}
	return algorithms
}

// BadShards returns the numbers of the recorded shards that differ in the
// computed hash set or that it is too short to have, in ascending order. Both
// must have shard sums of the same shard size: where one has none, or the
// sizes differ, no shard can be accused and the answer is nil.
func (h *HashSet) BadShards(computed *HashSet) []int {
	if h.ShardSize != computed.ShardSize {
		return nil
	}
	var bad []int
	for i, sum := range h.ShardSums {
		if i >= len(computed.ShardSums) || computed.ShardSums[i] != sum {
			bad = append(bad, i)
		}
	}
	return bad
}

// Equal tells whether both say the same in every field.
func (h *HashSet) Equal(other *HashSet) bool {
	return h.Size == other.Size && h.ShardSize == other.ShardSize &&
		slices.Equal(h.ShardSums, other.ShardSums) &&
		slices.EqualFunc(h.Digests, other.Digests, func(a, b Digest) bool {
			return a.Algorithm == b.Algorithm && bytes.Equal(a.Sum, b.Sum)
		})
}
