package repair_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
	"bitmend/repair"
	"bitmend/scrub"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// ends puts a run of scrub on record that ended with s; one that never ended
// when that is nil.
func (w *world) ends(s *report.Summary) {
	w.t.Helper()
	w.with(func(v *vault.Vault) {
		var id int64
		w.must(v.Catalog.Update(w.t.Context(), func(tx *catalog.Tx) (err error) {
			id, err = tx.StartRun("scrub", time.Now())
			return err
		}))
		if s != nil {
			s.Run = id
			w.must(scrub.Conclude(w.t.Context(), v.Catalog, *s, time.Now()))
		}
	})
}

// No finding is good news only of a scrub that looked everywhere.
func TestARepairAfterAScrubThatBrokeOff(t *testing.T) {
	failed, whole := &report.Summary{Failed: true, Exit: 8}, &report.Summary{}
	for name, c := range map[string]struct {
		scrubs []*report.Summary
		says   string // in a note, with exit status 2; "" for nothing
	}{
		"which failed":                         {[]*report.Summary{whole, failed}, "could not check everything (exit status 8)"},
		"which left blobs unchecked":           {[]*report.Summary{{Unchecked: 1, Exit: 2}}, "could not check everything (exit status 2)"},
		"which was killed":                     {[]*report.Summary{whole, nil}, "was killed"},
		"and a light one, which reads no blob": {[]*report.Summary{failed, {Light: true}}, "could not check everything (exit status 8)"},
		"and one that was cancelled":           {[]*report.Summary{failed, {Cancelled: true}}, "could not check everything (exit status 8)"},
		"and one that looked everywhere":       {[]*report.Summary{failed, nil, whole}, ""},
		"when somebody cancelled it":           {[]*report.Summary{whole, {Cancelled: true}}, ""},
		"when there was none":                  {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "primary")
			w.everywhere("blob", content(1, shard))
			w.protect()
			for _, s := range c.scrubs {
				w.ends(s)
			}
			for _, planOnly := range []bool{true, false} {
				h, summary := w.repair(repair.Options{PlanOnly: planOnly})
				says := slices.ContainsFunc(h.notes, func(n string) bool { return strings.Contains(n, "the last scrub") })
				if says != (c.says != "") || says && !strings.Contains(h.notes[0], c.says) {
					t.Errorf("it said %q", h.notes)
				}
				if vouches := summary.Exit&int(report.ExitCannotVouch) == 0; vouches != (c.says == "") {
					t.Errorf("exit status %d", summary.Exit)
				}
			}
		})
	}
}

// Whichever page of the catalog is lost together with a blob: while the blob is
// damaged no repair is a success, and nothing is made worse.
func TestNoLostPageOfTheCatalogMakesARepairASuccess(t *testing.T) {
	t.Parallel() // it waits for the disk
	fixtures.Sequential(t)
	w := newParityWorld(t, 4, 2)
	w.fill(30)
	w.protect()
	w.scramble("primary", "d/007", 1)
	damaged, before := w.read("primary", "d/007"), w.snapshot("primary")
	vaultAsItWas := filepath.Join(w.dir, "as it was")
	w.must(os.CopyFS(vaultAsItWas, os.DirFS(w.vaultDir())))
	whole, err := os.ReadFile(filepath.Join(vaultAsItWas, "catalog.db"))
	w.must(err)
	const page = 4096
	left := 0
	for at := 0; at < len(whole); at += page {
		w.must(os.RemoveAll(w.vaultDir()))
		w.must(os.CopyFS(w.vaultDir(), os.DirFS(vaultAsItWas)))
		rotten := slices.Clone(whole)
		clear(rotten[at : at+page])
		w.must(os.WriteFile(filepath.Join(w.vaultDir(), "catalog.db"), rotten, 0o600))

		scrubbed := w.tried(func(v *vault.Vault) (report.Summary, error) {
			return scrub.Run(t.Context(), v, scrub.Options{Buffered: true}, &heard{})
		})
		repaired := w.tried(func(v *vault.Vault) (report.Summary, error) {
			return repair.Run(t.Context(), v, repair.Options{}, &heard{})
		})
		if !bytes.Equal(w.read("primary", "d/007"), damaged) {
			w.must(os.Remove(w.path("primary", "d/007"))) // it was repaired
			w.write("primary", "d/007", damaged)
			continue
		}
		left++
		if repaired&^report.ExitRepaired == 0 {
			t.Errorf("page %d: the damage is left, and repair exits %d after a scrub that exits %d", at/page, repaired, scrubbed)
		}
	}
	w.same(before, "primary")
	if left == 0 {
		t.Error("no page was needed")
	}
}

// tried opens the vault, which may be damaged, for a verb and returns its exit
// status.
func (w *world) tried(verb func(v *vault.Vault) (report.Summary, error)) report.Exit {
	w.t.Helper()
	v, err := vault.Open(w.t.Context(), w.vaultDir(), "test")
	if errors.Is(err, catalog.ErrDamaged) {
		return report.ExitOperational
	}
	w.must(err)
	defer v.Close()
	summary, err := verb(v)
	if err != nil && summary.Exit&^int(report.ExitRepaired) == 0 {
		w.t.Errorf("it failed with exit status %d: %v", summary.Exit, err)
	}
	return report.Exit(summary.Exit)
}

// A scrub that is killed before it is on record leaves its name in the lock.
func TestARepairAfterAScrubThatWasKilledAtOnce(t *testing.T) {
	for verb, says := range map[string]bool{"scrub": true, "protect": false} {
		w := newWorld(t, "primary")
		w.everywhere("blob", content(1, shard))
		w.protect()
		w.must(os.WriteFile(filepath.Join(w.vaultDir(), "lock"), []byte("verb "+verb+"\npid 1\nhost h\nsince 2026-01-02T03:04:05Z\n"), 0o600))
		h, summary := w.repair(repair.Options{})
		if got := summary.Exit == int(report.ExitCannotVouch); got != says || says && !strings.Contains(h.notes[0], "was killed") {
			t.Errorf("after %s: exit status %d; it said %q", verb, summary.Exit, h.notes)
		}
	}
}
