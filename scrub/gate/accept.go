package gate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/store"
)

// absence tells whether a gate only says that blobs are not there, which is
// what a store that is to be filled anew is like.
func absence(name string) bool { return name == Unmounted || name == MassMissing }

// Accept says for a person that a store is right as it is now: on the volume
// that it is on, and empty as it may be. Gates that say only that its blobs are
// not there are cleared for the reason given. It returns the open gates that
// are in the way for another reason, and accepts nothing when there are any.
func Accept(ctx context.Context, c *catalog.Catalog, s store.Store, reason string, at time.Time) (inTheWay []catalog.Gate, err error) {
	volume, err := s.Probe(ctx)
	if err != nil {
		return nil, fmt.Errorf("probe store %q: %w", s.Name(), err)
	}
	open, err := InTheWay(ctx, c, s.Name())
	if err != nil {
		return nil, err
	}
	inTheWay = slices.DeleteFunc(slices.Clone(open), func(g catalog.Gate) bool { return g.Store == s.Name() && absence(g.Name) })
	if len(inTheWay) > 0 {
		return inTheWay, nil
	}
	err = c.Update(ctx, func(tx *catalog.Tx) error {
		for _, g := range open {
			if err := clearWith(tx, g, reason, at); err != nil {
				return err
			}
		}
		if err := acknowledge(tx, Unmounted, s.Name(), 1); err != nil {
			return err
		}
		return tx.PutSetting(volumeKey(s), volume.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("accept store %q as it is: %w", s.Name(), err)
	}
	return nil, nil
}
