package parity_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"bitmend/repair/parity"
	"bitmend/scrub/store"
)

func TestFilesInADirectory(t *testing.T) {
	ctx := context.Background()
	root := filepath.Join(t.TempDir(), "vault", "parity")
	home, err := store.OpenHome("parity", root)
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	g := parity.Geometry{Data: 5, Parity: 2, ShardSize: 4096, ColumnSize: 4096 * 256}
	r := random(21)
	b, w := makeBand(t, r, g, randomSizes(r, g))
	staged, err := w.Write(ctx, home, all(b.list))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, filepath.FromSlash(staged.Files[0].Name))
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("before Publish: %v", err)
	}
	if err := staged.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("others may read what parity tells of the data: mode %v", info.Mode())
	}
	for _, written := range staged.Files {
		f, err := parity.OpenFile(ctx, home, written.Name)
		if err != nil {
			t.Fatal(err)
		}
		if bad, err := f.Check(ctx); err != nil || len(bad) > 0 {
			t.Errorf("%s: %v, %v", written.Name, bad, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := w.Reset(parity.BandID{Set: 3, Version: 2}, b.stripes); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(cancelled, home, all(b.list)); err == nil {
		t.Error("a cancelled Write succeeded")
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != g.Parity {
		t.Errorf("after a Write that was cancelled: %v", left)
	}
}
