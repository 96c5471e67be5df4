package page

import (
	"fmt"
	"slices"
)

// A history draws the scrubs of late, the oldest first: how fast each read,
// and how much damage it met.
type history struct {
	Width, Height int
	Bars          []bar
	Top           string // what the highest bar stands for
	Summary       string
}

type bar struct {
	X, Y, Height int
	Title        string
	Damage       int // height of what stands below the line for damage; 0 for none
	Class        string
}

// Measures of a history, in units of its drawing.
const (
	barWidth   = 14 // with the gap
	barsDrawn  = 60
	rateHeight = 90
	badHeight  = 30
)

// Base is the line that rates stand on and damage hangs from.
func (h *history) Base() int { return rateHeight }

// historyOf is nil when no scrub read anything.
func historyOf(runs []Run) *history {
	var scrubs []Run
	for _, r := range runs {
		if r.Verb == "scrub" && r.Over && r.Rate > 0 && len(scrubs) < barsDrawn {
			scrubs = append(scrubs, r)
		}
	}
	if len(scrubs) == 0 {
		return nil
	}
	slices.Reverse(scrubs)
	fastest, worst := 0.0, int64(0)
	for _, r := range scrubs {
		fastest, worst = max(fastest, r.Rate), max(worst, r.Damaged)
	}
	h := &history{Width: max(len(scrubs), 20) * barWidth, Height: rateHeight + badHeight, Top: bytesText(int64(fastest)) + "/s"}
	for i, r := range scrubs {
		b := bar{X: i * barWidth, Height: max(1, int(r.Rate/fastest*rateHeight)), Class: "ok"}
		b.Y = rateHeight - b.Height
		if r.Damaged > 0 {
			b.Damage = max(4, int(float64(r.Damaged)/float64(worst)*badHeight))
		}
		if r.Exit&(8|32) != 0 {
			b.Class = "cut"
		}
		b.Title = fmt.Sprintf("%s: %s at %s/s, %d damaged", timeText(r.Started), bytesText(r.Bytes), bytesText(int64(r.Rate)), r.Damaged)
		h.Bars = append(h.Bars, b)
	}
	h.Summary = fmt.Sprintf("The last %d scrubs: the fastest read %s, the one that met most damage found %d damaged blobs.", len(scrubs), h.Top, worst)
	return h
}
