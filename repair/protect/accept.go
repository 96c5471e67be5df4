package protect

import (
	"context"
	"errors"
	"fmt"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub"
	"bitmend/scrub/store"
)

// ErrAccept is wrapped when a pattern of Options.Accept is none.
var ErrAccept = errors.New("cannot be accepted")

// An acceptance is what a person says is right as it is now.
type acceptance struct {
	names map[string]bool
	globs scrub.Names
}

// has tells whether a person accepts the blob as it is now.
func (a *acceptance) has(name string) bool {
	return a.names[name] || !a.globs.All() && a.globs.Has(name)
}

// acceptAll finds out what the patterns select: the blob of that very name, if
// there is or was one, and otherwise all that scrub --only selects by it.
func (r *run) acceptAll(ctx context.Context, patterns []string) error {
	a := acceptance{names: make(map[string]bool, len(patterns))}
	var globs []string
	for _, p := range patterns {
		exact, err := r.isBlob(ctx, p)
		if err != nil {
			return err
		}
		if exact {
			a.names[p] = true
		} else {
			globs = append(globs, p)
		}
	}
	var err error
	if a.globs, err = scrub.ParseNames(globs); err != nil {
		return fmt.Errorf("%w: %w", ErrAccept, err)
	}
	r.accept = a
	return nil
}

// isBlob tells whether a blob is recorded under the name, or stands there.
func (r *run) isBlob(ctx context.Context, name string) (bool, error) {
	record, err := r.catalog.Current(ctx, name)
	if err == nil && record.Kind != hashsets.Directory || errors.Is(err, catalog.ErrDamaged) {
		return true, nil
	}
	if err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
		return false, fmt.Errorf("look up %q, which is to be accepted: %w", name, err)
	}
	seen, err := r.source.Stat(ctx, name)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrName) {
		return false, nil
	}
	return err == nil && seen.Kind != hashsets.Directory, err
}
