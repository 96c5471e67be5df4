package parity_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bitmend/fixtures"
	"bitmend/repair/parity"

	"github.com/google/go-cmp/cmp"
)

const shard = 64 << 10

func TestOneBlobIsRepairableWithinTheOverhead(t *testing.T) {
	fixtures.Sequential(t)
	for _, overhead := range []float64{0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2} {
		for _, d := range distributions {
			t.Run(fmt.Sprintf("%v/%s", overhead, d.name), func(t *testing.T) {
				sizes := d.sizes(random(5))
				var coming parity.Coming
				for _, size := range sizes {
					coming.Add(size, shard)
				}
				g, err := parity.Choose(coming.Padded, coming.Largest, parity.Wish{Overhead: overhead, ColumnSize: 16 << 30})
				if err != nil {
					t.Fatal(err)
				}
				s := &shelf{g: g}
				if n := s.run(t, overhead, sizes); n < len(sizes) {
					t.Fatalf("only %d of %d found a place", n, len(sizes))
				}
				s.check(t)
				worst := 0
				for _, b := range s.blobs {
					e := s.erasures([]placed{b})
					if due := s.due(overhead, coming.Total, coming.Padded/shard/int64(g.Data), b.size); e > due {
						t.Fatalf("the loss of a blob of %d bytes, of %d in all, costs a stripe %d shards of %d, m is %d", b.size, coming.Total, e, due, g.Parity)
					}
					worst = max(worst, e)
				}
				if used := s.rows(s.blobs) * shard; coming.Padded > used+shard || used > coming.Padded+int64(g.Data)*shard {
					t.Errorf("%d bytes were announced, %d are taken", coming.Padded, used)
				}
				ratio := max(overhead, float64(g.Parity)/float64(g.Data))
				if limit := int64(ratio*float64(coming.Padded)) + s.slack(overhead, coming.Total, coming.Largest); s.parityBytes() > limit {
					t.Errorf("%d bytes of parity for %d bytes of data, at most %d are due", s.parityBytes(), coming.Total, limit)
				}
				t.Logf("%d+%d, %d rows, worst %d, parity %.2f%% of data, %.2f%% of padded", g.Data, g.Parity, s.g.Stripes(s.height()), worst,
					100*float64(s.parityBytes())/float64(coming.Total), 100*float64(s.parityBytes())/float64(coming.Padded))
			})
		}
	}
}

