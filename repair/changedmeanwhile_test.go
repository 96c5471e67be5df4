//go:build unix

package repair_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/fixtures/faultstore"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

func TestAWriterIsNoFailureOfTheHost(t *testing.T) {
	for name, rule := range map[string]faultstore.Rule{
		"who writes while the original is kept": faultstore.ChangedWhileRead("first"),
		"who deletes before it begins":          {Blob: "first", Step: faultstore.ReadAttributes, Err: store.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) { oneIsChanged(t, rule) })
	}
}

func oneIsChanged(t *testing.T, rule faultstore.Rule) {
	w, _, damaged := twoDamaged(t)
	w.everywhere("gone", content(3, shard))
	w.protect()
	w.must(os.Remove(w.path("primary", "gone")))
	w.must(os.Remove(w.path("dr", "gone")))
	w.scrub()

	h, _, err := w.repairWith("primary", rule)

	w.must(err)
	if e := w.expect(h, "primary", "first", report.Skipped); !strings.Contains(e.Reason, "somebody changed it") {
		t.Errorf("the reason is %q", e.Reason)
	}
	w.expect(h, "primary", "gone", report.Lost) // nothing hindered the run
	if diff := damaged.Without("second").Without("gone").Diff(w.snapshot("primary").Without("second")); len(diff) > 0 {
		t.Errorf("the blob is not as it was: %v", diff)
	}
	copies, err := filepath.Glob(filepath.Join(w.vaultDir(), "quarantine", "*"))
	w.must(err)
	if len(copies) != 1 {
		t.Errorf("%d copies are kept, want that of the other blob", len(copies))
	}
	w.tidy()
}
