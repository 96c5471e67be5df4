package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"bitmend/hashsets"
	"bitmend/scrub/store"
	"bitmend/scrub/store/storetest"
)

func TestDirectoryKeepsThePromisesOfAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		d := open(t, t.TempDir())
		return subject(d, d)
	})
}

func TestHomeKeepsThePromisesOfAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		h, err := store.OpenHome("home", t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		return subject(h, h.Directory)
	})
}

func subject(s store.Writable, d *store.Directory) storetest.Subject {
	return storetest.Subject{
		Store:       s,
		Attributes:  attributes(),
		Links:       true,
		Directories: true,
		HardLink: func(t *testing.T, name, second string) {
			if err := os.Link(filepath.Join(d.URL(), name), filepath.Join(d.URL(), second)); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// attributes are such as this user can give.
func attributes() hashsets.Attributes {
	attrs := hashsets.Attributes{Mode: 0o2750, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), ModTime: 1234567890_123456789}
	if os.Getuid() == 0 {
		attrs.UID, attrs.GID = 1234, 5678
	}
	return attrs
}

// open opens a directory store for the length of a test.
func open(t testing.TB, root string) *store.Directory {
	t.Helper()
	d, err := store.OpenDirectory("primary", root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
