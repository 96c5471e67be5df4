package repair

import (
	"context"
	"errors"
	"fmt"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// rings are the shares of a plan that are repaired one after the other when
// nobody watches: one blob, one in a hundred of them, the rest. What goes wrong
// for a reason that all repairs share (a disk that lies, memory that flips
// bits, a bug of bitmend) is met by one blob, and not by all of them.
func rings(n int) []int {
	first := min(n, 1)
	second := min(n, max(first, (n+99)/100))
	return []int{first, second, n}
}

// rollOut repairs files and links ring by ring. What a ring put in place is
// read again under its name before the next begins. What is lost is tried
// again with the next ring, and said at the end.
func (r *run) rollOut(ctx context.Context, blobs []*Planned) error {
	r.placed = &placedBlobs{}
	var again []*Planned
	done := 0
	for _, end := range rings(len(blobs)) {
		ring := append(again, blobs[done:end]...)
		done = end
		if done == len(blobs) {
			r.placed = nil
			return r.applyInBatches(ctx, ring)
		}
		lost, err := r.applyOnce(ctx, ring)
		if err != nil {
			return err
		}
		again = nil
		for _, l := range lost {
			again = append(again, l.planned)
		}
		if err := r.checkPlaced(ctx); err != nil {
			return err
		}
	}
	return nil
}

// placedBlobs are the repairs of a ring, to be read again.
type placedBlobs struct{ list []placedBlob }

type placedBlob struct {
	planned *Planned
	entry   *entry
	target  store.Writable
	seen    store.Entry
	want    hashsets.HashSet
}

// notePlaced remembers what was put in place, while a ring is in work.
func (r *run) notePlaced(j *job, seen store.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.placed != nil {
		r.placed.list = append(r.placed.list, placedBlob{j.planned, j.entry, j.target, seen, j.record.Hashes})
	}
}

// checkPlaced reads what the ring put in place once more, under its name.
func (r *run) checkPlaced(ctx context.Context) error {
	list := r.placed.list
	r.placed.list = nil
	for _, p := range list {
		seen, err := statOrNil(ctx, p.target, p.entry.name())
		if err != nil {
			return fmt.Errorf("look at the repaired %q again: %w", p.entry.name(), err)
		}
		if seen == nil || seen.Identity != p.seen.Identity {
			continue // somebody wrote it since, and it is not ours to judge
		}
		whole, err := r.intact(ctx, p.target, *seen, &p.want)
		if err != nil && !errors.Is(err, store.ErrMedium) {
			return fmt.Errorf("read the repaired %q again: %w", p.entry.name(), err)
		}
		if !whole {
			if err := r.takeBack(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeBack says that a blob which was called repaired is not: its findings are
// open again.
func (r *run) takeBack(ctx context.Context, p placedBlob) error {
	end := r.badRepair(ctx, p.entry, "it was read again under its name and is not what is recorded")
	open := append([]catalog.Finding{p.planned.found}, p.planned.others...)
	err := r.vault.Catalog.Update(ctx, func(tx *catalog.Tx) error {
		for _, f := range open {
			f.Identity = p.seen.Identity
			if err := tx.PutFinding(f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %q is damaged again: %w", errCatalog, p.entry.name(), err)
	}
	r.mu.Lock()
	r.summary.Repaired -= int64(len(open))
	r.mu.Unlock()
	return r.settle(ctx, p.planned, end)
}

// failProof ends an unattended run at the first replacement that fails its
// proof: what is left of the plan is skipped.
func (r *run) failProof(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opts.RollOut && r.stopped == "" {
		r.stopped = what
	}
}

// goesOn is nil, or says why nothing more is repaired.
func (r *run) goesOn() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped == "" {
		return nil
	}
	return &ending{outcome: report.Skipped, reason: fmt.Sprintf("an unattended run stops at the first repair that fails its proof (%s): look into that, then run repair", r.stopped)}
}

// begins is nil, or says why no further repair is begun. What is begun is put
// in place: until then its reads would be for nothing.
func (r *run) begins() error {
	if end := r.opts.Until; !end.IsZero() && !r.opts.Now().Before(end) {
		return skipped("the hours of the run are over; the next one goes on")
	}
	return r.goesOn()
}
