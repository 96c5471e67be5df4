package report

import (
	"fmt"
	"slices"
	"strings"

	"bitmend/scrub/finding"
	"bitmend/scrub/store"

	"github.com/dustin/go-humanize"
)

// count is one line of figures in a summary.
type count struct {
	what string
	n    int64
}

// summaryText writes a summary in a few lines, figures aligned. What is zero
// is left out, but for what is intact.
func (t *Text) summaryText(s Summary) string {
	b := &block{}
	rate := ""
	if s.Elapsed > 0 && s.Bytes > 0 {
		rate = fmt.Sprintf(" (%s)", rateText(float64(s.Bytes)/s.Elapsed.Seconds()))
	}
	b.head("%s: %s, %s in %s%s", t.paint(bold, Escape(s.Verb)), s.blobsText(), byteText(s.Bytes), TimeText(s.Elapsed), rate)
	for _, line := range aligned(s.counts()) {
		b.line("%s", line)
	}
	if s.NothingDue {
		b.line("nothing was due")
	}
	if s.Parity.Files > 0 {
		b.line("%s", parityText(s.Parity))
	}
	for _, traffic := range s.Traffic {
		b.line("%s", trafficText(traffic))
	}
	if s.Estimate != nil && s.Verb == "protect" {
		b.line("nothing was recorded: this is what would be")
	}
	if s.Estimate != nil && (len(s.Estimate) > 0 || s.Verb == "scrub") {
		estimateText(b, s.Estimate)
	}
	if s.Plan != "" {
		b.line("nothing was changed; this is plan %s", s.Plan)
	}
	exit := Exit(s.Exit)
	if exit == ExitClean {
		return b.String()
	}
	color := yellow
	if exit&^(ExitCannotVouch|ExitRepaired) != 0 {
		color = red
	}
	b.WriteString("    " + t.paint(color, fmt.Sprintf("%s (exit status %d)", exit, s.Exit)) + "\n")
	if next := t.nextAfter(s); next != "" {
		b.next(next)
	}
	return b.String()
}

// blobsText says how many blobs were looked at, and of how many when the run
// was bounded.
func (s *Summary) blobsText() string {
	if s.Of == 0 {
		return plural(s.Blobs, "blob")
	}
	return humanize.Comma(s.Blobs) + " of " + plural(s.Of, "blob")
}

func (s *Summary) counts() []count {
	counts := []count{{"intact", s.Intact}}
	for _, v := range Verdicts() {
		counts = append(counts, count{string(v), s.Verdicts[v]})
	}
	return slices.DeleteFunc(append(counts,
		count{"repaired", s.Repaired},
		count{"restored", s.Restored},
		count{"lost", s.Lost},
		count{"verified by the run that this one goes on with", s.Earlier},
		count{"begun and not read to the end", s.Unfinished},
		count{"found damaged before, and not looked at again", s.Standing},
		count{"not checked, for an error of this host", s.Unchecked},
		count{"not verified: looked at without reading it", s.Unverified},
		count{"overdue: not looked at for longer than max_age", s.Overdue},
		count{"new", s.New},
		count{"changed", s.Changed},
		count{"moved", s.Moved},
		count{"vanished", s.Vanished},
		count{"unchanged", s.Unchanged},
		count{"left for the next run: this one may not fetch more", s.Deferred},
		count{"skipped: sockets, devices, FIFOs", s.Skipped},
	), func(c count) bool {
		return c.n == 0 && !(c.what == "intact" && s.Verb == "scrub")
	})
}

// trafficText says what went between this host and a store.
func trafficText(t store.Traffic) string {
	words := []string{plural(t.Requests, "request"), byteText(t.Fetched) + " fetched"}
	if t.Sent > 0 {
		words = append(words, byteText(t.Sent)+" sent")
	}
	if t.Retried > 0 {
		words = append(words, humanize.Comma(t.Retried)+" made anew")
	}
	return Escape(t.Store) + ": " + strings.Join(words, ", ")
}

// estimateText says what a run would take.
func estimateText(b *block, estimate []store.Traffic) {
	if len(estimate) == 0 {
		b.line("to do it takes no request: no store is behind a network")
		return
	}
	b.line("to do it takes about, as long as no request has to be made anew:")
	for _, traffic := range estimate {
		b.line("  %s", trafficText(traffic))
	}
}

// Verdicts are all verdicts but intact in the order of a summary: damage first.
func Verdicts() []finding.Verdict {
	return []finding.Verdict{
		finding.Corrupt, finding.Stale, finding.Missing, finding.Unreadable, finding.RecordDamaged,
		finding.Modified, finding.Unrecorded, finding.Undecided, finding.Unverifiable, finding.Busy, finding.Flaky,
	}
}

// aligned writes counts one a line with the figures right-aligned.
func aligned(counts []count) []string {
	width := 0
	for _, c := range counts {
		width = max(width, len(humanize.Comma(c.n)))
	}
	lines := make([]string, len(counts))
	for i, c := range counts {
		lines[i] = fmt.Sprintf("%*s %s", width, humanize.Comma(c.n), c.what)
	}
	return lines
}

func parityText(p ParityCount) string {
	words := []string{plural(p.Files, "parity file")}
	if p.Damaged > 0 {
		words = append(words, humanize.Comma(p.Damaged)+" damaged")
	}
	if p.Repaired > 0 {
		words = append(words, humanize.Comma(p.Repaired)+" repaired")
	}
	if p.Damaged == 0 {
		words = append(words, "none damaged")
	}
	return strings.Join(words, ", ")
}

// nextAfter is the command to run after a run that left something to do.
func (t *Text) nextAfter(s Summary) string {
	exit := Exit(s.Exit)
	switch {
	case exit&ExitRefused != 0:
		return t.opts.command("gates")
	case exit&ExitCancelled != 0:
		return t.opts.command(s.Verb)
	case exit&ExitDamageLeft != 0 && s.Verb != "repair" && s.Verb != "restore":
		return t.opts.command("repair")
	}
	return ""
}
