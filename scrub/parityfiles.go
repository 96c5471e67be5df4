package scrub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"golang.org/x/sync/errgroup"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// parityReaders is how many parity files are read at once; they are large.
const parityReaders = 4

// scanParity checks the parity files of every band in force as blobs are
// checked: by size, digests and shard sums.
func scanParity(ctx context.Context, v *vault.Vault, l *ledger) error {
	home, err := v.ParityHome()
	if err != nil {
		return fmt.Errorf("open the parity files: %w", err)
	}
	if closer, ok := home.(io.Closer); ok {
		defer closer.Close()
	}
	l.enter(vault.StoreConfig{Name: finding.ParityStore})
	group, ctx := errgroup.WithContext(ctx)
	work := make(chan []pair)
	outcomes := make(chan []outcome)
	group.Go(func() error {
		defer close(work)
		return walkParity(ctx, v.Catalog, home, l.ration, work)
	})
	group.Go(func() error {
		defer close(outcomes)
		examiners, ctx := errgroup.WithContext(ctx)
		for range parityReaders {
			examiners.Go(func() error {
				// Parity files are written once: whatever differs is damage.
				cfg := vault.StoreConfig{Name: finding.ParityStore, Role: vault.Primary, Immutable: true}
				x := newExaminer(v, home, cfg, l.opts, nil)
				return errors.Join(x.run(ctx, work, outcomes), x.free())
			})
		}
		return examiners.Wait()
	})
	booking := l.bookParity(ctx, outcomes)
	return errors.Join(group.Wait(), booking)
}

// walkParity sends each parity file in force with what was recorded when it
// was written. Where not all may be fetched, it begins at a band drawn by lot.
func walkParity(ctx context.Context, c *catalog.Catalog, home store.Store, rationed *ration, work chan<- []pair) error {
	bands, first := uint64(0), uint64(0)
	if rationed != nil {
		for _, err := range c.Bands(ctx, 0) {
			if err != nil {
				return fmt.Errorf("read the bands from the catalog: %w", err)
			}
			bands++
		}
		first = rationed.turn % max(1, bands)
	}
	if err := walkBands(ctx, c, home, rationed, first, math.MaxUint64, work); err != nil {
		return err
	}
	return walkBands(ctx, c, home, rationed, 0, first, work)
}

// walkBands sends the files of the bands from number from to before number to.
func walkBands(ctx context.Context, c *catalog.Catalog, home store.Store, rationed *ration, from, to uint64, work chan<- []pair) error {
	number := uint64(0)
	for band, err := range c.Bands(ctx, 0) {
		if err != nil {
			return fmt.Errorf("read the bands from the catalog: %w", err)
		}
		number++
		if number <= from || number > to {
			continue
		}
		for _, file := range band.Files {
			p := pair{known: &catalog.Known{Record: catalog.Record{
				Name: file.Name, Generation: band.Version, Kind: hashsets.File, Hashes: file.Hashes,
			}}}
			if _, remote := home.(store.Remote); remote {
				p.skim = !rationed.admitsParity(file.Hashes.Size)
			}
			entry, err := home.Stat(ctx, file.Name)
			switch {
			case err == nil:
				p.entry = &entry
			case !errors.Is(err, store.ErrNotFound):
				p.entry = &store.Entry{Name: file.Name, Err: err}
			}
			select {
			case work <- []pair{p}:
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
			if errors.Is(o.unchecked, context.Canceled) {
				continue
			}
			l.summary.Parity.Files++
			switch {
			case o.unchecked != nil:
				l.summary.Unchecked++
				l.complete = false
				l.rep.Note("%v; it was not checked, which says nothing of its bytes", o.unchecked)
			case o.finding == nil && o.verdict != finding.Intact:
				l.summary.Unverified++
			case o.verdict == finding.Intact:
				l.settledParity = append(l.settledParity, o.known.Name)
			default:
				l.summary.Parity.Damaged++
				l.rep.Finding(*o.finding)
				failed = errors.Join(failed, l.note(o))
			}
		}
		l.progress()
	}
	return errors.Join(failed, l.save(context.WithoutCancel(ctx), l.takePending()), l.forgetParity(context.WithoutCancel(ctx)))
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
		if err != nil {
			return fmt.Errorf("look through earlier findings: %w", err)
		}
		if f.Run != l.run && (intact[f.Name] || !inForce[f.Name]) {
			settled = append(settled, f.Name)
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
