package scrub

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/coverage"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// sliceShare is how much of the age of the blob that has waited longest counts
// as one age: a thirty-second. Blobs of one age are read in the order of their
// names, as they lie on disk; which of them come first makes no difference to
// a promise of many days, and what a run does not reach stays oldest.
const sliceShare = 32

// A slice is the blobs whose last look lies in a span of time.
type slice struct {
	from, to int64 // nanoseconds since 1970, from included; 0 is never looked at
}

func (s slice) has(looked int64) bool { return s.from <= looked && looked < s.to }

// scanOldest scrubs slices of all stores, the oldest first, until the budget
// is spent or nothing is left that was looked at before the run began. Parity
// files have their part of the budget, and come first: what they leave of it
// is for blobs.
func scanOldest(ctx context.Context, v *vault.Vault, opts Options, l *ledger, parity func() error) (err error) {
	stores, err := openAll(ctx, v, opts, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(stores)) }()
	o := &oldest{vault: v, opts: opts, ledger: l, stores: stores, before: nanoseconds(l.begun.Add(-opts.Bounds.OlderThan))}
	next, err := o.survey(ctx)
	if err != nil {
		return err
	}
	if err := o.shareWithParity(ctx, parity); err != nil {
		return err
	}
	for next != none && !l.budget.spent() {
		if next, err = o.scan(ctx, o.sliceFrom(next)); err != nil {
			return err
		}
	}
	for _, s := range stores {
		l.enter(s.config)
		if err := l.leave(ctx, v.Config); err != nil {
			return err
		}
	}
	return nil
}

// An oldest scans slices.
type oldest struct {
	vault  *vault.Vault
	opts   Options
	ledger *ledger
	stores []openStore
	all    coverage.Survey // of what may be taken
	before int64           // only what was last looked at before this is taken
}

// An openStore is a store that is mounted.
type openStore struct {
	store  store.Store
	config vault.StoreConfig
}

// none is the age of nothing: there is no next blob.
const none = int64(-1)

// survey finds the blob that has waited longest, and counts what there is.
func (o *oldest) survey(ctx context.Context) (next int64, err error) {
	next = none
	for _, s := range o.stores {
		for item, err := range o.items(ctx, s) {
			if err != nil {
				return none, err
			}
			o.all.Add(&item, 0, o.ledger.begun)
			if nanoseconds(item.Looked) < o.before {
				o.ledger.meter.of(s.config.Name).total.Add(item.Hashes.Size)
			}
			o.note(&next, nanoseconds(item.Looked))
		}
	}
	o.ledger.summary.Of = o.all.Blobs
	o.ledger.summary.NothingDue = next == none
	return next, nil
}

// shareWithParity reads parity files with their part of the budget and leaves
// the rest of it to blobs.
func (o *oldest) shareWithParity(ctx context.Context, parity func() error) error {
	files, bytes, err := paritySize(ctx, o.vault.Catalog)
	if err != nil {
		return err
	}
	l, bounds := o.ledger, o.opts.Bounds
	l.budget = newBudget(bounds.part(l.begun, float64(bytes)/float64(max(bytes+o.all.Bytes, 1))), l.begun, l.now, files, bytes)
	if err := parity(); err != nil {
		return err
	}
	if bounds.MaxRead > 0 {
		bounds.MaxRead = max(bounds.MaxRead-l.summary.BytesRead, 1)
	}
	l.budget = newBudget(bounds, l.begun, l.now, o.all.Blobs, o.all.Bytes)
	if l.budget.metered {
		l.meter.most.Store(l.meter.of(finding.ParityStore).bytes.Load() + l.budget.left.Load())
	}
	return nil
}

// paritySize returns what the parity files in force amount to.
func paritySize(ctx context.Context, c *catalog.Catalog) (files, bytes int64, err error) {
	for band, err := range c.Bands(ctx, 0) {
		if err != nil {
			return 0, 0, fmt.Errorf("read the bands from the catalog: %w", err)
		}
		for _, file := range band.Files {
			files++
			bytes += file.Hashes.Size
		}
	}
	return files, bytes, nil
}

// note keeps the earliest look that is to be taken.
func (o *oldest) note(next *int64, looked int64) {
	if looked < o.before && (*next == none || looked < *next) {
		*next = looked
	}
}

// sliceFrom returns the slice that begins with the blob that has waited
// longest. Those never looked at are a slice of their own.
func (o *oldest) sliceFrom(looked int64) slice {
	if looked == 0 {
		return slice{0, 1}
	}
	age := nanoseconds(o.ledger.begun) - looked
	return slice{looked, min(looked+age/sliceShare+1, o.before)}
}

