package status

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/coverage"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// runsLooked bounds the runs that a State tells of; the newest first.
const runsLooked = 400

// A Run is how one run ended.
type Run struct {
	ID       int64
	Verb     string
	Started  time.Time
	Finished time.Time // zero while it runs or when it was killed
	Exit     report.Exit
	Blobs    int64
	Bytes    int64
	Damaged  int64
	Repaired int64
	Lost     int64
	Elapsed  time.Duration
}

// Complete tells whether the run did all that it was to do, whatever it found.
func (r *Run) Complete() bool {
	const notDone = report.ExitOperational | report.ExitCancelled
	return !r.Finished.IsZero() && r.Exit&notDone == 0
}

// Rate is in bytes a second; 0 when the run says nothing of it.
func (r *Run) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Bytes) / r.Elapsed.Seconds()
}

func runOf(r catalog.Run) (Run, error) {
	run := Run{ID: r.ID, Verb: r.Verb, Started: r.Started, Finished: r.Finished, Exit: report.Exit(r.Exit)}
	if r.Finished.IsZero() || len(r.Summary) == 0 {
		return run, nil
	}
	var s report.Summary
	if err := json.Unmarshal(r.Summary, &s); err != nil {
		return Run{}, fmt.Errorf("read the summary of run %d: %w", r.ID, err)
	}
	run.Blobs, run.Bytes, run.Elapsed = s.Blobs, s.Bytes, s.Elapsed
	run.Damaged, run.Repaired, run.Lost = s.Damaged+s.Parity.Damaged, s.Repaired+s.Parity.Repaired, s.Lost
	return run, nil
}

// gatherRuns looks at the newest runs, and at the newest complete one of each
// verb among them.
func (s *State) gatherRuns(ctx context.Context, v *vault.Vault) error {
	runs, err := v.Catalog.Runs(ctx, runsLooked)
	if err != nil {
		return err
	}
	if s.Promise.Rate, err = coverage.RateOf(runs, s.At); err != nil {
		return err
	}
	for _, r := range runs {
		run, err := runOf(r)
		if err != nil {
			return err
		}
		s.Runs = append(s.Runs, run)
	}
	if slices.ContainsFunc(s.Runs, func(r Run) bool { return r.Finished.IsZero() }) { // to look takes the lock for a moment
		holder, err := vault.Holder(v.Dir)
		s.Busy = holder != nil || err != nil
	}
	return nil
}

// Last returns the newest run of a verb that is over, and that is wanted; nil
// when there is none.
func (s *State) Last(verb string, wanted func(*Run) bool) *Run {
	for i := range s.Runs {
		if r := &s.Runs[i]; r.Verb == verb && !r.Finished.IsZero() && wanted(r) {
			return r
		}
	}
	return nil
}

// Ended wants any run that is over.
func Ended(*Run) bool { return true }
