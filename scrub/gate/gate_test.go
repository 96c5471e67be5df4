package gate_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/gate"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

var now = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

// newVault is a vault over a tree with one recorded blob.
func newVault(t *testing.T) (*vault.Vault, string) {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "blob"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	config := vault.DefaultConfig(vault.StoreConfig{Name: "primary", URL: tree, Role: vault.Primary})
	if err := vault.Init(t.Context(), filepath.Join(dir, "vault"), config); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(t.Context(), filepath.Join(dir, "vault"), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	err = v.Catalog.Update(t.Context(), func(tx *catalog.Tx) error {
		return tx.PutRecord(catalog.Record{Name: "blob", Generation: 1, RecordedAt: now, Kind: hashsets.File})
	})
	if err != nil {
		t.Fatal(err)
	}
	return v, tree
}

func TestThresholds(t *testing.T) {
	v, _ := newVault(t)
	for _, test := range []struct {
		name   string
		counts gate.Counts
		want   string // the gate that opens, "" for none
	}{
		{"nothing", gate.Counts{Checked: 100}, ""},
		{"nine damaged of ten", gate.Counts{Checked: 10, Damaged: 9}, ""},
		{"ten damaged, just one in a hundred", gate.Counts{Checked: 1000, Damaged: 10}, ""},
		{"ten damaged, more than one in a hundred", gate.Counts{Checked: 999, Damaged: 10}, gate.MassDamage},
		{"ten missing, half a percent", gate.Counts{Checked: 2000, Damaged: 10, Missing: 10}, ""},
		{"ten missing, over half a percent", gate.Counts{Checked: 1999, Damaged: 10, Missing: 10}, gate.MassMissing},
		{"ten changed of a hundred", gate.Counts{Checked: 100, Changed: 10}, ""},
		{"eleven changed of a hundred", gate.Counts{Checked: 100, Changed: 11}, gate.MassChange},
		{"twenty-one that look encrypted", gate.Counts{Checked: 1e6, Changed: 21, Encrypted: 21}, gate.MassChange},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.counts.Store = test.name // each its own store: gates are per store
			open, err := gate.Judge(t.Context(), v.Catalog, v.Config, test.counts, now)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case test.want == "" && len(open) > 0:
				t.Errorf("opened %+v", open)
			case test.want != "" && (len(open) != 1 || open[0].Name != test.want):
				t.Errorf("opened %+v, want %s", open, test.want)
			}
		})
	}
}

// A gate stays open though the trouble is gone, until a person clears it; and
// then it opens again only for more trouble, or for the same after a good run.
func TestGatesAreSticky(t *testing.T) {
	v, _ := newVault(t)
	judge := func(missing int64) int {
		t.Helper()
		open, err := gate.Judge(t.Context(), v.Catalog, v.Config, gate.Counts{Store: "s", Checked: 100, Damaged: missing, Missing: missing}, now)
		if err != nil {
			t.Fatal(err)
		}
		return len(open)
	}
	open := func() []catalog.Gate {
		t.Helper()
		gates, err := gate.InTheWay(t.Context(), v.Catalog, "s")
		if err != nil {
			t.Fatal(err)
		}
		return gates
	}
	clear := func() {
		t.Helper()
		if _, err := gate.Clear(t.Context(), v.Catalog, open()[0].ID, "looked", now); err != nil {
			t.Fatal(err)
		}
	}
	if judge(20) != 1 || judge(0) != 1 {
		t.Fatal("the gate did not stay open")
	}
	clear()
	if judge(20) != 0 || judge(15) != 0 {
		t.Error("acknowledged trouble opened the gate again")
	}
	if judge(21) != 1 {
		t.Fatal("more trouble than was acknowledged did not open the gate")
	}
	clear()
	if judge(0) != 0 || judge(20) != 1 {
		t.Error("trouble that came back after a good run did not open the gate")
	}
	if _, err := gate.Clear(t.Context(), v.Catalog, 999, "looked", now); !errors.Is(err, gate.ErrNoGate) {
		t.Errorf("clearing no gate: %v", err)
	}
}

func TestMounted(t *testing.T) {
	v, tree := newVault(t)
	mounted := func() bool {
		t.Helper()
		s, err := store.OpenDirectory("primary", tree)
		if err != nil {
			t.Fatal(err)
		}
		here, err := gate.Mounted(t.Context(), v.Catalog, s, now)
		if err != nil {
			t.Fatal(err)
		}
		return here
	}
	openGates := func() []catalog.Gate {
		t.Helper()
		gates, err := gate.InTheWay(t.Context(), v.Catalog, "primary")
		if err != nil {
			t.Fatal(err)
		}
		return gates
	}
	if !mounted() || len(openGates()) != 0 {
		t.Fatal("the store is not taken for mounted")
	}
	away := tree + ".away"
	if err := os.Rename(tree, away); err != nil {
		t.Fatal(err)
	}
	if mounted() || len(openGates()) != 1 {
		t.Fatal("a root that is gone did not open one gate")
	}
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	if mounted() || len(openGates()) != 1 {
		t.Fatal("a root that is empty did not keep the gate open")
	}
	if _, err := gate.Clear(t.Context(), v.Catalog, openGates()[0].ID, "it is empty indeed", now); err != nil {
		t.Fatal(err)
	}
	if !mounted() || len(openGates()) != 0 {
		t.Fatal("the person's word that the root is empty does not count")
	}
	if err := os.Remove(tree); err != nil {
		t.Fatal(err)
	}
	if mounted() || len(openGates()) != 1 {
		t.Fatal("a root that is gone cannot be acknowledged")
	}
	if err := os.Rename(away, tree); err != nil {
		t.Fatal(err)
	}
	if !mounted() {
		t.Fatal("the store is back and is not taken for mounted")
	}
	if len(openGates()) != 1 {
		t.Fatal("the gate closed by itself")
	}
}

// A store on another file system than before is not the store.
func TestAnotherVolume(t *testing.T) {
	v, tree := newVault(t)
	s, err := store.OpenDirectory("primary", tree)
	if err != nil {
		t.Fatal(err)
	}
	volume, err := s.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if volume.ID == "" {
		t.Skip("this file system has no ID")
	}
	err = v.Catalog.Update(t.Context(), func(tx *catalog.Tx) error { return tx.PutSetting("volume/primary", "another one") })
	if err != nil {
		t.Fatal(err)
	}
	here, err := gate.Mounted(t.Context(), v.Catalog, s, now)
	if err != nil || here {
		t.Fatalf("taken for mounted: %v, %v", here, err)
	}
	gates, err := gate.InTheWay(t.Context(), v.Catalog, "primary")
	if err != nil || len(gates) != 1 {
		t.Fatalf("open gates %v, %v", gates, err)
	}
	if _, err := gate.Clear(t.Context(), v.Catalog, gates[0].ID, "moved to a new disk", now); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the new volume is remembered
		here, err = gate.Mounted(t.Context(), v.Catalog, s, now)
		if err != nil || !here {
			t.Fatalf("not taken for mounted after the gate was cleared: %v", err)
		}
	}
}