func TestOneBlobIsRepairableOverManyRuns(t *testing.T) {
	fixtures.Sequential(t)
	growths := []struct {
		name string
		next func(r *rand.Rand, run int) []int64
	}{
		{"a few of the same kind", func(r *rand.Rand, _ int) []int64 { return repeat(20, func() int64 { return logNormal(r, 11, 2) }) }},
		{"one large", func(r *rand.Rand, _ int) []int64 { return []int64{r.Int64N(30 << 20)} }},
		{"ever larger", func(r *rand.Rand, run int) []int64 { return []int64{int64(run+1) << 18} }},
		{"ever smaller", func(r *rand.Rand, run int) []int64 { return []int64{int64(200-run) << 17} }},
		{"one tiny", func(r *rand.Rand, _ int) []int64 { return []int64{r.Int64N(9000)} }},
		{"many tiny, one large", func(r *rand.Rand, _ int) []int64 {
			return append(repeat(500, func() int64 { return r.Int64N(9000) }), 9<<20)
		}},
		{"as much again", func(r *rand.Rand, run int) []int64 {
			return repeat(1<<min(run/4, 9), func() int64 { return logNormal(r, 12, 2) })
		}},
	}
	beginnings := []struct {
		name  string
		sizes func(r *rand.Rand) []int64
	}{
		{"log-normal", func(r *rand.Rand) []int64 { return repeat(3000, func() int64 { return logNormal(r, 12, 2) }) }},
		{"large", func(r *rand.Rand) []int64 { return repeat(200, func() int64 { return 5 << 20 }) }},
		{"a little", func(r *rand.Rand) []int64 { return repeat(10, func() int64 { return 300 << 10 }) }},
	}
	for _, begin := range beginnings {
		for _, growth := range growths {
			t.Run(begin.name+"/"+growth.name, func(t *testing.T) {
				const overhead = 0.1
				r := random(9)
				var sets []*shelf
				var vault parity.Coming // all that was ever placed
				sizes := begin.sizes(r)
				late := 0
				for run := range 100 {
					for _, size := range sizes {
						vault.Add(size, shard)
					}
					for len(sizes) > 0 {
						if len(sets) == 0 || late == len(sets) {
							var coming parity.Coming
							for _, size := range sizes {
								coming.Add(size, shard)
							}
							g, err := parity.Choose(coming.Padded, coming.Largest, parity.Wish{Overhead: overhead})
							if err != nil {
								t.Fatal(err)
							}
							sets = append(sets, &shelf{g: g})
						}
						s := sets[late]
						before, rows := len(s.blobs), s.rowsInColumn()
						n := s.run(t, overhead, sizes)
						for _, b := range s.blobs[before:] {
							if e, due := s.erasures([]placed{b}), s.due(overhead, s.live, rows, b.size); e > due {
								t.Fatalf("run %d: the loss of a blob of %d bytes costs a stripe %d shards of %d, m is %d", run, b.size, e, due, s.g.Parity)
							}
						}
						if n < len(sizes) {
							late++
						}
						sizes = sizes[n:]
					}
					if run%25 == 24 {
						parityBytes, limit := int64(0), int64(0)
						for _, s := range sets {
							s.check(t)
							var c parity.Coming
							for _, b := range s.blobs {
								c.Add(b.size, shard)
							}
							ratio := max(overhead, float64(s.g.Parity)/float64(s.g.Data))
							parityBytes += s.parityBytes()
							limit += int64(ratio*float64(c.Padded)) + s.slack(overhead, c.Total, c.Largest)
						}
						t.Logf("run %d: %d sets, parity %.2f%% of %d MiB, %.2f%% of padded; limit %.2f%%", run, len(sets), 100*float64(parityBytes)/float64(vault.Total), vault.Total>>20, 100*float64(parityBytes)/float64(vault.Padded), 100*float64(limit)/float64(vault.Total))
						if parityBytes > limit {
							t.Errorf("run %d: %d bytes of parity for %d bytes, at most %d are due", run, parityBytes, vault.Total, limit)
						}
					}
					sizes = growth.next(r, run)
				}
			})
		}
	}
}

func TestNeighboursDoNotShareStripes(t *testing.T) {
	const overhead = 0.1
	for _, d := range distributions {
		t.Run(d.name, func(t *testing.T) {
			r := random(3)
			sizes := d.sizes(r)
			var coming parity.Coming
			for _, size := range sizes {
				coming.Add(size, shard)
			}
			g, err := parity.Choose(coming.Padded, coming.Largest, parity.Wish{Overhead: overhead, ColumnSize: 16 << 30})
			if err != nil {
				t.Fatal(err)
			}
			s := &shelf{g: g}
			s.run(t, overhead, sizes)
			for range 50 {
				from := r.IntN(len(s.blobs))
				to := from
				rows := int64(0)
				for ; to < len(s.blobs) && r.IntN(len(sizes)/8+2) > 0; to++ {
					rows += padded(s.blobs[to].size) / shard
				}
				run := s.blobs[from:to]
				// Small blobs share shards, so what the run really takes is less than rows.
				height := s.g.Stripes(s.height())
				bound := int((s.rows(run)+height-1)/max(height, 1)) + 1
				if e := s.erasures(run); e > bound {
					t.Fatalf("the loss of blobs %d to %d, %d rows of %d, costs a stripe %d shards: more than %d", from, to, s.rows(run), height, e, bound)
				}
			}
		})
	}
}

