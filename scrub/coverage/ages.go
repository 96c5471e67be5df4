package coverage

import (
	"math"
	"time"
)

// agesKept is how far back ages are told apart: about three years. What is
// older counts as this old.
const agesKept = 3 * 366 * 24

// Ages counts the blobs of a store by how long ago each was last looked at, to
// the hour. One that was never looked at has waited since it was recorded. It
// takes the same memory for any number of blobs.
type Ages struct {
	hours [agesKept + 1]int64
	total int64
}

// Add counts one blob.
func (a *Ages) Add(i *Item, now time.Time) {
	since := i.Looked
	if since.IsZero() {
		since = i.RecordedAt
	}
	hours := max(0, min(int64(now.Sub(since)/time.Hour), agesKept))
	a.hours[hours]++
	a.total++
}

// Percentile returns the age that so many percent of the blobs do not exceed,
// rounded up to the hour; 0 when there are none.
func (a *Ages) Percentile(percent float64) time.Duration {
	rank := int64(math.Ceil(float64(a.total) * percent / 100))
	seen := int64(0)
	for hours, n := range a.hours {
		if seen += n; n > 0 && seen >= rank {
			return time.Duration(hours+1) * time.Hour
		}
	}
	return 0
}

// Days returns how many blobs are so many days old: of less than a day first.
// It ends with the oldest.
func (a *Ages) Days() []int64 {
	var days []int64
	for hours, n := range a.hours {
		if n == 0 {
			continue
		}
		for len(days) <= hours/24 {
			days = append(days, 0)
		}
		days[hours/24] += n
	}
	return days
}

// A Group is how many blobs have an age, in the few ages that people speak of.
type Group struct {
	Ages  string
	Blobs int64
}

// Groups counts the blobs by age, the youngest first.
func (a *Ages) Groups() []Group {
	bounds := []struct {
		days int
		ages string
	}{{1, "less than a day"}, {7, "1 to 6 days"}, {30, "7 to 29 days"}, {90, "30 to 89 days"}, {agesKept, "90 days and more"}}
	groups := make([]Group, len(bounds))
	i := 0
	for day, n := range a.Days() {
		for day >= bounds[i].days {
			i++
		}
		groups[i].Blobs += n
	}
	for i, b := range bounds {
		groups[i].Ages = b.ages
	}
	return groups
}
