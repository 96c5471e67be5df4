package protect_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"bitmend/scrub/vault"
)

// churn changes the tree as people do.
func (w *world) churn(r *rand.Rand, round int) {
	w.Helper()
	names := w.names()
	pick := func() string { return names[r.IntN(len(names))] }
	for range 3 + r.IntN(6) {
		name := pick()
		if _, ok := w.files[name]; !ok {
			continue
		}
		switch r.IntN(6) {
		case 0, 1:
			w.remove(name)
		case 2, 3:
			w.detach(name)
			w.write(name, content(r, r.IntN(100<<10)))
		case 4:
			w.rename(name, fmt.Sprintf("moved/%d/%d", round, r.IntN(1000000)))
		case 5:
			to := fmt.Sprintf("linked/%d-%d", round, r.IntN(1000000))
			if err := os.MkdirAll(w.path("linked"), 0o755); err != nil {
				w.Fatal(err)
			}
			if err := os.Link(w.path(name), w.path(to)); err != nil {
				w.Fatal(err)
			}
			w.files[to] = w.files[name]
		}
	}
	w.populate(r, fmt.Sprintf("new%d", round), r.IntN(12), 200<<10)
}

// detach makes a name the only one of its file, so that writing it changes no
// other name.
func (w *world) detach(name string) {
	w.Helper()
	if err := os.Remove(w.path(name)); err != nil {
		w.Fatal(err)
	}
}

// After any number of changes everything is recorded as it is, and each file
// can be rebuilt from the others.
func TestProtectFollowsChanges(t *testing.T) {
	configs := []func(c *vault.Config){
		nil,
		func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 5, 2, 0.4 },
		func(c *vault.Config) { c.Data, c.Parity, c.Overhead, c.ColumnSize = 4, 1, 0.25, 256<<10 },
		func(c *vault.Config) { c.Overhead, c.ShardSize = 0.5, 16<<10 },
	}
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := random(seed)
			w := newWorld(t, configs[seed%uint64(len(configs))])
			if seed%2 == 1 {
				w.opts = w.opts.WithSlab(1) // a band at a time
			}
			w.populate(r, "a", 1+r.IntN(40), 200<<10)
			w.protect()
			for round := range 5 {
				w.churn(r, round)
				w.protect()
				w.checkRecorded()
				w.checkPlaces()
				if again := w.protect(); again.BytesRead != 0 || again.BytesWritten != 0 {
					t.Errorf("round %d: a second run with nothing to do: %+v", round, again)
				}
			}
			w.checkRebuild(w.names())
		})
	}
}
