package report

import "bitmend/scrub/finding"

// Several is a Reporter that says everything through each of several, in their
// order: events to standard output and text to standard error, for one.
type Several []Reporter

// Finding passes a finding on.
func (all Several) Finding(f finding.Finding) {
	for _, r := range all {
		r.Finding(f)
	}
}

// Repair passes a repair on.
func (all Several) Repair(x Repair) {
	for _, r := range all {
		r.Repair(x)
	}
}

// Gate passes a gate on.
func (all Several) Gate(g Gate) {
	for _, r := range all {
		r.Gate(g)
	}
}

// Progress passes progress on.
func (all Several) Progress(p Progress) {
	for _, r := range all {
		r.Progress(p)
	}
}

// Note passes a note on.
func (all Several) Note(format string, args ...any) {
	for _, r := range all {
		r.Note(format, args...)
	}
}

// Summary passes the summary on.
func (all Several) Summary(s Summary) {
	for _, r := range all {
		r.Summary(s)
	}
}
