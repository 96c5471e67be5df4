package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

const (
	drawEvery     = 200 * time.Millisecond // between two drawings of the progress line
	rateMemory    = 5 * time.Second        // over which the rate is smoothed
	standardWidth = 80                     // columns, where a terminal does not tell
	clearLine     = "\r\x1b[K"
)

// progressLine is a line on a terminal that is drawn over in place.
type progressLine struct {
	w     io.Writer
	shown bool
	last  Progress
	rate  float64 // bytes a second, smoothed
}

// update draws p unless the last drawing is too fresh.
func (l *progressLine) update(p Progress) {
	since := p.Elapsed - l.last.Elapsed
	if p.Verb != l.last.Verb || p.Store != l.last.Store || since < 0 || p.Bytes < l.last.Bytes {
		l.rate, l.last = 0, Progress{}
		since = p.Elapsed
	} else if since < drawEvery && l.last.Elapsed > 0 {
		return
	}
	l.follow(p.Bytes-l.last.Bytes, since)
	l.last = p
	l.draw()
}

// follow moves the rate towards what the last moments had.
func (l *progressLine) follow(bytes int64, since time.Duration) {
	if since <= 0 {
		return
	}
	now := float64(bytes) / since.Seconds()
	if l.rate == 0 {
		l.rate = now
		return
	}
	l.rate += (now - l.rate) * (1 - math.Exp(-since.Seconds()/rateMemory.Seconds()))
}

func (l *progressLine) draw() {
	width := widthOf(l.w)
	if width <= 0 {
		width = standardWidth
	}
	fmt.Fprint(l.w, clearLine+cut(l.text(), width-1))
	l.shown = true
}

func (l *progressLine) text() string {
	p := l.last
	words := []string{strings.TrimSpace(p.Verb + " " + p.Store)}
	if p.Total > 0 {
		share := min(100, 100*float64(p.Bytes)/float64(p.Total))
		words = append(words, fmt.Sprintf("%.0f%%", math.Floor(share)),
			fmt.Sprintf("%s of %s", byteText(p.Bytes), byteText(max(p.Bytes, p.Total))))
	} else {
		words = append(words, byteText(p.Bytes))
	}
	words = append(words, rateText(l.rate))
	if left := p.Total - p.Bytes; left > 0 && l.rate > 0 {
		words = append(words, TimeText(time.Duration(float64(left)/l.rate*float64(time.Second)))+" left")
	}
	words = append(words, plural(p.Findings, "finding"))
	return Escape(strings.Join(words, "  "))
}

// clear takes the line away, so that something else can be written.
func (l *progressLine) clear() {
	if l.shown {
		fmt.Fprint(l.w, clearLine)
		l.shown = false
	}
}

// cut shortens text to a number of columns.
func cut(text string, columns int) string {
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	return string([]rune(text)[:max(0, columns)])
}

func byteText(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

func rateText(bytesPerSecond float64) string { return byteText(int64(bytesPerSecond)) + "/s" }

// TimeText writes a length of time in its two largest units: "1 h 12 min", "8 s".
func TimeText(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d/time.Hour%24)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d/time.Minute%60)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d/time.Second%60)
	case d >= 10*time.Second:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// Span writes a long time in one unit, rounded up: "9 days", "30 hours".
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d > 2*day:
		return fmt.Sprintf("%d days", (d+day-1)/day)
	case d > time.Hour:
		return fmt.Sprintf("%d hours", (d+time.Hour-1)/time.Hour)
	}
	return "an hour"
}

// plural counts things: "1 blob", "1,200 blobs".
func plural(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return humanize.Comma(n) + " " + thing
}
