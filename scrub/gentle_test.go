package scrub_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/hashsets"
	"bitmend/scrub"
	"bitmend/scrub/pace"
	"bitmend/scrub/store"
)

// A turning store lies on a disk that turns, the blobs in the reverse order of
// their names. It tells in which order they are opened, and how many at once.
type turning struct {
	store.Store
	places map[string]int64

	mu         sync.Mutex
	opened     []string
	open, most int
}

func (s *turning) Disk(context.Context) (store.Device, error)       { return s, nil }
func (s *turning) Place(_ context.Context, n string) (int64, error) { return s.places[n], nil }
func (s *turning) Rotating() bool                                   { return true }
func (s *turning) Latency() (time.Duration, bool)                   { return 0, false }

func (s *turning) Open(ctx context.Context, name string, access store.Access) (store.Reader, error) {
	r, err := s.Store.Open(ctx, name, access)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, name)
	s.open++
	s.most = max(s.most, s.open)
	return &turningReader{r, s}, err
}

type turningReader struct {
	store.Reader
	store *turning
}

func (r *turningReader) Close() error {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.store.open--
	return r.Reader.Close()
}

// On a disk that turns one blob is read at a time, in the order in which they
// lie on it.
func TestADiskThatTurnsIsReadInItsOrder(t *testing.T) {
	b := newBenchOf(t, fixtures.Tiny(1, 300, 100, 200))
	inner, err := b.vault.Store("primary")
	b.must(err)
	var names []string
	for entry, err := range inner.List(t.Context(), store.ListOptions{}) {
		b.must(err)
		if entry.Identity.Size > 0 && entry.Kind == hashsets.File {
			names = append(names, entry.Name)
		}
	}
	slices.Reverse(names)
	for _, bounds := range []scrub.Bounds{{}, {Percent: 100}} {
		s := &turning{Store: inner, places: map[string]int64{}}
		for i, name := range names {
			s.places[name] = int64(i+1) << 20
		}
		b.vault.HoldTo(t.Context(), pace.New(pace.Limits{}))
		opts := scrub.Options{Bounds: bounds, Open: func(string) (store.Store, error) { return s, nil }}
		got := b.scrub(opts)
		if got.summary.Exit != 0 || !slices.Equal(s.opened, names) || s.most != 1 {
			t.Errorf("exit %d, %d at once, opened %v", got.summary.Exit, s.most, s.opened)
		}
	}
}

// A scrub reads from the page cache nothing that it brought in, and leaves in
// it all that others have there: their own files and the blobs that they use.
func TestAScrubLeavesThePageCacheAlone(t *testing.T) {
	b := newBenchOf(t, fixtures.Corpus{})
	write := func(at string, size int) {
		b.must(os.WriteFile(at, bytes.Repeat([]byte("bitmend "), size/8), 0o644))
		f, err := os.Open(at)
		b.must(err)
		b.must(f.Sync())
		b.must(f.Close())
	}
	sizes := map[string]int{"tiny": 5000, "small": 320_000, "large": 40 << 20}
	for name, size := range sizes {
		write(filepath.Join(b.tree, name+"-hot"), size)
		write(filepath.Join(b.tree, name+"-cold"), size)
	}
	b.record(1)
	neighbour := t.TempDir()
	write(filepath.Join(neighbour, "working-set"), 30<<20)
	s, err := store.OpenDirectory("s", b.tree)
	b.must(err)
	defer s.Close()
	n, err := store.OpenDirectory("n", neighbour)
	b.must(err)
	defer n.Close()
	resident := func(s *store.Directory, name string) int64 {
		held, err := s.Resident(t.Context(), name)
		if err != nil {
			t.Skipf("this system does not tell what is cached: %v", err)
		}
		return held
	}
	// The kernel may drop what it likes, too, so a loss has to be seen thrice.
	var lost []string
	for range 3 {
		for name := range sizes {
			if !dropCache(t, filepath.Join(b.tree, name+"-cold")) || resident(s, name+"-cold") > 0 {
				t.Skip("this file system keeps what it is asked to drop")
			}
			_, err := os.ReadFile(filepath.Join(b.tree, name+"-hot"))
			b.must(err)
		}
		before := resident(n, "working-set")
		if got := b.scrub(scrub.Options{}); got.summary.Exit != 0 {
			t.Fatalf("%+v", got.summary)
		}
		lost = nil
		for name, size := range sizes {
			if left := resident(s, name+"-cold"); left > 0 {
				t.Errorf("it left %d bytes of %s in the page cache, of which nobody had any", left, name)
			}
			if held := resident(s, name+"-hot"); held != int64(size) {
				lost = append(lost, fmt.Sprintf("all but %d of %d bytes of %s", held, size, name))
			}
		}
		if after := resident(n, "working-set"); after < before {
			lost = append(lost, fmt.Sprintf("all but %d of %d bytes of a neighbour's file", after, before))
		}
		if len(lost) == 0 {
			return
		}
	}
	t.Errorf("it drove out of the page cache %s", strings.Join(lost, ", "))
}
