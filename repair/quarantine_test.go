//go:build unix

package repair_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
	"bitmend/repair"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// list returns what the quarantine holds.
func (w *world) list() (all []repair.Kept) {
	w.t.Helper()
	w.with(func(v *vault.Vault) {
		var err error
		all, err = repair.ListQuarantine(w.t.Context(), v)
		w.must(err)
	})
	return all
}

// oneKept makes a world in which one blob was damaged and repaired, and returns
// what was kept and the bytes of it.
func oneKept(t *testing.T) (*world, repair.Kept, []byte) {
	t.Helper()
	w := newWorld(t, "primary", "dr")
	w.everywhere("d/a", content(1, 3*shard))
	w.must(os.Chmod(w.path("primary", "d/a"), 0o604))
	w.protect()
	w.flip("primary", "d/a", 1)
	bad := w.read("primary", "d/a")
	w.scrub()
	w.repair(repair.Options{})
	all := w.list()
	if len(all) != 1 {
		t.Fatalf("%d copies are kept", len(all))
	}
	return w, all[0], bad
}

func TestTheListSaysWhatIsKeptAndWhetherItMayGo(t *testing.T) {
	_, k, bad := oneKept(t)
	if k.Store != "primary" || k.Blob != "d/a" || k.Verdict != finding.Corrupt || k.Diagnosis != finding.BitFlip ||
		k.Size != int64(len(bad)) || !k.Receipt || time.Since(k.At) > time.Hour {
		t.Errorf("kept %+v", k)
	}
	if !k.MayGo {
		t.Errorf("it may not go: %s", k.Why)
	}

	// Whatever makes the good bytes doubtful makes the copy stay.
	for name, change := range map[string]func(w *world){
		"nobody holds the good bytes": func(w *world) {
			for _, name := range w.names {
				w.must(os.Remove(w.path(name, "d/a")))
			}
			w.must(os.WriteFile(w.path("primary", "other"), nil, 0o600))
			w.must(os.WriteFile(w.path("dr", "other"), nil, 0o600))
			w.scrub()
		},
		"somebody wrote it since": func(w *world) {
			w.write("primary", "d/a", []byte("new"))
			w.protect()
		},
		"its receipt is not there": func(w *world) {
			w.must(os.Rename(w.kPath(k.ID), w.kPath("20260101T000000.000Z-aaaaaaaaaaaa")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, made, _ := oneKept(t)
			k = made
			change(w)
			if all := w.list(); len(all) != 1 || all[0].MayGo || all[0].Why == "" {
				t.Errorf("kept %+v", all)
			}
		})
	}
}

// kPath is the folder of a copy.
func (w *world) kPath(id string) string { return filepath.Join(w.vaultDir(), "quarantine", id) }

// prune prunes the quarantine, by another configuration and at another time.
func (w *world) prune(limits vault.QuarantineLimits, now time.Time) repair.Pruned {
	w.t.Helper()
	var done repair.Pruned
	w.with(func(v *vault.Vault) {
		var err error
		v.Config.Quarantine = limits
		done, err = repair.PruneQuarantine(w.t.Context(), v, now)
		w.must(err)
	})
	return done
}

// ranAt puts a run on record, so that the clock is believed then.
func (w *world) ranAt(at time.Time) {
	w.t.Helper()
	w.with(func(v *vault.Vault) {
		w.must(v.Catalog.Update(w.t.Context(), func(tx *catalog.Tx) error {
			_, err := tx.StartRun("scrub", at)
			return err
		}))
	})
}

func TestPruningKeepsWhatIsYoungAndWhatNoProofCovers(t *testing.T) {
	day := 24 * time.Hour
	w, k, _ := oneKept(t)
	for _, c := range []struct {
		name   string
		limits vault.QuarantineLimits
		after  time.Duration
		over   bool
	}{
		{"it is young", vault.QuarantineLimits{KeepFor: 2 * day, MaxSize: 1}, day, true},
		{"there is room", vault.QuarantineLimits{KeepFor: time.Hour, MaxSize: 1 << 30}, day / 2, false},
		{"the clock was set back", vault.QuarantineLimits{KeepFor: time.Hour, MaxSize: 1}, -300 * day, true},
		{"the clock jumped", vault.QuarantineLimits{KeepFor: time.Hour, MaxSize: 1}, 300 * day, true},
	} {
		if done := w.prune(c.limits, k.At.Add(c.after)); len(done.Gone) != 0 || done.Over != c.over || len(w.list()) != 1 {
			t.Errorf("%s: %+v", c.name, done)
		}
	}
	strict := vault.QuarantineLimits{KeepFor: time.Nanosecond, MaxSize: 1}

	// No store holds the good bytes any more.
	good := w.read("primary", "d/a")
	w.write("primary", "d/a", []byte("somebody's work"))
	w.protect()
	if done := w.prune(strict, time.Now()); len(done.Gone) != 0 || !done.Over {
		t.Errorf("the only copy went: %+v", done)
	}
	w.write("primary", "d/a", good)
	w.protect()
	if done := w.prune(strict, time.Now()); len(done.Gone) != 0 {
		t.Errorf("generation 1 is not the current one: %+v", done)
	}

	// A run in between says that the clock is right.
	w, k, _ = oneKept(t)
	w.ranAt(k.At.Add(30 * time.Minute))
	done := w.prune(vault.QuarantineLimits{KeepFor: time.Hour, MaxSize: 1}, k.At.Add(time.Hour))
	if len(done.Gone) != 1 || done.Gone[0].ID != k.ID || done.Left != 0 || done.Over {
		t.Errorf("pruned %+v", done)
	}
	if _, err := os.Stat(w.kPath(k.ID)); !errors.Is(err, os.ErrNotExist) {
		t.Error("its folder is there still")
	}
	r, detail := w.receipt(k.ID + "-pruned")
	if r.Outcome != "pruned" || detail["quarantine"] != k.ID || detail["why"] == "" {
		t.Errorf("receipt %+v", r)
	}
}

// Only what bitmend itself put aside is ever taken away.
func TestPruningLeavesWhatOthersPutIntoTheQuarantine(t *testing.T) {
	w := newParityWorld(t, 4, 2)
	w.fill(8)
	w.protect()
	files, err := filepath.Glob(filepath.Join(w.vaultDir(), "parity", "*", "*.p0"))
	w.must(err)
	w.must(os.Truncate(files[0], 5))
	w.scrub()
	w.repair(repair.Options{})
	all := w.list()
	if len(all) != 1 || all[0].Store != finding.ParityStore || all[0].Blob != "1/0-1.p0" || !all[0].MayGo {
		t.Fatalf("kept %+v", all)
	}
	foreign := []string{"parity/notes.txt", "parity/20240102T030405.000000006Z-1-0-1.p0.old", "file", "folder/original"}
	for _, name := range foreign {
		w.must(os.MkdirAll(filepath.Dir(w.kPath(name)), 0o755))
		w.must(os.WriteFile(w.kPath(name), []byte("somebody's"), 0o644))
	}
	w.must(os.Mkdir(w.kPath("parity/20240102T030405.000000006Z-1-0-1.p1"), 0o755))
	for _, k := range w.list() {
		if k.MayGo != (k.ID == all[0].ID) || !k.MayGo && k.Trouble == "" || time.Since(k.At) > time.Hour {
			t.Errorf("kept %+v", k)
		}
	}
	w.ranAt(all[0].At.Add(90 * time.Minute))
	done := w.prune(vault.QuarantineLimits{KeepFor: time.Hour, MaxSize: 1}, all[0].At.Add(2*time.Hour))
	if len(done.Gone) != 1 || done.Gone[0].ID != all[0].ID || !done.Over {
		t.Errorf("pruned %+v", done)
	}
	for _, name := range foreign {
		if _, err := os.Stat(w.kPath(name)); err != nil {
			t.Error(err)
		}
	}
}

func TestDiscardingIsAPersonsWordAndInItsTime(t *testing.T) {
	w, k, _ := oneKept(t)
	discard := func(id string, keepFor time.Duration) error {
		var err error
		w.with(func(v *vault.Vault) {
			v.Config.Quarantine.KeepFor = keepFor
			_, err = repair.DiscardKept(t.Context(), v, id, "it is only noise", k.At.Add(90*time.Minute))
		})
		return err
	}
	if err := discard(k.ID, 2*time.Hour); !errors.Is(err, repair.ErrTooYoung) {
		t.Errorf("too young: %v", err)
	}
	if err := discard("nothing", time.Hour); !errors.Is(err, repair.ErrNotKept) {
		t.Errorf("nothing: %v", err)
	}
	if len(w.list()) != 1 {
		t.Error("it went")
	}
}

// putBack puts a copy back.
func (w *world) putBack(id string, inPlace bool) (name string, summary report.Summary, err error) {
	w.t.Helper()
	w.with(func(v *vault.Vault) {
		name, summary, err = repair.PutBack(w.t.Context(), v, id, inPlace, repair.Options{}, &heard{})
	})
	return name, summary, err
}

func TestACopyIsPutBesideTheBlob(t *testing.T) {
	w, k, bad := oneKept(t)
	good := w.snapshot("primary")
	name, summary, err := w.putBack(k.ID[:len(k.ID)-3], false)
	w.must(err)
	if name != "d/a.quarantined-"+k.ID || summary.Restored != 1 {
		t.Errorf("%q, %+v", name, summary)
	}
	if !bytes.Equal(w.read("primary", name), bad) {
		t.Error("it is not what was kept")
	}
	if info, err := os.Stat(w.path("primary", name)); err != nil || info.Mode() != 0o604 {
		t.Errorf("mode %v", info.Mode())
	}
	if diff := good.Diff(w.snapshot("primary").Without(name)); len(diff) > 1 { // the time of the directory
		t.Errorf("the rest differs: %v", diff)
	}
	if len(w.list()) != 1 {
		t.Error("the copy is not in the quarantine any more")
	}
	if _, _, err := w.putBack(k.ID, false); !errors.Is(err, repair.ErrPutBack) {
		t.Errorf("again: %v", err)
	}
	w.tidy()
}

func TestACopyIsPutBackAndWhatStoodThereIsKept(t *testing.T) {
	w, k, bad := oneKept(t)
	good := w.read("primary", "d/a")
	_, _, err := w.putBack(k.ID, true)
	w.must(err)
	if !bytes.Equal(w.read("primary", "d/a"), bad) {
		t.Error("it is not what was kept")
	}
	all := w.list()
	if len(all) != 2 || all[1].MayGo || !bytes.Equal(w.kept(all[1].ID), good) {
		t.Fatalf("what stood there is not kept: %+v", all)
	}
	w.tidy()

	// It is what it was: damage, that the next repair heals.
	w.scrub()
	if left := w.findings(); len(left) != 1 || left[0].Verdict != string(finding.Corrupt) {
		t.Errorf("findings %+v", left)
	}
	w.repair(repair.Options{})
	if !bytes.Equal(w.read("primary", "d/a"), good) {
		t.Error("it is not healed again")
	}
}

func TestWhatCannotBePutBack(t *testing.T) {
	w, k, bad := oneKept(t)
	good := w.snapshot("primary")
	path := filepath.Join(w.kPath(k.ID), "original")
	w.must(os.WriteFile(path, bad[:len(bad)-1], 0o600))
	if _, _, err := w.putBack(k.ID, true); !errors.Is(err, repair.ErrPutBack) {
		t.Errorf("a copy that was damaged in the quarantine: %v", err)
	}
	w.must(os.WriteFile(path, bad, 0o600))
	w.must(os.Link(w.path("primary", "d/a"), w.path("primary", "d/b")))
	if _, _, err := w.putBack(k.ID, true); !errors.Is(err, repair.ErrPutBack) {
		t.Errorf("a blob of two names: %v", err)
	}
	w.must(os.Remove(w.path("primary", "d/b")))
	if _, _, err := w.putBack("20", true); err != nil && !errors.Is(err, repair.ErrPutBack) {
		t.Errorf("by its beginning: %v", err)
	}
	_, _, err := w.putBack("", true)
	if !errors.Is(err, repair.ErrNotKept) {
		t.Errorf("no ID: %v", err)
	}
	w.repairTo(good)

	w.with(func(v *vault.Vault) {
		_, err := gate.OpenNow(t.Context(), v.Catalog, gate.MassDamage, "primary", "a test", 1, time.Now())
		w.must(err)
	})
	if _, summary, err := w.putBack(k.ID, false); !errors.Is(err, gate.ErrRefused) || !summary.Refused {
		t.Errorf("a gate is open: %v", err)
	}
}

// repairTo heals the primary store and fails unless it is then as it was.
func (w *world) repairTo(good fixtures.Snapshot) {
	w.t.Helper()
	w.scrub()
	w.repair(repair.Options{})
	w.same(good, "primary")
}

// What somebody wrote and had reverted is nobody's damage: it is kept for good.
func TestWhatWasRevertedMayNotGo(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("a", content(1, shard))
	w.protect()
	w.must(os.WriteFile(w.path("primary", "a"), []byte("an afternoon's work"), 0o640))
	w.scrub()
	opts := repair.Options{Revert: []string{"a"}}
	w.with(func(v *vault.Vault) {
		plan, err := repair.MakePlan(t.Context(), v, opts)
		w.must(err)
		opts.Approve = plan.ID
	})
	w.repair(opts)
	all := w.list()
	if len(all) != 1 || all[0].Verdict != finding.Modified || all[0].MayGo {
		t.Errorf("kept %+v", all)
	}
}
