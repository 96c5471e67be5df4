package scrub

import (
	"context"
	"errors"
	"fmt"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/coverage"
	"bitmend/scrub/finding"
	"bitmend/scrub/vault"
)

// forgetSettled drops the findings of earlier runs that are over: the blob was
// verified in this run, or neither the store nor the catalog has the name any
// more. A light scrub settles nothing.
func (l *ledger) forgetSettled(ctx context.Context) error {
	complete := l.tallies[l.store.Name].complete
	if l.opts.Light || !complete && !l.opts.Bounds.Any() {
		return nil
	}
	var settled []string
	for f, err := range l.catalog.Findings(ctx, l.store.Name) {
		if err != nil {
			return fmt.Errorf("look through earlier findings: %w", err)
		}
		if f.Run == l.run || !l.opts.Names.Has(f.Name) {
			continue
		}
		over, err := l.settled(ctx, f, complete)
		if err != nil {
			return err
		}
		if over {
			settled = append(settled, f.Name)
			continue
		}
		if l.opts.Bounds.Any() && finding.Verdict(f.Verdict).Damaged() {
			l.summary.Standing++
		}
	}
	return l.drop(ctx, l.store.Name, settled)
}

// drop forgets findings that are over.
func (l *ledger) drop(ctx context.Context, store string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	return l.catalog.Update(ctx, func(tx *catalog.Tx) error {
		for _, name := range names {
			if err := tx.DropFinding(store, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// settled tells whether the finding of an earlier run is over. Of a name that
// is not recorded any more only a run that looked at every name can tell: had
// the store it, there would be a newer finding.
func (l *ledger) settled(ctx context.Context, f catalog.Finding, complete bool) (bool, error) {
	_, err := l.catalog.Current(ctx, f.Name)
	if errors.Is(err, catalog.ErrNotRecorded) {
		return complete || l.opts.Bounds.OnlyDamaged && !l.budget.spent(), nil
	}
	if err != nil {
		return false, fmt.Errorf("look up %q: %w", f.Name, err)
	}
	c, err := l.catalog.Coverage(ctx, l.store.Name, f.Name)
	if errors.Is(err, catalog.ErrNotRecorded) {
		return false, nil
	}
	return c.Run == l.run || l.pass != nil && c.Run >= l.pass.Run, err
}

// countOverdue counts what was not looked at for longer than the promise, in
// the stores that the run was about.
func (l *ledger) countOverdue(ctx context.Context, cfg vault.Config) error {
	if cfg.MaxAge <= 0 {
		return nil
	}
	for _, s := range chosen(cfg.Stores, l.opts.Stores) {
		seen, err := coverage.Look(ctx, l.catalog, s, cfg.MaxAge, l.now())
		if err != nil {
			return fmt.Errorf("count what is overdue in store %q: %w", s.Name, err)
		}
		l.summary.Overdue += seen.Overdue.Blobs
	}
	if len(l.opts.Stores) > 0 || cfg.Overhead == 0 {
		return nil
	}
	files, err := l.overdueParity(ctx, cfg.MaxAge)
	l.summary.Overdue += files
	return err
}
