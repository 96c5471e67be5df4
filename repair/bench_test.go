package repair_test

import (
	"fmt"
	"os"
	"testing"

	"bitmend/repair"
	"bitmend/scrub"
	"bitmend/scrub/vault"
)

// BenchmarkRepairManySmallBlobs rebuilds lost blobs of 20 KiB from a replica:
// what it measures is the cost of making each one durable.
func BenchmarkRepairManySmallBlobs(b *testing.B) {
	benchmarkLost(b, 500, 20<<10)
}

// BenchmarkRepairOneLargeBlob rebuilds a lost blob of 256 MiB from a replica.
func BenchmarkRepairOneLargeBlob(b *testing.B) {
	benchmarkLost(b, 1, 256<<20)
}

func benchmarkLost(b *testing.B, blobs, size int) {
	w := newWorld(b, "primary", "dr")
	for i := range blobs {
		w.everywhere(fmt.Sprintf("d/%03d", i), content(i, size))
	}
	w.everywhere("keep", nil)
	w.protect()
	b.SetBytes(int64(blobs * size))
	for b.Loop() {
		b.StopTimer()
		w.must(os.RemoveAll(w.path("primary", "d")))
		w.with(func(v *vault.Vault) {
			v.Config.MassMissing.Count = 1 << 40
			_, err := scrub.Run(b.Context(), v, scrub.Options{Stores: []string{"primary"}}, &heard{})
			w.must(err)
		})
		b.StartTimer()
		_, summary := w.repair(repair.Options{})
		if summary.Repaired < int64(blobs) {
			b.Fatalf("summary %+v", summary)
		}
	}
}
