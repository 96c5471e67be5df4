package coverage_test

import (
	"fmt"
	"testing"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/coverage"
)

func TestAges(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var ages coverage.Ages
	add := func(looked, recorded time.Duration) {
		i := coverage.Item{Known: catalog.Known{Record: catalog.Record{RecordedAt: now.Add(-recorded)}}}
		if looked >= 0 {
			i.Looked = now.Add(-looked)
		}
		ages.Add(&i, now)
	}
	if got := ages.Percentile(50); got != 0 || ages.Days() != nil {
		t.Errorf("of no blobs half are %v old, on days %v", got, ages.Days())
	}
	add(0, time.Hour)
	add(-time.Hour, 49*time.Hour) // never looked at: it waits since it was recorded
	add(30*time.Hour, 90*time.Hour)
	for range 7 {
		add(10*time.Minute, time.Hour)
	}
	if days := fmt.Sprint(ages.Days()); days != "[8 1 1]" {
		t.Errorf("by days: %s", days)
	}
	for percent, want := range map[float64]time.Duration{50: time.Hour, 80: time.Hour, 90: 31 * time.Hour, 91: 50 * time.Hour, 100: 50 * time.Hour} {
		if got := ages.Percentile(percent); got != want {
			t.Errorf("%v %% are at most %v old, want %v", percent, got, want)
		}
	}
	add(20*366*24*time.Hour, 0)
	if days := len(ages.Days()); days != 3*366+1 {
		t.Errorf("twenty years are %d days", days)
	}
}
