package parity_test

import (
	"errors"
	"iter"
	"testing"

	"bitmend/repair/parity"

	"github.com/google/go-cmp/cmp"
)

func lying(extents ...parity.Extent) iter.Seq2[parity.Extent, error] {
	return func(yield func(parity.Extent, error) bool) {
		for _, x := range extents {
			if !yield(x, nil) {
				return
			}
		}
	}
}

func TestFreePlacesAreWhereNothingLies(t *testing.T) {
	g := parity.Geometry{Data: 4, Parity: 1, ShardSize: 10, ColumnSize: 10000}
	tops := []int64{1000, 2000, 400, 100}
	got, err := g.FreePlaces(100, 1500, tops, lying(
		parity.Extent{Column: 0, Offset: 0, Length: 150}, // begins before
		parity.Extent{Column: 0, Offset: 150, Length: 5},
		parity.Extent{Column: 0, Offset: 200, Length: 30},
		parity.Extent{Column: 0, Offset: 200, Length: 30}, // another name of it
		parity.Extent{Column: 0, Offset: 300},             // of no bytes
		parity.Extent{Column: 1, Offset: 100, Length: 300},
		parity.Extent{Column: 1, Offset: 1400, Length: 500}, // ends behind
	))
	if err != nil {
		t.Fatal(err)
	}
	want := []parity.FreePlace{
		{Column: 0, Offset: 155, Length: 45},
		{Column: 0, Offset: 230, Length: 770},
		{Column: 1, Offset: 400, Length: 1000},
		{Column: 2, Offset: 100, Length: 300},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}

	cannot := errors.New("cannot be looked up")
	if _, err := g.FreePlaces(0, 100, tops, func(yield func(parity.Extent, error) bool) { yield(parity.Extent{}, cannot) }); !errors.Is(err, cannot) {
		t.Errorf("the error is %v", err)
	}
}

// What comes is put where something else went, whole if there is room for it.
func TestFreePlacesAreUsedFirst(t *testing.T) {
	g := parity.Geometry{Data: 4, Parity: 2, ShardSize: shard, ColumnSize: 1 << 30}
	tops := []int64{20 * shard, 20 * shard, 20 * shard, 20 * shard}
	free := []parity.FreePlace{
		{Column: 0, Offset: 3 * shard, Length: 2 * shard},
		{Column: 1, Offset: 7*shard + 100, Length: 500}, // amid a shard
		{Column: 2, Offset: 10*shard - 50, Length: 6 * shard},
	}
	l := parity.NewLayout(g, tops, free, parity.Coming{Total: 10 * shard, Live: 70 * shard, Overhead: 0.5})
	for _, c := range []struct {
		size int64
		want parity.Extent
	}{
		{2*shard - 10, parity.Extent{Column: 0, Offset: 3 * shard, Length: 2*shard - 10}},
		{400, parity.Extent{Column: 1, Offset: 7*shard + 100, Length: 400}},
		{10, parity.Extent{Column: 0, Offset: 5*shard - 10, Length: 10}},
		{5 * shard, parity.Extent{Column: 2, Offset: 10 * shard, Length: 5 * shard}},
		{90, parity.Extent{Column: 1, Offset: 7*shard + 500, Length: 90}},
	} {
		got, ok := l.Place(c.size)
		if d := cmp.Diff([]parity.Extent{c.want}, got); !ok || d != "" {
			t.Errorf("%d bytes: %v", c.size, d)
		}
	}
	if d := cmp.Diff(tops, l.Tops()); d != "" {
		t.Errorf("the set has grown: %s", d)
	}
	if x, ok := l.PlaceInFree(2 * shard); ok {
		t.Errorf("two shards found a free place at %+v", x)
	}
	if x, ok := l.Place(2 * shard); !ok || x[0].Offset != 20*shard {
		t.Errorf("two shards lie at %+v, want them at the top", x)
	}
}

// A blob that no free place has room for lies in several, with the fewest
// shards in one stripe that there can be, before the set grows for it.
func TestSeveralFreePlacesServeOneBlob(t *testing.T) {
	g := parity.Geometry{Data: 4, Parity: 3, ShardSize: shard, ColumnSize: 1 << 30}
	tops := []int64{30 * shard, 30 * shard, 30 * shard, 30 * shard}
	free := []parity.FreePlace{
		{Column: 0, Offset: 10 * shard, Length: 10 * shard},
		{Column: 1, Offset: 15 * shard, Length: 10 * shard},
		{Column: 2, Offset: 12 * shard, Length: 6 * shard},
	}
	for _, c := range []struct {
		shards int64
		worst  int
	}{{10, 1}, {15, 1}, {20, 2}, {22, 2}, {26, 3}} {
		s := &shelf{g: g, tops: tops, live: 94 * shard}
		s.run(t, 0.3, []int64{c.shards * shard}, free...)
		s.check(t)
		if d := cmp.Diff(tops, s.tops); d != "" {
			t.Errorf("%d shards: the set has grown: %s", c.shards, d)
		}
		if e := s.erasures(s.blobs); e != c.worst {
			t.Errorf("%d shards cost a stripe %d, want %d: %+v", c.shards, e, c.worst, s.blobs)
		}
	}
}
