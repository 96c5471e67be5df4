package protect_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bitmend/hashsets/catalog"
	"bitmend/repair/protect"
	"bitmend/scrub/vault"
)

// parityBytes is how many bytes the parity files take.
func (w *world) parityBytes() (total int64) {
	w.Helper()
	for _, name := range w.parityFiles() {
		info, err := os.Stat(filepath.Join(w.dir, "parity", filepath.FromSlash(name)))
		if err != nil {
			w.Fatal(err)
		}
		total += info.Size()
	}
	return total
}

// setsInUse counts the sets in which something lies.
func (w *world) setsInUse() (n int) {
	w.Helper()
	v := w.open()
	defer v.Close()
	sets, err := v.Catalog.Sets(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	for _, s := range sets {
		if len(s.Tops) > 0 {
			n++
		}
	}
	return n
}

// bandsOf returns the numbers of the bands of a set that are in force.
func (w *world) bandsOf(set int64) (numbers []int64) {
	w.Helper()
	v := w.open()
	defer v.Close()
	for b, err := range v.Catalog.Bands(context.Background(), set) {
		if err != nil {
			w.Fatal(err)
		}
		numbers = append(numbers, b.Number)
	}
	return numbers
}

// After any churn each blob comes back whole though all files of one parity
// column are lost with it.
func TestOneParityFileIsInHand(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := random(seed)
			w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 6, 2+int(seed%2), 0.4 })
			w.populate(r, "a", 1+r.IntN(30), 150<<10)
			w.protect()
			for round := range 4 {
				w.churn(r, round)
				w.protect()
			}
			w.checkPlaces()
			w.damageParity(r.IntN(2), true)
			v := w.open()
			defer v.Close()
			for _, name := range w.names() {
				if lost := w.rebuildWithout(v, name); lost > 0 {
					t.Errorf("%d shards of %q, %d bytes, are lost with it and one parity file", lost, name, len(w.files[name]))
				}
			}
		})
	}
}

// What comes takes the places of what went, so that parity grows with the
// vault and not with its age.
func TestParityDoesNotGrowWithAge(t *testing.T) {
	for _, c := range []struct {
		name   string
		column int64 // bytes; small ones make several sets
	}{{"one set", 0}, {"several sets", 512 << 10}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(v *vault.Config) { v.Data, v.Parity, v.Overhead, v.ColumnSize = 4, 2, 0.5, c.column })
			r := random(3)
			for i := range 80 {
				w.write(fmt.Sprintf("f%02d", i), content(r, 1+r.IntN(60<<10)))
			}
			w.protect()
			bytes, sets := w.parityBytes(), w.setsInUse()
			if c.column > 0 && sets < 2 {
				t.Fatalf("there are %d sets", sets)
			}
			for round := range 8 {
				for range 12 {
					name := fmt.Sprintf("f%02d", r.IntN(80))
					w.write(name, content(r, max(1, len(w.files[name])-r.IntN(2<<10)+r.IntN(2<<10))))
				}
				if round%4 == 1 {
					w.remove("f40")
				} else if round%4 == 2 {
					w.write("f40", content(r, 30<<10))
				}
				w.protect()
			}
			w.checkRecorded()
			w.checkPlaces()
			w.checkParityFiles()
			if after := w.parityBytes(); after > bytes+bytes/3 {
				t.Errorf("%d bytes of parity have become %d, with as many files as before", bytes, after)
			}
			if after := w.setsInUse(); after > sets+1 {
				t.Errorf("%d sets have become %d", sets, after)
			}
			w.checkRebuild(w.names())
		})
	}
}

