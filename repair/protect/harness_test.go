package protect_test

import (
	"context"
	"fmt"
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
	}
}

// checkRebuild loses each file in turn and holds what is rebuilt of it to what
// it was. It says how many could be rebuilt.
func (w *world) checkRebuild(names []string) (rebuilt int) {
	w.Helper()
	for _, name := range names {
		lost := w.rebuildWithout(name)
		if lost == 0 {
			rebuilt++
		}
	}
	return rebuilt
}

// rebuildWithout takes files away, rebuilds them, and puts them back. It
// returns how many shards could not be rebuilt.
func (w *world) rebuildWithout(names ...string) (lost int) {
	w.Helper()
	for _, name := range names {
		if err := os.Rename(w.path(name), w.path(name)+".away"); err != nil {
			w.Fatal(err)
		}
		defer os.Rename(w.path(name)+".away", w.path(name))
	}
	v := w.open()
	defer v.Close()
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
