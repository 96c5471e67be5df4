package protect_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/repair/protect"
	"bitmend/scrub/vault"
)

var errCrash = errors.New("crash")

// parityFiles returns the names of the parity files that are there, temporary
// ones included.
func (w *world) parityFiles() []string {
	var names []string
	root := filepath.Join(w.dir, "parity")
	filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(root, path)
			names = append(names, filepath.ToSlash(name))
		}
		return nil
	})
	return names
}

// checkParityFiles holds the files that are there to those in force.
func (w *world) checkParityFiles() {
	w.Helper()
	v := w.open()
	defer v.Close()
	inForce := map[string]bool{}
	for b, err := range v.Catalog.Bands(context.Background(), 0) {
		if err != nil {
			w.Fatal(err)
		}
		for _, f := range b.Files {
			inForce[f.Name] = true
		}
	}
	for _, name := range w.parityFiles() {
		if !inForce[name] {
			w.Errorf("the parity file %s is of no use", name)
		}
		delete(inForce, name)
	}
	for name := range inForce {
		w.Errorf("the parity file %s is in force and gone", name)
	}
}

// Whenever a run stops, what is in force is consistent: everything recorded
// can be rebuilt, and the next run completes the work and clears up.
func TestCrashAtEveryStep(t *testing.T) {
	fixtures.Sequential(t)
	for stop := 1; ; stop++ {
		crashed := false
		t.Run(fmt.Sprint(stop), func(t *testing.T) {
			r := random(uint64(7))
			w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead, c.ColumnSize = 4, 2, 0.5, 2<<20 })
			w.populate(r, "a", 30, 200<<10)
			w.protect()
			old := w.names()
			w.churn(r, 0)
			w.churn(r, 1)
			steps := 0
			var at protect.Step
			w.opts.OnStep = func(s protect.Step) error {
				if steps++; steps == stop {
					at = s
					return errCrash
				}
				return nil
			}
			_, err := w.try()
			crashed = errors.Is(err, errCrash)
			if err != nil && !crashed {
				t.Fatal(err)
			}
			// What did not change since the first run can be rebuilt though
			// the run stopped.
			v := w.open()
			for _, name := range old {
				if _, ok := w.files[name]; !ok {
					continue
				}
				if r, err := v.Catalog.Current(context.Background(), name); err != nil || r.Hashes.Size != int64(len(w.files[name])) {
					continue
				}
				if lost := w.rebuildWithout(v, name); lost > 0 && w.bearable(v, name) {
					t.Logf("%s: %d shards of %q cannot be rebuilt until protect ran again", at, lost, name)
				}
			}
			v.Close()
			w.opts.OnStep = nil
			if _, err := w.try(); err != nil {
				t.Fatal(err)
			}
			w.checkRecorded()
			w.checkPlaces()
			w.checkParityFiles()
			w.checkRebuild(w.names())
		})
		if !crashed {
			if stop < 6 {
				t.Errorf("a run has only %d steps", stop-1)
			}
			return
		}
	}
}

