package protect_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"bitmend/fixtures"
	"bitmend/scrub/vault"
)

// churn changes the tree as people do.
func (w *world) churn(r *rand.Rand, round int) {
	w.Helper()
	names := w.names()
	pick := func() string { return names[r.IntN(len(names))] }
	for range 3 + r.IntN(6) {
		name := pick()
		if _, ok := w.files[name]; !ok {
			continue
		}
		switch r.IntN(6) {
		case 0, 1:
			w.remove(name)
		case 2, 3:
			w.detach(name)
			w.write(name, content(r, r.IntN(100<<10)))
		case 4:
			w.rename(name, fmt.Sprintf("moved/%d/%d", round, r.IntN(1000000)))
		case 5:
			to := fmt.Sprintf("linked/%d-%d", round, r.IntN(1000000))
			if err := os.MkdirAll(w.path("linked"), 0o755); err != nil {
				w.Fatal(err)
			}
			if err := os.Link(w.path(name), w.path(to)); err != nil {
				w.Fatal(err)
			}
			w.files[to] = w.files[name]
		}
	}
	w.populate(r, fmt.Sprintf("new%d", round), r.IntN(12), 200<<10)
}

// detach makes a name the only one of its file, so that writing it changes no
// other name.
func (w *world) detach(name string) {
	w.Helper()
	if err := os.Remove(w.path(name)); err != nil {
		w.Fatal(err)
	}
}

// After any number of changes everything is recorded as it is, and each file
// can be rebuilt from the others.
func TestProtectFollowsChanges(t *testing.T) {
	configs := []func(c *vault.Config){
		nil,
		func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 5, 2, 0.4 },
		func(c *vault.Config) { c.Data, c.Parity, c.Overhead, c.ColumnSize = 4, 1, 0.25, 256<<10 },
		func(c *vault.Config) { c.Overhead, c.ShardSize = 0.5, 16<<10 },
	}
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := random(seed)
			w := newWorld(t, configs[seed%uint64(len(configs))])
			if seed%2 == 1 {
				w.opts = w.opts.WithSlab(1) // a band at a time
			}
			w.populate(r, "a", 1+r.IntN(40), 200<<10)
			w.protect()
			for round := range 5 {
				w.churn(r, round)
				w.protect()
				w.checkRecorded()
				w.checkPlaces()
				if again := w.protect(); again.BytesRead != 0 || again.BytesWritten != 0 {
					t.Errorf("round %d: a second run with nothing to do: %+v", round, again)
				}
			}
			w.checkRebuild(w.names())
		})
	}
}

// A vault that grows in small steps ends with few sets, and each file can be
// rebuilt after every step.
func TestGrowthInSmallSteps(t *testing.T) {
	fixtures.Sequential(t)
	w := newWorld(t, nil)
	r := random(4)
	for step := range 30 {
		w.write(fmt.Sprintf("f%02d", step), content(r, 1+r.IntN(30<<10)))
		w.protect()
	}
	v := w.open()
	sets, err := v.Catalog.Sets(t.Context())
	v.Close()
	if err != nil {
		t.Fatal(err)
	}
	inUse := 0
	for _, s := range sets {
		if len(s.Tops) > 0 {
			inUse++
		}
	}
	if inUse > 2 {
		t.Errorf("%d parity sets are in use", inUse)
	}
	w.checkPlaces()
	w.checkParityFiles()
	if n := w.checkRebuild(w.names()); n < 29 {
		t.Errorf("%d of 30 files can be rebuilt after they were lost", n)
	}
}

// After small changes little more is read than what changed and the stripes
// that it lay in.
func TestSmallChangesReadLittle(t *testing.T) {
	fixtures.Sequential(t)
	w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead, c.ShardSize = 4, 1, 0.25, 64<<10 })
	r := random(9)
	for i := range 200 {
		w.write(fmt.Sprintf("f%03d", i), content(r, 200<<10))
	}
	w.protect()
	w.write("f010", content(r, 200<<10))
	w.remove("f020")
	w.write("g", content(r, 200<<10))
	w.rename("f030", "h")
	s := w.protect()
	if s.New != 1 || s.Changed != 1 || s.Vanished != 1 || s.Moved != 1 {
		t.Errorf("%+v", s)
	}
	// Two blobs of four shards that are given up touch at most eight stripes
	// of four columns.
	const shard = 64 << 10
	if most := int64(8*4*shard + 4*200<<10); s.Bytes > most {
		t.Errorf("%d bytes were read from the store, at most %d are needed", s.Bytes, most)
	}
	w.checkPlaces()
	w.checkRebuild(w.names())
}

