package scrub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/vault"
)

// A blob is poisoned when all of its current copies agree with each other and
// not with the record: a bad write that spread. A majority of copies is no
// proof of anything, since copying is what spreads a bad write; so the record
// stands, nothing is written, and a person looks. Where the primary says that
// somebody wrote the blob since, it may as well be an ordinary change that was
// copied before protect recorded it: such blobs count by the limits of
// mass-change.

// judgeAll opens the gates that are of no store alone, and has held what may
// spread.
func (l *ledger) judgeAll(ctx context.Context, v *vault.Vault) error {
	if ctx.Err() != nil {
		return nil
	}
	if current := currentStores(v.Config.Stores); len(current) > 1 && !l.opts.Light {
		if err := l.judgePoison(ctx, v, current); err != nil {
			return err
		}
	}
	return gate.Hold(ctx, v, l.rep, l.now())
}

// currentStores are the stores that should hold what is recorded now, the
// primary first.
func currentStores(stores []vault.StoreConfig) []vault.StoreConfig {
	current := slices.DeleteFunc(slices.Clone(stores), func(s vault.StoreConfig) bool { return s.Role == vault.Lagged })
	slices.SortStableFunc(current, func(a, b vault.StoreConfig) int { return rankOf(a) - rankOf(b) })
	return current
}

func rankOf(s vault.StoreConfig) int {
	if s.Role == vault.Primary {
		return 0
	}
	return 1
}

func (l *ledger) judgePoison(ctx context.Context, v *vault.Vault, current []vault.StoreConfig) error {
	p := gate.Poison{Stores: make([]string, len(current))}
	for i, s := range current {
		p.Stores[i] = s.Name
	}
	for f, err := range l.catalog.Findings(ctx, current[0].Name) {
		if err != nil {
			return fmt.Errorf("look for poisoned blobs: %w", err)
		}
		poisoned, err := l.poisoned(ctx, f, current[1:])
		if err != nil {
			return fmt.Errorf("compare the copies of %q: %w", f.Name, err)
		}
		if !poisoned {
			continue
		}
		meant, err := l.meant(ctx, f)
		if err != nil {
			return err
		}
		p.Count(f.Name, meant && !current[0].Immutable)
	}
	p.Partial = !l.opts.Names.All() || len(l.opts.Stores) > 0 || l.opts.Bounds.Any()
	open, err := gate.JudgePoison(ctx, l.catalog, v.Config, p, l.now())
	l.tell(open)
	return err
}

// poisoned tells whether the copies in all other stores have the same other
// bytes as the one that f is of. A copy that is missing says nothing; one that
// is intact, or damaged in its own way, says that nothing spread.
func (l *ledger) poisoned(ctx context.Context, f catalog.Finding, others []vault.StoreConfig) (bool, error) {
	bytes, err := computedIn(f)
	if err != nil || bytes == nil {
		return false, err
	}
	agreeing := 0
	for _, s := range others {
		other, err := l.catalog.Finding(ctx, s.Name, f.Name)
		if errors.Is(err, catalog.ErrNotRecorded) {
			return false, nil // it is intact, or was never looked at
		}
		if err != nil {
			return false, err
		}
		if finding.Verdict(other.Verdict) == finding.Missing {
			continue
		}
		there, err := computedIn(other)
		if err != nil || other.Generation != f.Generation || !sameDigests(bytes, there) {
			return false, err
		}
		agreeing++
	}
	return agreeing > 0, nil
}

// computedIn returns the digests of the bytes that a finding is of, where they
// are not those that are recorded; nil when there are none.
func computedIn(f catalog.Finding) ([]finding.Compared, error) {
	switch finding.Verdict(f.Verdict) {
	case finding.Corrupt, finding.Modified, finding.Stale:
	default:
		return nil, nil
	}
	var found finding.Finding
	if err := json.Unmarshal(f.Detail, &found); err != nil {
		return nil, fmt.Errorf("read the finding of %q: %w", f.Name, err)
	}
	return found.Digests, nil
}

// sameDigests tells whether both are of the same bytes, under all algorithms.
func sameDigests(a, b []finding.Compared) bool {
	return len(a) > 0 && slices.EqualFunc(a, b, func(x, y finding.Compared) bool {
		return x.Algorithm == y.Algorithm && len(x.Computed) > 0 && bytes.Equal(x.Computed, y.Computed)
	})
}

// meant tells whether the primary says that somebody wrote the blob since it
// was recorded.
func (l *ledger) meant(ctx context.Context, f catalog.Finding) (bool, error) {
	record, err := l.catalog.Generation(ctx, f.Name, f.Generation)
	if errors.Is(err, catalog.ErrNotRecorded) {
		return true, nil // it was recorded anew since
	}
	if err != nil {
		return false, fmt.Errorf("look up the record of %q: %w", f.Name, err)
	}
	return written(record.Identity, f.Identity), nil
}