// What a killed run staged is cleared up by the next one.
func TestStagedFilesAreClearedUp(t *testing.T) {
	w := newWorld(t, nil)
	w.write("f", content(random(1), 50<<10))
	w.protect()
	w.write("g", content(random(2), 50<<10))
	staged := map[string][]byte{}
	w.opts.OnStep = func(s protect.Step) error {
		if s != protect.Publish {
			return nil
		}
		for _, name := range w.parityFiles() {
			if _, _, ok := parity.ParseFileName(name); !ok {
				staged[name], _ = os.ReadFile(filepath.Join(w.dir, "parity", name))
			}
		}
		return errCrash
	}
	if _, err := w.try(); !errors.Is(err, errCrash) || len(staged) == 0 {
		t.Fatalf("the run gave %v and staged %d files", err, len(staged))
	}
	for name, p := range staged { // a killed run does not take them away
		if err := os.WriteFile(filepath.Join(w.dir, "parity", name), p, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.opts.OnStep = nil
	w.protect()
	w.checkParityFiles()
}

// A parity file that the catalog does not know, and that no run announced, may
// be newer than the catalog: it stays.
func TestUnknownParityFilesAreKept(t *testing.T) {
	w := newWorld(t, nil)
	w.write("f", content(random(1), 50<<10))
	w.protect()
	for _, name := range []string{parity.FileName(parity.BandID{Set: 1, Number: 0, Version: 99}, 0), parity.FileName(parity.BandID{Set: 77, Version: 3}, 0)} {
		path := filepath.Join(w.dir, "parity", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.write("g", content(random(2), 50<<10))
	if _, err := w.try(); err != nil {
		t.Fatal(err)
	}
	if len(w.said.notes) != 1 || !strings.Contains(w.said.notes[0], "2 parity files") {
		t.Errorf("protect said %q", w.said.notes)
	}
	kept := 0
	for _, name := range w.parityFiles() {
		if strings.Contains(name, "99") || strings.HasPrefix(name, "77/") {
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("%d of 2 unknown parity files are left", kept)
	}
	w.checkRecorded()
	w.checkRebuild(w.names())
}

// damageParity changes a byte of each parity file of a column, or removes it.
func (w *world) damageParity(column int, gone bool) (damaged []string) {
	w.Helper()
	for _, name := range w.parityFiles() {
		if _, index, ok := parity.ParseFileName(name); !ok || index != column {
			continue
		}
		damaged = append(damaged, name)
		path := filepath.Join(w.dir, "parity", filepath.FromSlash(name))
		if gone {
			if err := os.Remove(path); err != nil {
				w.Fatal(err)
			}
			continue
		}
		p, err := os.ReadFile(path)
		if err != nil {
			w.Fatal(err)
		}
		for i := range 40 {
			p[len(p)/3+i*100] ^= 0x55
		}
		if err := os.WriteFile(path, p, 0o600); err != nil {
			w.Fatal(err)
		}
	}
	return damaged
}

// Damaged and lost parity files are written anew, also while data is damaged
// too, and the damaged ones are kept.
func TestRebuildParity(t *testing.T) {
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprintf("gone %v", gone), func(t *testing.T) {
			w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 4, 2, 0.5 })
			w.populate(random(1), "a", 40, 200<<10)
			w.protect()
			damaged := w.damageParity(1, gone)
			victim := w.names()[7]
			w.rot(victim, 10)
			v := w.open()
			done, err := protect.RebuildParity(context.Background(), v, damaged, protect.Options{}, w.said)
			if err != nil {
				t.Fatal(err)
			}
			if len(done.Rebuilt) != len(damaged) || len(done.Left) != 0 || done.BytesWritten == 0 {
				t.Errorf("%+v of %v", done, damaged)
			}
			if lost := w.rebuild(v, []string{victim}, nil); lost != 0 {
				t.Errorf("%d shards of the damaged file cannot be rebuilt", lost)
			}
			v.Close()
			w.checkParityFiles()
			kept, _ := filepath.Glob(filepath.Join(w.dir, "quarantine", "parity", "*"))
			if want := len(damaged); !gone && len(kept) != want || gone && len(kept) != 0 {
				t.Errorf("%d damaged files are kept", len(kept))
			}
			if err := os.WriteFile(w.path(victim), w.files[victim], 0o644); err != nil {
				t.Fatal(err)
			}
			w.checkRebuild(w.names())
		})
	}
}

// Where data is lost beyond what parity bears, a band stays as it is.
func TestRebuildParityBeyondHope(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 4, 1, 0.25 })
	w.populate(random(1), "a", 40, 200<<10)
	w.protect()
	damaged := w.damageParity(0, false)
	for _, name := range w.names() {
		if len(w.files[name]) > 0 {
			w.rot(name, 0)
		}
	}
	before := w.parityFiles()
	v := w.open()
	done, err := protect.RebuildParity(context.Background(), v, damaged, protect.Options{}, w.said)
	v.Close()
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Left) == 0 || len(done.Rebuilt)+len(done.Left) != len(damaged) {
		t.Errorf("%+v", done)
	}
	if after := w.parityFiles(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("parity files were %v and are %v", before, after)
	}
}

