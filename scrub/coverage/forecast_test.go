package coverage_test

import (
	"fmt"
	"testing"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/coverage"
)

func TestRateOfRuns(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	// run is one that began so many hours ago.
	run := func(hours int, bytes int64) catalog.Run {
		at := now.Add(-time.Duration(hours) * time.Hour)
		return catalog.Run{Verb: "scrub", Started: at, Finished: at.Add(time.Hour), Summary: fmt.Appendf(nil, `{"Bytes":%d}`, bytes)}
	}
	killed := run(30, 1000)
	killed.Finished = time.Time{}
	protect := run(30, 1000)
	protect.Verb = "protect"
	for name, c := range map[string]struct {
		runs   []catalog.Run
		perDay int64
	}{
		"none":                     {nil, 0},
		"one":                      {[]catalog.Run{run(10, 100)}, 0},
		"two nights":               {[]catalog.Run{run(10, 500), run(34, 100)}, 100},
		"three nights":             {[]catalog.Run{run(10, 500), run(34, 100), run(58, 200)}, 150},
		"two in an hour":           {[]catalog.Run{run(1, 500), run(2, 100)}, 0},
		"a light one between":      {[]catalog.Run{run(10, 500), run(22, 0), run(34, 100)}, 100},
		"others do not count":      {[]catalog.Run{run(10, 500), killed, protect, run(34, 100)}, 100},
		"what is long ago neither": {[]catalog.Run{run(10, 500), run(34, 100), run(24*40, 1<<40)}, 100},
	} {
		rate, err := coverage.RateOf(c.runs, now)
		if err != nil || rate.PerDay() != c.perDay {
			t.Errorf("%s: %d bytes a day, %v; want %d", name, rate.PerDay(), err, c.perDay)
		}
	}
	rate := coverage.Rate{Bytes: 100, Over: 24 * time.Hour}
	if d, ok := rate.ToRead(1000); !ok || d != 240*time.Hour {
		t.Errorf("1000 bytes at 100 a day take %v, %v", d, ok)
	}
	if _, ok := rate.ToRead(1 << 60); ok {
		t.Error("a time longer than a life is told")
	}
	if _, ok := (coverage.Rate{}).ToRead(1); ok {
		t.Error("a time is told without a rate")
	}
}
