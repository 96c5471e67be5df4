package scrub_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// cutOff runs a scrub that is cancelled when it opens its nth blob, as a person
// does it.
func (b *bench) cutOff(n int, opts scrub.Options) report.Summary {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var mu sync.Mutex
	opts.Open = func(name string) (store.Store, error) {
		inner, err := b.vault.Store(name)
		return &watched{Store: inner, opened: func() {
			mu.Lock()
			defer mu.Unlock()
			if n--; n == 0 {
				cancel()
			}
		}, read: func(string) {}}, err
	}
	summary, err := scrub.Run(ctx, b.vault, opts, &said{})
	if !errors.Is(err, context.Canceled) {
		b.Fatalf("it was not cut off: %v", err)
	}
	return summary
}

func TestAScrubThatWasCutOffIsGoneOnWith(t *testing.T) {
	b := newBenchOf(t, fixtures.Tiny(1, 1000, 100, 200))
	totals, err := b.vault.Catalog.Totals(t.Context())
	b.must(err)
	first := b.cutOff(600, scrub.Options{})
	if first.Intact == 0 || first.Intact >= totals.Blobs || first.Exit != 32 {
		t.Fatalf("cut off: %+v", first)
	}
	other := b.scrub(scrub.Options{Bounds: scrub.Bounds{OnlyDamaged: true}}) // another kind of run in between
	second := b.scrub(scrub.Options{})
	if other.summary.Earlier != 0 || second.summary.Earlier != first.Intact || second.summary.Earlier+second.summary.Intact != totals.Blobs ||
		second.summary.Exit != 0 || !strings.Contains(fmt.Sprint(second.notes), "goes on") {
		t.Errorf("of %d the first verified %d; the second %+v, %q", totals.Blobs, first.Intact, second.summary, second.notes)
	}
	if third := b.scrub(scrub.Options{}); third.summary.Earlier != 0 || third.summary.Intact != totals.Blobs {
		t.Errorf("after a whole pass: %+v", third.summary)
	}
}

