package scrub

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// parityReaders is how many bands are read at once; their files are large.
const parityReaders = 4

// bandsAtOnce is how many bands are read before it is noted how far the turn
// is.
const bandsAtOnce = 16

// A parityScan checks the parity files of the bands in force as blobs are
// checked: by size, digests and shard sums. They are read in turns, band after
// band; a run that may not read all goes on where the one before it stopped.
type parityScan struct {
	vault   *vault.Vault
	home    store.Store
	ledger  *ledger
	turn    parityTurn
	only    map[string]bool // names of the files to read; nil for all
	skimmed bool            // some were only looked at: the turn is not further than before them
}

func scanParity(ctx context.Context, v *vault.Vault, l *ledger) (err error) {
	home, err := v.ParityHome()
	if err != nil {
		return fmt.Errorf("open the parity files: %w", err)
	}
	defer func() { err = errors.Join(err, closeStore(home)) }()
	l.enter(vault.StoreConfig{Name: finding.ParityStore})
	v.Pace().On(deviceOf(ctx, home))
	p := &parityScan{vault: v, home: home, ledger: l}
	if err := p.read(ctx); err != nil {
		return err
	}
	return l.forgetParity(context.WithoutCancel(ctx))
}

// read reads what the run's bounds ask for.
func (p *parityScan) read(ctx context.Context) (err error) {
	if p.ledger.opts.Bounds.OnlyDamaged {
		return p.readDamaged(ctx)
	}
	if p.turn, err = p.ledger.lastTurn(ctx); err != nil {
		return err
	}
	if !p.ledger.opts.Bounds.Any() && p.ledger.ration == nil {
		p.turn.Next = position{}
	}
	start := p.turn.Next
	if !p.due() {
		return nil
	}
	ended, err := p.stretch(ctx, start, position{})
	if err != nil || !ended {
		return err
	}
	if !p.skimmed {
		p.turn.finish()
		if err := p.ledger.saveTurn(ctx, p.turn); err != nil {
			return err
		}
	}
	if start == (position{}) || !p.due() {
		return nil
	}
	_, err = p.stretch(ctx, position{}, start)
	return err
}

// readDamaged reads the files that have a finding.
func (p *parityScan) readDamaged(ctx context.Context) error {
	p.only = map[string]bool{}
	for f, err := range p.vault.Catalog.Findings(ctx, finding.ParityStore) {
		if err != nil {
			return fmt.Errorf("look through earlier findings: %w", err)
		}
		p.only[f.Name] = true
	}
	_, err := p.stretch(ctx, position{}, position{})
	return err
}

// due tells whether the next band of the turn is to be read by this run.
func (p *parityScan) due() bool {
	if p.turn.Next == (position{}) {
		p.turn.Begun = p.ledger.begun
	}
	return p.ledger.budget == nil || !p.ledger.budget.spent() &&
		nanoseconds(p.turn.Last) < nanoseconds(p.ledger.begun.Add(-p.ledger.opts.Bounds.OlderThan))
}

// stretch reads the bands from one position up to another; the zero position
// is the beginning, and the end. It is false when the budget did not last.
func (p *parityScan) stretch(ctx context.Context, from, to position) (ended bool, err error) {
	var group []catalog.Band
	for band, err := range p.vault.Catalog.Bands(ctx, 0) {
		if err != nil {
			return false, fmt.Errorf("read the bands from the catalog: %w", err)
		}
		at := position{band.Set, band.Number}
		if at.before(from) {
			continue
		}
		if to != (position{}) && !at.before(to) {
			break
		}
		if p.ledger.budget.spent() {
			return false, p.scan(ctx, group)
		}
		for _, file := range band.Files {
			p.ledger.budget.take(file.Hashes.Size)
		}
		if group = append(group, band); len(group) == bandsAtOnce {
			if err := p.scan(ctx, group); err != nil {
				return false, err
			}
			group = group[:0]
		}
	}
	err = p.scan(ctx, group)
	return err == nil && !p.ledger.budget.late(), err // late: the examiners may have left some out
}

