// Package exchange carries hash sets between a vault and checksum lists that
// other tools read and write.
//
// An export writes what is recorded. An import records what lists say of blobs
// of which nothing is recorded yet, as the next generation of each; it never
// changes a record, and refuses what contradicts one. It reads a blob only
// where no list tells its size, and then believes it only when it matches.
//
// How lists are read and written is known to packages manifest and verify.
package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// run is one execution of a verb.
type run struct {
	vault   *vault.Vault
	rep     report.Reporter
	id      int64
	started time.Time
	summary report.Summary
}

func newRun(v *vault.Vault, verb string, rep report.Reporter) *run {
	return &run{vault: v, rep: rep, started: time.Now(), summary: report.Summary{Verb: verb, Verdicts: map[finding.Verdict]int64{}}}
}

// found reports a finding and counts it.
func (r *run) found(f finding.Finding) {
	r.summary.Verdicts[f.Verdict]++
	if f.Verdict.Damaged() {
		r.summary.Damaged++
	}
	r.rep.Finding(f)
}

// conclude says how the run ended.
func (r *run) conclude(err error) {
	s := &r.summary
	s.Elapsed = time.Since(r.started)
	s.Cancelled = errors.Is(err, context.Canceled)
	s.Refused = errors.Is(err, gate.ErrRefused)
	s.Failed = err != nil && !s.Cancelled && !s.Refused
	s.Exit = int(report.ExitOf(*s))
}

// booked carries out do as a run that the catalog knows of.
func (r *run) booked(ctx context.Context, do func(context.Context) error) (report.Summary, error) {
	err := r.vault.Catalog.Update(ctx, func(tx *catalog.Tx) (err error) {
		r.id, err = tx.StartRun(r.summary.Verb, r.started)
		return err
	})
	if err != nil {
		return r.summary, fmt.Errorf("start the run: %w", err)
	}
	err = do(ctx)
	r.conclude(err)
	finished := r.vault.Catalog.Update(context.WithoutCancel(ctx), func(tx *catalog.Tx) error {
		text, err := json.Marshal(r.summary)
		if err != nil {
			return err
		}
		return tx.FinishRun(catalog.Run{
			ID: r.id, Verb: r.summary.Verb, Started: r.started, Finished: time.Now(), Exit: r.summary.Exit, Summary: text,
		})
	})
	if finished != nil {
		err = errors.Join(err, fmt.Errorf("save how the run ended: %w", finished))
	}
	return r.summary, err
}
