package parity_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bitmend/repair/parity"
)

// placed is a blob with its places.
type placed struct {
	size    int64
	extents []parity.Extent
}

// shelf is a set with what was placed in it, over as many runs as there were.
type shelf struct {
	g     parity.Geometry
	tops  []int64
	blobs []placed
	live  int64
	peak  int64 // rows that columns had in use at most
}

func padded(size int64) int64 { return (size + shard - 1) / shard * shard }

// run places blobs as one protect would, and returns how many found a place.
func (s *shelf) run(t testing.TB, overhead float64, sizes []int64, free ...parity.FreePlace) int {
	t.Helper()
	coming := parity.Coming{Live: s.live, Overhead: overhead}
	for _, size := range sizes {
		coming.Add(size, s.g.ShardSize)
	}
	layout := parity.NewLayout(s.g, s.tops, free, coming)
	defer func() {
		s.tops = layout.Tops()
		s.peak = max(s.peak, s.g.Stripes(s.height()))
	}()
	for i, size := range sizes {
		extents, ok := layout.Place(size)
		if !ok {
			return i
		}
		s.blobs = append(s.blobs, placed{size, extents})
		s.live += size
	}
	return len(sizes)
}

func (s *shelf) height() int64 { return slices.Max(s.tops) }

func (s *shelf) parityBytes() int64 {
	return s.g.Stripes(s.height()) * s.g.ShardSize * int64(s.g.Parity)
}

// erasures is how many shards one stripe loses at most when these blobs are
// lost.
func (s *shelf) erasures(blobs []placed) int {
	if len(blobs) == 1 && len(blobs[0].extents) == 1 {
		return int(min(blobs[0].size, 1))
	}
	type place struct {
		column int
		row    int64
	}
	seen := make(map[place]bool)
	lost := make(map[int64]int)
	worst := 0
	for _, b := range blobs {
		for _, e := range b.extents {
			for row := e.Offset / s.g.ShardSize; row*s.g.ShardSize < e.Offset+e.Length; row++ {
				if p := (place{e.Column, row}); !seen[p] {
					seen[p] = true
					lost[row]++
					worst = max(worst, lost[row])
				}
			}
		}
	}
	return worst
}

// check holds all places to the rules of placement.
func (s *shelf) check(t *testing.T) {
	t.Helper()
	type run struct{ from, to int64 }
	used := make([][]run, s.g.Data)
	for i, b := range s.blobs {
		next := int64(0)
		for _, e := range b.extents {
			if e.BlobOffset != next || e.BlobOffset%s.g.ShardSize != 0 {
				t.Fatalf("blob %d of %d bytes: extent %+v, want blob offset %d", i, b.size, e, next)
			}
			if e.Column < 0 || e.Column >= s.g.Data || e.Offset < 0 || e.Length > 0 && e.Offset+e.Length > s.tops[e.Column] {
				t.Fatalf("blob %d: %+v lies outside the columns in use", i, e)
			}
			if b.size == 0 && s.peak > 0 && e.Offset >= s.peak*s.g.ShardSize {
				t.Fatalf("blob %d of no bytes: %+v lies above %d rows", i, e, s.peak)
			}
			if b.size >= s.g.ShardSize && e.Offset%s.g.ShardSize != 0 {
				t.Fatalf("blob %d of %d bytes does not begin at a shard: %+v", i, b.size, e)
			}
			if b.size < s.g.ShardSize && b.size > 0 && e.Offset/s.g.ShardSize != (e.Offset+e.Length-1)/s.g.ShardSize {
				t.Fatalf("blob %d of %d bytes straddles two shards: %+v", i, b.size, e)
			}
			if e.Length > 0 {
				used[e.Column] = append(used[e.Column], run{e.Offset, e.Offset + e.Length})
			}
			next += e.Length
		}
		if next != b.size {
			t.Fatalf("blob %d: places for %d of %d bytes", i, next, b.size)
		}
	}
	for c, runs := range used {
		slices.SortFunc(runs, func(a, b run) int { return int(a.from - b.from) })
		for i := 1; i < len(runs); i++ {
			if runs[i].from < runs[i-1].to {
				t.Fatalf("column %d: %v and %v overlap", c, runs[i-1], runs[i])
			}
		}
	}
}

