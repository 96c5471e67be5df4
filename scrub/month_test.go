package scrub_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// A simulation is a vault over many small blobs, whose days pass as fast as it
// is worked on. What was read when is noted beside the catalog, by the store.
type simulation struct {
	*bench
	random *rand.Rand
	now    time.Time
	night  int
	blobs  map[string]int // by name: the night on which it was last read to its end
	faults map[string]int // by name: the night on which it was damaged
	found  map[string]int // by name: the night on which that was found
	next   int            // number of the next new blob

	mu sync.Mutex
}

const promise = 24 * 24 * time.Hour

// TestAMonthOfNights holds nightly runs of 5 percent to the promise: blobs come
// and go, some rot, some runs are cut off. BITMEND_FULL_MONTH makes it a month
// of 50,000 blobs.
func TestAMonthOfNights(t *testing.T) {
	t.Parallel() // it waits for the disk
	if testing.Short() {
		t.Skip("left to full runs: the race detector makes so much hashing last minutes")
	}
	blobs, nights := 1500, 50
	if os.Getenv("BITMEND_FULL_MONTH") != "" {
		blobs, nights = 50_000, 60
	}
	s := newSimulation(t, blobs)
	looked := int64(0)
	for s.night = 1; s.night <= nights; s.night++ {
		s.now = s.now.Add(24*time.Hour - s.now.Sub(s.now.Truncate(24*time.Hour)))
		s.churn(blobs / 200)
		s.rot(3)
		switch {
		case s.night%10 == 4: // killed, and not begun again before the next night
			looked += s.scrubCutAfter(blobs / 40).Blobs
		case s.night%10 == 7: // killed, and begun again
			looked += s.scrubCutAfter(blobs / 50).Blobs
			looked += s.scrubWhole().Blobs
		default:
			looked += s.scrubWhole().Blobs
		}
		s.holdToPromise()
	}
	most := int64(nights) * int64(blobs) * 6 / 100
	if looked > most {
		t.Errorf("%d blobs were looked at in %d nights, more than the %d of 5 percent a night", looked, nights, most)
	}
	if len(s.found) < 3*(nights-25) {
		t.Errorf("only %d faults were found", len(s.found))
	}
}

func newSimulation(t *testing.T, blobs int) *simulation {
	b := &bench{TB: t, tree: filepath.Join(t.TempDir(), "tree")}
	s := &simulation{
		bench: b, random: rand.New(rand.NewPCG(6, 1)), now: time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC),
		blobs: map[string]int{}, faults: map[string]int{}, found: map[string]int{},
	}
	for i := range 100 {
		b.must(os.MkdirAll(filepath.Join(b.tree, fmt.Sprintf("%02d", i)), 0o755))
	}
	config := vault.DefaultConfig(vault.StoreConfig{Name: "primary", URL: b.tree, Role: vault.Primary})
	config.Overhead, config.MaxAge = 0, promise
	config.MassDamage.Percent, config.MassMissing.Percent = 100, 100
	b.must(vault.Init(t.Context(), filepath.Join(filepath.Dir(b.tree), "vault"), config))
	s.open()
	t.Cleanup(func() { b.vault.Close() })
	s.add(blobs)
	return s
}

// open opens the vault as a new process does.
func (s *simulation) open() {
	if s.vault != nil {
		s.must(s.vault.Close())
	}
	v, err := vault.Open(s.Context(), filepath.Join(filepath.Dir(s.tree), "vault"), "test")
	s.must(err)
	s.vault = v
}

// add writes blobs and records them, which reads them.
func (s *simulation) add(n int) {
	primary, err := s.vault.Store("primary")
	s.must(err)
	s.must(s.vault.Catalog.Update(s.Context(), func(tx *catalog.Tx) error {
		for range n {
			name := fmt.Sprintf("%02d/%06d", s.random.IntN(100), s.next)
			s.next++
			content := make([]byte, 10+s.random.IntN(990))
			for i := range content {
				content[i] = byte(s.random.Uint32())
			}
			if err := os.WriteFile(filepath.Join(s.tree, name), content, 0o644); err != nil {
				return err
			}
			entry, err := primary.Stat(s.Context(), name)
			if err != nil {
				return err
			}
			if err := s.recordEntry(tx, entry, 1, s.now); err != nil {
				return err
			}
			err = tx.PutCoverage(catalog.Coverage{Store: "primary", Name: name, Generation: 1, Identity: entry.Identity, VerifiedAt: s.now, Depth: catalog.ByConstruction})
			if err != nil {
				return err
			}
			s.blobs[name] = s.night
		}
		return nil
	}))
}

