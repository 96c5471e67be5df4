package parity

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"

	"bitmend/scrub/store"

	"github.com/klauspost/reedsolomon"
)

// Stripe is the working memory for rebuilding one stripe. It is for one
// goroutine at a time.
type Stripe struct {
	Shards [][]byte        // k data and m parity shards of ShardSize bytes; what is erased may hold anything, what is unused is zero
	Erased [][]store.Range // by shard: the ranges of it that are erased

	field    *gf
	decoders map[string]*decoder // by the shards erased and wanted; stripes of a lost blob share theirs
}

// maxDecoders bounds the decoders that a Stripe keeps: each is up to 64 KiB.
const maxDecoders = 32

// NewStripe allocates a stripe with aligned shards.
func NewStripe(g Geometry) *Stripe {
	return &Stripe{
		Shards:   reedsolomon.AllocAligned(g.Data+g.Parity, int(g.ShardSize)),
		Erased:   make([][]store.Range, g.Data+g.Parity),
		field:    newGF(),
		decoders: make(map[string]*decoder),
	}
}

// Reset zeroes the shards and forgets the erasures.
func (s *Stripe) Reset() {
	for i := range s.Shards {
		clear(s.Shards[i])
		s.Erased[i] = s.Erased[i][:0]
	}
}

// Erase marks a range of a shard as erased. What reaches beyond the shard is
// left out.
func (s *Stripe) Erase(shard int, r store.Range) {
	from, to := clip(r, int64(len(s.Shards[shard])))
	if from < to {
		s.Erased[shard] = append(s.Erased[shard], store.Range{Offset: from, Length: to - from})
	}
}

func clip(r store.Range, size int64) (from, to int64) {
	from = min(max(r.Offset, 0), size)
	if r.Length <= 0 {
		return from, from
	}
	if r.Length > size-from { // also keeps the sum from overflowing
		return from, size
	}
	return from, max(from, r.Offset+r.Length)
}

// BeyondError says that a stripe misses more shards than parity bears.
type BeyondError struct {
	Range store.Range // of the shards, where it is so
	Bad   int         // erased shards there, data and parity
	Bears int         // m
}

func (e *BeyondError) Error() string {
	return fmt.Sprintf("%d shards are missing at %d+%d, parity bears %d", e.Bad, e.Range.Offset, e.Range.Length, e.Bears)
}

// Rebuild fills the erased ranges of the shards wanted (all data shards when
// wanted is nil; parity shards may be named too) from the rest, range by
// range. Ranges that miss more than m shards are left as they are and reported
// as *BeyondError, joined; all others are rebuilt and no longer marked as
// erased.
func (g Geometry) Rebuild(s *Stripe, wanted []int) error {
	if wanted == nil {
		wanted = points(0, g.Data)
	}
	var beyond []*BeyondError
	left := make(map[int][]store.Range) // what stays erased of the shards wanted
	for seg := range g.segments(s) {
		targets := intersect(seg.erased, wanted)
		if len(targets) == 0 {
			continue
		}
		r := store.Range{Offset: seg.from, Length: seg.to - seg.from}
		if len(seg.erased) > g.Parity {
			for _, shard := range targets {
				left[shard] = appendRange(left[shard], r)
			}
			beyond = appendBeyond(beyond, &BeyondError{Range: r, Bad: len(seg.erased), Bears: g.Parity})
			continue
		}
		d, err := s.decoder(g, seg.erased, targets)
		if err != nil {
			return err
		}
		if err := d.decode(s.Shards, seg.from, seg.to); err != nil {
			return fmt.Errorf("rebuilding shards %v: %w", targets, err)
		}
	}
	for _, shard := range wanted {
		s.Erased[shard] = append(s.Erased[shard][:0], left[shard]...)
	}
	errs := make([]error, len(beyond))
	for i, e := range beyond {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// appendRange appends r, which lies behind the others, joined with the last one
// where they touch.
func appendRange(ranges []store.Range, r store.Range) []store.Range {
	if n := len(ranges); n > 0 && ranges[n-1].Offset+ranges[n-1].Length == r.Offset {
		ranges[n-1].Length += r.Length
		return ranges
	}
	return append(ranges, r)
}

// appendBeyond joins a range with the one before it where both miss the same
// number of shards.
func appendBeyond(beyond []*BeyondError, e *BeyondError) []*BeyondError {
	if n := len(beyond); n > 0 {
		last := beyond[n-1]
		if last.Bad == e.Bad && last.Range.Offset+last.Range.Length == e.Range.Offset {
			last.Range.Length += e.Range.Length
			return beyond
		}
	}
	return append(beyond, e)
}

// segment is a range of the shards in which the same shards are erased
// throughout.
type segment struct {
	from, to int64
	erased   []int // sorted; valid until the next segment
}

// segments yields the segments in which anything is erased, in order.
func (g Geometry) segments(s *Stripe) iter.Seq[segment] {
	type border struct {
		at    int64
		shard int
		step  int // +1 where a range begins, -1 where it ends
	}
	var borders []border
	for shard, ranges := range s.Erased {
		for _, r := range ranges {
			if from, to := clip(r, g.ShardSize); from < to {
				borders = append(borders, border{from, shard, +1}, border{to, shard, -1})
			}
		}
	}
	slices.SortFunc(borders, func(a, b border) int { return cmp.Compare(a.at, b.at) })
	return func(yield func(segment) bool) {
		depth := make([]int, len(s.Erased)) // ranges of a shard may overlap
		seg := segment{}
		for i, b := range borders {
			depth[b.shard] += b.step
			if i+1 < len(borders) && borders[i+1].at == b.at {
				continue
			}
			erased := make([]int, 0, len(seg.erased)+1)
			for shard, n := range depth {
				if n > 0 {
					erased = append(erased, shard)
				}
			}
			if slices.Equal(erased, seg.erased) {
				continue
			}
			seg.to = b.at
			if len(seg.erased) > 0 && !yield(seg) {
				return
			}
			seg = segment{from: b.at, erased: erased}
		}
	}
}

// decoder returns the decoder of the shards targets where those in erased are
// missing.
func (s *Stripe) decoder(g Geometry, erased, targets []int) (*decoder, error) {
	key := make([]byte, 0, len(erased)+1+len(targets))
	key = append(key, byte(len(erased)))
	for _, shard := range erased {
		key = append(key, byte(shard))
	}
	for _, shard := range targets {
		key = append(key, byte(shard))
	}
	if d, ok := s.decoders[string(key)]; ok {
		return d, nil
	}
	d, err := s.field.newDecoder(g, erased, targets)
	if err != nil {
		return nil, err
	}
	if len(s.decoders) >= maxDecoders {
		clear(s.decoders)
	}
	s.decoders[string(key)] = d
	return d, nil
}

// intersect returns what of sorted is in wanted too.
func intersect(sorted, wanted []int) []int {
	var both []int
	for _, i := range sorted {
		if slices.Contains(wanted, i) {
			both = append(both, i)
		}
	}
	return both
}