// scan examines the parity files of some bands, and notes that it did.
func (p *parityScan) scan(ctx context.Context, bands []catalog.Band) error {
	if len(bands) == 0 {
		return nil
	}
	group, inner := errgroup.WithContext(ctx)
	work := make(chan []pair)
	outcomes := make(chan []outcome)
	group.Go(func() error {
		defer close(work)
		return p.walk(inner, bands, work)
	})
	group.Go(func() error {
		defer close(outcomes)
		examiners, inner := errgroup.WithContext(inner)
		for range min(parityReaders, len(bands)) {
			examiners.Go(func() error {
				// Parity files are written once: whatever differs is damage.
				cfg := vault.StoreConfig{Name: finding.ParityStore, Role: vault.Primary, Immutable: true}
				x := newExaminer(p.vault, p.home, cfg, p.ledger.opts, p.ledger)
				x.clinic = nil // nobody asks in which way a parity file is damaged
				return errors.Join(x.run(inner, work, outcomes), x.free())
			})
		}
		return examiners.Wait()
	})
	booking := p.ledger.bookParity(ctx, outcomes)
	if err := errors.Join(group.Wait(), booking); err != nil || p.ledger.budget.late() || p.only != nil || p.skimmed {
		return err
	}
	last := bands[len(bands)-1]
	p.turn.Next = position{last.Set, last.Number + 1}
	return p.ledger.saveTurn(ctx, p.turn)
}

// walk sends each parity file with what was recorded when it was written.
func (p *parityScan) walk(ctx context.Context, bands []catalog.Band, work chan<- []pair) error {
	for _, band := range bands {
		for _, file := range band.Files {
			if p.only != nil && !p.only[file.Name] {
				continue
			}
			one := pair{known: &catalog.Known{Record: catalog.Record{
				Name: file.Name, Generation: band.Version, Kind: hashsets.File, Hashes: file.Hashes,
			}}}
			entry, err := p.home.Stat(ctx, file.Name)
			switch {
			case err == nil:
				one.entry = &entry
			case !errors.Is(err, store.ErrNotFound):
				one.entry = &store.Entry{Name: file.Name, Err: err}
			}
			if _, remote := p.home.(store.Remote); remote {
				one.skim = !p.ledger.ration.admitsParity(file.Hashes.Size)
				p.skimmed = p.skimmed || one.skim
			}
			one.granted = one.size()
			select {
			case work <- []pair{one}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// bookParity counts parity files apart from blobs.
func (l *ledger) bookParity(ctx context.Context, outcomes <-chan []outcome) error {
	var failed error
	for batch := range outcomes {
		for _, o := range batch {
			l.summary.BytesRead += o.bytes
			if errors.Is(o.unchecked, context.Canceled) || errors.Is(o.unchecked, errLate) {
				continue
			}
			l.summary.Parity.Files++
			l.meter.of(finding.ParityStore).blobs.Add(1)
			switch {
			case o.unchecked != nil:
				l.notChecked(o.unchecked)
			case o.finding == nil && o.verdict != finding.Intact:
				l.summary.Unverified++
			case o.verdict == finding.Intact:
				l.settledParity = append(l.settledParity, o.known.Name)
			default:
				l.summary.Parity.Damaged++
				l.meter.of(finding.ParityStore).findings.Add(1)
				l.rep.Finding(*o.finding)
				failed = errors.Join(failed, l.note(o))
			}
		}
	}
	return errors.Join(failed, l.save(context.WithoutCancel(ctx), l.takePending(nil)))
}

// forgetParity drops the findings of parity files that are intact, or that are
// no longer in force.
func (l *ledger) forgetParity(ctx context.Context) error {
	intact := make(map[string]bool, len(l.settledParity))
	for _, name := range l.settledParity {
		intact[name] = true
	}
	inForce, err := l.parityInForce(ctx)
	if err != nil {
		return err
	}
	var settled []string
	for f, err := range l.catalog.Findings(ctx, finding.ParityStore) {
		switch {
		case err != nil:
			return fmt.Errorf("look through earlier findings: %w", err)
		case f.Run == l.run:
		case inForce[f.Name] && finding.Verdict(f.Verdict) == finding.Stale:
			// Its stripes showed that, and its own sums say nothing of it.
			l.summary.Parity.Damaged++
		case intact[f.Name] || !inForce[f.Name]:
			settled = append(settled, f.Name)
		case l.opts.Bounds.Any():
			l.summary.Standing++
		}
	}
	return l.drop(ctx, finding.ParityStore, settled)
}

func (l *ledger) parityInForce(ctx context.Context) (map[string]bool, error) {
	names := map[string]bool{}
	for band, err := range l.catalog.Bands(ctx, 0) {
		if err != nil {
			return nil, fmt.Errorf("read the bands from the catalog: %w", err)
		}
		for _, file := range band.Files {
			names[file.Name] = true
		}
	}
	return names, nil
}
