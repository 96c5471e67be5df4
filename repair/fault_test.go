//go:build unix

package repair_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/fixtures/faultstore"
	"bitmend/repair"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// repairWith runs a repair whose store of that name fails by rules.
func (w *world) repairWith(storeName string, rules ...faultstore.Rule) (*heard, report.Summary, error) {
	w.t.Helper()
	h := &heard{}
	var summary report.Summary
	var err error
	w.with(func(v *vault.Vault) {
		summary, err = repair.Run(w.t.Context(), v, repair.Options{Open: func(name string) (store.Writable, error) {
			s, err := v.Store(name)
			if err == nil && name == storeName {
				s = faultstore.New(s, rules...)
			}
			return s, err
		}}, h)
	})
	return h, summary, err
}

// twoDamaged makes two damaged blobs with a whole replica.
func twoDamaged(t *testing.T) (w *world, good, damaged fixtures.Snapshot) {
	t.Helper()
	w = newWorld(t, "primary", "dr")
	w.everywhere("first", content(1, 3*shard))
	w.everywhere("second", content(2, 3*shard))
	w.protect()
	good = w.snapshot("primary")
	w.flip("primary", "first", 1)
	w.flip("primary", "second", 1)
	w.scrub()
	return w, good, w.snapshot("primary")
}

func TestAFailureAtAnyStepLeavesTheBlobAsItWasAndTheRestGoesOn(t *testing.T) {
	t.Parallel() // it waits for the disk
	failures := map[string]faultstore.Rule{
		"the disk is full when it is staged": {Blob: "first", Step: faultstore.Stage, Err: store.ErrNoSpace},
		"the permission is lost":             {Blob: "first", Step: faultstore.Stage, Err: store.ErrPermission},
		"the disk is full in the middle":     {Blob: "first", Step: faultstore.Write, Range: store.Range{Offset: 2 * shard, Length: 1}, Err: store.ErrNoSpace},
		"the disk is full when it is synced": faultstore.NoSpace("first"),
		"the replacement reads back wrongly": faultstore.MisreadBack("first", 2*shard+9, 3),
		"reading it back fails":              {Blob: "first", Step: faultstore.ReadBack, Err: store.ErrMedium},
		"it cannot be put in place":          faultstore.Unpublished("first", errors.New("a test")),
		"somebody was faster":                faultstore.Unpublished("first", store.ErrChanged),
		"the attributes cannot be read":      {Blob: "first", Step: faultstore.ReadAttributes, Err: store.ErrPermission},
	}
	for name, rule := range failures {
		t.Run(name, func(t *testing.T) {
			w, good, damaged := twoDamaged(t)

			h, summary, err := w.repairWith("primary", rule)

			w.must(err)
			if e := w.expect(h, "primary", "first", report.Skipped); e.Reason == "" {
				t.Error("no reason is given")
			}
			w.expect(h, "primary", "second", report.Repaired)
			now := w.snapshot("primary")
			if diff := damaged.Without("second").Diff(now.Without("second")); len(diff) > 0 {
				t.Errorf("the blob is not as it was: %v", diff)
			}
			if diff := good.Without("first").Diff(now.Without("first")); len(diff) > 0 {
				t.Errorf("the other blob is not repaired: %v", diff)
			}
			if summary.Exit != int(report.ExitDamageLeft) {
				t.Errorf("exit %d", summary.Exit)
			}
			w.tidy()
			w.repair(repair.Options{})
			w.same(good, "primary")
		})
	}
}

// A store may put the replacement in place and still report a failure, when
// only the sync of the directory failed.
func TestARepairThatWasDoneAndReportedAsFailedIsRecorded(t *testing.T) {
	w, good, _ := twoDamaged(t)

	h, _, err := w.repairWith("primary", faultstore.Rule{Blob: "first", Step: faultstore.Publish, Err: errors.New("a test"), TooLate: true})

	w.must(err)
	w.expect(h, "primary", "first", report.Repaired)
	w.same(good, "primary")
	w.tidy()
}