// distributions of blob sizes, in the order in which they are placed.
var distributions = []struct {
	name  string
	sizes func(r *rand.Rand) []int64
}{
	{"equal, large", func(r *rand.Rand) []int64 { return repeat(300, func() int64 { return 1 << 20 }) }},
	{"equal, a shard and a byte", func(r *rand.Rand) []int64 { return repeat(3000, func() int64 { return shard + 1 }) }},
	{"equal, half a shard and a byte", func(r *rand.Rand) []int64 { return repeat(3000, func() int64 { return shard/2 + 1 }) }},
	{"log-normal", func(r *rand.Rand) []int64 { return repeat(5000, func() int64 { return logNormal(r, 11, 2) }) }},
	{"log-normal, wide", func(r *rand.Rand) []int64 { return repeat(5000, func() int64 { return logNormal(r, 9, 3.5) }) }},
	{"one giant first", func(r *rand.Rand) []int64 {
		return append([]int64{90 << 20}, repeat(900, func() int64 { return 1 << 20 })...)
	}},
	{"one giant last", func(r *rand.Rand) []int64 { return append(repeat(900, func() int64 { return 1 << 20 }), 90<<20) }},
	{"one giant amid tiny", func(r *rand.Rand) []int64 {
		tiny := repeat(20000, func() int64 { return r.Int64N(20 << 10) })
		return slices.Insert(tiny, 12345, 15<<20)
	}},
	{"many tiny", func(r *rand.Rand) []int64 { return repeat(50000, func() int64 { return r.Int64N(4 << 10) }) }},
	{"tiny, then large", func(r *rand.Rand) []int64 {
		return append(repeat(20000, func() int64 { return 33<<10 + r.Int64N(100) }), repeat(8, func() int64 { return 60 << 20 })...)
	}},
	{"giants alone", func(r *rand.Rand) []int64 { return repeat(7, func() int64 { return 50<<20 + r.Int64N(1<<20) }) }},
	{"ten equal", func(r *rand.Rand) []int64 { return repeat(10, func() int64 { return 40 << 20 }) }},
	{"a few small", func(r *rand.Rand) []int64 { return repeat(5, func() int64 { return r.Int64N(100 << 10) }) }},
	{"one", func(r *rand.Rand) []int64 { return []int64{r.Int64N(1 << 24)} }},
	{"empty ones", func(r *rand.Rand) []int64 { return repeat(20, func() int64 { return 0 }) }},
	{"empty ones amid", func(r *rand.Rand) []int64 {
		return repeat(3000, func() int64 { return max(0, r.Int64N(2<<20)-1<<20) })
	}},
}

func repeat(n int, size func() int64) []int64 {
	sizes := make([]int64, n)
	for i := range sizes {
		sizes[i] = size()
	}
	return sizes
}

func logNormal(r *rand.Rand, mu, sigma float64) int64 {
	return int64(min(math.Exp(mu+sigma*r.NormFloat64()), 256<<20))
}

func sum(sizes []int64) (total, largest int64) {
	for _, size := range sizes {
		total += size
		largest = max(largest, size)
	}
	return total, largest
}

// allowed is the largest blob, in bytes, that must be repairable in a set of
// so many bytes of data.
func allowed(overhead float64, data int64) int64 {
	return int64(max(1<<20, overhead*float64(data)))
}

// due is how many shards of one stripe a blob may cost: one when it is small
// beside the columns, which hold so many rows each; all but one of what parity
// bears when the overhead allows the parity that this takes, so that one parity
// file more may be lost; all when it allows no more; else any number.
func (s *shelf) due(overhead float64, data, rows, size int64) int {
	most := allowed(overhead, data)
	m := int64(s.g.Parity)
	switch {
	case padded(size)/shard <= max(1, rows/32):
		return 1
	case m > 1 && padded(size)*m <= most*(m-1):
		return s.g.Parity - 1
	case padded(size) <= most:
		return s.g.Parity
	}
	return s.g.Data
}

// rowsInColumn is how many rows columns have in use on average.
func (s *shelf) rowsInColumn() (rows int64) {
	for _, top := range s.tops {
		rows += s.g.Stripes(top)
	}
	return rows / int64(s.g.Data)
}

// slack is how many bytes of parity a set may have beyond the overhead over
// its padded data: what the largest blob that must be repairable costs when it
// comes late, and the rounding of the height.
func (s *shelf) slack(overhead float64, data, largest int64) int64 {
	rows := 2 + s.g.Stripes(s.height())/32
	m := int64(s.g.Parity)
	return min(largest*m/max(1, m-1), allowed(overhead, data)) + rows*int64(s.g.Parity)*s.g.ShardSize
}

// rows is how many shards the blobs touch.
func (s *shelf) rows(blobs []placed) int64 {
	seen := make(map[[2]int64]bool)
	for _, b := range blobs {
		for _, e := range b.extents {
			for row := e.Offset / s.g.ShardSize; row*s.g.ShardSize < e.Offset+e.Length; row++ {
				seen[[2]int64{int64(e.Column), row}] = true
			}
		}
	}
	return int64(len(seen))
}
