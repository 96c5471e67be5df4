package protect

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// batchBlobs and batchBytes bound what a worker takes at once.
const (
	batchBlobs = 64
	batchBytes = 4 << 20
)

// recorded is new content that was read, or why it could not be.
type recorded struct {
	one    decision
	record catalog.Record
	err    error
}

// recordWithoutParity reads new content and records it.
func (r *run) recordWithoutParity(ctx context.Context, d *decided) error {
	history, err := r.hasHistory(ctx)
	if err != nil {
		return err
	}
	var ready []recorded
	save := func(ctx context.Context) error {
		err := r.saveNew(ctx, ready)
		ready = ready[:0]
		return err
	}
	read := func(ctx context.Context, h *hand, batch []decision) ([]recorded, error) {
		return r.readBatch(ctx, h, batch, history)
	}
	err = inOrder(ctx, r.opts.Workers, r.newHand, r.batches(d), read, func(got []recorded) error {
		ready = append(ready, got...)
		if len(ready) < updateEvery {
			return nil
		}
		return save(ctx)
	})
	// What was read before the run was cancelled is saved too.
	if saveErr := save(context.WithoutCancel(ctx)); err == nil {
		err = saveErr
	}
	return err
}

// batches yields what is to be read, in batches of a worker's work.
func (r *run) batches(d *decided) iter.Seq2[[]decision, error] {
	return func(yield func([]decision, error) bool) {
		var batch []decision
		var bytes int64
		for one, err := range d.all() {
			if err != nil {
				yield(nil, err)
				return
			}
			if one.value.action != renew {
				continue
			}
			batch = append(batch, one.value)
			bytes += sizeOf(one.value.entry)
			if len(batch) == batchBlobs || bytes >= batchBytes {
				if !yield(batch, nil) {
					return
				}
				batch, bytes = nil, 0
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

func (r *run) readBatch(ctx context.Context, h *hand, batch []decision, history bool) ([]recorded, error) {
	got := make([]recorded, 0, len(batch))
	for _, one := range batch {
		generation, err := r.nextGeneration(ctx, one, history)
		if err != nil {
			return nil, err
		}
		content := reading{after: one.entry, attributes: one.attributes}
		if one.entry.Kind == hashsets.File {
			content, err = h.hash(ctx, one.entry, r.vault.Config.Algorithms, r.vault.Config.ShardSize, store.Access{})
			if err != nil && !r.blamesBlob(ctx, err) && !errors.Is(err, store.ErrAllowance) {
				return nil, err
			}
		}
		got = append(got, recorded{one: one, record: r.record(one, generation, content), err: err})
	}
	return got, nil
}

func (r *run) saveNew(ctx context.Context, ready []recorded) error {
	if len(ready) == 0 {
		return nil
	}
	var done report.Summary
	err := r.catalog.Update(ctx, func(tx *catalog.Tx) error {
		done = report.Summary{}
		// Should parity be turned on one day, there is something to encode.
		if err := tx.PutSetting(unfinishedKey, "1"); err != nil {
			return err
		}
		for _, one := range ready {
			if one.err != nil {
				continue
			}
			if err := r.putNew(tx, one.record, one.one.settled); err != nil {
				return err
			}
			countNew(&done, one.record, one.one)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record new content: %w", err)
	}
	for _, one := range ready {
		if one.err != nil {
			r.leftOut(one.one, one.err)
		}
	}
	r.count(func(s *report.Summary) { s.New += done.New; s.Changed += done.Changed })
	return nil
}