// What was changed since, found damaged, or asked for in another way is read.
func TestWhatACutOffScrubDoesNotVouchForIsReadAgain(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		before  func(b *bench)
		opts    scrub.Options
		earlier bool
		found   int
	}{
		"nothing happened":        {func(*bench) {}, scrub.Options{}, true, 0},
		"all was touched":         {touchAll, scrub.Options{}, false, 0},
		"from the beginning":      {func(*bench) {}, scrub.Options{Restart: true}, false, 0},
		"through the page cache":  {func(*bench) {}, scrub.Options{Buffered: true}, false, 0},
		"a week has gone by":      {func(*bench) {}, scrub.Options{Now: func() time.Time { return time.Now().Add(8 * day) }}, false, 0},
		"the clock was put back":  {func(*bench) {}, scrub.Options{Now: func() time.Time { return time.Now().Add(-day) }}, false, 0},
		"names that were not all": {func(*bench) {}, scrub.Options{Names: must(scrub.ParseNames([]string{"**"}))}, false, 0},
		"one is damaged now":      {func(b *bench) { b.damage("zeroed", b.first()) }, scrub.Options{}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBenchOf(t, fixtures.Tiny(1, 200, 100, 200))
			b.cutOff(150, scrub.Options{})
			c.before(b)
			got := b.scrub(c.opts)
			if earlier := got.summary.Earlier > 0; earlier != c.earlier || len(got.findings) != c.found {
				t.Errorf("%+v, %+v", got.summary, got.findings)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (b *bench) first() string {
	for known, err := range b.vault.Catalog.Records(b.Context(), catalog.Query{Store: "primary"}) {
		b.must(err)
		if known.Kind == 1 && known.Seen != nil {
			return known.Name
		}
	}
	b.Fatal("no blob was verified")
	return ""
}

// touchAll changes the inode of each file and nothing else.
func touchAll(b *bench) {
	b.must(filepath.Walk(b.tree, func(at string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		return os.Chmod(at, 0o600)
	}))
}

// A clocked store makes time go by with the bytes that are read, a hundred MiB
// in an hour.
type clocked struct {
	store.Store
	mu   sync.Mutex
	now  time.Time
	read map[int64]int // how often the chunk at an offset was read
}

func (s *clocked) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *clocked) Open(ctx context.Context, name string, access store.Access) (store.Reader, error) {
	r, err := s.Store.Open(ctx, name, access)
	if err != nil {
		return nil, err
	}
	return &clockedReader{r, s}, nil
}

type clockedReader struct {
	store.Reader
	store *clocked
}

func (r *clockedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Reader.ReadAt(p, off)
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.store.now = r.store.now.Add(time.Duration(n) * time.Hour / (100 << 20))
	r.store.read[off]++
	return n, err
}

// A blob that takes longer than a night is read in several, each byte once, and
// counts as verified at the time when its first byte was read.
func TestALargeBlobIsReadOverSeveralNights(t *testing.T) {
	t.Parallel() // it waits for the disk
	if testing.Short() {
		t.Skip("left to full runs: the race detector makes so much hashing last minutes")
	}
	const size = 200<<20 + 4097
	corpus := fixtures.Large(1, 1, size)
	blob := corpus.Files()[0]
	for name, bounds := range map[string]scrub.Bounds{
		"of an hour":    {Budget: time.Hour},
		"of so many MB": {MaxRead: 90 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBenchOf(t, corpus)
			inner, err := b.vault.Store("primary")
			b.must(err)
			s := &clocked{Store: inner, now: noon, read: map[int64]int{}}
			nights := 0
			for ; nights < 9; nights++ {
				s.now = noon.Add(time.Duration(nights) * 24 * time.Hour)
				got := b.scrub(scrub.Options{Bounds: bounds, Now: s.clock, Open: func(string) (store.Store, error) { return s, nil }})
				if got.summary.Intact == 1 {
					break
				}
				if got.summary.Unfinished != 1 || got.summary.Blobs != 0 || got.summary.Exit != 0 {
					t.Fatalf("night %d: %+v", nights, got.summary)
				}
				if _, err := b.vault.Catalog.Coverage(t.Context(), "primary", blob); !errors.Is(err, catalog.ErrNotRecorded) {
					t.Fatalf("night %d: it counts as verified: %v", nights, err)
				}
			}
			if nights != 2 {
				t.Errorf("it was read after %d nights, want 2", nights)
			}
			for offset, times := range s.read {
				if times > 1 && offset%(2<<20) == 0 && times > 2 {
					t.Errorf("what is at %d was read %d times", offset, times)
				}
			}
			c, err := b.vault.Catalog.Coverage(t.Context(), "primary", blob)
			if err != nil || !c.VerifiedAt.Equal(noon) {
				t.Errorf("verified at %v, %v; want when its first byte was read, %v", c.VerifiedAt, err, noon)
			}
			s.now, s.read = noon.Add(100*24*time.Hour), map[int64]int{}
			if b.scrub(scrub.Options{Bounds: bounds, Now: s.clock, Open: func(string) (store.Store, error) { return s, nil }}); s.read[0] == 0 {
				t.Error("what was kept of a blob that was read to its end is taken up again")
			}
		})
	}
}

// A night that ends a large blob and has time left reads others, and not the
// blob again though it counts as verified when its first byte was read.
func TestALargeBlobThatANightEndsIsNotReadAgainInIt(t *testing.T) {
	if testing.Short() {
		t.Skip("left to full runs: the race detector makes so much hashing last minutes")
	}
	b := newBenchOf(t, fixtures.Corpus{})
	b.must(os.WriteFile(filepath.Join(b.tree, "large"), make([]byte, 70<<20), 0o644))
	b.must(os.WriteFile(filepath.Join(b.tree, "small"), make([]byte, 1000), 0o644))
	b.record(1)
	b.must(b.vault.Catalog.Update(t.Context(), func(tx *catalog.Tx) error {
		r, err := tx.Current("small")
		return errors.Join(err, tx.PutCoverage(catalog.Coverage{Store: "primary", Name: "small", Generation: 1, Identity: r.Identity, Depth: catalog.DeepDirect, VerifiedAt: noon.Add(-time.Hour)}))
	}))
	inner, err := b.vault.Store("primary")
	b.must(err)
	s := &clocked{Store: inner, now: noon, read: map[int64]int{}}
	night := func(budget time.Duration) report.Summary {
		return b.scrub(scrub.Options{Bounds: scrub.Bounds{Budget: budget}, Now: s.clock, Open: func(string) (store.Store, error) { return s, nil }}).summary
	}
	first := night(30 * time.Minute)
	s.now = noon.Add(24 * time.Hour)
	second := night(10 * time.Hour)
	if first.Unfinished != 1 || second.Intact != 2 || second.BytesRead >= 70<<20 {
		t.Errorf("of two blobs the first night left %d unfinished; the second verified %d and read %d bytes", first.Unfinished, second.Intact, second.BytesRead)
	}
}

// Damage in the part that an earlier night read is found when the blob is read
// to its end, and a blob that changed meanwhile is read from its beginning.
func TestALargeBlobThatChangesBetweenNights(t *testing.T) {
	t.Parallel() // it waits for the disk
	if testing.Short() {
		t.Skip("left to full runs: the race detector makes so much hashing last minutes")
	}
	const size = 150 << 20
	corpus := fixtures.Large(1, 1, size)
	blob := corpus.Files()[0]
	for name, c := range map[string]struct {
		before, between func(at string, info os.FileInfo) error
		verdict         finding.Verdict
		nights          int
	}{
		"damaged before":  {flipped, nil, finding.Corrupt, 2},
		"damaged between": {nil, flipped, finding.Corrupt, 3}, // its inode-change time tells
		"as it was":       {nil, nil, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBenchOf(t, corpus)
			at := filepath.Join(b.tree, blob)
			info, err := os.Stat(at)
			b.must(err)
			if c.before != nil {
				b.must(c.before(at, info))
			}
			for night := 1; night <= c.nights; night++ {
				got := b.scrub(scrub.Options{Bounds: scrub.Bounds{MaxRead: 80 << 20}, Now: func() time.Time { return noon.Add(time.Duration(night) * 24 * time.Hour) }})
				switch {
				case night < c.nights:
					if got.summary.Unfinished != 1 || len(got.findings) > 0 {
						t.Fatalf("night %d: %+v", night, got.summary)
					}
				case c.verdict == "":
					if got.summary.Intact != 1 {
						t.Errorf("%+v", got.summary)
					}
				default:
					if f := got.one(t); f.Verdict != c.verdict || f.Ranges[0].Offset != 10<<20 || f.Ranges[0].Length != shard {
						t.Errorf("%s at %v", f.Verdict, f.Ranges)
					}
				}
				if night == 1 && c.between != nil {
					b.must(c.between(at, info))
				}
			}
		})
	}
}

// flipped flips a bit 10 MiB into a file and leaves its time.
func flipped(at string, info os.FileInfo) error {
	f, err := os.OpenFile(at, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	one := make([]byte, 1)
	_, err = f.ReadAt(one, 10<<20)
	one[0] ^= 4
	_, writeErr := f.WriteAt(one, 10<<20)
	return errors.Join(err, writeErr, f.Close(), os.Chtimes(at, time.Time{}, info.ModTime()))
}
