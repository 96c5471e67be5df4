package hashsets

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// ErrNoState says that the state of an algorithm cannot be kept: what is begun
// under it must be begun anew. It is so of blake3 and xxh128.
var ErrNoState = errors.New("the state of this checksum algorithm cannot be kept")

// mostDiffering bounds the shard sums that a state holds.
const mostDiffering = 1 << 16

// hasherState is what State writes: of the complete shards only the sums that
// are not those expected.
type hasherState struct {
	Size      int64                `json:"size"`
	ShardSize int64                `json:"shard_size"`
	Digests   map[Algorithm][]byte `json:"digests"`
	Whole     []byte               `json:"whole"`
	Shard     []byte               `json:"shard"`
	Differing map[int]uint64       `json:"differing,omitempty"`
}

// State returns the state of h, with which Resume goes on in another process.
// Sums of complete shards that are as expected are left out, so that the state
// is small; a blob of which too many differ has none. ErrNoState names an
// algorithm whose state cannot be kept.
func (h *Hasher) State(expected []uint64) ([]byte, error) {
	if len(h.shardSums) > len(expected) {
		return nil, fmt.Errorf("%d shards are complete, and %d are expected", len(h.shardSums), len(expected))
	}
	s := hasherState{Size: h.size, ShardSize: h.shardSize, Digests: map[Algorithm][]byte{}, Differing: map[int]uint64{}}
	for i, sum := range h.shardSums {
		if sum != expected[i] {
			s.Differing[i] = sum
		}
	}
	if len(s.Differing) > mostDiffering {
		return nil, fmt.Errorf("%d shards differ, too many to keep", len(s.Differing))
	}
	for i, d := range h.digests {
		if d == nil {
			continue // whole
		}
		kept, ok := d.(encoding.BinaryMarshaler)
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrNoState, h.algorithms[i])
		}
		state, err := kept.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("keep the state of %s: %w", h.algorithms[i], err)
		}
		s.Digests[h.algorithms[i]] = state
	}
	var whole, shard error
	s.Whole, whole = h.whole.MarshalBinary()
	s.Shard, shard = h.shard.MarshalBinary()
	if err := errors.Join(whole, shard); err != nil {
		return nil, fmt.Errorf("keep the state of shard sums: %w", err)
	}
	return json.Marshal(s)
}

// Resume takes up the state that State returned of a Hasher for the same
// algorithms and shard size, given the same expected sums. h is as after Reset
// when that fails.
func (h *Hasher) Resume(state []byte, expected []uint64) error {
	h.Reset()
	if err := h.resume(state, expected); err != nil {
		h.Reset()
		return fmt.Errorf("take up the state of hashes: %w", err)
	}
	return nil
}

func (h *Hasher) resume(state []byte, expected []uint64) error {
	var s hasherState
	if err := json.Unmarshal(state, &s); err != nil {
		return err
	}
	if s.Size < 0 || s.ShardSize != h.shardSize {
		return fmt.Errorf("%d bytes in shards of %d, where shards have %d", s.Size, s.ShardSize, h.shardSize)
	}
	for i, d := range h.digests {
		if d == nil {
			continue
		}
		kept, ok := d.(encoding.BinaryUnmarshaler)
		if !ok {
			return fmt.Errorf("%w: %s", ErrNoState, h.algorithms[i])
		}
		if err := kept.UnmarshalBinary(s.Digests[h.algorithms[i]]); err != nil {
			return fmt.Errorf("%s: %w", h.algorithms[i], err)
		}
	}
	if err := errors.Join(h.whole.UnmarshalBinary(s.Whole), h.shard.UnmarshalBinary(s.Shard)); err != nil {
		return err
	}
	h.size = s.Size
	if h.shardSize == 0 {
		return nil
	}
	complete := s.Size / h.shardSize
	if complete > int64(len(expected)) {
		return fmt.Errorf("%d shards are complete, and %d are expected", complete, len(expected))
	}
	h.shardLeft = h.shardSize - s.Size%h.shardSize
	h.shardSums = slices.Grow(h.shardSums, len(expected))
	h.shardSums = append(h.shardSums, expected[:complete]...)
	for i, sum := range s.Differing {
		if i < 0 || int64(i) >= complete {
			return fmt.Errorf("shard %d differs, and %d are complete", i, complete)
		}
		h.shardSums[i] = sum
	}
	return nil
}

// Size is how many bytes were written since Reset, those before Resume
// included.
func (h *Hasher) Size() int64 { return h.size }
