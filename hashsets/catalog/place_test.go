package catalog_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"bitmend/hashsets/catalog"
)

func placesIn(t *testing.T, c *catalog.Catalog, set int64, column int, from, to int64) []catalog.Place {
	t.Helper()
	var all []catalog.Place
	for p, err := range c.PlacesIn(t.Context(), set, column, from, to) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// Columns filled at random, with gaps, with pieces of no length between, and
// asked for at random ranges: the answer is what the definition says.
func TestPlacesInYieldsWhatTouchesTheRange(t *testing.T) {
	const columns, columnSize = 3, 1000
	random := rand.New(rand.NewPCG(3, 4))
	c := create(t)
	var all []catalog.Place
	update(t, c, func(tx *catalog.Tx) error {
		if _, err := tx.PutSet(catalog.Set{ID: 7, ColumnSize: columnSize}); err != nil {
			return err
		}
		for column := range columns {
			for at := int64(0); at <= columnSize; {
				length := min(random.Int64N(40), columnSize-at)
				if random.IntN(3) == 0 {
					length = 0
				}
				all = append(all, catalog.Place{Set: 7, Column: column, Offset: at, Length: length, Name: fmt.Sprint("blob ", len(all)), Generation: 1})
				if length == 0 && random.IntN(2) == 0 {
					continue // another one at the same place
				}
				at += max(length, 1) + random.Int64N(3)*random.Int64N(30)
			}
		}
		for column := range columns { // at the very end, and inside others
			for _, at := range []int64{columnSize, columnSize, random.Int64N(columnSize), random.Int64N(columnSize)} {
				all = append(all, catalog.Place{Set: 7, Column: column, Offset: at, Name: fmt.Sprint("blob ", len(all)), Generation: 1})
			}
		}
		shuffled := slices.Clone(all)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		var errs []error
		for _, p := range shuffled {
			errs = append(errs, tx.PutPlace(p))
		}
		// Other sets are no part of the answer.
		errs = append(errs, tx.PutPlace(catalog.Place{Set: 8, Length: columnSize, Name: "other"}))
		return errors.Join(errs...)
	})
	order := func(a, b catalog.Place) int {
		return cmp.Or(cmp.Compare(a.Column, b.Column), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Name, b.Name))
	}
	slices.SortFunc(all, order)
	for range 500 {
		column := random.IntN(columns+1) - 1
		from := random.Int64N(columnSize + 1)
		to := from + random.Int64N(columnSize+1-from)
		if random.IntN(4) == 0 {
			to = columnSize
		}
		var want []catalog.Place
		for _, p := range all {
			touches := p.Offset < to && p.Offset+p.Length > from
			if p.Length == 0 {
				touches = p.Offset >= from && (p.Offset < to || p.Offset == to && to == columnSize)
			}
			if touches && (column < 0 || p.Column == column) {
				want = append(want, p)
			}
		}
		got := placesIn(t, c, 7, column, from, to)
		if !slices.IsSortedFunc(got, func(a, b catalog.Place) int {
			return cmp.Or(cmp.Compare(a.Column, b.Column), cmp.Compare(a.Offset, b.Offset))
		}) {
			t.Fatalf("column %d, %d to %d: not in order", column, from, to)
		}
		slices.SortFunc(got, order)
		same(t, fmt.Sprintf("column %d, %d to %d", column, from, to), got, want)
	}

	// Every place of no length is in exactly one band.
	seen := map[string]int{}
	for from := int64(0); from < columnSize; from += 100 {
		for _, p := range placesIn(t, c, 7, -1, from, from+100) {
			if p.Length == 0 {
				seen[p.Name]++
			}
		}
	}
	for _, p := range all {
		if p.Length == 0 && seen[p.Name] != 1 {
			t.Errorf("%s at %d is in %d bands", p.Name, p.Offset, seen[p.Name])
		}
	}
	same(t, "a set without places", placesIn(t, c, 9, -1, 0, columnSize), []catalog.Place(nil))
	sound(t, c)
}

