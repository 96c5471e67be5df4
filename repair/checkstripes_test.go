package repair_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// scrubStripes scrubs with the parity held against the data.
func (w *world) scrubStripes() (*heard, report.Summary) {
	w.t.Helper()
	h := &heard{}
	var summary report.Summary
	w.with(func(v *vault.Vault) {
		var err error
		summary, err = scrub.Run(w.t.Context(), v, scrub.Options{Buffered: true, Stripes: repair.Healer{}.Stripes(v)}, h)
		w.must(err)
	})
	return h, summary
}

// lostWrite makes blob and record agree on content that the parity was not
// made of, as a write of parity does that the disk took and lost.
func (w *world) lostWrite(blob string, content []byte) {
	w.t.Helper()
	info, err := os.Stat(w.path("primary", blob))
	w.must(err)
	w.must(os.WriteFile(w.path("primary", blob), content, 0o640))
	w.must(os.Chtimes(w.path("primary", blob), info.ModTime(), info.ModTime()))
	record := w.record(blob)
	hasher, err := hashsets.NewHasher(record.Hashes.Algorithms(), record.Hashes.ShardSize)
	w.must(err)
	hasher.Write(content)
	record.Hashes = hasher.HashSet()
	w.with(func(v *vault.Vault) {
		w.must(v.Catalog.Update(w.t.Context(), func(tx *catalog.Tx) error { return tx.PutRecord(record) }))
	})
}

func TestAShardThatPassesItsSumAndNotItsStripeIsFound(t *testing.T) {
	t.Parallel() // it waits for the disk
	for _, test := range []struct {
		name   string
		k, m   int
		blamed bool // the data shard is named
	}{
		{"two parity columns agree on what it was", 6, 2, true},
		{"one parity column cannot say which data it was", 6, 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newParityWorld(t, test.k, test.m)
			w.fill(12)
			w.protect()
			if h, summary := w.scrubStripes(); len(h.findings) != 0 || summary.Exit != 0 {
				t.Fatalf("before anything happened: %+v", h.findings)
			}
			changed := w.read("primary", "d/003")
			changed[100] ^= 0x55
			w.lostWrite("d/003", changed)
			w.scrub()
			if left := w.findings(); len(left) != 0 {
				t.Fatalf("each shard passes its own sum, and %+v", left)
			}

			h, summary := w.scrubStripes()

			if len(h.findings) != test.m || summary.Parity.Damaged != int64(test.m) || summary.Exit != int(report.ExitDamageLeft) {
				t.Fatalf("findings %+v, summary %+v", h.findings, summary)
			}
			for _, f := range h.findings {
				said := strings.Join(f.Evidence, "; ")
				if f.Store != finding.ParityStore || f.Verdict != finding.Stale || strings.Contains(said, `shard 0 of "d/003"`) != test.blamed {
					t.Errorf("finding %+v", f)
				}
			}
			// A scrub that does not look at stripes does not forget it.
			w.scrub()
			if len(w.findings()) != test.m {
				t.Errorf("findings %+v", w.findings())
			}

			// The data are what is recorded: the parity is made anew of them.
			good := w.snapshot("primary")
			w.repair(repair.Options{})
			w.same(good, "primary")
			if h, summary := w.scrubStripes(); len(h.findings) != 0 || summary.Exit != 0 || len(w.findings()) != 0 {
				t.Errorf("after the repair: %+v, summary %+v", h.findings, summary)
			}
			w.scramble("primary", "d/003", 0)
			w.scrub()
			w.repair(repair.Options{})
			w.same(good, "primary")
		})
	}
}

// A parity file of another vault has the name, the shape and good sums of its
// own, and so does one of another history of this vault.
func TestParityOfAnotherVaultIsNotTakenOver(t *testing.T) {
	t.Parallel() // it waits for the disk
	filled := func(seed int) *world { return newProtected(t, 6, 2, 12, seed) }
	foreign := func(w *world) {
		w.must(os.RemoveAll(filepath.Join(w.vaultDir(), "parity")))
		w.must(os.CopyFS(filepath.Join(w.vaultDir(), "parity"), os.DirFS(filepath.Join(filled(100).vaultDir(), "parity"))))
	}

	t.Run("by protect", func(t *testing.T) {
		w := filled(0)
		foreign(w)
		w.everywhere("new", content(50, 100))
		w.protect()
		if h, summary := w.scrubStripes(); len(h.findings) != 0 || summary.Exit != 0 {
			t.Errorf("parity was made of another vault's: %+v", h.findings)
		}
	})
	t.Run("by repair", func(t *testing.T) {
		w := filled(0)
		foreign(w)
		w.scramble("primary", "d/003", 0)
		w.scrub()
		h, _ := w.repair(repair.Options{})
		for _, e := range h.repairs {
			if e.Outcome == report.Repaired {
				t.Errorf("%q of store %q is called repaired", e.Blob, e.Store)
			}
		}
	})
}