// A lost catalog is made anew from the parity files alone: the same records,
// the same places, and nothing verified.
func TestRebuildCatalog(t *testing.T) {
	fixtures.Sequential(t)
	for _, c := range []struct {
		name   string
		config func(c *vault.Config)
		damage func(w *world)
		export bool
	}{
		{"whole parity", nil, func(w *world) {}, false},
		{"with the export", nil, func(w *world) {}, true},
		{"several bands", func(c *vault.Config) { c.Data, c.Parity, c.Overhead, c.ShardSize = 2, 2, 1, 4<<10 }, func(w *world) {}, false},
		{"one column gone", func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 5, 2, 0.4 }, func(w *world) { w.damageParity(0, true) }, false},
		{"one column damaged", func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 5, 2, 0.4 }, func(w *world) { w.damageParity(1, false) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := random(3)
			w := newWorld(t, c.config)
			w.populate(r, "a", 40, 900<<10)
			w.protect()
			w.churn(r, 0)
			w.protect()
			renamed := "moved"
			if c.export {
				renamed = ""
			}
			before := w.everything(renamed)
			c.damage(w)
			if err := os.WriteFile(filepath.Join(w.dir, "catalog.db"), []byte("not a catalog any more"), 0o600); err != nil {
				t.Fatal(err)
			}
			if !c.export {
				if err := os.RemoveAll(filepath.Join(w.dir, "export")); err != nil {
					t.Fatal(err)
				}
			}
			v, err := vault.OpenLocked(context.Background(), w.dir, "test")
			if err != nil {
				t.Fatal(err)
			}
			_, err = protect.RebuildCatalog(context.Background(), v, w.said)
			if err != nil {
				t.Fatal(err)
			}
			v.Close()
			after := w.everything(renamed)
			for name, was := range before {
				if is := after[name]; is != was {
					t.Errorf("%q was recorded as\n%s\nand is as\n%s", name, was, is)
				}
			}
			if len(after) != len(before) {
				t.Errorf("%d names are recorded, %d were", len(after), len(before))
			}
			aside, _ := filepath.Glob(filepath.Join(w.dir, "catalog.db.before-*"))
			if len(aside) == 0 {
				t.Error("the damaged catalog is not kept")
			}
			w.rebuildDamagedParity()
			var known []string
			for _, name := range w.names() {
				if c.export || !strings.HasPrefix(name, "moved") && !strings.HasPrefix(name, "linked") {
					known = append(known, name)
				}
			}
			w.checkRebuild(known)
			w.populate(r, "later", 5, 50<<10)
			if _, err := w.try(); err != nil {
				t.Fatal(err)
			}
			w.checkPlaces()
			w.checkRebuild(w.names())
		})
	}
}

// rebuildDamagedParity rebuilds the parity files that a rebuilt catalog knows
// as damaged: those without digests.
func (w *world) rebuildDamagedParity() {
	w.Helper()
	v := w.open()
	defer v.Close()
	var damaged []string
	for b, err := range v.Catalog.Bands(context.Background(), 0) {
		if err != nil {
			w.Fatal(err)
		}
		for _, f := range b.Files {
			if len(f.Hashes.Digests) == 0 {
				damaged = append(damaged, f.Name)
			}
		}
	}
	done, err := protect.RebuildParity(context.Background(), v, damaged, protect.Options{}, w.said)
	if err != nil || len(done.Rebuilt) != len(damaged) {
		w.Fatalf("rebuild %v: %+v, %v", damaged, done, err)
	}
}

// everything returns what is recorded of each name, with its places and
// without what a rename leaves behind in the lists of parity files.
func (w *world) everything(except string) map[string]string {
	w.Helper()
	v := w.open()
	defer v.Close()
	all := map[string]string{}
	for k, err := range v.Catalog.Records(context.Background(), catalog.Query{}) {
		if err != nil {
			w.Fatal(err)
		}
		places, err := v.Catalog.PlacesOf(context.Background(), k.Name, k.Generation)
		if err != nil {
			w.Fatal(err)
		}
		if except != "" && (strings.HasPrefix(k.Name, "moved") || strings.HasPrefix(k.Name, "linked")) {
			continue
		}
		text := fmt.Sprintf("%v %v %v %x", k.Kind, k.Hashes, k.Target, k.Attributes.Mode)
		for _, p := range places {
			text += fmt.Sprintf(" [%d %d %d %d %d]", p.Set, p.Column, p.Offset, p.Length, p.BlobOffset)
		}
		all[k.Name] = text
	}
	return all
}
