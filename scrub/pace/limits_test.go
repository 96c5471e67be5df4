package pace_test

import (
	"testing"
	"time"

	"bitmend/scrub/pace"
)

func TestHours(t *testing.T) {
	for _, c := range []struct{ hours, now, begin, end string }{
		{"01:00-06:00", "10 00:30", "10 01:00", "10 06:00"},
		{"01:00-06:00", "10 01:00", "10 01:00", "10 06:00"},
		{"01:00-06:00", "10 05:59", "10 05:59", "10 06:00"},
		{"01:00-06:00", "10 06:00", "11 01:00", "11 06:00"},
		{"22:30-06:00", "10 23:00", "10 23:00", "11 06:00"},
		{"22:30-06:00", "10 05:00", "10 05:00", "10 06:00"},
		{"22:30-06:00", "10 12:00", "10 22:30", "11 06:00"},
	} {
		h, err := pace.ParseHours(c.hours)
		if err != nil || h.String() != c.hours {
			t.Fatalf("%s is read as %v, %v", c.hours, h, err)
		}
		at := func(text string) time.Time {
			parsed, err := time.ParseInLocation("2006-01-02 15:04", "2026-11-"+text, time.Local)
			if err != nil {
				t.Fatal(err)
			}
			return parsed
		}
		begin, end := h.Next(at(c.now))
		if !begin.Equal(at(c.begin)) || !end.Equal(at(c.end)) {
			t.Errorf("%s at %s: from %v to %v, want %s to %s", c.hours, c.now, begin, end, c.begin, c.end)
		}
	}
	for _, text := range []string{"", "1:00-6:00", "01:00", "24:00-06:00", "01:60-06:00", "01:00-01:00", "01:00-06:00 ", "-1:00-06:00", "01.00-06.00"} {
		if h, err := pace.ParseHours(text); err == nil {
			t.Errorf("%q is read as %v", text, h)
		}
	}
}
