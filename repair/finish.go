package repair

import (
	"context"
	"errors"
	"fmt"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// finish proves an assembled replacement and puts it in place. An error before
// the placing leaves the target as it was; after it, the journal says how to
// go on.
func (r *run) finish(ctx context.Context, j *job) error {
	if err := r.prove(ctx, j); err != nil {
		return err
	}
	if err := r.keepOriginal(ctx, j); err != nil {
		return err
	}
	if err := r.announcePlacing(j); err != nil {
		return err
	}
	// From here on the repair is carried to its end, whoever cancels.
	ctx = context.WithoutCancel(ctx)
	placed, err := r.place(ctx, j.entry, j.target, j.staged)
	if err != nil {
		return err
	}
	if err := r.conclude(ctx, j.entry, placed); err != nil {
		return err
	}
	r.notePlaced(j, placed)
	return nil
}

// prove makes the replacement durable and reads it back: every digest and every
// shard sum must match.
func (r *run) prove(ctx context.Context, j *job) error {
	r.announce(Step{Receipt: j.entry.ID, Store: j.entry.Store, Blob: j.record.Name, Point: Assembled, Done: true})
	return j.staged.with(func(file store.Staged) error {
		err := r.step(j.entry, Sealed, func() error { return file.Seal(ctx, j.record.Hashes.Size, j.attrs) })
		if err != nil {
			return fmt.Errorf("make the replacement of %q durable: %w", j.record.Name, err)
		}
		err = r.step(j.entry, Verified, func() error { return r.verify(ctx, file, &j.record.Hashes) })
		if errors.Is(err, errMismatch) {
			r.failProof(fmt.Sprintf("the replacement of %q in store %q", j.record.Name, j.entry.Store))
			return skipped("the replacement was read back and its %v: nothing was changed", err)
		}
		return err
	})
}

// keepOriginal checks that the target is still what was judged, and copies it
// into the quarantine.
func (r *run) keepOriginal(ctx context.Context, j *job) error {
	seen, err := statOrNil(ctx, j.target, j.record.Name)
	if err != nil {
		return err
	}
	if !stands(j.entry.Expect.plain(), seen) {
		return changedInRepair()
	}
	if seen == nil || j.stays() || j.kept && r.quarantine().holds(ctx, j.entry.ID) {
		return nil
	}
	err = r.keep(ctx, j, *seen)
	if errors.Is(err, store.ErrChanged) {
		return changedInRepair()
	}
	return err
}

func (r *run) keep(ctx context.Context, j *job, seen store.Entry) error {
	err := r.step(j.entry, Quarantined, func() error {
		return r.quarantine().keep(ctx, j.target, seen, j.side(r))
	})
	j.kept = err == nil
	return err
}

// unkeep removes the copy of an original whose repair has to wait.
func (r *run) unkeep(j *job) error {
	if !j.kept {
		return nil
	}
	j.kept = false
	return r.quarantine().drop(j.entry.ID)
}

// announcePlacing makes the journal know the whole receipt before the target
// is touched.
func (r *run) announcePlacing(j *job) error {
	j.entry.Phase = placing
	j.entry.Receipt = j.detail(r.plan.ID)
	return r.step(j.entry, Placing, func() error { return r.journal.put(j.entry) })
}

// place puts a proven replacement in the place of the damaged file.
func (r *run) place(ctx context.Context, e *entry, target store.Writable, staged *stagedFile) (placed store.Entry, err error) {
	if e.Action == Overwrite {
		return r.overwrite(ctx, e, target, staged)
	}
	err = staged.with(func(file store.Staged) error {
		return r.step(e, Placed, func() error {
			placed, err = file.Publish(ctx, e.Expect.plain())
			return err
		})
	})
	if errors.Is(err, store.ErrChanged) {
		return placed, changedInRepair()
	}
	if errors.Is(err, store.ErrDiffers) {
		return placed, r.badRepair(ctx, e, err.Error())
	}
	if err != nil {
		return placed, fmt.Errorf("put the replacement of %q in place: %w", e.name(), err)
	}
	if err := staged.leave(); err != nil {
		return placed, fmt.Errorf("close the replacement of %q: %w", e.name(), err)
	}
	if placed.Kind != hashsets.File || placed.Identity.Size != e.Size {
		return placed, r.badRepair(ctx, e, fmt.Sprintf("what stands in the place is a %s of %d bytes", placed.Kind, placed.Identity.Size))
	}
	return placed, nil
}

// badRepair notes that what was put in place did not verify, and opens the gate
// when that are as many as the configuration bears.
func (r *run) badRepair(ctx context.Context, e *entry, what string) error {
	reason := fmt.Sprintf("%q in store %q was repaired and did not verify after it was put in place: %s", e.name(), e.Store, what)
	r.failProof(reason)
	r.mu.Lock()
	r.bad[e.Store]++
	bad := r.bad[e.Store]
	r.mu.Unlock()
	if bad < r.vault.Config.BadRepairs {
		return skipped("%s", reason)
	}
	g, err := gate.OpenNow(ctx, r.vault.Catalog, gate.BadRepair, e.Store, reason, bad, r.opts.Now())
	if err != nil {
		return err
	}
	r.mu.Lock()
	if g.ID != 0 {
		r.gates[e.Store] = append(r.gates[e.Store], g)
	}
	r.summary.Refused = true
	r.mu.Unlock()
	r.tellGates([]catalog.Gate{g})
	return skipped("%s", reason)
}

// conclude records what was put in place, and forgets the journal entry.
func (r *run) conclude(ctx context.Context, e *entry, placed store.Entry) error {
	if err := r.record(ctx, e, placed); err != nil {
		return err
	}
	err := r.step(e, Forgotten, func() error { return r.journal.drop(e.ID) })
	if err != nil {
		return fmt.Errorf("%w: %w", errCatalog, err)
	}
	r.repaired(e)
	return nil
}

// repaired counts and reports a repair that is recorded.
func (r *run) repaired(e *entry) {
	if e.PutBack {
		r.mu.Lock()
		r.summary.Restored++
		r.mu.Unlock()
		r.rep.Repair(report.Repair{Store: e.Store, Blob: e.name(), Outcome: report.Restored, Sources: sourceCounts(e.Receipt.Sources), Receipt: e.ID})
		return
	}
	for _, n := range e.allNames() {
		if !n.Damaged {
			continue
		}
		r.mu.Lock()
		if e.Store == finding.ParityStore {
			r.summary.Parity.Repaired++
		} else {
			r.summary.Repaired++
			if r.plan == nil { // no plan has counted it as damaged
				r.countDamaged(e.Receipt.Before.Verdict)
			}
		}
		r.mu.Unlock()
		r.rep.Repair(report.Repair{
			Store: e.Store, Blob: n.name(), Outcome: report.Repaired,
			Sources: sourceCounts(e.Receipt.Sources), Receipt: e.ID,
		})
	}
	r.progress(e.Store)
}

// progress says how far the run is.
func (r *run) progress(storeName string) {
	if r.plan == nil {
		return // it is recovering what an earlier run left
	}
	r.mu.Lock()
	p := report.Progress{
		Verb: "repair", Store: storeName, Blobs: r.summary.Repaired, Bytes: r.summary.BytesWritten, Total: r.plan.Writes,
		Findings: r.summary.Damaged - r.summary.Repaired, Elapsed: r.opts.Now().Sub(r.started),
	}
	r.mu.Unlock()
	r.rep.Progress(p)
}

// record puts the receipt and the coverage into the catalog and drops the
// findings, in one transaction.
func (r *run) record(ctx context.Context, e *entry, placed store.Entry) error {
	now := r.opts.Now()
	e.Receipt.After.Identity = identityOf(&placed.Identity)
	receipt, err := e.receipt(now)
	if err != nil {
		return err
	}
	err = r.step(e, Recorded, func() error {
		return r.ledger.post(ctx, func(tx *catalog.Tx) error {
			if e.PutBack {
				return tx.PutReceipt(receipt) // the next scrub judges what stands there now
			}
			for _, n := range e.allNames() {
				err := tx.PutCoverage(catalog.Coverage{
					Store: e.Store, Name: n.name(), Generation: n.Generation, Identity: placed.Identity,
					VerifiedAt: now, Depth: catalog.ByConstruction, Run: e.Run,
				})
				if err != nil {
					return err
				}
				if err := tx.DropFinding(e.Store, n.name()); err != nil {
					return err
				}
			}
			return tx.PutReceipt(receipt)
		})
	})
	if err != nil {
		return fmt.Errorf("%w: receipt %s of %q: %w", errCatalog, e.ID, e.name(), err)
	}
	return nil
}

// settle turns the end of one repair into its event. It returns only errors
// that end the run.
func (r *run) settle(ctx context.Context, p *Planned, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, errCatalog) {
		return err
	}
	var end *ending
	if !errors.As(err, &end) {
		end = skipped("%v", err)
		r.hinder(p, err)
	}
	end = r.unlessHindered(end)
	if end.outcome == report.Lost {
		if err := r.recordLoss(ctx, p, end); err != nil {
			return err
		}
	}
	for _, n := range p.damagedNames() {
		r.rep.Repair(report.Repair{Store: p.Store, Blob: n, Outcome: end.outcome, Reason: end.reason, Ranges: end.ranges})
	}
	return nil
}

