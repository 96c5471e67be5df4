//go:build unix

package repair_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/fixtures"
	"bitmend/fixtures/faultstore"
	"bitmend/hashsets/catalog"
	"bitmend/repair"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// reseed fills a store anew.
func (w *world) reseed(storeName string, opts repair.Options) (*heard, report.Summary, error) {
	w.t.Helper()
	h := &heard{}
	var summary report.Summary
	var err error
	w.with(func(v *vault.Vault) { summary, err = repair.Reseed(w.t.Context(), v, storeName, opts, h) })
	return h, summary, err
}

// replaceDisk leaves an empty root in the place of a store, on what the catalog
// takes for another file system than before.
func (w *world) replaceDisk(storeName string) {
	w.t.Helper()
	w.must(filepath.WalkDir(w.root(storeName), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		return err
	}))
	w.must(os.RemoveAll(w.root(storeName)))
	w.must(os.Mkdir(w.root(storeName), 0o755))
	w.with(func(v *vault.Vault) {
		w.must(v.Catalog.Update(w.t.Context(), func(tx *catalog.Tx) error {
			return tx.PutSetting("volume/"+storeName, "the disk that was here before")
		}))
	})
}

// openGates returns the names of the gates that are open.
func (w *world) openGates() (names []string) {
	w.t.Helper()
	w.with(func(v *vault.Vault) {
		open, err := v.Catalog.Gates(w.t.Context(), false)
		w.must(err)
		for _, g := range open {
			names = append(names, g.Name)
		}
	})
	return names
}

func TestAReplacedDiskIsFilledAnew(t *testing.T) {
	w := &world{t: t, dir: t.TempDir(), names: []string{"primary", "dr"}}
	for _, name := range w.names {
		w.must(os.MkdirAll(w.root(name), 0o755))
		w.must(fixtures.Small(6).Write(t.Context(), w.root(name)))
		w.must(os.MkdirAll(w.path(name, "empty folder"), 0o755))
		w.must(os.Chmod(w.path(name, "empty folder"), 0o2711))
	}
	w.init(func(*vault.Config) {})
	w.protect()
	w.scrub()
	before := w.snapshot("primary")
	w.replaceDisk("primary")
	w.scrub()
	if open := w.openGates(); len(open) != 1 || open[0] != gate.Unmounted {
		t.Fatalf("open gates: %v", open)
	}

	_, summary, err := w.reseed("primary", repair.Options{})

	w.must(err)
	if summary.Exit != int(report.ExitRepaired) || summary.Repaired == 0 || summary.Repaired != summary.Blobs {
		t.Errorf("summary %+v", summary)
	}
	if diff := before.Without(".").Diff(w.snapshot("primary").Without(".")); len(diff) > 0 {
		t.Errorf("the store differs: %v", diff)
	}
	w.tidy()
	if open := w.openGates(); len(open) > 0 {
		t.Errorf("gates are open: %v", open)
	}
	w.scrub()
	if left := w.findings(); len(left) > 0 {
		t.Errorf("findings are left: %+v", left)
	}

	// The next run has nothing to do, and reads nothing for it.
	_, summary, err = w.reseed("primary", repair.Options{})
	w.must(err)
	if summary.Exit != 0 || summary.Intact != summary.Blobs || summary.BytesRead != 0 {
		t.Errorf("the next run: %+v", summary)
	}
}

func TestADiskIsFilledFromParityAsFarAsThatGoes(t *testing.T) {
	w := newParityWorld(t, 4, 2)
	w.fill(4)
	w.protect()
	before := w.snapshot("primary")
	for _, name := range []string{"d/000", "d/001"} {
		w.must(os.Remove(w.path("primary", name)))
	}
	w.must(os.Rename(w.path("primary", "d/002"), w.root("kept"))) // more than parity bears

	h, summary, err := w.reseed("primary", repair.Options{})
	w.must(err)
	w.expect(h, "primary", "d/000", report.Lost)
	if summary.Exit != int(report.ExitDamageLeft) || summary.Lost != 3 || len(w.findings()) != 3 {
		t.Errorf("summary %+v, findings %+v", summary, w.findings())
	}

	// A donor of one gives the stripes enough for the others.
	w.must(os.MkdirAll(w.root("donor"), 0o755))
	w.must(os.Rename(w.root("kept"), w.path("donor", "another name")))
	h, summary, err = w.reseed("primary", repair.Options{Donors: []store.Store{w.donor("donor")}})
	w.must(err)
	if e := w.expect(h, "primary", "d/002", report.Repaired); e.Sources["donor"] == 0 {
		t.Errorf("sources %v", e.Sources)
	}
	if e := w.expect(h, "primary", "d/000", report.Repaired); e.Sources["parity"] == 0 {
		t.Errorf("sources %v", e.Sources)
	}
	if summary.Exit != int(report.ExitRepaired) || len(w.findings()) != 0 {
		t.Errorf("summary %+v, findings %+v", summary, w.findings())
	}
	w.same(before, "primary")
}