// Bands in which nothing lies any more go with their parity files, and what
// comes later may lie there.
func TestEmptiedBandsGo(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 2, 1, 0.5 })
	r := random(5)
	for i := range 8 { // a quarter of a column each, which has three bands
		w.write(fmt.Sprintf("f%d", i), content(r, 768<<10))
	}
	w.protect()
	if got := fmt.Sprint(w.bandsOf(1)); got != "[0 1 2]" {
		t.Fatalf("the bands are %s", got)
	}
	w.remove("f2") // f0 ends in band 0, f1 and f2 lie in band 1 and 2
	w.remove("f1")
	w.remove("f5")
	w.remove("f6")
	w.protect()
	if got := fmt.Sprint(w.bandsOf(1)); got != "[0 2]" {
		t.Errorf("the bands are %s", got)
	}
	w.checkPlaces()
	w.checkParityFiles()
	w.checkRebuild(w.names())

	before := w.everything("")
	if err := os.Remove(filepath.Join(w.dir, "catalog.db")); err != nil {
		t.Fatal(err)
	}
	v, err := vault.OpenLocked(context.Background(), w.dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := protect.RebuildCatalog(context.Background(), v, w.said); err != nil {
		t.Fatal(err)
	}
	v.Close()
	if after := w.everything(""); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the rebuilt catalog has %v, want %v", after, before)
	}

	bytes := w.parityBytes()
	w.write("g", content(r, 768<<10))
	w.protect()
	if got := fmt.Sprint(w.bandsOf(1)); got != "[0 1 2]" || w.parityBytes() > bytes+1200<<10 {
		t.Errorf("the bands are %s, with %d bytes of parity after %d", got, w.parityBytes(), bytes)
	}
	w.checkRebuild(w.names())

	for name := range w.files {
		w.remove(name)
	}
	w.write("h", content(r, 1000))
	w.protect()
	w.checkPlaces()
	w.checkParityFiles()
	if w.parityBytes() > 20<<10 {
		t.Errorf("%d bytes of parity for one file of 1000", w.parityBytes())
	}
	w.checkRebuild(w.names())
}

// Blobs of no bytes, links and directories stay where they are when what lay in
// their stripes goes, and are listed still.
func TestWhatHasNoBytesStaysWhenItsStripesGo(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 2, 1, 0.5 })
	r := random(5)
	for i := range 8 {
		w.write(fmt.Sprintf("f%d", i), content(r, 768<<10))
		w.write(fmt.Sprintf("f%d.empty", i), nil)
	}
	w.protect()
	for _, name := range []string{"f7", "f6", "f3", "f2", "f1"} {
		w.remove(name)
	}
	w.protect()
	w.checkPlaces()
	w.write("later", content(r, 10<<10)) // below where some of them lie
	w.protect()
	w.checkPlaces()
	w.checkParityFiles()
	w.checkRebuild(w.names())

	if err := os.Remove(filepath.Join(w.dir, "catalog.db")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(w.dir, "export")); err != nil {
		t.Fatal(err)
	}
	v, err := vault.OpenLocked(context.Background(), w.dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := protect.RebuildCatalog(context.Background(), v, w.said)
	v.Close()
	if err != nil || s.Blobs != int64(len(w.files)) {
		t.Errorf("%d of %d blobs are recorded anew, %v", s.Blobs, len(w.files), err)
	}
	w.checkPlaces()
	w.checkRebuild(w.names())
}

// A place that has to stay, because a neighbour is lost with it, is not free.
func TestPlacesThatAreHeldAreNotFree(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 4, 1, 0.25 })
	r := random(2)
	for i := range 4 {
		w.write(fmt.Sprintf("f%d", i), content(r, 40<<10))
	}
	w.protect()
	saved := w.files["f1"]
	w.rot("f1", 9000) // in the same stripe as f0, so that both together are too much
	w.remove("f0")
	w.write("new", content(r, 40<<10)) // would fit into the place of f0
	if s, err := w.try(); err != nil || s.New != 1 || s.Vanished != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	places := func(name string) []catalog.Place {
		v := w.open()
		defer v.Close()
		all, err := v.Catalog.PlacesOf(t.Context(), name, 1)
		if err != nil || len(all) == 0 {
			t.Fatalf("the places of %q are %v, %v", name, all, err)
		}
		return all
	}
	for _, old := range places("f0") {
		for _, p := range places("new") {
			if p.Column == old.Column && p.Offset < old.Offset+old.Length && old.Offset < p.Offset+p.Length {
				t.Errorf("the new file lies at %+v, where parity has what vanished, %+v", p, old)
			}
		}
	}
	w.checkParityFiles()

	if err := os.WriteFile(w.path("f1"), saved, 0o644); err != nil {
		t.Fatal(err)
	}
	w.clock = w.clock.Add(1)
	if err := os.Chtimes(w.path("f1"), w.clock, w.clock); err != nil {
		t.Fatal(err)
	}
	if _, err := w.try(); err != nil {
		t.Fatal(err)
	}
	w.checkRecorded()
	w.checkPlaces()
	w.checkRebuild(w.names())
}
