// Package pace keeps a scrub gentle on a host that has other work: it bounds
// bytes and reads a second, how many blobs are read at once, and backs off when
// the device grows slow. Limits can be changed while a run goes on.
//
// It knows nothing of blobs, catalogs or configuration files.
package pace

import (
	"fmt"
	"time"
)

// Limits are what a scrub may take of its host. The zero value takes all.
type Limits struct {
	Rate    int64         // bytes a second; 0 for no limit
	IOPS    int64         // reads a second; 0 for no limit
	Workers int           // blobs read at once in a store; 0 lets bitmend choose
	BackOff time.Duration // the latency of the device above which a scrub slows down; 0 for never
	Idle    bool          // ask the system for the idle class of I/O and the lowest priority
	Hours   Hours         // the part of the day in which blobs may be read
}

// Hours are a part of each day on the clock of the host, such as 01:00-06:00.
// From may be after To: the hours then span midnight. Equal ones, as the zero
// value has them, are the whole day.
type Hours struct{ From, To time.Duration } // since midnight

// ParseHours reads "01:00-06:00".
func ParseHours(text string) (Hours, error) {
	var fromHour, fromMinute, toHour, toMinute int
	n, err := fmt.Sscanf(text, "%d:%d-%d:%d", &fromHour, &fromMinute, &toHour, &toMinute)
	h := Hours{clock(fromHour, fromMinute), clock(toHour, toMinute)}
	if err != nil || n != 4 || h.String() != text || !onClock(fromHour, fromMinute) || !onClock(toHour, toMinute) || h.WholeDay() {
		return Hours{}, fmt.Errorf("%q is not a part of the day such as \"01:00-06:00\"", text)
	}
	return h, nil
}

func clock(hour, minute int) time.Duration {
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
}

func onClock(hour, minute int) bool { return 0 <= hour && hour < 24 && 0 <= minute && minute < 60 }

// String writes what ParseHours reads.
func (h Hours) String() string {
	minutes := func(d time.Duration) (int, int) { return int(d / time.Hour), int(d % time.Hour / time.Minute) }
	fromHour, fromMinute := minutes(h.From)
	toHour, toMinute := minutes(h.To)
	return fmt.Sprintf("%02d:%02d-%02d:%02d", fromHour, fromMinute, toHour, toMinute)
}

// WholeDay tells whether the hours leave nothing out.
func (h Hours) WholeDay() bool { return h.From == h.To }

// Next returns the hours that are running at now, or else the next ones: when
// they begin (now, when they are running) and when they end. They are those on
// the wall: on a day on which the clock is put forward they may be shorter.
func (h Hours) Next(now time.Time) (begin, end time.Time) {
	year, month, day := now.Date()
	at := func(day int, since time.Duration) time.Time {
		return time.Date(year, month, day, int(since/time.Hour), int(since%time.Hour/time.Minute), 0, 0, now.Location())
	}
	for offset := -1; ; offset++ {
		begin = at(day+offset, h.From)
		end = at(day+offset, h.To)
		if h.To <= h.From {
			end = at(day+offset+1, h.To)
		}
		switch {
		case !now.Before(end):
		case now.Before(begin):
			return begin, end
		default:
			return now, end
		}
	}
}
