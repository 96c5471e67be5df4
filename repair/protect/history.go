package protect

import (
	"context"
	"fmt"
	"time"

	"bitmend/hashsets/catalog"
)

// pruneHistory forgets the ended generations that the configuration does not
// ask to keep, and returns how many. It comes after the parity is whole again,
// so that what the stripes held until now may go.
func (r *run) pruneHistory(ctx context.Context) (forgotten int64, err error) {
	limits := r.vault.Config.History
	jumped, err := r.clockJumped(ctx, limits.KeepFor)
	if jumped || err != nil {
		return 0, err
	}
	keep := catalog.Retention{Generations: int(limits.KeepGenerations), Since: r.started.Add(-limits.KeepFor)}
	for mark, more := int64(0), true; more; more = mark > 0 {
		var n int64
		err := r.catalog.Update(ctx, func(tx *catalog.Tx) error {
			n, mark, err = tx.PruneHistory(keep, mark, updateEvery)
			return err
		})
		if err != nil {
			return forgotten, err
		}
		forgotten += n
	}
	return forgotten, nil
}

// clockJumped tells whether the last run was so long ago that all history would
// be too old. A clock that was set wrong must not cost it: the next run, if
// the clock says the same then, goes by it.
func (r *run) clockJumped(ctx context.Context, keepFor time.Duration) (bool, error) {
	runs, err := r.catalog.Runs(ctx, 2)
	if err != nil {
		return false, fmt.Errorf("look up the last run: %w", err)
	}
	for _, earlier := range runs {
		if earlier.ID != r.id {
			return r.started.Sub(earlier.Started) > keepFor, nil
		}
	}
	return false, nil
}
