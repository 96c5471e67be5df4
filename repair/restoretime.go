package repair

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseTime reads a time in the past as people say it: RFC 3339; a date, which
// is its last instant in the zone of now; a date and a time of day in that
// zone; or an age, such as 36h, 7d or 2w, before now.
func ParseTime(text string, now time.Time) (time.Time, error) {
	at, ok := readTime(text, now)
	switch {
	case !ok:
		return time.Time{}, fmt.Errorf("%q is no time such as 2026-11-20, \"2026-11-20 14:30\", 2026-11-20T14:30:00Z, 36h or 7d", text)
	case at.After(now):
		return time.Time{}, fmt.Errorf("%q has not come yet", text)
	}
	return at, nil
}

func readTime(text string, now time.Time) (time.Time, bool) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, true
	}
	for _, form := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return at, true
		}
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		last := day.AddDate(0, 0, 1).Add(-1)
		if last.After(now) && !day.After(now) {
			last = now // today
		}
		return last, true
	}
	age, ok := readAge(text)
	return now.Add(-age), ok
}

// readAge reads a duration, in which whole days and weeks may stand for hours.
func readAge(text string) (time.Duration, bool) {
	for unit, hours := range map[string]int64{"d": 24, "w": 7 * 24} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseInt(number, 10, 32)
			return time.Duration(n*hours) * time.Hour, err == nil && n >= 0 && n*hours < 100*366*24
		}
	}
	age, err := time.ParseDuration(text)
	return age, err == nil && age >= 0
}
