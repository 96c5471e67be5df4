package report

import "strings"

// Exit is a program's exit status: a sum of bits, as in fsck(8).
type Exit int

// The bits of an exit status, as DESIGN's table has them.
const (
	ExitClean       Exit = 0  // all that was asked for was checked and is intact
	ExitRepaired    Exit = 1  // damage was found and all of it was repaired
	ExitCannotVouch Exit = 2  // some blobs cannot be vouched for
	ExitDamageLeft  Exit = 4  // damage is left
	ExitOperational Exit = 8  // a store could not be reached, the run did not finish
	ExitUsage       Exit = 16 // usage or configuration error
	ExitCancelled   Exit = 32 // cancelled; the state is saved and the next run goes on
	ExitRefused     Exit = 64 // a gate refused to write
)

// String says in words what the status means.
func (e Exit) String() string {
	if e == ExitClean {
		return "all that was asked for was checked and is intact"
	}
	var words []string
	for _, bit := range []struct {
		bit  Exit
		text string
	}{
		{ExitUsage, "the command or the configuration is wrong"},
		{ExitOperational, "an operational error: not all that was asked for was done"},
		{ExitCancelled, "the run was cancelled; the next one goes on"},
		{ExitRefused, "an open gate refused to write"},
		{ExitDamageLeft, "damage is left"},
		{ExitRepaired, "damage was found and all of it was repaired"},
		{ExitCannotVouch, "some blobs cannot be vouched for"},
	} {
		if e&bit.bit != 0 {
			words = append(words, bit.text)
		}
	}
	return strings.Join(words, "; ")
}

// ExitOf derives the exit status of a run from what it counted.
func ExitOf(s Summary) Exit {
	var e Exit
	found := s.Damaged + s.Standing + s.Parity.Damaged
	left := max(0, s.Damaged+s.Standing-s.Repaired) + s.Lost + max(0, s.Parity.Damaged-s.Parity.Repaired)
	switch {
	case left > 0:
		e |= ExitDamageLeft
	case found > 0:
		e |= ExitRepaired
	}
	if s.Unchecked > 0 || s.Deferred > 0 || s.Overdue > 0 || s.nothingChecked() || s.unvouched() || s.FindingsGap {
		e |= ExitCannotVouch
	}
	if s.Failed {
		e |= ExitOperational
	}
	if s.Cancelled {
		e |= ExitCancelled
	}
	if s.Refused {
		e |= ExitRefused
	}
	return e
}

// nothingChecked tells whether a run that should have looked at blobs found
// none: that is no success. Repair looks only at findings, and none of them is
// good news; a run that failed or was cancelled says so itself. A bounded scrub
// may have nothing due, as long as there is something to choose from.
func (s *Summary) nothingChecked() bool {
	return s.Blobs+s.Earlier+s.Unfinished == 0 && s.Verb != "repair" && !s.Failed && !s.Cancelled && s.Estimate == nil && !(s.NothingDue && s.Of > 0)
}

// unvouched tells whether there are blobs that are neither intact nor damaged.
func (s *Summary) unvouched() bool {
	for verdict, n := range s.Verdicts {
		if n > 0 && !verdict.Damaged() {
			return true
		}
	}
	return false
}
