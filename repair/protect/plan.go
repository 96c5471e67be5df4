package protect

import (
	"context"
	"fmt"

	"bitmend/hashsets"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// Plan says what Run would record, and what that takes of stores behind a
// network. It lists the store, and reads what has the size and not the state of
// what is recorded, as Run does before it records anything. It changes nothing
// but that a store which is not mounted opens its gate.
func Plan(ctx context.Context, v *vault.Vault, opts Options, rep report.Reporter) (report.Summary, error) {
	r, err := newRun(v, "protect", opts, rep)
	if err != nil {
		return report.NotBegun("protect", err), err
	}
	r.summary.Estimate = []store.Traffic{}
	stop := report.KeepPosted(rep, r.progress)
	err = r.plan(ctx)
	stop()
	r.summary.Elapsed = r.opts.Now().Sub(r.started)
	r.summary.Traffic = v.Traffic()
	r.conclude(err)
	return r.summary, err
}

func (r *run) plan(ctx context.Context) error {
	mounted, err := gate.Mounted(ctx, r.catalog, r.source, r.started)
	if err != nil {
		return err
	}
	if !mounted {
		return r.refused(ctx)
	}
	if r.findingsLost, err = findingsAreLost(ctx, r.catalog); err != nil {
		return err
	}
	if err := r.acceptAll(ctx, r.opts.Accept); err != nil {
		return err
	}
	surveyed, err := r.survey(ctx)
	if err != nil {
		return fmt.Errorf("look for new and changed blobs: %w", err)
	}
	defer surveyed.Close()
	decided, err := r.decide(ctx, surveyed)
	if err != nil {
		return fmt.Errorf("compare changed blobs with what is recorded: %w", err)
	}
	defer decided.Close()
	return r.estimate(decided)
}

// estimate counts what was decided and what it takes of stores behind a network.
// The stripes of what changed or went are not reckoned with: what else lies in
// them is known only once all is laid out.
func (r *run) estimate(d *decided) error {
	remote, fetched := r.source.(store.Remote)
	take := store.Traffic{Store: r.source.Name()}
	for one, err := range d.all() {
		if err != nil {
			return err
		}
		r.foresee(one.value)
		if fetched && one.value.action == renew && one.value.entry.Kind == hashsets.File {
			take = take.Plus(remote.Reading(one.value.entry.Identity.Size))
		}
	}
	if fetched {
		take = take.Plus(remote.Listing(r.summary.Blobs))
		r.summary.Estimate = append(r.summary.Estimate, take)
	}
	overhead := r.vault.Config.Overhead
	if home, sent := r.home.Remover.(store.Remote); sent && overhead > 0 && d.coming.Total > 0 {
		parity := home.Reading(int64(float64(d.coming.Total) * overhead)) // each file is read back
		parity.Sent = parity.Fetched
		parity.Requests *= 2
		r.summary.Estimate = append(r.summary.Estimate, parity)
	}
	if len(r.summary.Estimate) > 0 && overhead > 0 && r.summary.Changed+r.summary.Vanished > 0 {
		r.rep.Note("what else lies in stripes with blobs that changed or vanished is read too, and not reckoned in")
	}
	return nil
}

// foresee counts a decision as if it were carried out.
func (r *run) foresee(one decision) {
	if one.entry.Kind == hashsets.Directory {
		return
	}
	r.count(func(s *report.Summary) {
		switch {
		case one.action == vanish:
			s.Vanished++
		case one.action == move:
			s.Moved++
		case one.action != renew || one.completes:
		case one.generation > 0:
			s.Changed++
		default:
			s.New++
		}
	})
}

// affords tells whether new content can be read within what the run may still
// fetch, besides all that was decided before it.
func (r *run) affords(d *decided, one decision) bool {
	allowance := r.vault.Allowance()
	if _, fetched := r.source.(store.Remote); !fetched || allowance == nil {
		return true
	}
	return d.coming.Total+sizeOf(one.entry) <= allowance.Left()
}

// deferred counts a blob that stays as it is recorded until the next run.
func (r *run) deferred() { r.count(func(s *report.Summary) { s.Deferred++ }) }
