package parity_test

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"bitmend/fixtures"
	"bitmend/repair/parity"
)

// lose takes blobs out, and returns the bands that they lay in.
func (s *shelf) lose(gone func(b placed) bool) (bands map[int64]bool) {
	bands = make(map[int64]bool)
	left := s.blobs[:0]
	for _, b := range s.blobs {
		if !gone(b) {
			left = append(left, b)
			continue
		}
		s.live -= b.size
		for _, e := range b.extents {
			for band := range s.g.Bands(e) {
				bands[band] = true
			}
		}
	}
	s.blobs = left
	return bands
}

// free is what is free in some bands.
func (s *shelf) free(t testing.TB, bands map[int64]bool) (free []parity.FreePlace) {
	t.Helper()
	for band := range bands {
		there, err := s.g.FreePlaces(band*s.g.BandSize(), min((band+1)*s.g.BandSize(), s.g.ColumnSize), s.tops, s.lying(band))
		if err != nil {
			t.Fatal(err)
		}
		free = append(free, there...)
	}
	return free
}

// lying yields what lies in a band by column and offset.
func (s *shelf) lying(band int64) iter.Seq2[parity.Extent, error] {
	var all []parity.Extent
	for _, b := range s.blobs {
		for _, e := range b.extents {
			if e.Offset < (band+1)*s.g.BandSize() && e.Offset+e.Length > band*s.g.BandSize() {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b parity.Extent) int {
		return cmp.Or(cmp.Compare(a.Column, b.Column), cmp.Compare(a.Offset, b.Offset))
	})
	return func(yield func(parity.Extent, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// A turnover is one way in which the blobs of a vault change from run to run.
var turnovers = []struct {
	name string
	// turn says which blob comes where one of size bytes was; none when it is
	// below 0. It is asked for each blob in each run.
	turn func(r *rand.Rand, size int64) (changed bool, next int64)
	more func(r *rand.Rand, sizes []int64) []int64 // new ones in each run, of the sizes that there were at first
}{
	{"a twentieth changes a little", func(r *rand.Rand, size int64) (bool, int64) {
		return r.IntN(20) == 0, int64(float64(size) * (0.95 + 0.1*r.Float64()))
	}, nil},
	{"a tenth goes and others come", func(r *rand.Rand, _ int64) (bool, int64) { return r.IntN(10) == 0, -1 }, func(r *rand.Rand, sizes []int64) []int64 {
		return repeat((len(sizes)+9)/10, func() int64 { return sizes[r.IntN(len(sizes))] })
	}},
	{"the large ones change and grow", func(r *rand.Rand, size int64) (bool, int64) {
		return size > 1<<20 && r.IntN(4) == 0, size + r.Int64N(size/16+1)
	}, nil},
	{"all goes by and by", func(r *rand.Rand, _ int64) (bool, int64) { return r.IntN(6) == 0, -1 }, nil},
}

// some are about a thousand of many sizes, the largest one among them.
func some(sizes []int64) []int64 {
	if len(sizes) <= 1000 {
		return sizes
	}
	_, largest := sum(sizes)
	few := []int64{largest}
	for i := 0; i < len(sizes); i += len(sizes) / 1000 {
		few = append(few, sizes[i])
	}
	return few
}

// turn carries out one run of a turnover, and returns the places of what came.
func (s *shelf) turn(t testing.TB, r *rand.Rand, overhead float64, first []int64, turn func(*rand.Rand, int64) (bool, int64), more func(*rand.Rand, []int64) []int64) []placed {
	t.Helper()
	var come []int64
	bands := s.lose(func(b placed) bool {
		changed, next := turn(r, b.size)
		if changed && next >= 0 {
			come = append(come, next)
		}
		return changed
	})
	if more != nil {
		come = append(come, more(r, first)...)
	}
	free := s.free(t, bands)
	if n := s.run(t, overhead, come, free...); n < len(come) {
		t.Fatalf("%d bytes find no place among %d", come[n], s.live)
	}
	return s.blobs[len(s.blobs)-len(come):]
}

// dueParity is how many bytes of parity may be there for the blobs that lie in
// the set.
func (s *shelf) dueParity(overhead float64) int64 {
	var c parity.Coming
	for _, b := range s.blobs {
		c.Add(b.size, shard)
	}
	ratio := max(overhead, float64(s.g.Parity)/float64(s.g.Data))
	return int64(ratio*float64(c.Padded)) + s.slack(overhead, c.Total, c.Largest)
}

// However often blobs come, go and change, the loss of one of them costs a
// stripe no more than is due, and there is little more parity than what was due
// when there were most of them.
func TestOneBlobIsRepairableAfterAnyTurnover(t *testing.T) {
	fixtures.Sequential(t)
	for _, overhead := range []float64{0.1, 0.5} {
		for _, d := range distributions {
			for _, turnover := range turnovers {
				t.Run(fmt.Sprintf("%v/%s/%s", overhead, d.name, turnover.name), func(t *testing.T) {
					r := random(6)
					first := some(d.sizes(r))
					var coming parity.Coming
					for _, size := range first {
						coming.Add(size, shard)
					}
					g, err := parity.Choose(coming.Padded, coming.Largest, parity.Wish{Overhead: overhead, ColumnSize: 16 << 30})
					if err != nil {
						t.Fatal(err)
					}
					s := &shelf{g: g}
					s.run(t, overhead, first)
					worst, dueParity := 0, s.dueParity(overhead)
					for range 15 {
						rows := s.rowsInColumn() / 2 // the rest may be free
						for _, b := range s.turn(t, r, overhead, first, turnover.turn, turnover.more) {
							e, due := s.erasures([]placed{b}), s.due(overhead, s.live, rows, b.size)
							if e > due {
								t.Fatalf("the loss of a blob of %d bytes, of %d in all, costs a stripe %d shards of %d, m is %d", b.size, s.live, e, due, g.Parity)
							}
							worst = max(worst, e)
						}
						dueParity = max(dueParity, s.dueParity(overhead))
					}
					s.check(t)
					if most := dueParity + dueParity/4; s.parityBytes() > most {
						t.Errorf("%d bytes of parity, at most %d are due", s.parityBytes(), most)
					}
					t.Logf("%d+%d, %d rows, worst %d, parity %.2f times what is due", g.Data, g.Parity, s.g.Stripes(s.height()), worst, float64(s.parityBytes())/float64(dueParity))
				})
			}
		}
	}
}

// A set out of which everything goes takes nothing any more.
func TestASetThatIsEmptiedIsLowered(t *testing.T) {
	s := &shelf{g: parity.Geometry{Data: 5, Parity: 2, ShardSize: shard, ColumnSize: 1 << 30}}
	r := random(2)
	s.run(t, 0.4, repeat(500, func() int64 { return r.Int64N(1 << 20) }))
	bands := s.lose(func(placed) bool { return true })
	s.run(t, 0.4, nil, s.free(t, bands)...)
	if s.height() != 0 {
		t.Errorf("columns are in use up to %v", s.tops)
	}
}
