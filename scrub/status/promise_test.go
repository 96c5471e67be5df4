package status

import (
	"strings"
	"testing"
	"time"

	"bitmend/scrub/coverage"
)

func TestPromise(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.Local)
	a100 := coverage.Rate{Bytes: 100 << 30, Over: day}
	for name, c := range map[string]struct {
		promise Promise
		want    []string // lines; each holds the words given
	}{
		"kept":       {Promise{MaxAge: 30 * day, Bytes: 2000 << 30, Rate: a100}, []string{"every blob was looked at within 30 days", "at 100 GiB a day all is read in 20 days, by 2026-12-16"}},
		"overdue":    {Promise{MaxAge: 30 * day, Bytes: 2000 << 30, Rate: a100, Overdue: coverage.Backlog{Blobs: 1234, Bytes: 5 << 30}}, []string{"1,234 blobs (5.0 GiB) are overdue", "20 days"}},
		"too slow":   {Promise{MaxAge: 10 * day, Bytes: 2000 << 30, Rate: a100}, []string{"within 10 days", "20 days", "breaks the promise of 10 days; 200 GiB a day would keep it"}},
		"no promise": {Promise{Bytes: 150 << 30, Rate: a100}, []string{"read in 36 hours"}},
		"no rate":    {Promise{Bytes: 150 << 30}, []string{"too few scrubs"}},
	} {
		got := c.promise.describe(now)
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for i, words := range c.want {
			if !strings.Contains(got[i], words) {
				t.Errorf("%s: %q says nothing of %q", name, got[i], words)
			}
			if len(got[i]) > 66 {
				t.Errorf("%s: %q does not fit into 80 columns", name, got[i])
			}
		}
	}
}
