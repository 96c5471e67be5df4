package repair_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"bitmend/fixtures"
	"bitmend/repair"
	"bitmend/scrub/report"
)

// noDamage are the faults that no repair is for: what somebody meant, and what
// a person must decide on.
var noDamage = map[string]bool{
	"touched": true, "mode-changed": true, "forbidden": true, "stale": true, "directory-deleted": true,
	"replaced-by-directory": true, "replaced-by-fifo": true, "replaced-by-link": true,
}

// harmAny does a random fault to the blob name, and returns what it was.
func (w *world) harmAny(random *rand.Rand, storeName string, item fixtures.Item) string {
	w.t.Helper()
	target := fixtures.Target{
		Path: item.Name, Size: item.Size, ShardSize: shard, Seed: random.Uint64(), Other: "sizes/seven-shards-plus-77",
	}
	var fitting []fixtures.NamedFault
	for _, f := range fixtures.Faults() {
		if !noDamage[f.Name] && f.Fits(target) {
			fitting = append(fitting, f)
		}
	}
	for _, i := range random.Perm(len(fitting)) {
		fault := fitting[i].On(target)
		err := fault.Apply(w.root(storeName))
		if errors.Is(err, fixtures.ErrNoEffect) {
			continue
		}
		w.must(err)
		return fmt.Sprint(fault)
	}
	w.t.Fatalf("no fault has an effect on %q", item.Name)
	return ""
}

// corpus fills the primary store from a seed.
func (w *world) corpus(seed uint64) fixtures.Corpus {
	w.t.Helper()
	c := fixtures.Small(seed)
	w.must(c.Write(w.t.Context(), w.root("primary")))
	return c
}

// someFiles picks n of the corpus's files at random.
func someFiles(random *rand.Rand, c fixtures.Corpus, n int) []fixtures.Item {
	files := c.Files()
	random.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	var items []fixtures.Item
	for _, name := range files[:n] {
		if item, ok := c.Item(name); ok {
			items = append(items, item)
		}
	}
	return items
}

func TestEveryByteComesBackFromFaultsWithinTheRedundancy(t *testing.T) {
	t.Parallel() // it waits for the disk
	const m = 2
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			w := newParityWorld(t, 8, m)
			c := w.corpus(seed)
			w.protect()
			before := w.snapshot("primary")
			var done []string
			for _, item := range someFiles(random, c, m) {
				done = append(done, w.harmAny(random, "primary", item))
			}
			w.scrub()

			h, summary := w.repair(repair.Options{})

			w.same(before, "primary")
			if t.Failed() {
				t.Errorf("after %q; events %+v", done, h.repairs)
			}
			if summary.Repaired == 0 || summary.Exit != int(report.ExitRepaired) {
				t.Errorf("after %q: summary %+v", done, summary)
			}
			w.tidy()
		})
	}
}

func TestBeyondTheRedundancyNothingThatWasGoodBecomesWorse(t *testing.T) {
	t.Parallel() // it waits for the disk
	fixtures.Sequential(t)
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 8))
			w := newParityWorld(t, 8, 1)
			c := w.corpus(seed)
			w.protect()
			good := map[string][]byte{}
			for _, name := range c.Files() {
				good[name] = w.read("primary", name)
			}
			for _, item := range someFiles(random, c, 7) {
				w.harmAny(random, "primary", item)
			}
			damaged := map[string][]byte{}
			for _, name := range c.Files() {
				damaged[name], _ = os.ReadFile(w.path("primary", name))
			}
			w.scrub()

			h, _ := w.repair(repair.Options{})

			outcomes := map[string]report.Outcome{}
			for _, r := range h.repairs {
				outcomes[r.Blob] = r.Outcome
			}
			for _, name := range c.Files() {
				now, _ := os.ReadFile(w.path("primary", name))
				switch {
				case bytes.Equal(now, good[name]):
				case bytes.Equal(now, damaged[name]) && outcomes[name] == report.Lost:
				default:
					t.Errorf("%q is neither good nor as it was, or its loss was not told (%s)", name, outcomes[name])
				}
			}
			w.tidy()
		})
	}
}
