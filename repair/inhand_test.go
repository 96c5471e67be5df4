//go:build linux && (amd64 || arm64)

package repair_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bitmend/hashsets"
	"bitmend/repair"
	"bitmend/scrub/vault"
)

// parityFilesUnder returns the parity files of the bands in which a blob lies.
func (w *world) parityFilesUnder(blob string) (files [][]string) {
	w.t.Helper()
	w.with(func(v *vault.Vault) {
		record, err := v.Catalog.Current(w.t.Context(), blob)
		w.must(err)
		places, err := v.Catalog.PlacesOf(w.t.Context(), blob, record.Generation)
		w.must(err)
		for band, err := range v.Catalog.Bands(w.t.Context(), 0) {
			w.must(err)
			size := int64(256 * hashsets.DefaultShardSize)
			for _, p := range places {
				if p.Set == band.Set && p.Offset < (band.Number+1)*size && p.Offset+p.Length > band.Number*size {
					var names []string
					for _, f := range band.Files {
						names = append(names, f.Name)
					}
					files = append(files, names)
					break
				}
			}
		}
	})
	return files
}

// largest returns the n largest blobs.
func (c *churn) largest(n int) []string {
	c.t.Helper()
	blobs := slices.Clone(c.blobs)
	slices.SortFunc(blobs, func(a, b string) int { return len(c.read("primary", b)) - len(c.read("primary", a)) })
	return blobs[:n]
}

// However a tree has changed over time, a blob that is lost together with a
// parity file of its band comes back, and so does the parity file.
func TestABlobComesBackThoughAParityFileIsLostWithIt(t *testing.T) {
	for _, shape := range []struct{ k, m int }{{6, 2}, {3, 3}} {
		t.Run(fmt.Sprintf("%d+%d", shape.k, shape.m), func(t *testing.T) {
			t.Parallel()
			c := &churn{world: newParityWorld(t, shape.k, shape.m), random: rand.New(rand.NewPCG(uint64(shape.k), 12)), clock: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
			for range 12 {
				c.blobs = append(c.blobs, fmt.Sprintf("d0/first%d", c.made))
				c.put(c.blobs[len(c.blobs)-1])
			}
			c.protect()
			for range 4 {
				c.round()
				c.protect()
			}
			before := c.snapshot("primary")
			for _, blob := range c.largest(2) {
				c.must(os.Remove(c.path("primary", blob)))
				for _, files := range c.parityFilesUnder(blob) {
					c.must(os.Remove(filepath.Join(c.vaultDir(), "parity", filepath.FromSlash(files[c.random.IntN(len(files))]))))
				}
				c.scrub()

				c.repair(repair.Options{})

				c.same(before, "primary")
				if left := c.findings(); len(left) > 0 {
					t.Errorf("findings left: %+v", left)
				}
				c.everyStripe("repaired")
			}
			c.tidy()
		})
	}
}
