package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/store"
)

// Mounted tells whether the store is the one that it was: its root is there,
// holds something if it held something before, and lies on the volume that the
// catalog remembers. Otherwise it is false, and the gate `unmounted` is open.
// The first look at a store makes the catalog remember its volume. A gate that
// an earlier run opened stays open though the store is mounted again: it is in
// the way of writing, not of reading.
//
// A person who clears the gate says that the store is right as it is: an empty
// root is then one whose blobs are missing, and another volume is the one to
// remember. A root that is not there cannot be right.
func Mounted(ctx context.Context, c *catalog.Catalog, s store.Store, at time.Time) (bool, error) {
	volume, err := s.Probe(ctx)
	if errors.Is(err, store.ErrNotMounted) {
		if err := forget(ctx, c, Unmounted, s.Name()); err != nil {
			return false, err
		}
		_, err := openUnmounted(ctx, c, s, fmt.Sprintf("the root %s of store %q is missing or no directory", s.URL(), s.Name()), at)
		return false, err
	}
	if err != nil {
		return false, fmt.Errorf("probe store %q: %w", s.Name(), err)
	}
	known, err := c.Setting(ctx, volumeKey(s))
	if err != nil {
		return false, fmt.Errorf("look up the volume of store %q: %w", s.Name(), err)
	}
	doubt, err := doubtOf(ctx, c, s, known, volume.ID)
	if err != nil {
		return false, err
	}
	if doubt == "" {
		if err := forget(ctx, c, Unmounted, s.Name()); err != nil {
			return false, err
		}
	} else {
		opened, err := openUnmounted(ctx, c, s, doubt, at)
		if opened || err != nil {
			return false, err
		}
	}
	if known != volume.ID && volume.ID != "" {
		err := c.Update(ctx, func(tx *catalog.Tx) error { return tx.PutSetting(volumeKey(s), volume.ID) })
		if err != nil {
			return false, fmt.Errorf("remember the volume of store %q: %w", s.Name(), err)
		}
	}
	return true, nil
}

func volumeKey(s store.Store) string { return volumePrefix + s.Name() }

// doubtOf says why the store does not look like the one it was; "" when it
// does. A store that was never seen before may be empty and anywhere.
func doubtOf(ctx context.Context, c *catalog.Catalog, s store.Store, known, volume string) (string, error) {
	if known == "" {
		return "", nil
	}
	if volume != "" && volume != known {
		return fmt.Sprintf("the root %s of store %q is on file system %s, and was on %s", s.URL(), s.Name(), volume, known), nil
	}
	empty, err := isEmpty(ctx, s)
	if err != nil || !empty {
		return "", err
	}
	totals, err := c.Totals(ctx)
	if err != nil {
		return "", fmt.Errorf("count records: %w", err)
	}
	if totals.Blobs == 0 {
		return "", nil
	}
	return fmt.Sprintf("the root %s of store %q is empty, and %d blobs are recorded", s.URL(), s.Name(), totals.Blobs), nil
}

// openUnmounted opens the gate, unless a person has acknowledged the state.
func openUnmounted(ctx context.Context, c *catalog.Catalog, s store.Store, reason string, at time.Time) (opened bool, err error) {
	g, err := OpenNow(ctx, c, Unmounted, s.Name(), reason, 1, at)
	return g.ID != 0, err
}

// isEmpty tells whether a store has no entry at all.
func isEmpty(ctx context.Context, s store.Store) (bool, error) {
	for entry, err := range s.List(ctx, store.ListOptions{}) {
		if err != nil {
			return false, fmt.Errorf("list store %q: %w", s.Name(), err)
		}
		if entry.Err == nil {
			return false, nil
		}
	}
	return true, nil
}
