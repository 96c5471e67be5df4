// Package report is what a run says: findings, repairs, gates, progress and
// the summary, as text for people and as one JSON object a line.
//
// It counts nothing and decides nothing: what it prints was counted once, in
// the package that did the work.
package report

import (
	"context"
	"errors"
	"time"

	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// Outcome says how a repair ended.
type Outcome string

// The outcomes of a repair.
const (
	Repaired Outcome = "repaired"
	Lost     Outcome = "lost"
	Skipped  Outcome = "skipped"
	Refused  Outcome = "refused"
	Restored Outcome = "restored" // of restore and of quarantine restore: it stands in a new place
)

// Repair is one blob that repair dealt with.
type Repair struct {
	Store   string
	Blob    string
	Outcome Outcome
	Sources map[string]int // rebuilt shards by kind of source: "parity", "replica", "reread", "bit-flip"
	Receipt string         // its ID; "" unless repaired
	Reason  string         // why it is lost, skipped or refused, in a sentence
	Ranges  []store.Range  // what is lost
	Next    string         // what to do next, in words; "" for the usual
}

// Kept is a damaged original in the quarantine.
type Kept struct {
	ID         string
	Store      string
	Blob       string
	Kind       string
	Verdict    finding.Verdict
	Diagnosis  finding.Diagnosis
	Generation int64
	At         time.Time
	Size       int64
	Receipt    bool   // its ID is that of a receipt
	MayGo      bool   // a proof covers its bytes
	Why        string // in a sentence
	Pruned     bool   // it was removed just now
}

// Gate is a gate that opened or that stands in the way.
type Gate struct {
	ID     int64
	Name   string
	Store  string
	Reason string
	Opened time.Time

	// What the verb gates says besides.
	Meaning string
	WaysOut []string
	Held    time.Time // when the hold command was run for it
}

// Progress is how far a run is.
type Progress struct {
	Verb     string
	Store    string // in work
	Blobs    int64
	Bytes    int64
	Total    int64 // bytes expected; 0 when unknown
	Findings int64
	Workers  int // that are at work on a blob
	Elapsed  time.Duration
	Left     time.Duration   // until the time of the run is over; 0 when it has no end
	Stores   []StoreProgress // when the run is about several
}

// StoreProgress is how far a run is in one store.
type StoreProgress struct {
	Store    string `json:"store"`
	Blobs    int64  `json:"blobs"`
	Bytes    int64  `json:"bytes"`
	Total    int64  `json:"total,omitempty"` // bytes expected; 0 when unknown
	Findings int64  `json:"findings"`
	Workers  int    `json:"workers"`
}

// ParityCount counts parity files.
type ParityCount struct {
	Files    int64
	Damaged  int64
	Repaired int64 // of the damaged ones
}

// ListCount is what verify counted of one checksum list.
type ListCount struct {
	List     string           `json:"list"`
	Format   string           `json:"format"`
	Entries  int64            `json:"entries"`
	Statuses map[string]int64 `json:"statuses"` // entries, and lines that are none, by status
}

// Listed is what one entry of a checksum list says of a blob.
type Listed struct {
	List   string `json:"list"`           // its path; quoted, with escapes, where that is not UTF-8
	Line   int    `json:"line,omitempty"` // from 1; 0 where the list has no lines
	Status string `json:"status"`
}

// Summary closes a run. Every figure was counted once, where the work was
// done.
type Summary struct {
	Verb         string
	Light        bool  // scrub: it read no blob; no part of what is printed
	Run          int64 // the run's ID in the catalog; no part of what is printed
	Blobs        int64 // looked at, in all stores
	Bytes        int64 // read from them
	Intact       int64
	Damaged      int64 // verdicts that are damage, in all stores, before repair
	Repaired     int64
	Lost         int64
	Restored     int64                     // restore: proven and put into the new place by this run
	Skipped      int64                     // sockets, devices and FIFOs
	Unchecked    int64                     // could not be checked for an error of the host
	Unverified   int64                     // looked at by name, size and times alone
	Of           int64                     // bounded scrub: blobs that it chose from, in all stores; 0 when it is not bounded
	NothingDue   bool                      // bounded scrub: none of them was to be looked at
	Earlier      int64                     // scrub: verified by a run that was cut off, which this one goes on with
	Unfinished   int64                     // bounded scrub: large blobs that were begun and not read to their end
	Standing     int64                     // scrub: damage that an earlier run found and this one did not look at again
	Overdue      int64                     // scrub, status: blobs that were not looked at for longer than the promise
	Verdicts     map[finding.Verdict]int64 // every verdict but intact
	Parity       ParityCount
	New          int64 // protect: recorded for the first time
	Changed      int64 // protect: recorded anew
	Vanished     int64 // protect: not in the store any more
	Moved        int64 // protect: found under another name
	Unchanged    int64 // protect: not read again
	Deferred     int64 // protect: new or changed blobs, and mirrors, left for the next run by the bound on what this one fetches
	BytesRead    int64 // from stores, parity and replicas together
	BytesWritten int64
	Lists        []ListCount      // verify: the checksum lists that were read
	Statuses     map[string]int64 // verify: what all of them count together, and what is in none
	Plan         string           // repair: the ID of the plan that was shown
	Traffic      []store.Traffic  // with stores behind a network
	Estimate     []store.Traffic  // of a run that only said what it would do; not nil then
	Elapsed      time.Duration
	Cancelled    bool // before it was done; what was verified is saved
	FindingsGap  bool // damage may be missing from the findings: some were lost with a catalog, or the last scrub broke off
	Failed       bool // a store could not be reached, or the run did not finish for another error
	Refused      bool // a gate refused to write
	Exit         int  // ExitOf the rest
}

// CountEnded adds what was counted when the repairs of an interrupted run were
// brought to their ends, before the run that s is of began its own work.
func (s *Summary) CountEnded(ended Summary) {
	s.Damaged += ended.Damaged
	s.Repaired += ended.Repaired
	for verdict, n := range ended.Verdicts {
		if s.Verdicts == nil {
			s.Verdicts = make(map[finding.Verdict]int64)
		}
		s.Verdicts[verdict] += n
	}
	s.Refused = s.Refused || ended.Refused
	s.BytesRead += ended.BytesRead
	s.BytesWritten += ended.BytesWritten
	s.Exit = int(ExitOf(*s))
}

// NotBegun is the summary of a run that ended with err before it could begin.
func NotBegun(verb string, err error) Summary {
	s := Summary{Verb: verb, Cancelled: errors.Is(err, context.Canceled)}
	s.Failed = !s.Cancelled
	s.Exit = int(ExitOf(s))
	return s
}

// Reporter says what a run does. Its methods may be called from many
// goroutines at once.
type Reporter interface {
	Finding(f finding.Finding)
	Repair(r Repair)
	Gate(g Gate)
	Progress(p Progress)
	// Note is a sentence for people: what happened to what, what it means,
	// what to do next. It is not an event.
	Note(format string, args ...any)
	Summary(s Summary)
}
