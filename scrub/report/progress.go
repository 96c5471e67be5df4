package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

const (
	drawEvery     = 200 * time.Millisecond // between two drawings of the progress line
	standardWidth = 80                     // columns, where a terminal does not tell
	clearLine     = "\r\x1b[K"
	upAndClear    = "\x1b[1A\x1b[K"
)

// progressLine is what is drawn over in place on a terminal: one line, or one
// more for each store of a run that is about several.
type progressLine struct {
	w     io.Writer
	shown int           // lines
	drawn time.Duration // when, in the time of the run; 0 for not yet
	track Track
}

// update draws p unless the last drawing is too fresh.
func (l *progressLine) update(p Progress) {
	since := p.Elapsed - l.drawn
	if p.Verb == l.track.last.Verb && p.Store == l.track.last.Store && since >= 0 && since < drawEvery && l.drawn > 0 {
		return
	}
	l.track.Update(p)
	l.drawn = p.Elapsed
	l.draw()
}

func (l *progressLine) draw() {
	width, height := sizeOf(l.w)
	lines := l.track.Lines()
	if height > 1 {
		lines = lines[:min(len(lines), height-1)]
	}
	for i, line := range lines {
		lines[i] = cut(line, width-1)
	}
	fmt.Fprint(l.w, l.clearing()+strings.Join(lines, "\r\n"))
	l.shown = len(lines)
}

// clearing takes away what was drawn: up, line by line, and each of them empty.
func (l *progressLine) clearing() string {
	return clearLine + strings.Repeat(upAndClear, max(0, l.shown-1))
}

// clear takes the lines away, so that something else can be written.
func (l *progressLine) clear() {
	if l.shown > 0 {
		fmt.Fprint(l.w, l.clearing())
		l.shown = 0
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
