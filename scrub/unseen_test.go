package scrub_test

import (
	"context"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/hashsets"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// An asked store counts what it is asked for of each name, and has something
// happen to a name between its being listed and its being yielded.
type asked struct {
	store.Store
	between func(name string)

	mu     sync.Mutex
	opened map[string]int
	looked map[string]int
}

func (a *asked) List(ctx context.Context, opts store.ListOptions) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for entry, err := range a.Store.List(ctx, opts) {
			a.between(entry.Name)
			if !yield(entry, err) {
				return
			}
		}
	}
}

func (a *asked) Open(ctx context.Context, name string, access store.Access) (store.Reader, error) {
	a.mu.Lock()
	a.opened[name]++
	a.mu.Unlock()
	return a.Store.Open(ctx, name, access)
}

func (a *asked) Stat(ctx context.Context, name string) (store.Entry, error) {
	a.mu.Lock()
	a.looked[name]++
	a.mu.Unlock()
	return a.Store.Stat(ctx, name)
}

// ask has scrubs open the primary store as one that counts.
func (b *bench) ask(opts *scrub.Options) *asked {
	inner, err := b.vault.Store("primary")
	b.must(err)
	a := &asked{Store: inner, between: func(string) {}, opened: map[string]int{}, looked: map[string]int{}}
	opts.Open = func(string) (store.Store, error) { return a, nil }
	return a
}

// files are the recorded files, each once.
func (b *bench) files() map[string]int {
	s, err := b.vault.Store("primary")
	b.must(err)
	once := map[string]int{}
	for entry, err := range s.List(b.Context(), store.ListOptions{}) {
		b.must(err)
		if entry.Kind == hashsets.File {
			once[entry.Name] = 1
		}
	}
	return once
}

func TestARecordedFileIsOpenedOnceAndNotLookedAtBefore(t *testing.T) {
	b := newBench(t)
	for name, opts := range map[string]scrub.Options{
		"everything": {},
		"a share":    {Bounds: scrub.Bounds{Percent: 100}},
	} {
		a := b.ask(&opts)
		if got := b.scrub(opts); got.summary.Exit != 0 {
			t.Errorf("%s: exit %d, %+v", name, got.summary.Exit, got.findings)
		}
		if want := b.files(); !maps.Equal(a.opened, want) {
			t.Errorf("%s: opened are %v, want %v", name, a.opened, want)
		}
		for blob, times := range a.looked {
			if a.opened[blob] > 0 {
				t.Errorf("%s: %s was looked at %d times besides", name, blob, times)
			}
		}
	}
}

// What becomes of a file after its directory was read is found as what became
// of it before.
func TestAFileThatChangesAfterItWasListedIsJudgedByWhatIsThere(t *testing.T) {
	const blob = "sizes/text"
	for _, fault := range []string{"deleted", "replaced-by-link", "replaced-by-directory", "replaced-by-fifo", "truncated-by-1", "bit-flip-middle"} {
		t.Run(fault, func(t *testing.T) {
			b, late := newBench(t), newBench(t)
			b.damage(fault, blob)
			want := b.scrub(scrub.Options{}).one(t)
			var opts scrub.Options
			late.ask(&opts).between = func(name string) {
				if name == blob {
					late.damage(fault, blob)
				}
			}
			got := late.scrub(opts).one(t)
			if got.Verdict != want.Verdict || got.Blob != want.Blob || got.Kind != want.Kind || got.Reason != want.Reason {
				t.Errorf("%s is %+v, and %+v where it came before", fault, got, want)
			}
		})
	}
}

func TestAFileThatIsNotRecordedAndGoesAfterItWasListedIsNoNews(t *testing.T) {
	b := newBenchOf(t, fixtures.Tiny(1, 10, 100, 200))
	passing, staying := filepath.Join(b.tree, "passing"), filepath.Join(b.tree, "staying")
	b.must(os.WriteFile(passing, []byte("soon gone"), 0o644))
	b.must(os.WriteFile(staying, []byte("here"), 0o644))
	b.must(os.Chtimes(staying, time.Time{}, time.Unix(1, 2)))
	var opts scrub.Options
	b.ask(&opts).between = func(name string) {
		if name == "passing" {
			b.must(os.Remove(passing))
		}
	}
	f := b.scrub(opts).one(t)
	if f.Blob != "staying" || f.Verdict != finding.Unrecorded || f.Identity.ModTime != time.Unix(1, 2).UnixNano() {
		t.Errorf("found %+v", f)
	}
}
