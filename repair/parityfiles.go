package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bitmend/hashsets/catalog"
	"bitmend/repair/protect"
	"bitmend/repair/stripe"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

// rebuildParity encodes the bands of damaged parity files anew, when the data
// is as good as it gets.
func (r *run) rebuildParity(ctx context.Context, files []*Planned) error {
	if len(files) == 0 {
		return nil
	}
	if stopped := r.begins(); stopped != nil {
		for _, p := range files {
			if err := r.settle(ctx, p, stopped); err != nil {
				return err
			}
		}
		return nil
	}
	var names, anew []string
	for _, p := range files {
		names = append(names, p.Blob)
		if p.Verdict == finding.Stale {
			anew = append(anew, p.Blob)
		}
	}
	done, err := protect.RebuildParity(ctx, r.vault, names, protect.Options{Now: r.opts.Now, Anew: anew}, r.rep)
	r.count(done.BytesRead, done.BytesWritten)
	if err != nil {
		return fmt.Errorf("rebuild parity files: %w", err)
	}
	for _, p := range files {
		if slices.Contains(done.Rebuilt, p.Blob) {
			err = r.concludeParity(ctx, p)
		} else {
			err = r.settle(ctx, p, leftParity(done.Left[p.Blob]))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// concludeParity records that a parity file is whole again, under a new
// version.
func (r *run) concludeParity(ctx context.Context, p *Planned) error {
	now := r.opts.Now()
	e := &entry{
		ID: newID(now), Store: finding.ParityStore, named: nameOf(p.Blob), Action: RebuildParity, Run: r.id,
		Receipt: &detail{
			Plan: r.plan.ID, Action: RebuildParity, Sources: map[SourceKind]int{FromParity: 1}, Proofs: p.Proofs,
			Before: before{Verdict: p.Verdict, Diagnosis: p.Diagnosis, Generation: p.Generation, Identity: identityOf(p.Expect), Ranges: p.Ranges},
		},
	}
	receipt, err := e.receipt(now)
	if err != nil {
		return err
	}
	err = r.vault.Catalog.Update(ctx, func(tx *catalog.Tx) error {
		if err := tx.DropFinding(finding.ParityStore, p.Blob); err != nil {
			return err
		}
		return tx.PutReceipt(receipt)
	})
	if err != nil {
		return fmt.Errorf("%w: parity file %s: %w", errCatalog, p.Blob, err)
	}
	r.repaired(e)
	return nil
}

// leftParity says how it ended for a parity file that was not rebuilt. It is
// lost only where all was asked for that it is made of.
func leftParity(why error) *ending {
	var withheld *stripe.Withheld
	if errors.As(why, &withheld) {
		return skipped("it could not be rebuilt now, which does not mean that it is lost: %v", why)
	}
	return &ending{outcome: report.Lost, reason: why.Error()}
}
