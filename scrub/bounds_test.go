package scrub_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/fixtures/faultstore"
	"bitmend/hashsets/catalog"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// noon is when the tests of bounds run.
var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// newAges is a bench of blobs a, b, c … of 100,000 bytes each, verified so many
// days before noon; a negative number is never.
func newAges(t *testing.T, days ...int) *bench {
	t.Helper()
	names := make([]string, len(days))
	for i := range days {
		names[i] = string(rune('a' + i))
	}
	b := newBenchOf(t, fixtures.Corpus{})
	for _, name := range names {
		b.must(os.WriteFile(filepath.Join(b.tree, name), fmt.Appendf(nil, "%0100000s", name), 0o644))
	}
	b.record(1)
	b.must(b.vault.Catalog.Update(t.Context(), func(tx *catalog.Tx) error {
		for i, name := range names {
			if days[i] < 0 {
				continue
			}
			r, err := tx.Current(name)
			if err != nil {
				return err
			}
			c := catalog.Coverage{Store: "primary", Name: name, Generation: 1, Identity: r.Identity, Depth: catalog.DeepDirect,
				VerifiedAt: noon.Add(-time.Duration(days[i]) * 24 * time.Hour)}
			if err := tx.PutCoverage(c); err != nil {
				return err
			}
		}
		return nil
	}))
	return b
}

// looked returns the names of the blobs that were verified at noon or found
// then not to be intact.
func (b *bench) looked() []string {
	b.Helper()
	var names []string
	for known, err := range b.vault.Catalog.Records(b.Context(), catalog.Query{Store: "primary"}) {
		b.must(err)
		if known.Seen != nil && known.Seen.VerifiedAt.Equal(noon) {
			names = append(names, known.Name)
		}
	}
	for f, err := range b.vault.Catalog.Findings(b.Context(), "primary") {
		b.must(err)
		if f.LastSeen.Equal(noon) {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestWhatABoundedRunReads(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		days   []int // since each was verified
		bounds scrub.Bounds
		want   string
		exit   int
	}{
		"the oldest of all":             {[]int{5, 9, 7, 1}, scrub.Bounds{MaxRead: 1}, "b", 0},
		"the two oldest":                {[]int{5, 9, 7, 1}, scrub.Bounds{MaxRead: 100001}, "b c", 0},
		"never verified first":          {[]int{500, -1, 7, -1}, scrub.Bounds{MaxRead: 150000}, "b d", 0},
		"a share is rounded up":         {[]int{5, 9, 7, 1}, scrub.Bounds{Percent: 26}, "b c", 0},
		"a share of all":                {[]int{5, 9, 7, 1}, scrub.Bounds{Percent: 100}, "a b c d", 0},
		"the tighter of two":            {[]int{5, 9, 7, 1}, scrub.Bounds{Percent: 100, MaxRead: 1}, "b", 0},
		"older than six days":           {[]int{5, 9, 7, 1}, scrub.Bounds{OlderThan: 6 * day}, "b c", 0},
		"nothing is older":              {[]int{5, 9, 7, 1}, scrub.Bounds{OlderThan: 10 * day}, "", 0},
		"verified by a clock ahead":     {[]int{5, -2, 7, 1}, scrub.Bounds{MaxRead: 1}, "b", 0},
		"time that is over at once":     {[]int{5, 9}, scrub.Bounds{Until: noon}, "", 2},
		"what changed in between stays": {[]int{5, 9, 9, 9}, scrub.Bounds{MaxRead: 200001}, "b c d", 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newAges(t, c.days...)
			if slices.Contains(c.days, -2) {
				b.must(b.vault.Catalog.Update(t.Context(), func(tx *catalog.Tx) error {
					return tx.PutCoverage(catalog.Coverage{Store: "primary", Name: "b", Generation: 1, VerifiedAt: noon.Add(day), Depth: catalog.DeepDirect})
				}))
			}
			got := b.scrub(scrub.Options{Bounds: c.bounds, Now: atNoon})
			if looked := fmt.Sprint(b.looked()); looked != "["+c.want+"]" {
				t.Errorf("it looked at %s, want [%s]", looked, c.want)
			}
			if got.summary.Exit != c.exit || got.summary.Of != int64(len(c.days)) {
				t.Errorf("exit %d of %d blobs, want %d of %d", got.summary.Exit, got.summary.Of, c.exit, len(c.days))
			}
		})
	}
}

// A time budget ends the run at a blob, and the next run goes on there: nothing
// is read a second time before everything was read once, and what was read
// counts. Time goes by with what is opened, and not with who looks at the clock:
// the walk looks too, ahead of the reading.
func TestRunsOfABudgetOfTimeGoOnWhereTheOneBeforeStopped(t *testing.T) {
	const blobs, perHour = 500, 60
	atOnce := max(16, runtime.GOMAXPROCS(0)) // readers: each may have begun a blob when the hour ends
	b := newBenchOf(t, fixtures.Tiny(1, blobs, 1000, 2000))
	inner, err := b.vault.Store("primary")
	b.must(err)
	s := &hourly{Store: inner, perOpen: time.Hour / perHour, opened: map[string]int{}}
	for night := 0; len(s.opened) < blobs; night++ {
		s.now = noon.Add(time.Duration(night) * 24 * time.Hour)
		opened := s.opens
		got := b.scrub(scrub.Options{Bounds: scrub.Bounds{Budget: time.Hour}, Now: s.clock, Open: func(string) (store.Store, error) { return s, nil }})
		if opened = s.opens - opened; opened < perHour || opened > perHour+atOnce || got.summary.Intact != int64(opened) {
			t.Fatalf("night %d: %d blobs were opened and %d verified, where an hour is enough for %d", night, opened, got.summary.Intact, perHour)
		}
	}
	if s.again > 0 && s.again < blobs {
		t.Errorf("the first %d of %d blobs were read before one was read again", s.again, blobs)
	}
}

// An hourly store makes time go by with each blob that is opened.
type hourly struct {
	store.Store
	perOpen time.Duration

	mu     sync.Mutex
	now    time.Time
	opens  int
	opened map[string]int // how often, by name
	again  int            // how many blobs were opened when one was opened again first; 0 for never
}

func (s *hourly) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *hourly) Open(ctx context.Context, name string, access store.Access) (store.Reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(s.perOpen)
	s.opens++
	if s.opened[name]++; s.opened[name] == 2 && s.again == 0 {
		s.again = len(s.opened)
	}
	return s.Store.Open(ctx, name, access)
}