// hinder notes that a repair failed for an error that says nothing of the blob.
func (r *run) hinder(p *Planned, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hindered == nil {
		r.hindered = fmt.Errorf("the repair of %q could not be carried out: %w", p.Blob, err)
	}
}

// unlessHindered takes back that a blob is lost while another repair failed:
// what is whole then may be what a stripe wants.
func (r *run) unlessHindered(end *ending) *ending {
	r.mu.Lock()
	defer r.mu.Unlock()
	if end.outcome != report.Lost || r.hindered == nil {
		return end
	}
	return skipped("it could not be rebuilt now, which does not mean that it is lost: %s, and %v", end.reason, r.hindered)
}

// recordLoss makes the findings say that the blob is lost, and why, so that it
// stays in every report.
func (r *run) recordLoss(ctx context.Context, p *Planned, end *ending) error {
	findings := append([]catalog.Finding{p.found}, p.others...)
	err := r.vault.Catalog.Update(ctx, func(tx *catalog.Tx) error {
		for _, f := range findings {
			f.Lost = end.reason
			if err := tx.PutFinding(f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record that %q is lost: %w", p.Blob, err)
	}
	if p.Store != finding.ParityStore {
		r.mu.Lock()
		r.summary.Lost += int64(len(findings))
		r.mu.Unlock()
	}
	return nil
}

// checkGates refuses a repair when a gate has opened since it was planned.
func (r *run) checkGates(ctx context.Context, p *Planned) error {
	gates, err := r.gatesOf(ctx, p.Store)
	if err != nil {
		return err
	}
	if len(gates) == 0 {
		return nil
	}
	r.mu.Lock()
	r.summary.Refused = true
	r.mu.Unlock()
	r.tellGates(gates)
	return &ending{outcome: report.Refused, reason: refusedBy(gates)}
}

// tellGates reports each gate once.
func (r *run) tellGates(gates []catalog.Gate) {
	for _, g := range gates {
		r.mu.Lock()
		told := r.told[g.ID]
		r.told[g.ID] = true
		r.mu.Unlock()
		if !told && g.ID != 0 {
			r.rep.Gate(report.Gate{ID: g.ID, Name: g.Name, Store: g.Store, Reason: g.Reason, Opened: g.OpenedAt})
		}
	}
}