func TestBadSectorsOfTheTargetComeFromTheReplica(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 40*shard))
	w.protect()
	good := w.snapshot("primary")
	w.flip("primary", "blob", 3)
	w.scrub()
	bad := store.Range{Offset: 20*shard + 8192, Length: 4096}

	h, _, err := w.repairWith("primary", faultstore.MediumError("blob", bad))

	w.must(err)
	e := w.expect(h, "primary", "blob", report.Repaired)
	if e.Sources["replica"] != 2 {
		t.Errorf("sources %v, want the flipped and the unreadable shard from the replica", e.Sources)
	}
	w.same(good, "primary")
	var side struct {
		Unreadable []store.Range `json:"unreadable"`
	}
	text, err := os.ReadFile(filepath.Join(w.vaultDir(), "quarantine", e.Receipt, "original.json"))
	w.must(err)
	w.must(json.Unmarshal(text, &side))
	if len(side.Unreadable) != 1 || side.Unreadable[0] != bad {
		t.Errorf("unreadable %v, want %v", side.Unreadable, bad)
	}
	kept := w.kept(e.Receipt)
	if want := content(1, 40*shard); !bytes.Equal(kept[30*shard:], want[30*shard:]) || kept[3*shard+7] == want[3*shard+7] {
		t.Error("the quarantine does not hold what could be read")
	}
}

func TestASourceThatFailsIsNoSource(t *testing.T) {
	w, good, _ := twoDamaged(t)
	h, _, err := w.repairWith("dr", faultstore.MediumError("first", store.Range{Offset: shard, Length: 1}))
	w.must(err)
	if e := w.expect(h, "primary", "first", report.Repaired); e.Sources["bit-flip"] != 1 {
		t.Errorf("sources %v", e.Sources)
	}
	w.same(good, "primary")
}

// A source that vanishes while it is read may have had the rest: that is not
// known, and nothing is lost by it.
func TestNothingIsCalledLostWhenASourceVanishes(t *testing.T) {
	t.Parallel() // it waits for the disk
	vanishes := faultstore.Rule{Blob: "blob", Step: faultstore.Read, Skip: 1, Err: store.ErrNotMounted}
	make := func(t *testing.T) *world {
		w := newWorld(t, "primary", "dr")
		w.everywhere("blob", content(1, 40*shard)) // more than is read at once
		w.everywhere("other", nil)
		w.protect()
		w.scrub()
		return w
	}
	unknown := func(w *world, h *heard, storeName string, lost int64) {
		w.t.Helper()
		if e := w.expect(h, storeName, "blob", report.Skipped); !strings.Contains(e.Reason, "does not mean that it is lost") {
			w.t.Errorf("reason %q", e.Reason)
		}
		if lost != 0 {
			w.t.Errorf("%d are called lost", lost)
		}
	}
	opening := func(v *vault.Vault) func(string) (store.Writable, error) {
		return func(name string) (store.Writable, error) {
			s, err := v.Store(name)
			if err == nil && name == "dr" {
				s = faultstore.New(s, vanishes)
			}
			return s, err
		}
	}
	t.Run("repair", func(t *testing.T) {
		w := make(t)
		w.must(os.Remove(w.path("primary", "blob")))
		w.scrub()
		h, summary, err := w.repairWith("dr", vanishes)
		w.must(err)
		unknown(w, h, "primary", summary.Lost)
	})
	t.Run("restore", func(t *testing.T) {
		w := make(t)
		w.must(os.Remove(w.path("primary", "blob")))
		h := &heard{}
		w.with(func(v *vault.Vault) {
			summary, err := repair.Restore(t.Context(), v, repair.RestoreOptions{At: time.Now(), To: w.root("back"), Only: []string{"blob"}, Open: opening(v)}, h)
			w.must(err)
			unknown(w, h, "restore", summary.Lost)
		})
	})
	t.Run("reseed", func(t *testing.T) {
		w := make(t)
		w.replaceDisk("primary")
		h := &heard{}
		w.with(func(v *vault.Vault) {
			summary, err := repair.Reseed(t.Context(), v, "primary", repair.Options{Open: opening(v)}, h)
			w.must(err)
			unknown(w, h, "primary", summary.Lost)
		})
		if _, err := os.Stat(w.path("primary", "other")); err != nil {
			t.Error("the rest did not go on")
		}
	})
}

func TestAFileThatReadsWronglyAfterItWasHealedOpensTheGate(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("a", content(1, 3*shard))
	w.everywhere("z", content(2, shard))
	w.must(os.Link(w.path("primary", "a"), w.path("primary", "b")))
	w.protect()
	w.flip("primary", "a", 1)
	w.scrub()

	h, summary, err := w.repairWith("primary", faultstore.FlippedBit("a", 5, 1))

	if !errors.Is(err, gate.ErrRefused) || !summary.Refused {
		t.Errorf("error %v, summary %+v", err, summary)
	}
	w.expect(h, "primary", "a", report.Skipped)
	if len(h.gates) != 1 || h.gates[0].Name != gate.BadRepair || h.gates[0].Store != "primary" {
		t.Errorf("gates told: %+v", h.gates)
	}

	// The journal has what it takes to go on when the disk reads well again.
	h = w.recover()
	if len(h.repairs) != 2 || len(w.findings()) != 0 {
		t.Errorf("events %+v, findings %+v", h.repairs, w.findings())
	}
	w.tidy()
}

