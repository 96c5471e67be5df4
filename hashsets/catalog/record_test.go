package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
)

// generations says which generations name has, newest first.
func generations(t *testing.T, c *catalog.Catalog, name string) []int64 {
	t.Helper()
	all, err := c.Generations(t.Context(), name)
	if err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
		t.Fatal(err)
	}
	var numbers []int64
	for _, r := range all {
		if r.Damage != nil {
			t.Error(r.Damage)
		}
		same(t, "name", r.Name, name)
		numbers = append(numbers, r.Generation)
	}
	return numbers
}

// currentGeneration is 0 when nothing is current.
func currentGeneration(t *testing.T, c *catalog.Catalog, name string) int64 {
	t.Helper()
	r, err := c.Current(t.Context(), name)
	if errors.Is(err, catalog.ErrNotRecorded) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.Generation
}

// sound fails the test when Check finds something.
func sound(t *testing.T, c *catalog.Catalog) {
	t.Helper()
	problems, err := c.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

func TestHighestGenerationIsCurrentInAnyOrder(t *testing.T) {
	for _, order := range [][]int64{{1, 2, 3}, {3, 2, 1}, {2, 3, 1}, {2, 1, 3}, {1, 1, 3, 2, 3}} {
		c := create(t)
		for _, g := range order {
			put(t, c, record("a", g))
		}
		same(t, fmt.Sprint(order), generations(t, c, "a"), []int64{3, 2, 1})
		same(t, fmt.Sprint(order), currentGeneration(t, c, "a"), int64(3))
		for g := range int64(3) {
			got, err := c.Generation(t.Context(), "a", g+1)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "generation", got, record("a", g+1))
		}
		if _, err := c.Generation(t.Context(), "a", 4); !errors.Is(err, catalog.ErrNotRecorded) {
			t.Error(err)
		}
		sound(t, c)
	}
}

func TestPutRecordReplacesTheSameGeneration(t *testing.T) {
	c := create(t)
	put(t, c, record("a", 1), record("a", 2))
	for _, g := range []int64{1, 2} {
		r := record("a", g)
		r.Attributes.UID = 77
		put(t, c, r)
		got, err := c.Generation(t.Context(), "a", g)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "replaced", got, r)
	}
	same(t, "generations", generations(t, c, "a"), []int64{2, 1})
	sound(t, c)
}

func TestPutRecordRefusesWhatCannotBeStored(t *testing.T) {
	c := create(t)
	far := record("a", 1)
	far.RecordedAt = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)
	long := record("a", 1)
	long.Hashes.Digests = []hashsets.Digest{{Algorithm: hashsets.Algorithm(strings.Repeat("x", 300)), Sum: []byte{1}}}
	for _, r := range []catalog.Record{record("", 1), record("a", 0), record("a", -1), far, long} {
		if err := c.Update(t.Context(), func(tx *catalog.Tx) error { return tx.PutRecord(r) }); err == nil {
			t.Errorf("%+v was stored", r)
		}
	}
	same(t, "names", names(t, c, catalog.Query{}), []string(nil))
}

func TestVanishedRecordsStayAsHistory(t *testing.T) {
	c := create(t)
	put(t, c, record("a", 1), record("a", 2), record("b", 1))
	update(t, c, func(tx *catalog.Tx) error {
		return errors.Join(
			tx.PutCoverage(catalog.Coverage{Store: "primary", Name: "a", VerifiedAt: day(3)}),
			tx.PutPlace(catalog.Place{Set: 1, Name: "a", Generation: 2, Length: 5}))
	})
	update(t, c, func(tx *catalog.Tx) error { return tx.Vanish("a", day(4)) })
	same(t, "names", names(t, c, catalog.Query{}), []string{"b"})
	same(t, "current", currentGeneration(t, c, "a"), int64(0))
	same(t, "generations", generations(t, c, "a"), []int64{2, 1})
	if _, err := c.Coverage(t.Context(), "primary", "a"); !errors.Is(err, catalog.ErrNotRecorded) {
		t.Errorf("coverage of a vanished blob: %v", err)
	}
	places, err := c.PlacesOf(t.Context(), "a", 2)
	if err != nil || len(places) != 1 {
		t.Errorf("places of a vanished blob: %v %v", places, err)
	}
	for _, name := range []string{"a", "never there"} {
		err := c.Update(t.Context(), func(tx *catalog.Tx) error { return tx.Vanish(name, day(4)) })
		if !errors.Is(err, catalog.ErrNotRecorded) {
			t.Errorf("%q vanished again: %v", name, err)
		}
	}
	sound(t, c)

	// Older generations do not bring it back, the newest one does.
	put(t, c, record("a", 1))
	same(t, "current", currentGeneration(t, c, "a"), int64(0))
	put(t, c, record("a", 2))
	same(t, "current", currentGeneration(t, c, "a"), int64(2))
	same(t, "generations", generations(t, c, "a"), []int64{2, 1})
	sound(t, c)
}

