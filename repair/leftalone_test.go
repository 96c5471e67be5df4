package repair_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/hashsets"
	"bitmend/repair"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

func TestAChangeOfModeIsNoDamageAndStays(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 2*shard))
	w.protect()
	w.flip("primary", "blob", 0)
	w.must(os.Chmod(w.path("primary", "blob"), 0o600))
	setXattr(t, w.path("primary", "blob"), "user.since", []byte("then"))
	changed := w.snapshot("primary")
	w.scrub()

	w.repair(repair.Options{})

	want := changed["blob"]
	got := w.snapshot("primary")["blob"]
	if got.Mode != want.Mode || got.Xattrs["user.since"] != "then" || !got.ModTime.Equal(want.ModTime) {
		t.Errorf("attributes %+v, want those of the damaged original %+v", got, want)
	}
}

func TestModifiedIsNeverTouched(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 2*shard))
	w.protect()
	w.harm("primary", fixtures.Fault{Harm: fixtures.FlipBit, Path: "blob", Offset: 3, Length: 1}.AsWritten())
	w.scrub()
	changed := w.snapshot("primary")

	h, summary := w.repair(repair.Options{})

	if e := w.expect(h, "primary", "blob", report.Skipped); e.Reason == "" {
		t.Error("no reason is given")
	}
	w.same(changed, "primary")
	if summary.Exit != int(report.ExitCannotVouch) {
		t.Errorf("exit %d", summary.Exit)
	}
}

func TestWhatChangedSinceTheScrubIsLeftAlone(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	for _, name := range []string{"written", "restored", "made"} {
		w.everywhere(name, content(1, 2*shard))
	}
	w.protect()
	good := w.read("primary", "restored")
	w.flip("primary", "written", 0)
	w.flip("primary", "restored", 0)
	w.must(os.Remove(w.path("primary", "made")))
	w.scrub()
	w.must(os.WriteFile(w.path("primary", "written"), []byte("mine"), 0o644))
	w.must(os.WriteFile(w.path("primary", "restored"), good, 0o644))
	w.must(os.WriteFile(w.path("primary", "made"), []byte("mine too"), 0o644))
	changed := w.snapshot("primary")

	h, summary := w.repair(repair.Options{})

	for _, name := range []string{"written", "restored", "made"} {
		w.expect(h, "primary", name, report.Skipped)
	}
	w.same(changed, "primary")
	if left := w.findings(); len(left) != 2 || summary.Repaired != 0 {
		t.Errorf("findings %+v, want the restored blob's dropped", left)
	}
	w.tidy()
}

func TestAWriterThatComesBetweenWins(t *testing.T) {
	t.Parallel() // it waits for the disk
	for _, names := range []int{1, 2} {
		for _, point := range []repair.Point{repair.Journalled, repair.Verified, repair.Placing} {
			t.Run(fmt.Sprintf("%d names, %s", names, point), func(t *testing.T) {
				w := newWorld(t, "primary", "dr")
				w.everywhere("blob", content(1, 2*shard))
				if names == 2 {
					w.must(os.Link(w.path("primary", "blob"), w.path("primary", "second")))
				}
				w.protect()
				w.flip("primary", "blob", 0)
				w.scrub()

				h, _ := w.repair(repair.Options{Stores: []string{"primary"}, OnStep: func(s repair.Step) {
					if s.Point == point && s.Done {
						w.must(os.WriteFile(w.path("primary", "blob"), []byte("mine"), 0o644))
					}
				}})

				w.expect(h, "primary", "blob", report.Skipped)
				if got := w.read("primary", "blob"); string(got) != "mine" {
					t.Errorf("the writer's %q became %q", "mine", got)
				}
				w.tidy()
			})
		}
	}
}