// Blobs that stay damaged, changed or unreadable do not keep a bounded run from
// all others, and damage that it does not look at again is not forgotten.
func TestTroubleDoesNotKeepABoundedRunFromTheRest(t *testing.T) {
	b := newAges(t, 9, 9, 9, 9, 9, 9)
	for _, name := range []string{"a", "b", "c"} {
		b.damage("zeroed", name)
	}
	b.must(os.WriteFile(filepath.Join(b.tree, "new"), []byte("unrecorded"), 0o644))
	var exits []int
	var standing []int64
	for night := range 4 {
		got := b.scrub(scrub.Options{Bounds: scrub.Bounds{MaxRead: 199_999}, Now: func() time.Time { return noon.Add(time.Duration(night) * 24 * time.Hour) }})
		exits, standing = append(exits, got.summary.Exit), append(standing, got.summary.Standing)
		if got.summary.Verdicts[finding.Unrecorded] > 0 {
			t.Error("a run that lists nothing speaks of what is not recorded")
		}
	}
	if fmt.Sprint(exits, standing) != "[4 4 4 4] [0 2 3 1]" {
		t.Errorf("exits and standing damage are %v %v", exits, standing)
	}
	for known, err := range b.vault.Catalog.Records(t.Context(), catalog.Query{Store: "primary"}) {
		b.must(err)
		if good := known.Name > "c"; good && known.Seen.VerifiedAt.Before(noon) {
			t.Errorf("%s was not read in four nights", known.Name)
		}
	}
}

func TestOnlyDamagedReadsWhatHasAFinding(t *testing.T) {
	b := newAges(t, 1, 2, 3, 4)
	flip := func(names ...string) []faultstore.Rule {
		var rules []faultstore.Rule
		for _, name := range names {
			rules = append(rules, faultstore.FlippedBit(name, 70_000, 1))
		}
		return rules
	}
	b.must(os.WriteFile(filepath.Join(b.tree, "new"), []byte("unrecorded"), 0o644))
	b.scrub(scrub.Options{Open: b.faulty(flip("b", "c")...)})
	b.must(os.Remove(filepath.Join(b.tree, "new")))
	got := b.scrub(scrub.Options{Open: b.faulty(flip("a", "c")...), Bounds: scrub.Bounds{OnlyDamaged: true}, Now: atNoon})
	if f := got.one(t); f.Blob != "c" {
		t.Errorf("it found %s", f.Blob)
	}
	if looked := fmt.Sprint(b.looked()); looked != "[b c]" || got.summary.Blobs != 2 {
		t.Errorf("it looked at %s, %d blobs", looked, got.summary.Blobs)
	}
	var left []string
	for f, err := range b.vault.Catalog.Findings(t.Context(), "primary") {
		b.must(err)
		left = append(left, f.Name)
	}
	if fmt.Sprint(left) != "[c]" {
		t.Errorf("findings of %v are left, want [c]", left)
	}
	again := b.scrub(scrub.Options{Bounds: scrub.Bounds{OnlyDamaged: true}})
	last := b.scrub(scrub.Options{Bounds: scrub.Bounds{OnlyDamaged: true}})
	if again.summary.Exit != 0 || again.summary.Intact != 1 || last.summary.Exit != 0 || !last.summary.NothingDue {
		t.Errorf("%+v, then %+v", again.summary, last.summary)
	}
}

