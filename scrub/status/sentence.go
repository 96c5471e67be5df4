package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

// Level is how urgent the state is.
type Level int

// The levels.
const (
	Good Level = iota // nothing is known to be wrong
	Warn              // something cannot be vouched for
	Bad               // damage, loss, or a gate that is open
)

// Level tells how urgent the state is.
func (s *State) Level() Level {
	switch {
	case s.Damaged() > 0 || s.BadParity > 0 || s.Lost > 0 || len(s.Gates) > 0:
		return Bad
	case s.total() > 0 || s.Promise.Overdue.Blobs > 0 || s.Totals.Blobs == 0 || !s.healthy():
		return Warn
	}
	return Good
}

// healthy tells whether the last scrub did all it was to do. A vault that was
// never scrubbed is as lately verified as its blobs are recorded.
func (s *State) healthy() bool {
	last := s.Last("scrub", Ended)
	return !s.brokeOff() && (last == nil || last.Complete())
}

// brokeOff tells whether the last scrub failed or was killed: what is on record
// of damage may not be all there is then.
func (s *State) brokeOff() bool {
	newest := slices.IndexFunc(s.Runs, func(r Run) bool { return r.Verb == "scrub" && !(r.Finished.IsZero() && s.Busy) })
	return newest >= 0 && (s.Runs[newest].Finished.IsZero() || s.Runs[newest].Exit&report.ExitOperational != 0)
}

// Sentence is the state in one sentence.
func (s *State) Sentence() string {
	if s.Totals.Blobs == 0 {
		return "Nothing is protected yet."
	}
	var parts []string
	say := func(n int64, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, humanize.Comma(n)+" "+many)
		}
	}
	say(s.Lost, "blob is lost", "blobs are lost")
	say(s.Damaged()-s.lostBlobs(), "blob is damaged", "blobs are damaged")
	say(s.BadParity, "parity file is damaged", "parity files are damaged")
	say(int64(len(s.Gates)), "open gate keeps bitmend from writing", "open gates keep bitmend from writing")
	say(s.total()-s.Damaged()-s.BadParity, "blob cannot be vouched for", "blobs cannot be vouched for")
	say(s.Promise.Overdue.Blobs, "blob is overdue", "blobs are overdue")
	if !s.healthy() {
		parts = append(parts, "the last scrub did not finish")
	}
	if len(parts) == 0 {
		return "All is well: of " + counted(s.Totals.Blobs, "blob") + " nothing is known to be damaged, and " + s.waited() + "."
	}
	text := strings.Join(parts[:len(parts)-1], ", ")
	if text != "" {
		text += ", and "
	}
	text += parts[len(parts)-1]
	return strings.ToUpper(text[:1]) + text[1:] + "; of " + counted(s.Totals.Blobs, "blob") + " in all."
}

// lostBlobs counts what is lost among what is damaged.
func (s *State) lostBlobs() int64 { return min(s.Lost, s.Damaged()) }

// waited says how long the blob that was not looked at for longest has waited.
func (s *State) waited() string {
	var oldest time.Duration
	never := int64(0)
	for i := range s.Stores {
		oldest = max(oldest, s.Stores[i].Ages.Percentile(100))
		never += s.Stores[i].Never
	}
	if never > 0 {
		return humanize.Comma(never) + " were never looked at where they should be"
	}
	return "each was looked at within " + report.Span(oldest)
}

func counted(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return humanize.Comma(n) + " " + thing + "s"
}

// A Step is something to do next: a command, and why.
type Step struct{ Command, Why string }

// Next is what to do next, the most urgent first. command writes command lines
// for this vault.
func (s *State) Next(command func(verb string) string) []Step {
	var steps []Step
	add := func(wanted bool, cmd, format string, args ...any) {
		if wanted {
			steps = append(steps, Step{cmd, fmt.Sprintf(format, args...)})
		}
	}
	damaged := s.Damaged() - s.lostBlobs() + s.BadParity
	unvouched := s.Verdicts[finding.Modified] + s.Verdicts[finding.Unrecorded] + s.Verdicts[finding.Unverifiable]
	add(s.Totals.Blobs == 0, command("protect"), "record what is there")
	add(len(s.Gates) > 0, command("gates"), "look why %s, and clear it once the reason is understood", gatesOpen(len(s.Gates)))
	add(damaged > 0, command("repair")+" --plan", "see what would be rebuilt, and from what")
	add(damaged > 0, command("repair"), "rebuild it; what is damaged is kept in the quarantine")
	add(s.Lost > 0, command("repair")+" --donor DIR", "offer a folder or bucket that may hold good copies of what is lost")
	add(s.Verdicts[finding.Undecided] > 0, command("repair")+" --plan", "compare the copies that disagree by hand")
	add(unvouched > 0, command("protect"), "record %s, if the present bytes are the right ones", counted(unvouched, "changed or new blob"))
	add(s.Verdicts[finding.Flaky]+s.Verdicts[finding.Busy] > 0, command("scrub")+" --only-damaged", "read again what did not read the same twice; suspect the disk, its cable or the memory")
	add(s.Promise.Overdue.Blobs > 0, command("scrub"), "read what was not looked at for longer than %s, or raise the budget", report.Span(s.Promise.MaxAge))
	add(!s.healthy(), command("scrub"), "the last one did not finish")
	return steps
}

func gatesOpen(n int) string {
	if n == 1 {
		return "a gate is open"
	}
	return fmt.Sprintf("%d gates are open", n)
}
