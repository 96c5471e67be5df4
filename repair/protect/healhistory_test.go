package protect_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"bitmend/hashsets/catalog"
	"bitmend/repair/protect"
	"bitmend/scrub/vault"
)

// tamperHistory changes all ended records as a fault in memory does: the pages
// are right and the records fail their own checks.
func (w *world) tamperHistory() {
	w.Helper()
	db, err := sqlite3.Open(filepath.Join(w.dir, "catalog.db"))
	if err != nil {
		w.Fatal(err)
	}
	if err := db.Exec(`UPDATE history SET size = size + 1`); err != nil || db.TotalChanges() == 0 {
		w.Fatalf("%d records were changed: %v", db.TotalChanges(), err)
	}
	if err := db.Close(); err != nil {
		w.Fatal(err)
	}
}

// history returns all generations of all names that w knows and of more.
func (w *world) history(more ...string) map[string][]catalog.Record {
	w.Helper()
	v := w.open()
	defer v.Close()
	all := map[string][]catalog.Record{}
	for _, name := range append(w.names(), more...) {
		of, err := v.Catalog.Generations(w.Context(), name)
		if err != nil {
			w.Fatal(err)
		}
		all[name] = of
	}
	return all
}

// checkExport holds the export to be whole.
func (w *world) checkExport() {
	w.Helper()
	v := w.open()
	defer v.Close()
	f, err := os.Open(protect.ExportPath(v))
	if err != nil {
		w.Fatal(err)
	}
	defer f.Close()
	for _, err := range catalog.ReadExport(w.Context(), f) {
		if err != nil {
			w.Error(err)
		}
	}
}

// What was recorded before, and is damaged in the catalog, comes back from the
// export by the next run that has something to record.
func TestDamagedHistoryIsHealedFromTheExport(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Overhead = 0 })
	r := random(1)
	for range 3 {
		w.write("a", content(r, 10<<10))
		w.write("b", content(r, 20<<10))
		w.protect()
	}
	path := filepath.Join(w.dir, "export", "catalog.jsonl.zst")
	export, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w.remove("b")
	w.protect()
	before := w.history("b")
	w.tamperHistory()
	if err := os.WriteFile(path, export, 0o600); err != nil { // as if the last run had been killed before it wrote one
		t.Fatal(err)
	}
	w.write("c", content(r, 100))

	if _, err := w.try(); err != nil {
		t.Fatal(err)
	}

	if said := strings.Join(w.said.notes, "\n"); strings.Count(said, "is healed") != 5 || !strings.Contains(said, `"a" as of its generation 2`) {
		t.Errorf("protect said %q", w.said.notes)
	}
	after := w.history("b")
	delete(after, "c")
	if d := cmp.Diff(before, after); d != "" {
		t.Error(d)
	}
	w.checkRecorded()
	w.checkExport()
}

// While the stripes hold what vanished, the lists of the parity files have its
// record.
func TestDamagedHistoryIsHealedFromTheParityFiles(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 4, 1, 0.25 })
	for i, name := range []string{"f0", "f1", "f2", "f3"} {
		w.write(name, content(random(uint64(i)), 40<<10))
	}
	w.protect()
	w.rot("f1", 9000) // in the same stripe as f0, which has to stay therefore
	w.remove("f0")
	if _, err := w.try(); err != nil {
		t.Fatal(err)
	}
	before := w.history("f0")
	w.tamperHistory()
	if err := os.Remove(filepath.Join(w.dir, "export", "catalog.jsonl.zst")); err != nil {
		t.Fatal(err)
	}

	if _, err := w.try(); !errors.Is(err, catalog.ErrDamaged) || !strings.Contains(strings.Join(w.said.notes, "\n"), "run protect again") {
		t.Errorf("protect said %q and ended with %v", w.said.notes, err)
	}
	if d := cmp.Diff(before, w.history("f0")); d != "" {
		t.Error(d)
	}
	if _, err := w.try(); err != nil {
		t.Error(err)
	}
	w.checkExport()
}

// What no copy heals is named.
func TestDamagedHistoryWithoutACopyIsNamed(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Overhead = 0 })
	w.write("a", content(random(1), 100))
	w.protect()
	w.write("a", content(random(2), 100))
	w.protect()
	w.tamperHistory()
	if err := os.Remove(filepath.Join(w.dir, "export", "catalog.jsonl.zst")); err != nil {
		t.Fatal(err)
	}

	_, err := w.try()

	if !errors.Is(err, catalog.ErrDamaged) || len(w.said.notes) != 1 || !strings.Contains(w.said.notes[0], `"a" as of its generation 1`) {
		t.Errorf("protect said %q and ended with %v", w.said.notes, err)
	}
}