func TestAStoreThatHoldsUnknownFilesIsNotReseeded(t *testing.T) {
	for name, make := range map[string]func(w *world){
		"a file that is not recorded": func(w *world) { w.write("primary", "somebody's", []byte("work")) },
		"a link that is not recorded": func(w *world) { w.must(os.Symlink("a", w.path("primary", "link"))) },
		"another size":                func(w *world) { w.write("primary", "a", []byte("short")) },
		"another kind":                func(w *world) { w.must(os.Symlink("nowhere", w.path("primary", "a"))) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "primary", "dr")
			w.everywhere("a", content(1, shard))
			w.everywhere("b", content(2, shard))
			w.protect()
			w.replaceDisk("primary")
			make(w)
			before := w.snapshot("primary")
			_, _, err := w.reseed("primary", repair.Options{})
			if !errors.Is(err, repair.ErrReseed) {
				t.Errorf("error %v", err)
			}
			w.same(before, "primary")
		})
	}
}

// A directory alone is nothing unknown: a new file system comes with one.
func TestReseedingReplacesNothingThatIsThere(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("a", content(1, shard))
	w.everywhere("b", content(2, shard))
	w.everywhere("c", content(3, shard))
	w.protect()
	w.replaceDisk("primary")
	w.must(os.Mkdir(w.path("primary", "lost+found"), 0o700))
	w.write("primary", "a", content(9, shard)) // of the same size
	w.write("primary", "b", content(2, shard)) // right, and nobody recorded that

	h, summary, err := w.reseed("primary", repair.Options{})

	w.must(err)
	if e := w.expect(h, "primary", "a", report.Skipped); !strings.Contains(e.Reason, "other bytes") {
		t.Errorf("reason %q", e.Reason)
	}
	w.expect(h, "primary", "c", report.Repaired)
	if summary.Exit != int(report.ExitDamageLeft) || summary.Intact != 1 {
		t.Errorf("summary %+v", summary)
	}
	if !bytes.Equal(w.read("primary", "a"), content(9, shard)) {
		t.Error("what was there is replaced")
	}
}

func TestReseedingIsRefused(t *testing.T) {
	w := newWorld(t, "primary", "dr", "lag")
	w.everywhere("a", content(1, shard))
	w.protect()
	w.scrub()
	if _, _, err := w.reseed("lag", repair.Options{}); !errors.Is(err, repair.ErrReseed) {
		t.Errorf("a lagged store: %v", err)
	}

	w.must(os.RemoveAll(w.root("primary")))
	if _, _, err := w.reseed("primary", repair.Options{}); !errors.Is(err, repair.ErrReseed) {
		t.Errorf("a root that is not there: %v", err)
	}
	if _, err := os.Stat(w.root("primary")); err == nil {
		t.Error("the root was made")
	}

	w.must(os.Mkdir(w.root("primary"), 0o755))
	w.with(func(v *vault.Vault) {
		_, err := gate.OpenNow(t.Context(), v.Catalog, gate.BadRepair, "primary", "a test", 1, hour(1))
		w.must(err)
	})
	h, summary, err := w.reseed("primary", repair.Options{})
	if !errors.Is(err, gate.ErrRefused) || len(h.gates) != 1 || summary.Exit&int(report.ExitRefused) == 0 {
		t.Errorf("another gate: %v, %+v, %+v", err, h.gates, summary)
	}
	if _, err := os.Stat(w.path("primary", "a")); err == nil {
		t.Error("something was written")
	}
}

func TestAFailureOfTheTargetLeavesNothingHalfReseeded(t *testing.T) {
	t.Parallel() // it waits for the disk
	for name, rule := range map[string]faultstore.Rule{
		"the disk is full when it is staged": {Blob: "a", Step: faultstore.Stage, Err: store.ErrNoSpace},
		"the disk is full in the middle":     {Blob: "a", Step: faultstore.Write, Range: store.Range{Offset: 2 * shard, Length: 1}, Err: store.ErrNoSpace},
		"the disk is full when it is synced": faultstore.NoSpace("a"),
		"it is read-only":                    {Step: faultstore.Stage, Err: store.ErrPermission},
		"it reads back wrongly":              faultstore.MisreadBack("a", 2*shard+9, 3),
		"it cannot be put in place":          faultstore.Unpublished("a", errors.New("a test")),
		"somebody was faster":                faultstore.Unpublished("a", store.ErrChanged),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "primary", "dr")
			w.everywhere("a", content(1, 3*shard))
			w.everywhere("b", content(2, shard))
			w.protect()
			good := w.snapshot("primary")
			w.replaceDisk("primary")

			h := &heard{}
			w.with(func(v *vault.Vault) {
				_, err := repair.Reseed(t.Context(), v, "primary", repair.Options{Open: func(name string) (store.Writable, error) {
					s, err := v.Store(name)
					if err == nil && name == "primary" {
						s = faultstore.New(s, rule)
					}
					return s, err
				}}, h)
				w.must(err)
			})

			w.expect(h, "primary", "a", report.Skipped)
			if _, err := os.Stat(w.path("primary", "a")); err == nil {
				t.Error("there is something under the blob's name")
			}
			w.tidy()
			_, summary, err := w.reseed("primary", repair.Options{})
			w.must(err)
			if summary.Exit != int(report.ExitRepaired) {
				t.Errorf("the next run: %+v", summary)
			}
			w.same(good, "primary")
		})
	}
}