// A bounded run sees a part of the store: what is damaged counts against what
// it looked at, and only-damaged runs against everything.
func TestGatesOfBoundedRuns(t *testing.T) {
	days := make([]int, 26)
	for i := range days {
		days[i] = 3
	}
	for name, c := range map[string]struct {
		percent float64 // of the gate
		bounds  scrub.Bounds
		open    bool
	}{
		"12 of the 13 looked at":        {90, scrub.Bounds{MaxRead: 1_200_001}, true},
		"12 of 26, looking at all":      {90, scrub.Bounds{Percent: 100}, false},
		"12 of 26, looking at only 12":  {90, scrub.Bounds{OnlyDamaged: true}, false},
		"12 of 26 are more than 40 %":   {40, scrub.Bounds{OnlyDamaged: true}, true},
		"time that is over at once, 0 ": {0, scrub.Bounds{Until: noon}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newAges(t, days...)
			for i := range 12 {
				b.damage("zeroed", string(rune('a'+i)))
			}
			if c.bounds.OnlyDamaged {
				b.vault.Config.MassDamage.Percent = 100
				b.scrub(scrub.Options{})
			}
			b.vault.Config.MassDamage.Percent = c.percent
			got := b.scrub(scrub.Options{Bounds: c.bounds, Now: atNoon})
			if open := len(got.gates) > 0; open != c.open {
				t.Errorf("gates %+v after %d blobs with %d damaged", got.gates, got.summary.Blobs, got.summary.Damaged)
			}
		})
	}
}

func TestOverdueBlobsAreCounted(t *testing.T) {
	const day = 24 * time.Hour
	b := newAges(t, 40, 29, 35, 2)
	b.vault.Config.MaxAge = 30 * day
	got := b.scrub(scrub.Options{Bounds: scrub.Bounds{MaxRead: 1}, Now: atNoon})
	if got.summary.Overdue != 1 || got.summary.Exit != 2 {
		t.Errorf("%d overdue, exit %d; want 1, 2", got.summary.Overdue, got.summary.Exit)
	}
	if got := b.scrub(scrub.Options{Now: atNoon}); got.summary.Overdue != 0 || got.summary.Exit != 0 {
		t.Errorf("after everything was read %d are overdue, exit %d", got.summary.Overdue, got.summary.Exit)
	}
	later := func() time.Time { return noon.Add(31 * day) }
	if got := b.scrub(scrub.Options{Light: true, Now: later}); got.summary.Overdue != 4 {
		t.Errorf("a light scrub a month later says that %d are overdue", got.summary.Overdue)
	}
}

// A store that is asked for the blobs of a bounded run is held to the same
// verdicts as one that is listed.
func TestABoundedRunJudgesAsAnyOther(t *testing.T) {
	for fault, verdict := range map[string]finding.Verdict{
		"bit-flip-first": finding.Corrupt, "deleted": finding.Missing, "replaced-by-link": finding.Modified,
		"replaced-by-directory": finding.Modified, "truncated-to-nothing": finding.Corrupt,
	} {
		t.Run(fault, func(t *testing.T) {
			b := newBench(t)
			b.damage(fault, "sizes/two-shards")
			got := b.scrub(scrub.Options{Bounds: scrub.Bounds{OlderThan: time.Second}})
			if f := got.one(t); f.Verdict != verdict || f.Blob != "sizes/two-shards" {
				t.Errorf("%s of %s", f.Verdict, f.Blob)
			}
			if got.summary.Blobs != got.summary.Of {
				t.Errorf("%d blobs of %d", got.summary.Blobs, got.summary.Of)
			}
		})
	}
}
