package diagnose

import (
	"context"
	"encoding/binary"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"

	"bitmend/hashsets"
)

// CorrectBitFlip searches the one bit of a shard whose flip gives the shard the
// sum want. bit counts from the shard's first byte, eight to a byte, the lowest
// first; shard is left as it is. ok is false when no single flip does it, when
// the sum is want already, and when ctx ended: ctx.Err tells.
//
// It uses all processors. The work grows with the square of the length: see
// BenchmarkCorrectBitFlip for what it costs.
//
// Each of the 8n candidates would take a hash of n bytes. But XXH64 reads a
// shard as four lanes of 64-bit words that meet only at the end, so a candidate
// costs one lane from the flipped word on, an eighth of the hash on average,
// and eight candidates can be in the processor at a time.
func CorrectBitFlip(ctx context.Context, shard []byte, want uint64) (bit int, ok bool) {
	if ctx.Err() != nil || hashsets.ShardSum(shard) == want {
		return 0, false
	}
	s := newFlipSearch(shard, want)
	if bit, ok := s.tail(ctx); ok || ctx.Err() != nil {
		return bit, ok
	}
	return s.lanes(ctx)
}

// The constants of XXH64 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md),
// which are odd and so have inverses.
const (
	prime1 uint64 = 0x9E3779B185EBCA87
	prime2 uint64 = 0xC2B2AE3D27D4EB4F
	prime3 uint64 = 0x165667B19E3779F9
	prime4 uint64 = 0x85EBCA77C2B2AE63
	prime5 uint64 = 0x27D4EB2F165667C5

	laneCount = 4
	stripe    = laneCount * 8 // bytes that go into the lanes together
)

// flipSearch is what the search for one shard shares.
type flipSearch struct {
	shard  []byte
	want   uint64
	words  [laneCount][]uint64 // of each lane, times prime2
	before [laneCount][]uint64 // each lane before each of its words
	final  [laneCount]uint64   // each lane after the last word, without a flip
}

func newFlipSearch(shard []byte, want uint64) *flipSearch {
	s := &flipSearch{shard: shard, want: want}
	count := len(shard) / stripe
	for lane := range laneCount {
		words, before := make([]uint64, count), make([]uint64, count)
		acc := laneStart(lane)
		for i := range words {
			words[i] = s.word(lane, i) * prime2
			before[i] = acc
			acc = round(acc, words[i])
		}
		s.words[lane], s.before[lane], s.final[lane] = words, before, acc
	}
	return s
}

func (s *flipSearch) word(lane, i int) uint64 {
	return binary.LittleEndian.Uint64(s.shard[i*stripe+lane*8:])
}

// laneStart is a lane before the first word (seed 0).
func laneStart(lane int) uint64 {
	switch lane {
	case 0:
		p := prime1 // a variable: the sum is meant to wrap
		return p + prime2
	case 1:
		return prime2
	case 2:
		return 0
	}
	p := prime1
	return -p
}

// round takes a word, already times prime2, into a lane.
func round(acc, word uint64) uint64 { return bits.RotateLeft64(acc+word, 31) * prime1 }

// sumOf is the sum of the shard if its lanes came to these values: what XXH64
// does after the last whole stripe.
func (s *flipSearch) sumOf(lanes [laneCount]uint64) uint64 {
	h := bits.RotateLeft64(lanes[0], 1) + bits.RotateLeft64(lanes[1], 7) +
		bits.RotateLeft64(lanes[2], 12) + bits.RotateLeft64(lanes[3], 18)
	for _, v := range lanes {
		h = (h^round(0, v*prime2))*prime1 + prime4
	}
	h += uint64(len(s.shard))
	rest := s.shard[len(s.shard)/stripe*stripe:]
	for ; len(rest) >= 8; rest = rest[8:] {
		h ^= round(0, binary.LittleEndian.Uint64(rest)*prime2)
		h = bits.RotateLeft64(h, 27)*prime1 + prime4
	}
	if len(rest) >= 4 {
		h ^= uint64(binary.LittleEndian.Uint32(rest)) * prime1
		h = bits.RotateLeft64(h, 23)*prime2 + prime3
		rest = rest[4:]
	}
	for _, b := range rest {
		h ^= uint64(b) * prime5
		h = bits.RotateLeft64(h, 11) * prime1
	}
	h = (h ^ h>>33) * prime2
	h = (h ^ h>>29) * prime3
	return h ^ h>>32
}

// tail tries the bits after the last whole stripe, of which there are few.
func (s *flipSearch) tail(ctx context.Context) (int, bool) {
	try := append([]byte(nil), s.shard...)
	for i := len(s.shard) / stripe * stripe * 8; i < len(s.shard)*8; i++ {
		if ctx.Err() != nil {
			return 0, false
		}
		try[i/8] ^= 1 << (i % 8)
		if hashsets.ShardSum(try) == s.want {
			return i, true
		}
		try[i/8] ^= 1 << (i % 8)
	}
	return 0, false
}

// lanesBlock is how many words of a lane a goroutine takes at a time, between
// two looks at the context: a few milliseconds of work.
const lanesBlock = 8

// lanes tries the bits in the whole stripes.
func (s *flipSearch) lanes(ctx context.Context) (int, bool) {
	var next, found atomic.Int64
	found.Store(-1)
	total := int64(laneCount * len(s.words[0]))
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for ctx.Err() == nil && found.Load() < 0 {
				first := next.Add(lanesBlock) - lanesBlock
				if first >= total {
					return
				}
				for n := first; n < min(first+lanesBlock, total); n++ {
					if bit := s.tryWord(int(n%laneCount), int(n/laneCount)); bit >= 0 {
						found.Store(int64(bit))
						return
					}
				}
			}
		})
	}
	workers.Wait()
	bit := int(found.Load())
	return max(0, bit), bit >= 0
}

// tryWord tries the 64 bits of one word, and returns the bit of the shard whose
// flip gives the sum that is wanted, or -1.
func (s *flipSearch) tryWord(lane, i int) int {
	word, before := s.word(lane, i), s.before[lane][i]
	following := s.words[lane][i+1:]
	lanes := s.final
	for b := 0; b < 64; b += 8 {
		var accs [8]uint64
		for j := range accs {
			accs[j] = round(before, (word^1<<(b+j))*prime2)
		}
		runTogether(&accs, following)
		for j, acc := range accs {
			lanes[lane] = acc
			if s.sumOf(lanes) == s.want {
				return (i*stripe+lane*8)*8 + b + j
			}
		}
	}
	return -1
}

// runTogether takes words into eight lanes at once. Each lane waits for its own
// multiplication; eight of them keep the processor busy meanwhile. The race
// detector does not watch it: it reads what was written before the goroutines
// began, and watched it took a third of the processor time of the tests of repair.
//
//go:norace
func runTogether(accs *[8]uint64, words []uint64) {
	a, b, c, d, e, f, g, h := accs[0], accs[1], accs[2], accs[3], accs[4], accs[5], accs[6], accs[7]
	for _, w := range words {
		a, b, c, d = round(a, w), round(b, w), round(c, w), round(d, w)
		e, f, g, h = round(e, w), round(f, w), round(g, w), round(h, w)
	}
	*accs = [8]uint64{a, b, c, d, e, f, g, h}
}