func TestPlacesOfAreByBlobOffset(t *testing.T) {
	c := create(t)
	place := func(set int64, column int, blobOffset int64, generation int64) catalog.Place {
		return catalog.Place{Set: set, Column: column, Offset: 100 - blobOffset, Length: 10, Name: "a", Generation: generation, BlobOffset: blobOffset}
	}
	update(t, c, func(tx *catalog.Tx) error {
		return errors.Join(tx.PutPlace(place(1, 2, 20, 1)), tx.PutPlace(place(1, 0, 0, 1)), tx.PutPlace(place(2, 1, 10, 1)), tx.PutPlace(place(1, 0, 30, 2)))
	})
	got, err := c.PlacesOf(t.Context(), "a", 1)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "places", got, []catalog.Place{place(1, 0, 0, 1), place(2, 1, 10, 1), place(1, 2, 20, 1)})
	if _, err := c.Current(t.Context(), "a"); !errors.Is(err, catalog.ErrNotRecorded) {
		t.Errorf("a blob that has places only: %v", err)
	}
	same(t, "names", names(t, c, catalog.Query{}), []string(nil))
	put(t, c, record("a", 2))
	update(t, c, func(tx *catalog.Tx) error { return errors.Join(tx.DropPlaces("a", 1), tx.DropPlaces("none", 1)) })
	got, _ = c.PlacesOf(t.Context(), "a", 1)
	same(t, "dropped", got, []catalog.Place(nil))
	got, _ = c.PlacesOf(t.Context(), "a", 2)
	same(t, "kept", got, []catalog.Place{place(1, 0, 30, 2)})
	for _, bad := range []catalog.Place{{Length: 1}, {Name: "a", Offset: -1}, {Name: "a", Length: -1}, {Name: "a", Column: -1}} {
		if err := c.Update(t.Context(), func(tx *catalog.Tx) error { return tx.PutPlace(bad) }); err == nil {
			t.Errorf("%+v was stored", bad)
		}
	}
	sound(t, c)
}

func TestRebuildInAnyOrder(t *testing.T) {
	c := create(t)
	set := catalog.Set{ID: 5, Data: 4, Parity: 2, ShardSize: 65536, ColumnSize: 1 << 30, Stripes: 256, Code: "c", Tops: []int64{0, 1 << 40}}
	band := catalog.Band{Set: 5, Number: 3, Version: 2, Files: []catalog.ParityFile{
		{Index: 0, Name: "5/3-2.p0", Hashes: record("x", 1).Hashes}, {Index: 1, Name: "5/3-2.p1", Hashes: record("y", 2).Hashes}}}
	update(t, c, func(tx *catalog.Tx) error {
		err := errors.Join(tx.PutPlace(catalog.Place{Set: 5, Name: "a", Generation: 2, Length: 3}),
			tx.PutBand(catalog.Band{Set: 5, Number: 3, Version: 1, Files: band.Files[:1]}), tx.PutBand(band), tx.PutBand(catalog.Band{Set: 6, Number: 0}),
			tx.PutRecord(record("a", 2)), tx.PutRecord(record("a", 1)))
		id, setErr := tx.PutSet(set)
		if id != 5 {
			t.Errorf("the set got ID %d", id)
		}
		next, nextErr := tx.PutSet(catalog.Set{Data: 1})
		if next != 6 {
			t.Errorf("the next set got ID %d", next)
		}
		return errors.Join(err, setErr, nextErr)
	})
	sets, err := c.Sets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "sets", sets, []catalog.Set{set, {ID: 6, Data: 1}})
	for which, want := range map[int64][]catalog.Band{5: {band}, 6: {{Set: 6}}, 7: nil, 0: {band, {Set: 6}}} {
		var bands []catalog.Band
		for b, err := range c.Bands(t.Context(), which) {
			if err != nil {
				t.Fatal(err)
			}
			bands = append(bands, b)
		}
		same(t, fmt.Sprint("bands of ", which), bands, want)
	}
	same(t, "current", currentGeneration(t, c, "a"), int64(2))
	update(t, c, func(tx *catalog.Tx) error { return errors.Join(tx.DropBand(5, 3), tx.DropBand(5, 99)) })
	if err := last(c.Bands(t.Context(), 5)); err != nil {
		t.Error(err)
	}
	sound(t, c)
}
