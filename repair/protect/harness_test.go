package protect_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"testing"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/protect"
	"bitmend/repair/stripe"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// heard keeps what a run said.
type heard struct {
	mu       sync.Mutex
	findings []finding.Finding
	gates    []report.Gate
	notes    []string
}

func (h *heard) Finding(f finding.Finding) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.findings = append(h.findings, f)
}
func (h *heard) Repair(report.Repair) {}
func (h *heard) Gate(g report.Gate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gates = append(h.gates, g)
}
func (h *heard) Progress(report.Progress) {}
func (h *heard) Note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}
func (h *heard) Summary(report.Summary) {}

// A world is a tree with its vault, and what the tree should hold.
type world struct {
	testing.TB
	tree, dir string
	files     map[string][]byte
	said      *heard
	opts      protect.Options
	clock     time.Time // of the next written file
	config    vault.Config
}

func newWorld(t testing.TB, change func(c *vault.Config)) *world {
	t.Helper()
	top := t.TempDir()
	w := &world{TB: t, tree: filepath.Join(top, "tree"), dir: filepath.Join(top, "vault"), files: map[string][]byte{}, said: &heard{},
		clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	if err := os.Mkdir(w.tree, 0o755); err != nil {
		t.Fatal(err)
	}
	c := vault.DefaultConfig(vault.StoreConfig{Name: "primary", URL: w.tree, Role: vault.Primary})
	c.ShardSize = 4 << 10
	c.MassMissing.Count, c.MassChange.Count = 1<<30, 1<<30
	if change != nil {
		change(&c)
	}
	w.config = c
	if err := vault.Init(context.Background(), w.dir, c); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.tree, filepath.FromSlash(name)) }

// write makes or changes a file, at a later time than all before.
func (w *world) write(name string, content []byte) {
	w.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), content, 0o644); err != nil {
		w.Fatal(err)
	}
	w.clock = w.clock.Add(time.Second)
	if err := os.Chtimes(w.path(name), w.clock, w.clock); err != nil {
		w.Fatal(err)
	}
	w.files[name] = content
}

func (w *world) remove(name string) {
	w.Helper()
	if err := os.Remove(w.path(name)); err != nil {
		w.Fatal(err)
	}
	delete(w.files, name)
}

func (w *world) rename(from, to string) {
	w.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(to)), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.Rename(w.path(from), w.path(to)); err != nil {
		w.Fatal(err)
	}
	w.files[to] = w.files[from]
	delete(w.files, from)
}

func (w *world) open() *vault.Vault {
	w.Helper()
	v, err := vault.Open(context.Background(), w.dir, "test")
	if err != nil {
		w.Fatal(err)
	}
	return v
}

// try runs protect.
func (w *world) try() (report.Summary, error) {
	w.Helper()
	v := w.open()
	defer func() {
		if err := v.Close(); err != nil {
			w.Fatal(err)
		}
	}()
	w.said = &heard{}
	return protect.Run(context.Background(), v, w.opts, w.said)
}

func (w *world) protect() report.Summary {
	w.Helper()
	s, err := w.try()
	if err != nil {
		w.Fatalf("protect: %v", err)
	}
	if len(w.said.findings) > 0 || len(w.said.notes) > 0 {
		w.Errorf("protect said %+v, %q", w.said.findings, w.said.notes)
	}
	return s
}

func (w *world) names() []string {
	var names []string
	for n := range w.files {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 99)) }

func content(r *rand.Rand, size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// populate writes files of many sizes, from empty to several columns.
func (w *world) populate(r *rand.Rand, prefix string, count, largest int) {
	w.Helper()
	for i := range count {
		size := 0
		switch r.IntN(10) {
		case 0:
		case 1, 2, 3, 4:
			size = r.IntN(4 << 10)
		case 5, 6, 7:
			size = r.IntN(64 << 10)
		default:
			size = r.IntN(largest)
		}
		w.write(fmt.Sprintf("%s/%02d/f%03d", prefix, r.IntN(5), i), content(r, size))
	}
}

// checkRecorded holds the catalog to what the tree should hold.
func (w *world) checkRecorded() {
	w.Helper()
	v := w.open()
	defer v.Close()
	recorded := map[string]bool{}
	for k, err := range v.Catalog.Records(context.Background(), catalog.Query{Store: "primary"}) {
		if err != nil {
			w.Fatal(err)
		}
		if k.Kind != hashsets.File {
			continue
		}
		recorded[k.Name] = true
		bytes, ok := w.files[k.Name]
		if !ok {
			w.Errorf("%q is recorded and was never written", k.Name)
			continue
		}
		h, err := hashsets.NewHasher(v.Config.Algorithms, v.Config.ShardSize)
		if err != nil {
			w.Fatal(err)
		}
		h.Write(bytes)
		want := h.HashSet()
		if !want.Equal(&k.Hashes) {
			w.Errorf("%q: recorded %+v, want %+v", k.Name, k.Hashes, want)
		}
		if k.Seen == nil || k.Seen.Generation != k.Generation {
			w.Errorf("%q has no coverage", k.Name)
		}
	}
	for name := range w.files {
		if !recorded[name] {
			w.Errorf("%q is not recorded", name)
		}
		for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
			if r, err := v.Catalog.Current(context.Background(), dir); err != nil || r.Kind != hashsets.Directory || r.Attributes.Mode != 0o755 {
				w.Errorf("the directory %q is recorded as %+v, %v", dir, r, err)
			}
		}
	}
}