func TestRenameMovesRecordAndPlaces(t *testing.T) {
	c := create(t)
	put(t, c, record("from", 1), record("from", 2), record("to", 1), record("to", 2), record("to", 3))
	place := func(name string, generation int64, column int) catalog.Place {
		return catalog.Place{Set: 1, Column: column, Offset: 10, Name: name, Generation: generation, Length: 5}
	}
	update(t, c, func(tx *catalog.Tx) error {
		return errors.Join(tx.PutPlace(place("from", 2, 0)), tx.PutPlace(place("from", 1, 1)), tx.PutPlace(place("to", 3, 2)),
			tx.PutCoverage(catalog.Coverage{Store: "dr", Name: "from", VerifiedAt: day(3)}))
	})
	update(t, c, func(tx *catalog.Tx) error { return tx.Rename("from", "to", day(6)) })

	want := record("from", 2)
	want.Name, want.Generation, want.RecordedAt = "to", 4, day(6)
	got, err := c.Current(t.Context(), "to")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "to", got, want)
	same(t, "to's generations", generations(t, c, "to"), []int64{4, 3, 2, 1})
	same(t, "from", currentGeneration(t, c, "from"), int64(0))
	same(t, "from's generations", generations(t, c, "from"), []int64{2, 1})
	for _, test := range []struct {
		name       string
		generation int64
		want       []catalog.Place
	}{
		{"to", 4, []catalog.Place{place("to", 4, 0)}},
		{"to", 3, []catalog.Place{place("to", 3, 2)}},
		{"from", 2, nil},
		{"from", 1, []catalog.Place{place("from", 1, 1)}},
	} {
		got, err := c.PlacesOf(t.Context(), test.name, test.generation)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint(test.name, test.generation), got, test.want)
	}
	for _, name := range []string{"from", "to"} {
		if _, err := c.Coverage(t.Context(), "dr", name); !errors.Is(err, catalog.ErrNotRecorded) {
			t.Errorf("coverage of %q: %v", name, err)
		}
	}
	sound(t, c)

	// To a new name, and back over the vanished one.
	update(t, c, func(tx *catalog.Tx) error {
		return errors.Join(tx.Rename("to", "new", day(7)), tx.Rename("new", "from", day(8)))
	})
	same(t, "names", names(t, c, catalog.Query{}), []string{"from"})
	same(t, "from", currentGeneration(t, c, "from"), int64(3))
	for _, bad := range [][2]string{{"from", "from"}, {"none", "x"}, {"new", "x"}} {
		if err := c.Update(t.Context(), func(tx *catalog.Tx) error { return tx.Rename(bad[0], bad[1], day(9)) }); err == nil {
			t.Errorf("%q became %q", bad[0], bad[1])
		}
	}
	same(t, "names", names(t, c, catalog.Query{}), []string{"from"})
	sound(t, c)
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	c := create(t)
	put(t, c, record("a", 1))
	broken := errors.New("broken")
	err := c.Update(t.Context(), func(tx *catalog.Tx) error {
		if err := errors.Join(tx.PutRecord(record("b", 1)), tx.Vanish("a", day(1)), tx.PutSetting("k", "v")); err != nil {
			return err
		}
		if _, err := tx.Current("b"); err != nil {
			t.Errorf("a transaction does not read what it wrote: %v", err)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		c.Update(t.Context(), func(tx *catalog.Tx) error {
			if err := tx.PutRecord(record("c", 1)); err != nil {
				t.Error(err)
			}
			panic("in the middle")
		})
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = c.Update(ctx, func(tx *catalog.Tx) error {
		err := tx.PutRecord(record("d", 1))
		cancel()
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	same(t, "names", names(t, c, catalog.Query{}), []string{"a"})
	put(t, c, record("e", 1))
	same(t, "names", names(t, c, catalog.Query{}), []string{"a", "e"})
	sound(t, c)
}

// Numbers of names are read ahead: whatever order they are asked in, and
// whatever is added between, each name gets its own.
func TestCoverageGoesToItsNameInAnyOrder(t *testing.T) {
	c := create(t)
	random := rand.New(rand.NewPCG(5, 6))
	name := func(i int) string { return fmt.Sprintf("blob %04d", i) }
	const n = 600
	for i := range n / 2 {
		put(t, c, record(name(2*i), 1))
	}
	at := make([]time.Time, n)
	update(t, c, func(tx *catalog.Tx) error {
		for range 60 {
			first, step := random.IntN(n), 1+random.IntN(3)
			if random.IntN(4) == 0 {
				step = -step
			}
			for i, left := first, random.IntN(200); i >= 0 && i < n && left > 0; i, left = i+step, left-1 {
				err := tx.PutCoverage(catalog.Coverage{Store: "s", Name: name(i), VerifiedAt: day(1).Add(time.Duration(left) * time.Hour)})
				if known := i%2 == 0 || !at[i].IsZero(); known != (err == nil) || err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
					return fmt.Errorf("%s: %w", name(i), err)
				}
				if err != nil && random.IntN(2) == 0 {
					err = errors.Join(tx.PutRecord(record(name(i), 1)),
						tx.PutCoverage(catalog.Coverage{Store: "s", Name: name(i), VerifiedAt: day(1).Add(time.Duration(left) * time.Hour)}))
					if err != nil {
						return err
					}
				}
				if err == nil {
					at[i] = day(1).Add(time.Duration(left) * time.Hour)
				}
			}
		}
		return nil
	})
	for i := range n {
		got, err := c.Coverage(t.Context(), "s", name(i))
		if err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
			t.Fatal(err)
		}
		same(t, name(i), got.VerifiedAt, at[i])
	}
	sound(t, c)
}

func TestClosedCatalogSaysSo(t *testing.T) {
	c := create(t)
	put(t, c, record("a", 1))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := c.Current(t.Context(), "a"); err == nil {
		t.Error("a closed catalog was read")
	}
	if err := c.Update(t.Context(), func(*catalog.Tx) error { return nil }); err == nil {
		t.Error("a closed catalog was written")
	}
}
