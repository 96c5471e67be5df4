package protect

import (
	"context"
	"fmt"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
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
	if home, sent := r.home.Remover.(store.Remote); sent && r.parityFor(d.coming.Total) > 0 {
		files := home.Reading(r.parityFor(d.coming.Total)) // each of them is read back
		files.Sent = files.Fetched
		files.Requests *= 2
		r.summary.Estimate = append(r.summary.Estimate, files)
	}
	if len(r.summary.Estimate) > 0 && r.parityFor(1) > 0 && d.count > 0 {
		r.rep.Note("what lies in small parity sets, and in stripes with blobs that changed or vanished, may be read again besides")
	}
	return nil
}

// parityFor is about how many bytes of parity so many new bytes take.
func (r *run) parityFor(bytes int64) int64 {
	if r.vault.Config.Overhead == 0 || bytes == 0 {
		return 0
	}
	return max(parity.Free, int64(r.vault.Config.Overhead*float64(bytes))) + parityHeads
}

// parityHeads is about what is in the parity files of a band besides parity.
const parityHeads = 64 << 10

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
// fetch, besides all that was decided before it. Parity in a bucket is read back
// once it is written, and where a band takes more, once before.
func (r *run) affords(d *decided, one decision) bool {
	bytes := d.coming.Total + sizeOf(one.entry)
	need := int64(0)
	if _, fetched := r.source.(store.Remote); fetched {
		need += bytes
	}
	if _, fetched := r.home.Remover.(store.Remote); fetched {
		need += 2 * r.parityFor(bytes)
	}
	return r.within(need)
}

// affordsAnew tells whether small sets can be laid out anew besides.
func (e *encoding) affordsAnew(small []catalog.Set) bool {
	live := int64(0)
	for _, s := range small {
		live += sum(s.Tops)
	}
	need := int64(0)
	if _, fetched := e.source.(store.Remote); fetched {
		need += live + e.decided.coming.Total
	}
	if _, fetched := e.home.Remover.(store.Remote); fetched {
		need += 2 * e.parityFor(live+e.decided.coming.Total)
	}
	return e.within(need)
}

// within tells whether the run may still fetch so many bytes.
func (r *run) within(bytes int64) bool {
	allowance := r.vault.Allowance()
	return allowance == nil || bytes <= allowance.Left()
}

// deferred counts a blob that stays as it is recorded until the next run.
func (r *run) deferred() { r.count(func(s *report.Summary) { s.Deferred++ }) }
