package parity_test

import (
	"context"
	"fmt"
	"testing"

	"bitmend/repair/parity"
	"bitmend/scrub/store"
)

func wide(k, m int) parity.Geometry {
	return parity.Geometry{Data: k, Parity: m, ShardSize: shard, ColumnSize: 1 << 30}
}

var benchmarked = []parity.Geometry{wide(40, 4), wide(20, 10), wide(100, 3)}

// BenchmarkAdd adds pieces of data into a full band.
func BenchmarkAdd(b *testing.B) {
	for _, g := range benchmarked {
		for _, size := range []int{4 << 10, 64 << 10, 256 << 10, 1 << 20, 16 << 20} {
			b.Run(fmt.Sprintf("%s/%dKiB", name(g), size>>10), func(b *testing.B) {
				w, err := parity.NewBandWriter(g, parity.BandID{Set: 1, Version: 1}, parity.BandStripes)
				if err != nil {
					b.Fatal(err)
				}
				p := make([]byte, 64<<20) // more than a cache holds
				fill(random(1), p)
				b.SetBytes(int64(size))
				for i := 0; b.Loop(); i++ {
					at := int64(i) * int64(size)
					if err := w.Add(i%g.Data, at%g.BandSize(), p[at%int64(len(p)):][:size]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkAddColumns adds pieces of several columns at a time.
func BenchmarkAddColumns(b *testing.B) {
	for _, g := range benchmarked {
		for _, together := range []int{2, 4, 10, 20} {
			b.Run(fmt.Sprintf("%s/%d of 1MiB", name(g), together), func(b *testing.B) {
				const size = 1 << 20
				w, err := parity.NewBandWriter(g, parity.BandID{Set: 1, Version: 1}, parity.BandStripes)
				if err != nil {
					b.Fatal(err)
				}
				p := make([]byte, 64<<20)
				fill(random(1), p)
				columns := make([]int, together)
				pieces := make([][]byte, together)
				for i := range columns {
					columns[i], pieces[i] = i, p[i*size:(i+1)*size]
				}
				b.SetBytes(int64(together) * size)
				for i := 0; b.Loop(); i++ {
					if err := w.AddColumns(columns, int64(i)*size%g.BandSize(), pieces); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRebuild counts the bytes of the data shards, lost or not.
func BenchmarkRebuild(b *testing.B) {
	for _, c := range []struct {
		g    parity.Geometry
		lost int
	}{{wide(40, 4), 1}, {wide(40, 4), 4}, {wide(20, 10), 10}, {wide(100, 3), 1}} {
		b.Run(fmt.Sprintf("%s/%d", name(c.g), c.lost), func(b *testing.B) {
			s := parity.NewStripe(c.g)
			for _, p := range s.Shards {
				fill(random(1), p)
			}
			b.SetBytes(int64(c.g.Data) * c.g.ShardSize)
			for b.Loop() {
				for i := range c.lost {
					s.Erase(i, store.Range{Length: c.g.ShardSize})
				}
				if err := c.g.Rebuild(s, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWrite writes the files of a full band into memory.
func BenchmarkWrite(b *testing.B) {
	g := wide(40, 4)
	w, err := parity.NewBandWriter(g, parity.BandID{Set: 1, Version: 1}, parity.BandStripes)
	if err != nil {
		b.Fatal(err)
	}
	var list []parity.Listed
	for c := range g.Data {
		for row := range int64(100) {
			list = append(list, listed(random(1), int(row), parity.Extent{Column: c, Offset: row * shard, Length: shard}, make([]byte, shard), shard))
		}
	}
	b.SetBytes(g.BandSize() * int64(g.Parity))
	for b.Loop() {
		home := newMemory()
		staged, err := w.Write(context.Background(), home, all(list))
		if err != nil {
			b.Fatal(err)
		}
		if err := staged.Discard(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
