package report

import (
	"maps"

	"bitmend/scrub/finding"
)

// Merge returns what scrubs of two ranges of names saw together. What each
// counts of whole stores (overdue blobs) is not added up but taken once, and how
// long they took is the longer time: they may have run side by side.
func (s Summary) Merge(t Summary) Summary {
	s.Blobs += t.Blobs
	s.Bytes += t.Bytes
	s.Intact += t.Intact
	s.Damaged += t.Damaged
	s.Repaired += t.Repaired
	s.Lost += t.Lost
	s.Skipped += t.Skipped
	s.Unchecked += t.Unchecked
	s.Unverified += t.Unverified
	s.Of += t.Of
	s.NothingDue = s.NothingDue && t.NothingDue
	s.Earlier += t.Earlier
	s.Unfinished += t.Unfinished
	s.Standing += t.Standing
	s.Overdue = max(s.Overdue, t.Overdue)
	verdicts := make(map[finding.Verdict]int64, len(s.Verdicts))
	maps.Copy(verdicts, s.Verdicts)
	for verdict, n := range t.Verdicts {
		verdicts[verdict] += n
	}
	s.Verdicts = verdicts
	s.Parity.Files += t.Parity.Files
	s.Parity.Damaged += t.Parity.Damaged
	s.Parity.Repaired += t.Parity.Repaired
	s.BytesRead += t.BytesRead
	s.BytesWritten += t.BytesWritten
	s.Elapsed = max(s.Elapsed, t.Elapsed)
	s.Cancelled = s.Cancelled || t.Cancelled
	s.Failed = s.Failed || t.Failed
	s.Refused = s.Refused || t.Refused
	s.Exit = int(ExitOf(s))
	return s
}
