package catalog_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
)

// day is a day of the tests' calendar.
func day(n int) time.Time { return time.Date(2026, 1, n, 12, 30, 15, 123456789, time.UTC) }

// record is a record of a file whose fields differ with its name.
func record(name string, generation int64) catalog.Record {
	seed := byte(len(name)) + byte(generation)
	return catalog.Record{
		Name: name, Generation: generation, RecordedAt: day(int(generation)), Kind: hashsets.File,
		Identity:   hashsets.Identity{Size: 70000, ModTime: 1e18 + int64(seed), ChangeTime: 2e18, Device: 1 << 63, Inode: 42},
		Attributes: hashsets.Attributes{Mode: 0o644, UID: 1000, GID: 100, ModTime: 1e18 + int64(seed)},
		Hashes: hashsets.HashSet{
			Size: 70000,
			Digests: []hashsets.Digest{
				{Algorithm: hashsets.SHA256, Sum: slices.Repeat([]byte{seed}, 32)},
				{Algorithm: hashsets.XXH64, Sum: slices.Repeat([]byte{seed + 1}, 8)},
			},
			ShardSize: 65536,
			ShardSums: []uint64{uint64(seed) << 56, 7},
		},
	}
}

// create makes a catalog that is closed when the test ends.
func create(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Create(t.Context(), filepath.Join(t.TempDir(), "catalog.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// update fails the test when one of the errors that f returns is not nil.
func update(t *testing.T, c *catalog.Catalog, f func(tx *catalog.Tx) error) {
	t.Helper()
	if err := c.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, c *catalog.Catalog, records ...catalog.Record) {
	t.Helper()
	update(t, c, func(tx *catalog.Tx) error {
		var errs []error
		for _, r := range records {
			errs = append(errs, tx.PutRecord(r))
		}
		return errors.Join(errs...)
	})
}

// names gathers a walk.
func names(t *testing.T, c *catalog.Catalog, q catalog.Query) []string {
	t.Helper()
	var all []string
	for k, err := range c.Records(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k.Name)
	}
	return all
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestRecordsComeBackAsTheyWerePut(t *testing.T) {
	c := create(t)
	full := record("full", 1)
	full.Identity.ETag, full.Identity.Version = `"abc"`, "v\x00\xff"
	full.Attributes.Xattrs = map[string][]byte{"user.comment": {0, 1, 2}, "user.\xff": {}}
	full.Attributes.ContentType, full.Attributes.StorageClass = "text/plain", "COLD"
	full.Attributes.Metadata = map[string]string{"k": "v\xfe", "\x80": ""}
	full.Attributes.Tags = map[string]string{"a": "b"}
	link := catalog.Record{Name: "link", Generation: 3, Kind: hashsets.Link, Target: "../\xffoo"}
	dir := catalog.Record{Name: "a dir", Generation: 1, RecordedAt: day(1), Kind: hashsets.Directory}
	put(t, c, full, link, dir)

	for _, want := range []catalog.Record{full, link, dir} {
		got, err := c.Current(t.Context(), want.Name)
		if err != nil {
			t.Fatal(err)
		}
		same(t, want.Name, got, want)
	}
	same(t, "names", names(t, c, catalog.Query{}), []string{"a dir", "full", "link"})
}

func TestCatalogSurvivesClosing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	c, err := catalog.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		put(t, c, record(fmt.Sprint("blob ", i), 1))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if c, err = catalog.Open(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		same(t, "records", len(names(t, c, catalog.Query{})), i+1)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
