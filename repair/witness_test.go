package repair_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
	"bitmend/repair"
	"bitmend/scrub/vault"
)

// Each row is a disagreement between the witnesses of one blob: the record and
// its own check, its copies, the parity of it. (TestJudge has the rows of the
// digests among themselves, of shard sums, earlier generations and the
// checksums of a service.) want is who is accused, and of what.
func TestWhichWitnessIsWrong(t *testing.T) {
	t.Parallel() // it waits for the disk
	fixtures.Sequential(t)
	const blob = "d/003"
	parityFile := func(w *world, i int) string {
		return filepath.Join(w.vaultDir(), "parity", "1", w.parityNames()[i])
	}
	for _, test := range []struct {
		name   string
		change func(w *world)
		want   string // findings as "store verdict", by store
		gate   string
		heals  bool // one repair, and everything is as it was
	}{
		{"nobody disagrees", func(*world) {}, "", "", true},
		{"the primary against record, replica and parity", func(w *world) { w.scramble("primary", blob, 0) }, "primary corrupt", "", true},
		{"the replica against record, primary and parity", func(w *world) { w.scramble("dr", blob, 0) }, "dr corrupt", "", true},
		{"both copies against record and parity, each in its own way", func(w *world) {
			w.scramble("primary", blob, 0)
			w.flip("dr", blob, 0)
		}, "dr corrupt, primary corrupt", "", true},
		{"both copies with the same other bytes, against record and parity", func(w *world) {
			for _, name := range []string{"primary", "dr"} {
				w.harm(name, fixtures.Fault{Harm: fixtures.Scramble, Path: blob, Length: shard, Seed: 1})
			}
		}, "dr corrupt, primary corrupt", "poisoned", false},
		{"one parity file against data and record", func(w *world) {
			w.must(os.WriteFile(parityFile(w, 0), []byte("not what it was"), 0o600))
		}, "parity corrupt", "", true},
		{"two parity files that changed places", func(w *world) {
			a, b := parityFile(w, 0), parityFile(w, 1)
			w.must(os.Rename(a, a+".aside"))
			w.must(os.Rename(b, a))
			w.must(os.Rename(a+".aside", b))
		}, "parity corrupt, parity corrupt", "", true},
		{"record fails its check, bytes and every copy of the record agree", func(w *world) { w.tamper(blob) }, "dr record-damaged, primary record-damaged", "", true},
		{"one digest of a record that passes its check, against bytes and copies", func(w *world) {
			w.with(func(v *vault.Vault) {
				r, err := v.Catalog.Current(t.Context(), blob)
				w.must(err)
				r.Hashes.Digests = slices.Clone(r.Hashes.Digests)
				for i := range r.Hashes.Digests {
					if len(r.Hashes.Digests[i].Sum) == 8 {
						r.Hashes.Digests[i].Sum = []byte("8 bytes.")
					}
				}
				w.must(v.Catalog.Update(t.Context(), func(tx *catalog.Tx) error { return tx.PutRecord(r) }))
			})
		}, "dr record-damaged, primary record-damaged", "", true},
		{"record fails its check and the primary is damaged too", func(w *world) {
			w.tamper(blob)
			w.scramble("primary", blob, 0)
		}, "dr record-damaged, primary undecided", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newParityWorld(t, 6, 2, "dr")
			w.fill(12)
			w.protect()
			w.scrub()
			good := w.snapshot("primary")
			record := w.record(blob)
			test.change(w)
			w.scrub()
			if got := w.accused(); got != test.want {
				t.Errorf("accused: %s; want %s", got, test.want)
			}
			gates := ""
			w.with(func(v *vault.Vault) {
				open, err := v.Catalog.Gates(t.Context(), false)
				w.must(err)
				for _, g := range open {
					gates += g.Name
				}
			})
			if gates != test.gate {
				t.Errorf("gates %q, want %q", gates, test.gate)
			}
			if !test.heals {
				return
			}
			w.repair(repair.Options{})
			w.scrub()
			w.same(good, "primary")
			if got := w.accused(); got != "" {
				t.Errorf("left after the repair: %s", got)
			}
			if now := w.record(blob); !now.Hashes.Equal(&record.Hashes) {
				t.Errorf("the record is %+v, and was %+v", now, record)
			}
		})
	}
}

// accused are the findings as "store verdict".
func (w *world) accused() string {
	w.t.Helper()
	var all []string
	for _, f := range w.findings() {
		all = append(all, f.Store+" "+f.Verdict)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// parityNames are the files of the first set.
func (w *world) parityNames() []string {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.vaultDir(), "parity", "1"))
	w.must(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
