package catalog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
)

// carried is what a new catalog has, as text, of what CarryOver takes along.
func carried(t *testing.T, c *catalog.Catalog) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for f, err := range c.Findings(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprintf("finding %+v", f)] = true
	}
	for r, err := range c.Receipts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprintf("receipt %+v", r)] = true
	}
	gates, err := c.Gates(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gates {
		all[fmt.Sprintf("gate %+v", g)] = true
	}
	runs, err := c.Runs(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		all[fmt.Sprintf("run %+v", r)] = true
	}
	for _, key := range []string{"volume of primary", "other"} {
		value, err := c.Setting(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if value != "" {
			all["setting "+key+" "+value] = true
		}
	}
	return all
}

// carryInto makes a new catalog with what the one at path still says.
func carryInto(t *testing.T, path string) (map[string]bool, catalog.CarriedOver) {
	t.Helper()
	fresh, err := catalog.Create(t.Context(), filepath.Join(t.TempDir(), "fresh.db"))
	if err != nil {
		t.Fatal(err)
	}
	done, err := fresh.CarryOver(context.Background(), path, func(s string) bool { return strings.HasPrefix(s, "volume") })
	if err != nil {
		t.Fatal(err)
	}
	all := carried(t, fresh)
	if err := fresh.Close(); err != nil {
		t.Fatal(err)
	}
	return all, done
}

func TestCarryOverTakesWhatNothingElseSays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	populate(t, path)
	old, err := catalog.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	want := carried(t, old)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	got, done := carryInto(t, path)
	if done.Missed != nil || done.Findings != 10 || done.OpenGates != 1 {
		t.Errorf("%+v", done)
	}
	if len(want) != 24 || len(got) != len(want) {
		t.Errorf("%d of %d rows were carried over", len(got), len(want))
	}
	for row := range want {
		if !got[row] {
			t.Errorf("not carried over: %s", row)
		}
	}
}

// A damaged catalog gives what passes its checks, nothing that was never
// written, and says so when anything is missing.
func TestCarryOverFromADamagedCatalog(t *testing.T) {
	fixtures.Sequential(t)
	whole := filepath.Join(t.TempDir(), "whole.db")
	populate(t, whole)
	want, _ := carryInto(t, whole)
	bytes, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	salvaged := 0
	for page := range len(bytes) / 4096 {
		damaged := append([]byte(nil), bytes...)
		damaged[page*4096+r.IntN(4096)] ^= 1 << r.IntN(8)
		path := filepath.Join(t.TempDir(), "damaged.db")
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		got, done := carryInto(t, path)
		for row := range got {
			if !want[row] {
				t.Errorf("page %d: carried over, and never written: %s", page, row)
			}
		}
		if len(got) < len(want) && done.Missed == nil {
			t.Errorf("page %d: %d of %d rows, and nothing is said to be missed", page, len(got), len(want))
		}
		if len(got) == len(want) {
			salvaged++
		}
	}
	if pages := len(bytes) / 4096; salvaged < pages/2 {
		t.Errorf("all rows were had in %d of %d cases only", salvaged, pages)
	}
}

func TestCarryOverFromNoCatalogAndAnEmptyOne(t *testing.T) {
	dir := t.TempDir()
	foreign, empty := filepath.Join(dir, "foreign.db"), filepath.Join(dir, "empty.db")
	if err := os.WriteFile(foreign, []byte("not a catalog any more"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Create(t.Context(), empty)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none.db"), foreign, empty} {
		if got, done := carryInto(t, path); len(got) != 0 || done.Missed == nil {
			t.Errorf("%s: %d rows, missed %v", path, len(got), done.Missed)
		}
	}
}