// What could not be rebuilt for want of space, or of a store, is not lost.
func TestOnlyWhatNoSourceHasIsCalledLost(t *testing.T) {
	t.Parallel() // it waits for the disk
	fixtures.Sequential(t)
	w := newParityWorld(t, 6, 1, "dr")
	w.fill(12)
	w.protect()
	good := w.snapshot("primary")
	w.scramble("primary", "d/003", 1)
	w.scramble("dr", "d/003", 1)
	w.scrub()

	h, summary, err := w.repairWith("primary", faultstore.Rule{Blob: "d/003", Step: faultstore.Write, Range: store.Range{Offset: shard, Length: 1}, Err: store.ErrNoSpace})

	w.must(err)
	w.expect(h, "primary", "d/003", report.Skipped)
	if summary.Lost != 0 {
		t.Errorf("summary %+v", summary)
	}
	w.repair(repair.Options{})
	w.same(good, "primary")

	for i := range 8 {
		w.scramble("primary", fmt.Sprintf("d/%03d", i), 0, 1)
	}
	w.scrub()
	w.must(os.Rename(w.root("dr"), w.root("away")))
	w.with(func(v *vault.Vault) {
		h = &heard{}
		_, err := repair.Run(t.Context(), v, repair.Options{Stores: []string{"primary"}}, h)
		w.must(err)
	})
	if len(h.repairs) != 8 {
		t.Errorf("events %+v", h.repairs)
	}
	waiting := 0
	for _, r := range h.repairs {
		if r.Outcome == report.Lost {
			t.Errorf("%q is called lost while a replica is away: %s", r.Blob, r.Reason)
		}
		if r.Outcome == report.Skipped && strings.Contains(r.Reason, "not mounted") {
			waiting++
		}
	}
	if waiting == 0 {
		t.Error("nothing waits for the replica")
	}
}

// While one blob of a stripe could not be put right for an error of the host,
// the others of it are not lost: once it is whole, the stripe bears them.
func TestNothingIsLostForARepairThatFailedBesideIt(t *testing.T) {
	w := newParityWorld(t, 6, 1)
	for i := range 6 {
		w.everywhere(fmt.Sprintf("d/%d", i), content(i, shard))
	}
	w.protect()
	good := w.snapshot("primary")
	w.flip("primary", "d/0", 0) // the one bit is found without the stripe
	w.must(os.Remove(w.path("primary", "d/1")))
	w.scrub()

	h, summary, err := w.repairWith("primary", faultstore.Rule{Blob: "d/0", Step: faultstore.Stage, Err: store.ErrNoSpace})

	w.must(err)
	w.expect(h, "primary", "d/0", report.Skipped)
	if e := w.expect(h, "primary", "d/1", report.Skipped); !strings.Contains(e.Reason, "could not be carried out") {
		t.Errorf("the reason is %q", e.Reason)
	}
	if summary.Lost != 0 || summary.Exit&int(report.ExitDamageLeft) == 0 {
		t.Errorf("summary %+v", summary)
	}
	w.repair(repair.Options{})
	w.same(good, "primary")
}

// Bytes that may not be read now may be good, and with them the stripe may
// bear the loss: nothing is called lost for want of a permission.
func TestNothingIsLostForWantOfAPermission(t *testing.T) {
	w := newParityWorld(t, 4, 1)
	w.fill(4)
	w.protect()
	before := w.snapshot("primary")
	w.must(os.Remove(w.path("primary", "d/000")))
	w.scrub()

	h, summary, err := w.repairWith("primary", faultstore.Rule{Blob: "d/001", Step: faultstore.Open, Err: store.ErrPermission},
		faultstore.Rule{Blob: "d/002", Step: faultstore.Open, Err: store.ErrPermission})

	w.must(err)
	if e := w.expect(h, "primary", "d/000", report.Skipped); !strings.Contains(e.Reason, "d/00") {
		t.Errorf("the reason does not say what could not be read: %q", e.Reason)
	}
	if summary.Lost != 0 || summary.Exit != int(report.ExitDamageLeft) {
		t.Errorf("lost %d, exit %d", summary.Lost, summary.Exit)
	}
	w.repair(repair.Options{})
	w.same(before, "primary")
}
