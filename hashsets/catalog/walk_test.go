package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"bitmend/hashsets/catalog"
)

func TestWalksAreInTheOrderOfBytesAndBounded(t *testing.T) {
	c := create(t)
	sorted := []string{"\x01", "A", "a", "a\n", "a/b", "a/b/c", "a0", "b", "\xc3\xa9", "\xff", "\xff\xff"}
	var records []catalog.Record
	for i := range sorted {
		records = append(records, record(sorted[(i*7)%len(sorted)], 1))
	}
	put(t, c, records...)
	for _, test := range []struct {
		from, to string
		want     []string
	}{
		{"", "", sorted},
		{"a", "", sorted[2:]},
		{"", "a", sorted[:2]},
		{"a\n", "b", sorted[3:7]},
		{"a\x00", "a\x00", nil},
		{"\xff", "", sorted[9:]},
		{"b", "a", nil},
	} {
		same(t, fmt.Sprintf("%q to %q", test.from, test.to), names(t, c, catalog.Query{From: test.from, To: test.to}), test.want)
	}
}

func TestWalkJoinsCoverage(t *testing.T) {
	c := create(t)
	put(t, c, record("a", 1), record("b", 1), record("b", 2), record("c", 1))
	covered := func(store, name string, generation int64) catalog.Coverage {
		return catalog.Coverage{Store: store, Name: name, Generation: generation, Identity: record(name, generation).Identity,
			VerifiedAt: day(5), Depth: catalog.DeepBuffered, Run: 9}
	}
	want := map[string]catalog.Coverage{"a": covered("primary", "a", 1), "b": covered("primary", "b", 1)}
	update(t, c, func(tx *catalog.Tx) error {
		older := want["a"]
		older.VerifiedAt, older.Depth = day(1), catalog.Light
		return errors.Join(tx.PutCoverage(older), tx.PutCoverage(want["a"]), tx.PutCoverage(want["b"]),
			tx.PutCoverage(covered("dr", "c", 1)))
	})
	for k, err := range c.Records(t.Context(), catalog.Query{Store: "primary"}) {
		if err != nil {
			t.Fatal(err)
		}
		var seen catalog.Coverage
		if k.Seen != nil {
			seen = *k.Seen
		}
		same(t, k.Name, seen, want[k.Name])
	}
	for _, q := range []catalog.Query{{}, {Store: "unheard of"}} {
		for k, err := range c.Records(t.Context(), q) {
			if err != nil || k.Seen != nil {
				t.Errorf("%q: %v %v", q.Store, k.Seen, err)
			}
		}
	}
	got, err := c.Coverage(t.Context(), "dr", "c")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "dr", got, covered("dr", "c", 1))
	for _, pair := range [][2]string{{"primary", "c"}, {"none", "a"}, {"primary", "none"}} {
		if _, err := c.Coverage(t.Context(), pair[0], pair[1]); !errors.Is(err, catalog.ErrNotRecorded) {
			t.Errorf("%v: %v", pair, err)
		}
	}
	err = c.Update(t.Context(), func(tx *catalog.Tx) error { return tx.PutCoverage(covered("primary", "none", 1)) })
	if !errors.Is(err, catalog.ErrNotRecorded) {
		t.Errorf("coverage of what is not recorded: %v", err)
	}
	sound(t, c)
}

func TestWalkIsOfOneInstant(t *testing.T) {
	c := create(t)
	for i := range 50 {
		put(t, c, record(fmt.Sprintf("blob %02d", i), 1))
	}
	var seen []string
	for k, err := range c.Records(t.Context(), catalog.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, k.Name)
		update(t, c, func(tx *catalog.Tx) error {
			return errors.Join(tx.PutRecord(record(k.Name+" later", 1)), tx.PutCoverage(catalog.Coverage{Store: "s", Name: k.Name}))
		})
	}
	same(t, "walked", len(seen), 50)
	same(t, "now", len(names(t, c, catalog.Query{})), 100)
}

func TestWalkStopsWhenItIsToldTo(t *testing.T) {
	c := create(t)
	put(t, c, record("a", 1), record("b", 1), record("c", 1))
	for range 100 { // more than there are connections
		for k, err := range c.Records(t.Context(), catalog.Query{}) {
			if err != nil || k.Name != "a" {
				t.Fatal(k.Name, err)
			}
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range c.Records(ctx, catalog.Query{}) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("cancelled walk: %v", last)
	}
	if _, err := c.Current(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled lookup: %v", err)
	}
	same(t, "after", names(t, c, catalog.Query{}), []string{"a", "b", "c"})
}

func TestManyReadAtOnceWhileOneWrites(t *testing.T) {
	c := create(t)
	for i := range 100 {
		put(t, c, record(fmt.Sprintf("blob %03d", i), 1))
	}
	var readers sync.WaitGroup
	for i := range 16 {
		readers.Go(func() {
			from, to := fmt.Sprintf("blob %03d", i*6), fmt.Sprintf("blob %03d", i*6+6)
			for range 5 {
				count := 0
				for k, err := range c.Records(t.Context(), catalog.Query{Store: "s", From: from, To: to}) {
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := c.Generations(t.Context(), k.Name); err != nil {
						t.Error(err)
					}
					count++
				}
				if count != 6 {
					t.Errorf("%s: %d", from, count)
				}
			}
		})
	}
	for i := range 20 {
		update(t, c, func(tx *catalog.Tx) error {
			return tx.PutCoverage(catalog.Coverage{Store: "s", Name: fmt.Sprintf("blob %03d", i), VerifiedAt: day(2)})
		})
	}
	readers.Wait()
}

func TestNestedWalksHaveABound(t *testing.T) {
	c := create(t)
	put(t, c, record("a", 1))
	var nest func(depth int) error
	nest = func(depth int) error {
		for _, err := range c.Records(t.Context(), catalog.Query{}) {
			if err != nil || depth == 0 {
				return err
			}
			if _, err := c.Current(t.Context(), "a"); err != nil {
				return err
			}
			return nest(depth - 1)
		}
		return nil
	}
	if err := nest(10); err != nil {
		t.Error(err)
	}
	if err := nest(100); err == nil || !strings.Contains(err.Error(), "walks") {
		t.Errorf("100 walks at once: %v", err)
	}
	if err := nest(10); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// The number that a walk tells spares the name being looked up, and leads to
// the same place.
func TestCoverageOfAWalkIsPutWhereItsNameIs(t *testing.T) {
	c := create(t)
	put(t, c, record("b", 1), record("a", 1), record("c", 1))
	update(t, c, func(tx *catalog.Tx) error {
		for k, err := range c.Records(t.Context(), catalog.Query{Store: "primary"}) {
			if err != nil {
				return err
			}
			if k.BlobID == 0 {
				t.Errorf("no number is told of %q", k.Name)
			}
			seen := k.CoverageIn("primary")
			seen.VerifiedAt, seen.Depth = day(int(k.Name[0]-'a')+1), catalog.DeepDirect
			if err := tx.PutCoverage(seen); err != nil {
				return err
			}
		}
		return nil
	})
	for i, name := range []string{"a", "b", "c"} {
		seen, err := c.Coverage(t.Context(), "primary", name)
		if err != nil || !seen.VerifiedAt.Equal(day(i+1)) || seen.Generation != 1 || seen.Depth != catalog.DeepDirect {
			t.Errorf("the coverage of %q is %+v, %v", name, seen, err)
		}
	}
	if damage, err := c.Check(t.Context()); err != nil || len(damage) > 0 {
		t.Errorf("the check says %v, %v", damage, err)
	}
}