func TestSameCallsGiveSamePlaces(t *testing.T) {
	g := parity.Geometry{Data: 40, Parity: 4, ShardSize: shard, ColumnSize: 1 << 30}
	place := func() (all [][]parity.Extent) {
		r := random(1)
		l := parity.NewLayout(g, []int64{0, 5 << 20, 1000}, nil, parity.Coming{Total: 300 << 20, Largest: 20 << 20})
		for range 1000 {
			e, _ := l.Place(logNormal(r, 11, 2))
			all = append(all, e)
		}
		return all
	}
	if d := cmp.Diff(place(), place()); d != "" {
		t.Error(d)
	}
}

func TestAFullSetTakesNoMore(t *testing.T) {
	g := parity.Geometry{Data: 3, Parity: 1, ShardSize: shard, ColumnSize: 2 * shard}
	l := parity.NewLayout(g, nil, nil, parity.Coming{Total: 100 * shard})
	for i := range 6 {
		if _, ok := l.Place(shard); !ok {
			t.Fatalf("no place for shard %d of 6", i)
		}
	}
	before := l.Tops()
	for _, size := range []int64{1, shard, 10 * shard, -1} {
		if e, ok := l.Place(size); ok {
			t.Errorf("%d bytes found a place in a full set: %+v", size, e)
		}
	}
	if d := cmp.Diff(before, l.Tops()); d != "" {
		t.Errorf("a refused blob changed the layout: %s", d)
	}
	if _, ok := l.Place(0); !ok {
		t.Error("a blob of no bytes found no place in a full set")
	}
}