// checkRebuild loses each file in turn and holds what is rebuilt of it to what
// it was. A file that no stripe loses more than m shards of must come back
// whole. It returns how many did.
func (w *world) checkRebuild(names []string) (rebuilt int) {
	w.Helper()
	v := w.open()
	defer v.Close()
	for _, name := range names {
		lost := w.rebuildWithout(v, name)
		if lost == 0 {
			rebuilt++
		} else if w.bearable(v, name) {
			w.Errorf("%d shards of %q cannot be rebuilt, and its stripes could bear it", lost, name)
		}
	}
	return rebuilt
}

// bearable tells whether no stripe has more shards of a file than parity.
func (w *world) bearable(v *vault.Vault, name string) bool {
	w.Helper()
	ctx := context.Background()
	r, err := v.Catalog.Current(ctx, name)
	if err != nil {
		w.Fatal(err)
	}
	places, err := v.Catalog.PlacesOf(ctx, name, r.Generation)
	if err != nil {
		w.Fatal(err)
	}
	sets, err := v.Catalog.Sets(ctx)
	if err != nil {
		w.Fatal(err)
	}
	for _, set := range sets {
		shards := map[int64]int{}
		for _, p := range places {
			if p.Set != set.ID {
				continue
			}
			for at := p.Offset / set.ShardSize; at*set.ShardSize < p.Offset+p.Length; at++ {
				if shards[at]++; shards[at] > set.Parity {
					return false
				}
			}
		}
	}
	return true
}

// rebuildWithout takes files away, rebuilds them, and puts them back. It
// returns how many shards could not be rebuilt.
func (w *world) rebuildWithout(v *vault.Vault, names ...string) (lost int) {
	w.Helper()
	for _, name := range names {
		if err := os.Rename(w.path(name), w.path(name)+".away"); err != nil {
			w.Fatal(err)
		}
		defer os.Rename(w.path(name)+".away", w.path(name))
	}
	return w.rebuild(v, names, nil)
}

func (w *world) gatherer(v *vault.Vault) *stripe.Gatherer {
	w.Helper()
	s, err := v.Store("primary")
	if err != nil {
		w.Fatal(err)
	}
	home, err := v.ParityHome()
	if err != nil {
		w.Fatal(err)
	}
	return &stripe.Gatherer{Catalog: v.Catalog, Home: home, Stores: []store.Store{s}}
}

func (w *world) rebuild(v *vault.Vault, names []string, why *[]error) (lost int) {
	w.Helper()
	ctx := context.Background()
	var wants []stripe.Want
	for _, name := range names {
		r, err := v.Catalog.Current(ctx, name)
		if err != nil {
			w.Fatalf("look up %q: %v", name, err)
		}
		for i := range r.Hashes.ShardSums {
			wants = append(wants, stripe.Want{Name: name, Generation: r.Generation, Shard: i})
		}
	}
	shard := v.Config.ShardSize
	delivered := 0
	err := w.gatherer(v).Rebuild(ctx, wants, func(want stripe.Want, p []byte) error {
		delivered++
		all := w.files[want.Name]
		from := int64(want.Shard) * shard
		if expected := all[from:min(from+shard, int64(len(all)))]; string(expected) != string(p) {
			return fmt.Errorf("shard %d of %q was rebuilt wrong", want.Shard, want.Name)
		}
		return nil
	}, func(want stripe.Want, reason error) error {
		lost++
		if why != nil {
			*why = append(*why, reason)
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	if delivered+lost != len(wants) {
		w.Fatalf("%d of %d shards were answered for", delivered+lost, len(wants))
	}
	return lost
}

// checkPlaces holds the catalog to what it promises of places: every current
// record has its bytes placed once, nothing else has places, and no two
// contents overlap.
func (w *world) checkPlaces() {
	w.Helper()
	ctx := context.Background()
	v := w.open()
	defer v.Close()
	placed := map[string]int64{}
	for k, err := range v.Catalog.Records(ctx, catalog.Query{}) {
		if err != nil {
			w.Fatal(err)
		}
		places, err := v.Catalog.PlacesOf(ctx, k.Name, k.Generation)
		if err != nil {
			w.Fatal(err)
		}
		if len(places) == 0 {
			w.Errorf("%q has no place", k.Name)
		}
		at := int64(0)
		for _, p := range places {
			if p.BlobOffset != at {
				w.Errorf("%q: a place at %d, want %d", k.Name, p.BlobOffset, at)
			}
			at += p.Length
		}
		if at != k.Hashes.Size {
			w.Errorf("%q: %d bytes are placed of %d", k.Name, at, k.Hashes.Size)
		}
		placed[fmt.Sprint(k.Name, k.Generation)] = at
	}
	sets, err := v.Catalog.Sets(ctx)
	if err != nil {
		w.Fatal(err)
	}
	small := 0
	for _, s := range sets {
		if len(s.Tops) > 0 && s.Data < 8 {
			small++
		}
		var before catalog.Place
		for p, err := range v.Catalog.PlacesIn(ctx, s.ID, -1, 0, s.ColumnSize) {
			if err != nil {
				w.Fatal(err)
			}
			if _, ok := placed[fmt.Sprint(p.Name, p.Generation)]; !ok {
				w.Errorf("%q generation %d has a place and is not current", p.Name, p.Generation)
			}
			same := p.Offset == before.Offset && p.Length == before.Length
			if p.Column == before.Column && p.Length > 0 && before.Length > 0 && !same && p.Offset < before.Offset+before.Length {
				w.Errorf("%q at %d overlaps with %q", p.Name, p.Offset, before.Name)
			}
			if p.Length > 0 {
				before = p
			}
		}
	}
}

func writeAll(h io.Writer, values ...any) {
	for _, v := range values {
		fmt.Fprintf(h, "%+v\n", v)
	}
}
