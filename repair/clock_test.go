package repair_test

import (
	"sync/atomic"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/repair"
	"bitmend/scrub/report"
)

// A clock that runs backwards, stands still or jumps by years loses nothing:
// each repair has its own receipt, and its original is kept.
func TestAClockThatJumpsLosesNothing(t *testing.T) {
	t.Parallel() // it waits for the disk
	fixtures.Sequential(t)
	var ticks atomic.Int64
	begun := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, clock := range map[string]func() time.Time{
		"it stands still":    func() time.Time { return begun },
		"it runs backwards":  func() time.Time { return begun.Add(-time.Duration(ticks.Add(1)) * time.Minute) },
		"it jumps by years":  func() time.Time { return begun.AddDate(int(ticks.Add(1)%2)*-30, 0, 0) },
		"it is before 1970":  func() time.Time { return time.Unix(-1e9, 0) },
		"it is the far 2200": func() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "primary", "dr")
			w.everywhere("first", content(1, 2*shard))
			w.everywhere("second", content(2, 2*shard))
			w.protect()
			good := w.snapshot("primary")
			w.scramble("primary", "first", 0)
			w.scramble("primary", "second", 1)
			damaged := map[string]string{"first": string(w.read("primary", "first")), "second": string(w.read("primary", "second"))}
			w.scrub()
			_, file := w.planned(repair.Options{})

			h, _ := w.repair(repair.Options{Now: clock})

			receipts := map[string]bool{}
			for name, bytes := range damaged {
				e := w.expect(h, "primary", name, report.Repaired)
				if string(w.kept(e.Receipt)) != bytes {
					t.Errorf("the original of %s is not kept", name)
				}
				receipts[e.Receipt] = true
			}
			if len(receipts) != 2 {
				t.Errorf("receipts %v", receipts)
			}
			w.same(good, "primary")
			w.tidy()
			if h, _ := w.carryOut(file); len(h.of("primary", "first")) != 1 || h.of("primary", "first")[0].Outcome != report.Skipped {
				t.Errorf("a plan that was carried out is carried out again: %+v", h.repairs)
			}
		})
	}
}
