//go:build unix

package repair_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bitmend/fixtures/faultstore"
	"bitmend/repair"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// manyDamaged makes n damaged blobs with a whole replica.
func manyDamaged(t *testing.T, n int) *world {
	t.Helper()
	w := newWorld(t, "primary", "dr")
	for i := range n {
		w.everywhere(fmt.Sprintf("blob-%03d", i), content(i, shard+100))
	}
	w.protect()
	for i := range n {
		w.scramble("primary", fmt.Sprintf("blob-%03d", i), 0)
	}
	w.scrub()
	return w
}

// unattended repairs as scrub --repair does, with a primary that fails by rules.
func (w *world) unattended(rules ...faultstore.Rule) (*heard, report.Summary, error) {
	w.t.Helper()
	h := &heard{}
	var summary report.Summary
	var err error
	w.with(func(v *vault.Vault) {
		summary, err = repair.Run(w.t.Context(), v, repair.Options{RollOut: true, Open: func(name string) (store.Writable, error) {
			s, err := v.Store(name)
			if err == nil && name == "primary" {
				s = faultstore.New(s, rules...)
			}
			return s, err
		}}, h)
	})
	return h, summary, err
}

func TestAnUnattendedRunRepairsEverythingWhenAllIsWell(t *testing.T) {
	t.Parallel() // it waits for the disk
	w := manyDamaged(t, 5)
	h, summary, err := w.unattended()
	w.must(err)
	if summary.Repaired != 5 || len(h.repairs) != 5 || summary.Exit != int(report.ExitRepaired) {
		t.Errorf("summary %+v, events %+v", summary, h.repairs)
	}
	w.tidy()
}

func TestAnUnattendedRunStopsAtTheFirstProofThatFails(t *testing.T) {
	t.Parallel() // it waits for the disk
	w := manyDamaged(t, 5)
	before := w.snapshot("primary")

	h, summary, err := w.unattended(faultstore.MisreadBack("blob-000", 9, 3))

	w.must(err)
	for i := range 5 {
		e := w.expect(h, "primary", fmt.Sprintf("blob-%03d", i), report.Skipped)
		if i > 0 && !strings.Contains(e.Reason, "first repair that fails its proof") {
			t.Errorf("reason %q", e.Reason)
		}
	}
	w.same(before, "primary")
	if summary.Repaired != 0 || summary.Exit != int(report.ExitDamageLeft) {
		t.Errorf("summary %+v", summary)
	}
	w.tidy()
}

// A medium that reads back what was written, and something else under the
// blob's name later, is met by one blob.
func TestAnUnattendedRunReadsItsFirstRepairAgain(t *testing.T) {
	t.Parallel() // it waits for the disk
	w := manyDamaged(t, 5)
	before := w.snapshot("primary")

	h, summary, err := w.unattended(faultstore.FlippedBit("blob-000", shard+5, 1))

	if !errors.Is(err, gate.ErrRefused) || summary.Repaired != 0 || summary.Exit != int(report.ExitRefused|report.ExitDamageLeft) {
		t.Errorf("error %v, summary %+v", err, summary)
	}
	if len(h.gates) != 1 || h.gates[0].Name != gate.BadRepair {
		t.Errorf("gates %+v", h.gates)
	}
	if diff := before.Without("blob-000").Diff(w.snapshot("primary").Without("blob-000")); len(diff) > 0 {
		t.Errorf("more was written: %v", diff)
	}
	if len(w.findings()) != 5 {
		t.Errorf("findings %+v", w.findings())
	}

	// The gate stays, whoever runs, until a person has looked; and opens again
	// for the next repair that goes wrong.
	h, _, err = w.unattended()
	if !errors.Is(err, gate.ErrRefused) || len(h.of("primary", "blob-001")) != 1 || h.of("primary", "blob-001")[0].Outcome != report.Refused {
		t.Errorf("error %v, events %+v", err, h.repairs)
	}
	w.with(func(v *vault.Vault) {
		_, err := gate.Clear(t.Context(), v.Catalog, h.gates[0].ID, "another disk", time.Now())
		w.must(err)
	})
	w.scramble("primary", "blob-000", 0)
	w.scrub()
	if _, _, err = w.unattended(faultstore.FlippedBit("blob-000", shard+5, 1)); !errors.Is(err, gate.ErrRefused) {
		t.Errorf("the gate did not open again: %v", err)
	}
}