// scan reads one slice of every store and returns where the next one begins.
func (o *oldest) scan(ctx context.Context, s slice) (next int64, err error) {
	next = none
	for _, at := range o.stores {
		if o.ledger.budget.spent() {
			return none, nil
		}
		o.ledger.enter(at.config)
		if err := scanNames(ctx, o.vault, at.store, at.config, o.opts, o.ledger, o.names(ctx, at, s, &next)); err != nil {
			return none, fmt.Errorf("scrub store %q: %w", at.config.Name, err)
		}
	}
	return next, nil
}

// names yields what lies in the slice, as long as the budget lasts, and finds
// out where the next slice begins. Names are not looked up in a listing: the
// examiner asks the store for each.
func (o *oldest) names(ctx context.Context, at openStore, s slice, next *int64) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		for item, err := range o.items(ctx, at) {
			if err != nil {
				yield(pair{}, err)
				return
			}
			looked := nanoseconds(item.Looked)
			if looked >= s.to {
				o.note(next, looked)
			}
			if !s.has(looked) {
				continue
			}
			if o.ledger.budget.spent() {
				return
			}
			p := pair{known: &item.Known, unlisted: true}
			p.granted = o.ledger.budget.take(p.size())
			if !yield(p, nil) {
				return
			}
		}
	}
}

// items yields what a bounded run may take from a store. What the run has read
// to its end is over, also a large blob that an earlier run began and that
// counts as verified since then.
func (o *oldest) items(ctx context.Context, at openStore) iter.Seq2[coverage.Item, error] {
	return func(yield func(coverage.Item, error) bool) {
		for item, err := range coverage.Walk(ctx, o.vault.Catalog, at.config, o.ledger.now()) {
			if err == nil && (!o.opts.Names.Has(item.Name) || !store.Keeps(at.store, item.Kind) || item.Seen != nil && item.Seen.Run == o.ledger.run) {
				continue
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// nanoseconds is a time of the catalog as a number; 0 for never.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// scanDamaged reads again what has a finding, and nothing else.
func scanDamaged(ctx context.Context, v *vault.Vault, opts Options, l *ledger) (err error) {
	stores, err := openAll(ctx, v, opts, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(stores)) }()
	totals, err := v.Catalog.Totals(ctx)
	if err != nil {
		return fmt.Errorf("count records: %w", err)
	}
	l.summary.Of = totals.Blobs * int64(len(stores))
	l.summary.NothingDue = true
	l.budget = newBudget(opts.Bounds, l.begun, l.now, l.summary.Of, totals.Bytes*int64(len(stores)))
	for _, at := range stores {
		l.enter(at.config)
		if err := scanNames(ctx, v, at.store, at.config, opts, l, damagedNames(ctx, v.Catalog, at, opts, l)); err != nil {
			return fmt.Errorf("scrub store %q: %w", at.config.Name, err)
		}
		l.counts().Checked = max(l.counts().Checked, totals.Blobs) // the sample is one of damage
		if err := l.leave(ctx, v.Config); err != nil {
			return err
		}
	}
	return nil
}

// damagedNames yields what has a finding in a store.
func damagedNames(ctx context.Context, c *catalog.Catalog, at openStore, opts Options, l *ledger) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		for f, err := range c.Findings(ctx, at.config.Name) {
			if err != nil {
				yield(pair{}, fmt.Errorf("look through earlier findings: %w", err))
				return
			}
			if !opts.Names.Has(f.Name) || opts.Bounds.OlderThan > 0 && l.begun.Sub(f.LastSeen) <= opts.Bounds.OlderThan {
				continue
			}
			p, there, err := pairOf(ctx, c, at, f.Name)
			l.summary.NothingDue = false
			if l.budget.spent() {
				return
			}
			p.granted = l.budget.take(p.size())
			if (there || err != nil) && !yield(p, err) {
				return
			}
		}
	}
}

// pairOf gathers what is known of one name. It is false when neither the
// catalog nor the store has it any more.
func pairOf(ctx context.Context, c *catalog.Catalog, at openStore, name string) (p pair, there bool, err error) {
	record, err := c.Current(ctx, name)
	switch {
	case err == nil:
		p.known, p.unlisted = &catalog.Known{Record: record}, true
		seen, err := c.Coverage(ctx, at.config.Name, name)
		if err == nil {
			p.known.Seen = &seen
		} else if !errors.Is(err, catalog.ErrNotRecorded) && !errors.Is(err, catalog.ErrDamaged) {
			return p, false, fmt.Errorf("look up the coverage of %q: %w", name, err)
		}
		return p, true, nil
	case !errors.Is(err, catalog.ErrNotRecorded):
		return p, false, fmt.Errorf("look up %q: %w", name, err)
	}
	entry, err := at.store.Stat(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return p, false, nil
	case err != nil && !blames(err):
		return p, false, err
	case err != nil:
		entry = store.Entry{Name: name, Err: err}
	}
	p.entry = &entry
	return p, true, nil
}