func TestARunFillsColumnAfterColumnToOneHeight(t *testing.T) {
	g := parity.Geometry{Data: 2, Parity: 1, ShardSize: shard, ColumnSize: 1 << 30}
	l := parity.NewLayout(g, []int64{4 * shard, 3 * shard}, nil, parity.Coming{Total: 8 * shard, Live: 7 * shard})
	var got []parity.Extent
	for range 8 {
		e, _ := l.Place(shard)
		got = append(got, e...)
	}
	var want []parity.Extent
	for row := int64(4); row < 8; row++ {
		want = append(want, parity.Extent{Column: 0, Offset: row * shard, Length: shard})
	}
	for row := int64(3); row < 7; row++ {
		want = append(want, parity.Extent{Column: 1, Offset: row * shard, Length: shard})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestARefusedBlobDoesNotRaiseTheColumns(t *testing.T) {
	g := parity.Geometry{Data: 4, Parity: 1, ShardSize: shard, ColumnSize: 10 * shard}
	s := &shelf{g: g}
	s.run(t, 0.25, repeat(4, func() int64 { return shard }))
	l := parity.NewLayout(g, s.tops, nil, parity.Coming{Total: 20 * shard, Live: 4 * shard, Overhead: 1})
	if e, ok := l.Place(12 * shard); ok {
		t.Fatalf("a blob that no column bears has a place: %+v", e)
	}
	for range 20 {
		l.Place(shard)
	}
	if rows := g.Stripes(slices.Max(l.Tops())); rows != 6 {
		t.Errorf("24 shards in 4 columns take %d rows", rows)
	}
}

func TestMoreThanWasAnnouncedDoesNotSpreadOverAllColumns(t *testing.T) {
	s := &shelf{g: parity.Geometry{Data: 40, Parity: 4, ShardSize: shard, ColumnSize: 1 << 30}}
	l := parity.NewLayout(s.g, nil, nil, parity.Coming{Total: 1})
	for range 10000 {
		e, _ := l.Place(shard)
		s.blobs = append(s.blobs, placed{shard, e})
	}
	s.tops = l.Tops()
	s.check(t)
	if e := s.erasures(s.blobs[len(s.blobs)-40:]); e > 20 {
		t.Errorf("the loss of the last 40 shards costs a stripe %d", e)
	}
	if rows := s.g.Stripes(s.height()); rows > 260 {
		t.Errorf("10000 shards in 40 columns take %d rows", rows)
	}
}

func TestSmallBlobsFillTheRestsOfTails(t *testing.T) {
	g := parity.Geometry{Data: 40, Parity: 4, ShardSize: shard, ColumnSize: 1 << 30}
	l := parity.NewLayout(g, nil, nil, parity.Coming{Total: 100 << 20})
	large, _ := l.Place(shard + 100)
	small, _ := l.Place(shard - 100)
	if want := (parity.Extent{Column: large[0].Column, Offset: shard + 100, Length: shard - 100}); small[0] != want {
		t.Errorf("small blob at %+v, want %+v", small[0], want)
	}
	// Over several runs of one small blob each, too.
	tops := l.Tops()
	for range 64 {
		l = parity.NewLayout(g, tops, nil, parity.Coming{Total: 1000, Live: 2 * shard})
		l.Place(1000)
		tops = l.Tops()
	}
	used := int64(0)
	for _, top := range tops {
		used += g.Stripes(top)
	}
	if used != 3 {
		t.Errorf("64 blobs of 1000 bytes, one in a run, take %d shards", used-2)
	}
}

func TestShapes(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		name           string
		total, largest int64
		wish           parity.Wish
		want           parity.Geometry
	}{
		{"10 %", 100 * gib, 1 << 20, parity.Wish{Overhead: 0.1}, parity.Geometry{Data: 40, Parity: 4, ShardSize: shard, ColumnSize: gib}},
		{"a blob larger than a column", 1000 * gib, 5*gib + 1, parity.Wish{Overhead: 0.1}, parity.Geometry{Data: 40, Parity: 4, ShardSize: shard, ColumnSize: 5*gib + 16<<20}},
		{"1 %", 100 * gib, 1, parity.Wish{Overhead: 0.01}, parity.Geometry{Data: 252, Parity: 3, ShardSize: shard, ColumnSize: gib}},
		{"one in a thousand", 100 * gib, 1, parity.Wish{Overhead: 0.001}, parity.Geometry{Data: 252, Parity: 1, ShardSize: shard, ColumnSize: gib}},
		{"15 %", 100 * gib, 1, parity.Wish{Overhead: 0.15}, parity.Geometry{Data: 27, Parity: 4, ShardSize: shard, ColumnSize: gib}},
		{"100 %", 100 * gib, 1, parity.Wish{Overhead: 1}, parity.Geometry{Data: 4, Parity: 4, ShardSize: shard, ColumnSize: gib}},
		{"1000 %", 100 * gib, 1, parity.Wish{Overhead: 10}, parity.Geometry{Data: 1, Parity: 10, ShardSize: shard, ColumnSize: gib}},
		{"300 %", 100 * gib, 1, parity.Wish{Overhead: 3}, parity.Geometry{Data: 1, Parity: 3, ShardSize: shard, ColumnSize: gib}},
		{"k and m", 100 * gib, 1, parity.Wish{Overhead: 0.1, Data: 17, Parity: 3}, parity.Geometry{Data: 17, Parity: 3, ShardSize: shard, ColumnSize: gib}},
		{"k", 100 * gib, 1, parity.Wish{Overhead: 0.1, Data: 20}, parity.Geometry{Data: 20, Parity: 2, ShardSize: shard, ColumnSize: gib}},
		{"m", 100 * gib, 1, parity.Wish{Overhead: 0.1, Parity: 2}, parity.Geometry{Data: 20, Parity: 2, ShardSize: shard, ColumnSize: gib}},
		{"sizes", 100 * gib, 1, parity.Wish{Overhead: 0.1, ShardSize: 4096, ColumnSize: 3 << 20}, parity.Geometry{Data: 40, Parity: 4, ShardSize: 4096, ColumnSize: 3 << 20}},
		{"columns too small for the largest", 100 * gib, gib, parity.Wish{Overhead: 0.1, ColumnSize: 1 << 20}, parity.Geometry{Data: 40, Parity: 4, ShardSize: shard, ColumnSize: gib / 4}},
		{"nothing", 0, 0, parity.Wish{Overhead: 0.1}, parity.Geometry{Data: 1, Parity: 1, ShardSize: shard, ColumnSize: 2 * shard}},
		{"one byte", 1, 1, parity.Wish{Overhead: 0.1}, parity.Geometry{Data: 1, Parity: 1, ShardSize: shard, ColumnSize: 3 * shard}},
		{"three shards", 3 * shard, shard, parity.Wish{Overhead: 0.1}, parity.Geometry{Data: 3, Parity: 1, ShardSize: shard, ColumnSize: 3 * shard}},
		{"one blob of 16 shards", 16 * shard, 16 * shard, parity.Wish{Overhead: 0.1}, parity.Geometry{Data: 16, Parity: 2, ShardSize: shard, ColumnSize: 10 * shard}},
		{"39 shards", 39 * shard, shard, parity.Wish{Overhead: 0.1}, parity.Geometry{Data: 39, Parity: 4, ShardSize: shard, ColumnSize: 3 * shard}},
		{"40 shards", 40 * shard, shard, parity.Wish{Overhead: 0.1}, parity.Geometry{Data: 40, Parity: 4, ShardSize: shard, ColumnSize: gib}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parity.Choose(c.total, c.largest, c.wish)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("Choose gives %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestImpossibleWishesAreRefused(t *testing.T) {
	for _, w := range []parity.Wish{
		{},
		{Data: 10},
		{Overhead: -1},
		{Overhead: math.NaN()},
		{Overhead: 1000},
		{Data: 200, Parity: 57},
		{Data: -1, Parity: 1},
		{Overhead: 0.1, ShardSize: -1},
		{Overhead: 0.1, ShardSize: 1 << 30},
		{Overhead: 0.1, ColumnSize: -1},
		{Overhead: 0.1, ColumnSize: math.MaxInt64},
		{Overhead: 0.1, Data: 256},
	} {
		if g, err := parity.Choose(1<<30, 1<<20, w); err == nil {
			t.Errorf("Choose(%+v) gives %+v", w, g)
		}
	}
}

func TestExtentsAreCutAtBands(t *testing.T) {
	g := parity.Geometry{Data: 2, Parity: 1, ShardSize: 10, ColumnSize: 10 * 256 * 4}
	type cut struct {
		Band int64
		parity.Extent
	}
	for _, c := range []struct {
		whole parity.Extent
		want  []cut
	}{
		{parity.Extent{Column: 1, Offset: 2560}, []cut{{1, parity.Extent{Column: 1, Offset: 2560}}}},
		{parity.Extent{Offset: 10, Length: 2550}, []cut{{0, parity.Extent{Offset: 10, Length: 2550}}}},
		{parity.Extent{Offset: 2550, Length: 2575, BlobOffset: 70}, []cut{
			{0, parity.Extent{Offset: 2550, Length: 10, BlobOffset: 70}},
			{1, parity.Extent{Offset: 2560, Length: 2560, BlobOffset: 80}},
			{2, parity.Extent{Offset: 5120, Length: 5, BlobOffset: 2640}},
		}},
	} {
		var got []cut
		for band, e := range g.Bands(c.whole) {
			got = append(got, cut{band, e})
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%+v: %s", c.whole, d)
		}
	}
}

func BenchmarkPlace(b *testing.B) {
	for name, mu := range map[string]float64{"tiny": 7, "log-normal": 11} {
		b.Run(name, func(b *testing.B) {
			r := random(1)
			sizes := repeat(100000, func() int64 { return logNormal(r, mu, 2) })
			total, largest := sum(sizes)
			g := parity.Geometry{Data: 40, Parity: 4, ShardSize: shard, ColumnSize: 1 << 50}
			var l *parity.Layout
			for i := 0; b.Loop(); i++ {
				if i%len(sizes) == 0 {
					l = parity.NewLayout(g, nil, nil, parity.Coming{Total: total, Largest: largest, Overhead: 0.1})
				}
				l.Place(sizes[i%len(sizes)])
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mplaces/s")
		})
	}
}
