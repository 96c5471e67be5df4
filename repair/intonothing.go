package repair

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// An intoNothing says how blobs are rebuilt where nothing stands. There is
// nothing to keep and nothing to undo then, so that no journal is needed: what
// a kill leaves is a temporary file that the next run takes away, or a proven
// blob.
type intoNothing struct {
	begin func(ctx context.Context, b *batch, i int) error         // begins blob i; may leave a job waiting for its stripes
	place func(ctx context.Context, j *job) error                  // proves a whole job and gives the blob its name
	miss  func(ctx context.Context, j *job, end *ending) error     // what no source has all of
	ended func(ctx context.Context, i *job, at int, e error) error // turns the end of a blob into its event; i is nil for blob at
}

// rebuild rebuilds n blobs from copies and then from their stripes.
func (r *run) rebuild(ctx context.Context, n int, how intoNothing) error {
	b := &batch{run: r}
	err := b.each(ctx, n, func(ctx context.Context, i int) error {
		return how.ended(ctx, nil, i, how.begin(ctx, b, i))
	})
	if err == nil && len(b.waiting) > 0 {
		err = b.finishFromStripes(ctx, how)
	}
	for _, j := range b.waiting {
		err = errors.Join(err, discardStaged(context.WithoutCancel(ctx), j))
	}
	return err
}

// finishFromStripes takes what no copy has from the stripes and, last, from
// single-bit corrections.
func (b *batch) finishFromStripes(ctx context.Context, how intoNothing) error {
	if err := b.fillFromStripes(ctx); err != nil {
		return err
	}
	if err := b.correctBitFlips(ctx); err != nil {
		return err
	}
	waiting := b.waiting
	finished := make([]bool, len(waiting))
	err := b.each(ctx, len(waiting), func(ctx context.Context, i int) error {
		finished[i] = true
		j := waiting[i]
		if j.complete() {
			return how.ended(ctx, j, 0, how.place(ctx, j))
		}
		err := discardStaged(context.WithoutCancel(ctx), j)
		end := j.loss()
		if why := b.notLost(j); why != "" {
			end = skipped("%s", why)
		}
		return errors.Join(err, how.miss(ctx, j, end))
	})
	b.waiting = nil
	for i, j := range waiting {
		if !finished[i] {
			b.waiting = append(b.waiting, j)
		}
	}
	return err
}

// stageID is the ID under which a verb stages a blob: the same in each run, so
// that what an interrupted one left is taken away by the next.
func stageID(verb, name string) string {
	sum := sha256.Sum256([]byte(name))
	return verb + "-" + hex.EncodeToString(sum[:12])
}

// stageAnew makes the temporary file of a job.
func (r *run) stageAnew(ctx context.Context, j *job, verb string) error {
	id := stageID(verb, j.record.Name)
	staged, err := j.target.Stage(ctx, j.record.Name, id)
	if err != nil {
		return fmt.Errorf("make a temporary file for %q: %w", j.record.Name, err)
	}
	j.staged = r.staged.add(j.target, j.record.Name, id, staged)
	return nil
}

// wait leaves a job to the stripes, unless it is whole.
func (b *batch) wait(j *job) bool {
	if j.complete() {
		return false
	}
	b.guard.Lock()
	defer b.guard.Unlock()
	b.waiting = append(b.waiting, j)
	return true
}
