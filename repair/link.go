package repair

import (
	"context"
	"errors"
	"fmt"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// placeLink makes a symbolic link from its recorded target. What stood in its
// place is kept.
func (r *run) placeLink(ctx context.Context, j *job) error {
	if j.seen != nil && j.seen.Kind == hashsets.Link {
		if target, err := j.target.ReadLink(ctx, j.record.Name); err == nil && target == j.record.Target {
			return r.foundIntact(ctx, j, *j.seen)
		}
	}
	if err := r.dirs.prepare(ctx, r, j.target, j.record.Name); err != nil {
		return err
	}
	j.sources[FromRecord]++
	err := r.step(j.entry, Journalled, func() error { return r.journal.put(j.entry) })
	if err == nil {
		err = r.keepOriginal(ctx, j)
	}
	if err == nil {
		err = r.announcePlacing(j)
	}
	if err == nil {
		err = r.putLink(context.WithoutCancel(ctx), j.entry, j.target)
	}
	if err == nil || errors.Is(err, errCatalog) {
		return err
	}
	end, abandonErr := r.abandon(context.WithoutCancel(ctx), j)
	if end == completed {
		return abandonErr
	}
	return errors.Join(err, abandonErr)
}

// putLink puts the link in place and records it.
func (r *run) putLink(ctx context.Context, e *entry, target store.Writable) error {
	var placed store.Entry
	err := r.step(e, Placed, func() (err error) {
		placed, err = target.PutLink(ctx, e.name(), string(e.LinkTarget), e.ID, e.Attributes.plain(), e.Expect.plain())
		return err
	})
	if errors.Is(err, store.ErrChanged) {
		return changedInRepair()
	}
	if err != nil {
		return fmt.Errorf("make the link %q: %w", e.name(), err)
	}
	return r.conclude(ctx, e, placed)
}