// churn adds n blobs and removes n.
func (s *simulation) churn(n int) {
	s.add(n)
	s.must(s.vault.Catalog.Update(s.Context(), func(tx *catalog.Tx) error {
		for _, name := range s.any(n) {
			delete(s.blobs, name)
			if err := errors.Join(os.Remove(filepath.Join(s.tree, name)), tx.Vanish(name, s.now)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// any returns n blobs that are intact.
func (s *simulation) any(n int) []string {
	names := slices.Sorted(maps.Keys(s.blobs))
	names = slices.DeleteFunc(names, func(name string) bool { return s.faults[name] != 0 })
	s.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:n]
}

// rot changes a bit in each of n blobs, or takes the blob away, behind the
// back of whoever looks at times.
func (s *simulation) rot(n int) {
	for _, name := range s.any(n) {
		at := filepath.Join(s.tree, name)
		s.faults[name] = s.night
		if s.random.IntN(4) == 0 {
			s.must(os.Remove(at))
			continue
		}
		info, err := os.Stat(at)
		s.must(err)
		content, err := os.ReadFile(at)
		s.must(err)
		content[s.random.IntN(len(content))] ^= 1
		s.must(os.WriteFile(at, content, 0o644))
		s.must(os.Chtimes(at, time.Time{}, info.ModTime()))
	}
}

func (s *simulation) scrubWhole() report.Summary { return s.scrubCutAfter(1 << 30) }

// scrubCutAfter runs a scrub in a process of its own that is killed when it
// opens its nth blob.
func (s *simulation) scrubCutAfter(n int) report.Summary {
	s.Helper()
	s.open()
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	opens := 0
	said := &said{}
	summary, err := scrub.Run(ctx, s.vault, scrub.Options{
		Bounds: scrub.Bounds{Percent: 5},
		Now:    s.tick,
		Open: func(name string) (store.Store, error) {
			inner, err := s.vault.Store(name)
			return &watched{Store: inner, opened: func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				if opens++; opens == n {
					cancel()
				}
			}, read: func(blob string) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.blobs[blob] = s.night
			}}, err
		},
	}, said)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.Fatal(err)
	}
	if summary.Overdue > 0 {
		s.Errorf("night %d: %d blobs are overdue", s.night, summary.Overdue)
	}
	for _, f := range said.findings {
		if s.faults[f.Blob] == 0 {
			s.Errorf("night %d: %s of %s, with which nothing was done", s.night, f.Verdict, f.Blob)
		}
		s.blobs[f.Blob] = s.night
		if s.found[f.Blob] == 0 {
			s.found[f.Blob] = s.night
		}
	}
	return summary
}

// tick is a clock that moves on by a moment each time.
func (s *simulation) tick() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(time.Millisecond)
	return s.now
}

// holdToPromise fails for blobs that were not read, and faults that were not
// found, within the promise.
func (s *simulation) holdToPromise() {
	s.Helper()
	const within = int(promise / (24 * time.Hour))
	for name, night := range s.blobs {
		if s.night-night > within {
			s.Errorf("night %d: %s was last read in night %d", s.night, name, night)
		}
	}
	for name, night := range s.faults {
		if _, there := s.blobs[name]; there && s.found[name] == 0 && s.night-night > within {
			s.Errorf("night %d: the fault in %s of night %d is not found", s.night, name, night)
		}
	}
}

// A watched store tells which blobs are opened, and which are read to their
// end.
type watched struct {
	store.Store
	opened func()
	read   func(blob string)
}

func (w *watched) Open(ctx context.Context, name string, access store.Access) (store.Reader, error) {
	w.opened()
	r, err := w.Store.Open(ctx, name, access)
	if err != nil {
		return nil, err
	}
	return &watchedReader{Reader: r, ended: func() { w.read(name) }}, nil
}

type watchedReader struct {
	store.Reader
	ended func()
}

func (r *watchedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Reader.ReadAt(p, off)
	if entry, statErr := r.Entry(); statErr == nil && off+int64(n) >= entry.Identity.Size {
		r.ended()
	}
	return n, err
}
