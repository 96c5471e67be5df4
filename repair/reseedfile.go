package repair

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"bitmend/hashsets"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// files rebuilds files that are not in the store, batch by batch, and returns
// those that no source has.
func (s *reseeding) files(ctx context.Context, files []*Planned) (lost []lostJob, err error) {
	var guard sync.Mutex
	for len(files) > 0 && err == nil {
		batched := files[:batchLength(files)]
		files = files[len(batched):]
		err = s.rebuild(ctx, len(batched), intoNothing{
			begin: func(ctx context.Context, b *batch, i int) error { return s.file(ctx, b, batched[i]) },
			place: s.place,
			miss: func(ctx context.Context, j *job, end *ending) error {
				if end.outcome != report.Lost {
					return s.settle(ctx, j.planned, end)
				}
				guard.Lock()
				defer guard.Unlock()
				lost = append(lost, lostJob{j.planned, end})
				return nil
			},
			ended: func(ctx context.Context, j *job, i int, err error) error {
				if j != nil {
					return s.settle(ctx, j.planned, err)
				}
				return s.settle(ctx, batched[i], err)
			},
		})
	}
	return lost, err
}

// file rebuilds a file as far as it can be without its stripes.
func (s *reseeding) file(ctx context.Context, b *batch, p *Planned) error {
	if err := s.checkGates(ctx, p); err != nil {
		return err
	}
	j, err := s.newJob(ctx, p)
	if err != nil {
		return err
	}
	if err := s.dirs.prepare(ctx, s.run, j.target, p.Blob); err != nil {
		return err
	}
	if err := s.stageAnew(ctx, j, reseedVerb); err != nil {
		return err
	}
	if err := s.assemble(ctx, j); err != nil {
		return errors.Join(err, discardStaged(context.WithoutCancel(ctx), j))
	}
	if b.wait(j) {
		return nil
	}
	return s.place(ctx, j)
}

// place proves a file, gives it its name, which must be free, and records it.
func (s *reseeding) place(ctx context.Context, j *job) error {
	if err := s.prove(ctx, j); err != nil {
		return errors.Join(err, discardStaged(context.WithoutCancel(ctx), j))
	}
	ctx = context.WithoutCancel(ctx)
	var placed store.Entry
	err := j.staged.with(func(file store.Staged) (err error) {
		placed, err = file.Publish(ctx, nil)
		return err
	})
	switch {
	case errors.Is(err, store.ErrChanged):
		return errors.Join(skipped("somebody made it meanwhile: nothing was changed; scrub again"), discardStaged(ctx, j))
	case errors.Is(err, store.ErrDiffers):
		return errors.Join(s.badRepair(ctx, j.entry, err.Error()), discardStaged(ctx, j))
	case err != nil:
		return errors.Join(fmt.Errorf("put %q in place: %w", j.record.Name, err), discardStaged(ctx, j))
	case placed.Kind != hashsets.File || placed.Identity.Size != j.entry.Size:
		return s.badRepair(ctx, j.entry, fmt.Sprintf("what stands in the place is a %s of %d bytes", placed.Kind, placed.Identity.Size))
	}
	if err := j.staged.leave(); err != nil {
		return fmt.Errorf("close %q: %w", j.record.Name, err)
	}
	j.entry.Receipt = j.detail(s.run.plan.ID)
	if err := s.record(ctx, j.entry, placed); err != nil {
		return err
	}
	s.repaired(j.entry)
	return nil
}
