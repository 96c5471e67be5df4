//go:build unix

package repair_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bitmend/repair"
	"bitmend/repair/protect"
	"bitmend/scrub"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// rebuildCatalog loses the catalog and makes it anew.
func (w *world) rebuildCatalog() *heard {
	w.t.Helper()
	w.must(os.Remove(filepath.Join(w.vaultDir(), "catalog.db")))
	h := &heard{}
	v, err := vault.OpenLocked(w.t.Context(), w.vaultDir(), "test")
	w.must(err)
	_, err = protect.RebuildCatalog(context.Background(), v, h)
	w.must(errors.Join(err, v.Close()))
	return h
}

// A catalog is made anew beside parity files of another vault of the same
// shape, whose blobs have the same names, sizes and times. What they say is not
// taken for what this vault recorded, and good blobs are not overwritten by it.
func TestACatalogIsNotMadeOfAnotherVaultsParity(t *testing.T) {
	t.Parallel() // it waits for the disk
	filled := func(seed int) *world { return newProtected(t, 6, 3, 9, seed) }
	for name, c := range map[string]struct {
		foreign, torn, lost []int // parity files
		export              bool
		known               bool // it is found out what is recorded
	}{
		"one, and the export is there":              {[]int{0}, nil, nil, true, true},
		"the other one":                             {[]int{1}, nil, nil, true, true},
		"one, and no export":                        {[]int{0}, nil, nil, false, true},
		"one whose list is damaged, and no export":  {[]int{0}, []int{0}, nil, false, true},
		"one, and the export alone contradicts":     {[]int{0}, nil, []int{1}, true, true},
		"all, and the export is there":              {[]int{0, 1, 2}, nil, nil, true, true},
		"all, and the files of the store alone are": {[]int{0, 1, 2}, nil, nil, false, false},
		"the one that is left, and no export":       {[]int{1}, nil, []int{0}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, other := filled(0), filled(100)
			file := func(w *world, index int) string {
				return filepath.Join(w.vaultDir(), "parity", "1", fmt.Sprintf("0-1.p%d", index))
			}
			for _, index := range c.foreign {
				stranger, err := os.ReadFile(file(other, index))
				w.must(err)
				w.must(os.WriteFile(file(w, index), stranger, 0o600))
			}
			for _, index := range c.torn {
				torn, err := os.ReadFile(file(w, index))
				w.must(err)
				torn[bytes.LastIndex(torn, []byte("d/008"))] ^= 1 // in its list
				w.must(os.WriteFile(file(w, index), torn, 0o600))
			}
			for _, index := range c.lost {
				w.must(os.Remove(file(w, index)))
			}
			if !c.export {
				w.must(os.RemoveAll(filepath.Join(w.vaultDir(), "export")))
			}
			before := w.snapshot("primary")

			told := w.rebuildCatalog()
			scrubbed := w.tried(func(v *vault.Vault) (report.Summary, error) {
				return scrub.Run(t.Context(), v, scrub.Options{Buffered: true}, &heard{})
			})
			h := &heard{}
			repaired := w.tried(func(v *vault.Vault) (report.Summary, error) {
				return repair.Run(t.Context(), v, repair.Options{}, h)
			})

			w.same(before, "primary")
			for _, e := range h.repairs {
				if e.Outcome == report.Repaired && e.Store == "primary" {
					t.Errorf("%q is called repaired", e.Blob)
				}
			}
			damaged := 0
			for _, f := range w.findings() {
				if f.Store == "primary" {
					damaged++
				}
			}
			if c.known && damaged > 0 {
				t.Errorf("%d blobs are called damaged; the rebuilding said %q", damaged, told.notes)
			}
			if !c.known && (repaired&report.ExitRefused == 0 || len(told.gates) != 1 || told.gates[0].Name != gate.BadCatalog) {
				t.Errorf("gates %+v; scrub exits %d, repair %d", told.gates, scrubbed, repaired)
			}
		})
	}
}

// Damage often lies together: lists are asked after blobs from all over them.
func TestAListIsBelievedOfWhichAFewBlobsAreInTheStore(t *testing.T) {
	w := newParityWorld(t, 6, 3)
	for i := range 100 {
		w.everywhere(fmt.Sprintf("d/%03d", i), content(i, 3000))
	}
	w.protect()
	for i := range 85 {
		w.write("primary", fmt.Sprintf("d/%03d", i), content(1000+i, 3000))
	}
	w.must(os.RemoveAll(filepath.Join(w.vaultDir(), "export")))
	if told := w.rebuildCatalog(); len(told.gates) > 0 {
		t.Errorf("gates %+v; it said %q", told.gates, told.notes)
	}
}

// A parity file without a list says nothing of its origin. The first scrub of
// everything holds it against the data.
func TestAScrubAfterRebuildingHoldsTheParityAgainstTheData(t *testing.T) {
	w, other := newProtected(t, 6, 3, 9, 0), newProtected(t, 6, 3, 9, 100)
	stranger, err := os.ReadFile(filepath.Join(other.vaultDir(), "parity", "1", "0-1.p2"))
	w.must(err)
	w.must(os.WriteFile(filepath.Join(w.vaultDir(), "parity", "1", "0-1.p2"), stranger, 0o600))
	w.rebuildCatalog()
	for i, c := range []struct {
		verb []string
		want report.Exit
	}{
		{[]string{"scrub"}, report.ExitDamageLeft},
		{[]string{"repair"}, report.ExitRepaired},
		{[]string{"scrub", "--stripes"}, report.ExitClean},
	} {
		if exit, summary := w.verb(c.verb...); exit != c.want {
			t.Errorf("%d, %q: exit status %d: %v", i, c.verb, exit, summary)
		}
	}
	read := func() float64 { _, summary := w.verb("scrub"); return summary["bytes_read"].(float64) }
	if once, again := read(), read(); once != again {
		t.Errorf("a scrub reads %v bytes, and the next one %v", once, again)
	}
}
