package protect_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bitmend/hashsets"
	"bitmend/repair/protect"
	"bitmend/scrub/vault"
)

// The shard sums of a large blob are in the lists of its bands, a few in each,
// whether the blob is new or was there before.
func TestALargeBlobIsListedBandByBand(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead, c.ColumnSize = 4, 2, 0.5, 2<<20 })
	w.write("large", content(random(1), 6<<20-100))
	w.protect()
	w.write("small", content(random(2), 50_000)) // so that the bands are written anew
	w.write("larger", content(random(3), 7<<20))
	w.protect()
	w.checkRecorded()
	w.checkPlaces()
	if rebuilt := w.checkRebuild([]string{"small"}); rebuilt != 1 {
		t.Error("the small file cannot be rebuilt beside the large ones")
	}

	before := w.everything("")
	if err := os.RemoveAll(filepath.Join(w.dir, "export")); err != nil {
		t.Fatal(err)
	}
	v, err := vault.OpenLocked(context.Background(), w.dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := protect.RebuildCatalog(context.Background(), v, w.said); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, w.everything("")); diff != "" {
		t.Errorf("the lists do not say what was recorded (-want +got):\n%s", diff)
	}
}

// What protect takes to write the record and the parity of a large blob grows
// with the blob and not with its square: the record is not taken out for each
// band, and nobody makes copies of it.
func TestMemoryOfALargeBlob(t *testing.T) {
	if testing.Short() {
		t.Skip("left to full runs: the race detector takes memory of its own")
	}
	const size, shards = 128 << 20, 128 << 20 / (4 << 10)
	w := newWorld(t, func(c *vault.Config) {
		c.Data, c.Parity, c.Overhead, c.ColumnSize = 4, 2, 0.5, 64<<20
		c.Algorithms = []hashsets.Algorithm{hashsets.XXH64}
	})
	w.opts.Workers = 2
	sparse := func(name string, size int64) {
		w.write(name, nil)
		if err := os.Truncate(w.path(name), size); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		what   string
		before func()
		most   int
	}{
		{"recording it", func() { sparse("large", size) }, 32 << 20},
		{"walking over it", func() {}, 6 << 20},
		{"a smaller one beside it", func() { sparse("smaller", size/4) }, 20 << 20},
		{"the end of the smaller one", func() { w.remove("smaller") }, 21 << 20},
	} {
		step.before()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w.protect()
		runtime.ReadMemStats(&after)
		got := int(after.TotalAlloc - before.TotalAlloc)
		t.Logf("%s allocated %.1f MiB; the sums are %.2f", step.what, float64(got)/(1<<20), float64(8*shards)/(1<<20))
		if got > step.most {
			t.Errorf("%s allocated %d bytes, want at most %d", step.what, got, step.most)
		}
	}
}
