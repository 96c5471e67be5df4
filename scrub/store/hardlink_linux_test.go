package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bitmend/scrub/store"
)

func TestAFurtherNameIsTheSameFile(t *testing.T) {
	root := t.TempDir()
	d, err := store.OpenDirectory("s", root)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := os.WriteFile(filepath.Join(root, "a"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := d.PutName(t.Context(), "new/folder/b", "a"); err != nil {
		t.Fatal(err)
	}
	first, _ := os.Stat(filepath.Join(root, "a"))
	second, err := os.Stat(filepath.Join(root, "new/folder/b"))
	if err != nil || !os.SameFile(first, second) {
		t.Errorf("the names are not one file: %v", err)
	}
	for _, c := range []struct {
		name, existing string
		want           error
	}{
		{"new/folder/b", "a", store.ErrChanged},
		{"link", "a", store.ErrChanged},
		{"c", "gone", store.ErrNotFound},
		{"c", "link", store.ErrNotABlob},
		{"c", "new", store.ErrNotABlob},
		{"link/c", "a", store.ErrNotABlob},
		{"../c", "a", store.ErrName},
		{"c", "../a", store.ErrName},
	} {
		if err := d.PutName(t.Context(), c.name, c.existing); !errors.Is(err, c.want) {
			t.Errorf("%s from %s: %v, want %v", c.name, c.existing, err, c.want)
		}
	}
	if _, err := os.Lstat(filepath.Join(root, "c")); err == nil {
		t.Error("something was made all the same")
	}
}
