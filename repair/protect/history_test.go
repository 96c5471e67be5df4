package protect_test

import (
	"fmt"
	"testing"
	"time"

	"bitmend/scrub/vault"
)

func TestProtectKeepsTheHistoryThatIsAskedFor(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, func(c *vault.Config) {
		c.History = vault.HistoryLimits{KeepGenerations: 2, KeepFor: 36 * time.Hour}
	})
	w.opts.Now = func() time.Time { return now }
	for day := range 6 {
		w.write("a", fmt.Appendf(nil, "day %d", day))
		w.write("b", []byte("never changes"))
		if day == 0 {
			w.write("c", []byte("goes"))
		} else if day == 1 {
			w.remove("c")
		}
		w.protect()
		now = now.Add(24 * time.Hour)
	}
	for name, want := range map[string]int{"a": 3, "b": 1, "c": 0} {
		if got := w.generations(name); got != want {
			t.Errorf("%d generations of %s are left, want %d", got, name, want)
		}
	}
	w.checkRecorded()
}

func TestAClockThatJumpsCostsNoHistory(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, func(c *vault.Config) {
		c.History = vault.HistoryLimits{KeepGenerations: 1, KeepFor: 36 * time.Hour}
	})
	w.opts.Now = func() time.Time { return now }
	for day := range 3 {
		w.write("a", fmt.Appendf(nil, "day %d", day))
		w.protect()
		now = now.Add(time.Hour)
	}
	now = now.Add(10 * 365 * 24 * time.Hour)
	w.protect()
	if got := w.generations("a"); got != 3 {
		t.Errorf("%d generations are left, want all 3", got)
	}
	now = now.Add(-10 * 365 * 24 * time.Hour)
	w.protect()
	if got := w.generations("a"); got != 3 {
		t.Errorf("%d generations are left when the clock is right again, want all 3", got)
	}
}

// generations tells how many generations of a name are recorded.
func (w *world) generations(name string) int {
	w.Helper()
	v := w.open()
	defer v.Close()
	all, _ := v.Catalog.Generations(w.Context(), name)
	return len(all)
}
