package catalog_test

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"bitmend/hashsets/catalog"
)

// batch is how many records one Update of the benchmarks writes.
const batch = 10000

func blobName(i int) string { return fmt.Sprintf("2024/trip-%03d/image-%07d.raw", i/1000, i) }

// filled makes a catalog of n records in the order of their names, all of
// them verified in one store.
func filled(tb testing.TB, n int) *catalog.Catalog {
	tb.Helper()
	c, err := catalog.Create(tb.Context(), filepath.Join(tb.TempDir(), "catalog.sqlite"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	fill(tb, c, n)
	cover(tb, c, n, day(1))
	return c
}

func fill(tb testing.TB, c *catalog.Catalog, n int) {
	tb.Helper()
	for first := 0; first < n; first += batch {
		err := c.Update(tb.Context(), func(tx *catalog.Tx) error {
			r := record("", 1)
			for i := first; i < min(first+batch, n); i++ {
				r.Name = blobName(i)
				r.Identity.Inode = uint64(i)
				if err := tx.PutRecord(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func cover(tb testing.TB, c *catalog.Catalog, n int, at time.Time) {
	tb.Helper()
	seen := catalog.Coverage{Store: "primary", Generation: 1, VerifiedAt: at, Depth: catalog.DeepDirect, Run: 1,
		Identity: record("", 1).Identity}
	for first := 0; first < n; first += batch {
		err := c.Update(tb.Context(), func(tx *catalog.Tx) error {
			for i := first; i < min(first+batch, n); i++ {
				seen.Name = blobName(i)
				seen.Identity.Inode = uint64(i)
				if err := tx.PutCoverage(seen); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func rate(b *testing.B, n int) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkPutRecord(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				c, err := catalog.Create(b.Context(), filepath.Join(b.TempDir(), "catalog.sqlite"))
				if err != nil {
					b.Fatal(err)
				}
				fill(b, c, n)
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
			}
			rate(b, n)
		})
	}
}

func BenchmarkPutCoverage(b *testing.B) {
	const n = 100_000
	c := filled(b, n)
	day := day(2)
	for b.Loop() {
		day = day.Add(time.Second)
		cover(b, c, n, day)
	}
	rate(b, n)
}

func BenchmarkRecords(b *testing.B) {
	const n = 100_000
	c := filled(b, n)
	for b.Loop() {
		seen := 0
		for k, err := range c.Records(b.Context(), catalog.Query{Store: "primary"}) {
			if err != nil || k.Seen == nil {
				b.Fatal(k.Name, err)
			}
			seen++
		}
		if seen != n {
			b.Fatal(seen)
		}
	}
	rate(b, n)
}

func BenchmarkCurrent(b *testing.B) {
	const n = 100_000
	c := filled(b, n)
	i := 0
	for b.Loop() {
		if _, err := c.Current(b.Context(), blobName(i*7919%n)); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkOpenAndClose(b *testing.B) {
	path := filepath.Join(b.TempDir(), "catalog.sqlite")
	c, err := catalog.Create(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	fill(b, c, 100)
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c, err := catalog.Open(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExport(b *testing.B) {
	const n = 100_000
	c := filled(b, n)
	for b.Loop() {
		if err := c.Export(b.Context(), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	rate(b, n)
}

func BenchmarkReadExport(b *testing.B) {
	const n = 100_000
	text := export(b, filled(b, n))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		for _, err := range catalog.ReadExport(b.Context(), bytes.NewReader(text)) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	rate(b, n)
}
