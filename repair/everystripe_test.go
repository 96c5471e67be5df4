//go:build linux && (amd64 || arm64)

package repair_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/klauspost/reedsolomon"

	"bitmend/fixtures"
	"bitmend/repair"
	"bitmend/repair/parity"
	"bitmend/repair/stripe"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// everyStripe fails unless the data of each stripe, all of which must match
// their sums, encode to the parity that the vault has of it. It encodes with
// the library alone, and believes nothing that the parity files say of
// themselves but their checks.
func (w *world) everyStripe(when string) {
	w.t.Helper()
	w.with(func(v *vault.Vault) {
		home, err := v.ParityHome()
		w.must(err)
		primary, err := v.Store("primary")
		w.must(err)
		g := &stripe.Gatherer{Catalog: v.Catalog, Home: home, Stores: []store.Store{primary}}
		sets, err := v.Catalog.Sets(w.t.Context())
		w.must(err)
		stripes := 0
		for _, set := range sets {
			encoder, err := reedsolomon.New(set.Data, set.Parity)
			w.must(err)
			for band, err := range v.Catalog.Bands(w.t.Context(), set.ID) {
				w.must(err)
				b, err := g.OpenBand(w.t.Context(), band, nil)
				w.must(err)
				for n := range set.Stripes {
					if f := b.Files()[0]; f == nil || n < f.Stripes {
						w.oneStripe(fmt.Sprintf("%s: set %d, band %d, stripe %d", when, set.ID, band.Number, n), b, n, encoder)
						stripes++
					}
				}
				w.must(b.Close())
			}
		}
		if stripes == 0 {
			w.t.Fatalf("%s: there is no stripe", when)
		}
	})
}

func (w *world) oneStripe(which string, b *stripe.Band, n int, encoder reedsolomon.Encoder) {
	w.t.Helper()
	data := parity.NewStripe(stripe.GeometryOf(b.Set))
	if err := b.Fill(w.t.Context(), n, data, false); err != nil {
		w.t.Errorf("%s: %v", which, err)
		return
	}
	kept := make([][]byte, b.Set.Parity)
	shards := append([][]byte{}, data.Shards[:b.Set.Data]...)
	for j := range kept {
		kept[j] = make([]byte, b.Set.ShardSize)
		shards = append(shards, make([]byte, b.Set.ShardSize))
	}
	whole, err := b.Parity(w.t.Context(), n, kept)
	w.must(err)
	if !whole {
		w.t.Errorf("%s: its parity is not whole", which)
		return
	}
	w.must(encoder.Encode(shards))
	for j := range kept {
		if !bytes.Equal(kept[j], shards[b.Set.Data+j]) {
			w.t.Errorf("%s: column %d is not the parity of the data", which, j)
		}
	}
}

// A churn changes a tree at random, at times that ascend.
type churn struct {
	*world
	random *rand.Rand
	blobs  []string
	made   int
	clock  time.Time
}

func (c *churn) put(blob string) {
	c.t.Helper()
	c.made++
	size := []int{0, 1, shard - 1, shard, shard + 1, c.random.IntN(shard), c.random.IntN(5 * shard)}[c.random.IntN(7)]
	c.write("primary", blob, content(c.made, size))
	c.clock = c.clock.Add(time.Second)
	c.must(os.Chtimes(c.path("primary", blob), c.clock, c.clock))
}

func (c *churn) round() {
	c.t.Helper()
	for range 1 + c.random.IntN(3) {
		blob := fmt.Sprintf("d%d/%d", c.random.IntN(3), c.made)
		c.blobs = append(c.blobs, blob)
		c.put(blob)
	}
	c.put(c.blobs[c.random.IntN(len(c.blobs))])
	at := c.random.IntN(len(c.blobs))
	if c.random.IntN(2) == 0 {
		c.must(os.Remove(c.path("primary", c.blobs[at])))
		c.blobs = append(c.blobs[:at], c.blobs[at+1:]...)
		return
	}
	renamed := fmt.Sprintf("d0/r%d", c.made)
	c.must(os.Rename(c.path("primary", c.blobs[at]), c.path("primary", renamed)))
	c.blobs[at] = renamed
}

// kill does something over and over in a process that is killed at a random
// call, and then lets it end.
func (c *churn) kill(do string) (kills int) {
	c.t.Helper()
	calls := 400
	for range 2 {
		r := c.killed(do, "", 1+c.random.IntN(calls))
		if !r.Killed {
			calls = max(1, r.Calls)
			continue
		}
		kills++
	}
	c.killed(do, "", 0)
	return kills
}

func TestEveryStripeFitsItsParityWhateverIsKilled(t *testing.T) {
	fixtures.Sequential(t)
	kills := 0
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			c := &churn{world: newParityWorld(t, 6, 2), random: rand.New(rand.NewPCG(seed, 11)), clock: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
			for range 10 {
				c.blobs = append(c.blobs, fmt.Sprintf("d0/first%d", c.made))
				c.put(c.blobs[len(c.blobs)-1])
			}
			c.protect()
			c.everyStripe("at first")
			for round := range 4 {
				c.round()
				kills += c.kill("protect")
				c.everyStripe(fmt.Sprintf("round %d, protected", round))
				before := c.snapshot("primary")
				for _, blob := range []string{c.blobs[0], c.blobs[len(c.blobs)-1]} {
					c.must(os.Remove(c.path("primary", blob)))
				}
				c.scrub()
				kills += c.kill("repair")
				c.repair(repair.Options{})
				c.same(before, "primary")
				c.everyStripe(fmt.Sprintf("round %d, repaired", round))
				c.tidy()
				if t.Failed() {
					return
				}
			}
		})
	}
	if kills < 8 {
		t.Errorf("only %d processes were killed", kills)
	}
}
