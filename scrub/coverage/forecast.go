package coverage

import (
	"encoding/json"
	"fmt"
	"time"

	"bitmend/hashsets/catalog"
)

// A Rate is how many bytes the scrubs of late have read.
type Rate struct {
	Bytes int64
	Over  time.Duration // 0 when too few runs tell
}

// Bounds of what is taken for the present rate.
const (
	rateOver  = 28 * 24 * time.Hour // what was longer ago says nothing of today
	leastOver = 6 * time.Hour       // runs closer together are no rhythm
)

// RateOf returns the rate at which deep scrubs have read from stores, given
// the newest runs first. What a run read stands for the time until the next
// one began; the newest one stands for no time yet and does not count.
func RateOf(runs []catalog.Run, now time.Time) (Rate, error) {
	var rate Rate
	var newest, earliest time.Time
	for _, r := range runs {
		if r.Verb != "scrub" || r.Finished.IsZero() || now.Sub(r.Started) > rateOver {
			continue
		}
		var summary struct{ Bytes int64 }
		if err := json.Unmarshal(r.Summary, &summary); err != nil {
			return Rate{}, fmt.Errorf("read the summary of run %d: %w", r.ID, err)
		}
		if summary.Bytes == 0 {
			continue // it was light, or nothing was due
		}
		if newest.IsZero() {
			newest = r.Started
			continue
		}
		rate.Bytes += summary.Bytes
		earliest = r.Started
	}
	if earliest.IsZero() || newest.Sub(earliest) < leastOver {
		return Rate{}, nil
	}
	rate.Over = newest.Sub(earliest)
	return rate, nil
}

// Known tells whether there is a rate to speak of.
func (r Rate) Known() bool { return r.Over > 0 && r.Bytes > 0 }

// PerDay is the rate in bytes a day.
func (r Rate) PerDay() int64 {
	if !r.Known() {
		return 0
	}
	return int64(float64(r.Bytes) * float64(24*time.Hour) / float64(r.Over))
}

// ToRead is how long it takes to read so many bytes; ok is false when no rate
// is known or it takes more than a lifetime.
func (r Rate) ToRead(bytes int64) (d time.Duration, ok bool) {
	const lifetime = 100 * 365 * 24 * time.Hour
	if !r.Known() {
		return 0, false
	}
	d = time.Duration(min(float64(bytes)/float64(r.Bytes)*float64(r.Over), float64(lifetime)))
	return d, d < lifetime
}