// When a neighbour of what vanished is lost beyond redundancy, its stripes
// stay as they are until it is put right.
func TestLostNeighboursHoldTheirStripes(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 4, 1, 0.25 })
	r := random(2)
	for i := range 4 {
		w.write(fmt.Sprintf("f%d", i), content(r, 40<<10))
	}
	w.protect()
	saved := w.files["f1"]
	w.rot("f1", 9000) // in the same stripe as f0, so that both together are too much
	w.remove("f0")
	s, err := w.try()
	if err != nil {
		t.Fatal(err)
	}
	if s.Vanished != 1 || len(w.said.notes) == 0 {
		t.Errorf("%+v, said %q", s, w.said.notes)
	}
	v := w.open()
	if places, err := v.Catalog.PlacesOf(t.Context(), "f0", 1); err != nil || len(places) == 0 {
		t.Errorf("the places of what vanished are %v, %v", places, err)
	}
	v.Close()
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

// Where data and parity of a set are damaged together, it stays as it is, and
// what is new goes into another set.
func TestDamagedSetsStayAsTheyAre(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 4, 1, 0.25 })
	r := random(2)
	for i := range 4 {
		w.write(fmt.Sprintf("f%d", i), content(r, 40<<10))
	}
	w.protect()
	before := w.parityFiles()
	w.damageParity(0, false)
	for _, name := range []string{"f1", "f2"} {
		for at := 0; at < 40<<10; at += 4 << 10 {
			w.rot(name, at)
		}
	}
	w.remove("f0")
	w.write("new", content(r, 40<<10))
	s, err := w.try()
	if err != nil {
		t.Fatal(err)
	}
	if s.New != 1 || s.Vanished != 1 || s.Parity.Damaged == 0 || len(w.said.notes) == 0 {
		t.Errorf("%+v, said %q", s, w.said.notes)
	}
	for _, name := range before {
		if _, err := os.Stat(w.dir + "/parity/" + name); err != nil {
			t.Errorf("the parity file %s: %v", name, err)
		}
	}
	w.checkRebuild([]string{"new"})
}

// The names of one file share one content: read once, placed once, and rebuilt
// under each of them; what is left of it when a name goes stays protected.
func TestHardLinks(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 4, 2, 0.5 })
	r := random(8)
	for i := range 6 {
		w.write(fmt.Sprintf("f%d", i), content(r, 30<<10))
	}
	link := func(from, to string) {
		if err := os.Link(w.path(from), w.path(to)); err != nil {
			t.Fatal(err)
		}
		w.files[to] = w.files[from]
	}
	link("f0", "a0")
	if s := w.protect(); s.New != 7 || s.Bytes != 6*30<<10 {
		t.Errorf("seven names of six files: %+v", s)
	}
	link("f0", "z0")
	link("f1", "a1")
	if s := w.protect(); s.New != 2 || s.BytesWritten != 0 {
		t.Errorf("two more names of files that are recorded: %+v", s)
	}
	places := func(name string) string {
		v := w.open()
		defer v.Close()
		all, err := v.Catalog.PlacesOf(t.Context(), name, 1)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, p := range all {
			text += fmt.Sprintln(p.Set, p.Column, p.Offset, p.Length, p.BlobOffset)
		}
		return text
	}
	for _, names := range [][]string{{"f0", "a0"}, {"f0", "z0"}, {"f1", "a1"}} {
		if places(names[0]) == "" || places(names[0]) != places(names[1]) {
			t.Errorf("%q lie at %q and %q", names, places(names[0]), places(names[1]))
		}
	}
	w.checkRecorded()
	w.checkPlaces()
	w.checkRebuild(w.names())
	w.remove("f0")
	w.remove("f1")
	w.remove("f2")
	w.protect()
	w.checkRecorded()
	w.checkPlaces()
	w.checkRebuild(w.names())
	v := w.open()
	for _, names := range [][]string{{"a0", "z0"}, {"a1"}} {
		if lost := w.rebuildWithout(v, names...); lost != 0 {
			t.Errorf("%d shards of %q cannot be rebuilt", lost, names)
		}
	}
	v.Close()
}

// What is given up is one generation of one name, and not a name that differs
// from it only as much as their generations do.
func TestGivingUpABlobLeavesAllOthersInTheParity(t *testing.T) {
	w := newWorld(t, nil)
	r := random(1)
	for first := byte('a'); first <= 'f'; first++ {
		for last := byte('0'); last <= '7'; last++ {
			w.write(fmt.Sprintf("%c/f5%c", first, last), content(r, 9000))
		}
	}
	w.protect()
	w.write("a/f54", content(r, 9000))
	w.protect()
	w.remove("b/f57")
	w.protect()

	w.checkPlaces()
	if rebuilt := w.checkRebuild([]string{"a/f54"}); rebuilt != 1 {
		t.Error("a/f54 cannot be rebuilt")
	}
}