func TestWhatStandsInTheWayIsNotRemoved(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 100))
	w.protect()
	w.harm("primary", fixtures.Fault{Harm: fixtures.ReplaceByDirectory, Path: "blob"})
	w.must(os.WriteFile(w.path("primary", "blob/precious"), []byte("x"), 0o644))
	w.with(func(v *vault.Vault) {
		s, err := v.Store("primary")
		w.must(err)
		seen, err := s.Stat(t.Context(), "blob")
		w.must(err)
		w.put(v, finding.Finding{Store: "primary", Blob: "blob", Verdict: finding.Corrupt, Generation: 1, Kind: hashsets.File, Identity: seen.Identity})
	})

	h, _ := w.repair(repair.Options{})

	w.expect(h, "primary", "blob", report.Skipped)
	if string(w.read("primary", "blob/precious")) != "x" {
		t.Error("what lay in the directory is gone")
	}
}

func TestAnOpenGateRefusesItsStoreAlone(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 2*shard))
	w.protect()
	w.flip("primary", "blob", 0)
	w.flip("dr", "blob", 1)
	w.scrub()
	damaged := w.snapshot("primary")
	var h heard
	w.with(func(v *vault.Vault) {
		_, err := gate.OpenNow(t.Context(), v.Catalog, gate.MassDamage, "primary", "a test", 1, time.Now())
		w.must(err)
		summary, err := repair.Run(t.Context(), v, repair.Options{}, &h)
		if !errors.Is(err, gate.ErrRefused) || !summary.Refused || summary.Failed {
			t.Errorf("error %v, summary %+v", err, summary)
		}
	})
	w.expect(&h, "primary", "blob", report.Refused)
	w.expect(&h, "dr", "blob", report.Repaired)
	if len(h.gates) != 1 || h.gates[0].Name != gate.MassDamage {
		t.Errorf("gates told: %+v", h.gates)
	}
	w.same(damaged, "primary")
}

func TestAStoreThatIsNotMountedIsRefused(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 2*shard))
	w.protect()
	w.flip("dr", "blob", 0)
	w.scrub()
	w.must(os.Rename(w.root("dr"), w.root("away")))
	var h heard
	w.with(func(v *vault.Vault) {
		if _, err := repair.Run(t.Context(), v, repair.Options{}, &h); !errors.Is(err, gate.ErrRefused) {
			t.Errorf("error %v, want a refusal", err)
		}
	})
	w.expect(&h, "dr", "blob", report.Refused)
	if len(h.gates) != 1 || h.gates[0].Name != gate.Unmounted {
		t.Errorf("gates told: %+v", h.gates)
	}
	if _, err := os.Stat(w.root("dr")); err == nil {
		t.Error("the root was made")
	}
}

func TestOnlyAndStoresBoundARepair(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	for _, name := range []string{"a/x", "b/x"} {
		w.everywhere(name, content(1, shard))
	}
	w.protect()
	w.flip("primary", "a/x", 0)
	w.flip("primary", "b/x", 0)
	w.scrub()

	h, _ := w.repair(repair.Options{Only: []string{"a/**"}, Stores: []string{"primary"}})
	w.expect(h, "primary", "a/x", report.Repaired)
	if len(h.repairs) != 1 {
		t.Errorf("events %+v", h.repairs)
	}
	h, _ = w.repair(repair.Options{Stores: []string{"dr"}})
	if len(h.repairs) != 0 {
		t.Errorf("events %+v", h.repairs)
	}
}

func TestCancellingLeavesNothingBehind(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	for i := range 5 {
		w.everywhere(fmt.Sprint("blob", i), content(i, 2*shard))
	}
	w.protect()
	for i := range 5 {
		w.flip("primary", fmt.Sprint("blob", i), 0)
	}
	w.scrub()
	ctx, cancel := context.WithCancel(t.Context())
	w.with(func(v *vault.Vault) {
		staged := 0
		summary, err := repair.Run(ctx, v, repair.Options{Workers: 1, OnStep: func(s repair.Step) {
			if s.Point == repair.StagedFile && s.Done {
				if staged++; staged == 3 {
					cancel()
				}
			}
		}}, &heard{})
		if !errors.Is(err, context.Canceled) || !summary.Cancelled || summary.Repaired != 2 {
			t.Errorf("error %v, summary %+v", err, summary)
		}
	})
	w.tidy()
	if n := len(w.findings()); n != 3 {
		t.Errorf("%d findings are left, want 3", n)
	}
}
