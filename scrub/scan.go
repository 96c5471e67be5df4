// Package scrub finds damaged blobs: it lists stores and the catalog side by
// side, reads and hashes every blob in parallel, and judges what it read by
// what is recorded.
//
// It writes to the catalog (coverage, findings, gates) and never to a store.
// It does not know how anything is rebuilt.
package scrub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// Options say what a scrub looks at.
type Options struct {
	Light    bool     // names, sizes, times and what a service reports; no blob is read
	Stores   []string // names of stores; all when empty
	Names    Names    // blobs; all when zero
	Bounds   Bounds   // how much is read; not of a light scrub
	Restart  bool     // read everything though a scrub was cut off that could be gone on with
	Buffered bool     // read through the page cache
	Now      func() time.Time

	// Open opens the stores; nil opens those of the vault.
	Open func(name string) (store.Store, error)

	HealUntil time.Time // when a Healer begins no repair any more; zero for never

	// Rescue is asked for what could be rebuilt; nil leaves that open.
	Rescue Rescue

	// Stripes holds parity against the data, which reads both once more; nil
	// leaves that out.
	Stripes StripeCheck
}

// readsParity tells whether the scrub reads parity files too.
func (o Options) readsParity(v *vault.Vault) bool {
	return len(o.Stores) == 0 && o.Names.All() && !o.Light && v.Config.Overhead > 0
}

// clock is what tells the time.
func (o Options) clock() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// smallReaders is how many goroutines read at once in one store: enough that
// small files keep a disk busy. Threads that wait for a disk do not compute.
const smallReaders = 16

// batchLength is how many names travel together from the walk to a reader, and
// remoteBatch how many where reading one takes the time of a round trip.
const (
	batchLength = 32
	remoteBatch = 1
)

// Run scrubs the stores of the vault and says what it finds to rep. The
// summary is complete but for its exit status. An error means that the run did
// not finish; what was verified until then is saved.
func Run(ctx context.Context, v *vault.Vault, opts Options, rep report.Reporter) (report.Summary, error) {
	l := newLedger(v.Catalog, rep, opts)
	if err := l.start(ctx); err != nil {
		return report.NotBegun("scrub", err), err
	}
	l.meter = newMeter(v, opts, time.Now())
	stop := report.KeepPosted(rep, l.meter.progress)
	err := errors.Join(scanAll(ctx, v, opts, l), l.judgeAll(ctx, v))
	stop()
	if ctx.Err() == nil {
		err = errors.Join(err, l.countOverdue(ctx, v.Config))
	}
	l.summary.Traffic = v.Traffic()
	return l.finish(ctx, errors.Join(err, l.failure))
}

func scanAll(ctx context.Context, v *vault.Vault, opts Options, l *ledger) error {
	rationed, err := newRation(ctx, v, opts)
	if err != nil {
		return err
	}
	if l.ration = rationed; rationed != nil && rationed.large > 0 {
		l.rep.Note("%d blobs are larger than all that this run may fetch: they are never read under such a bound", rationed.large)
	}
	parity := func() error { return nil }
	if opts.readsParity(v) {
		parity = func() error {
			return inTurn(ctx, func() error { return scanParity(ctx, v, l) }, func() error { return l.checkStripes(ctx) })
		}
	}
	switch {
	case opts.Bounds.OnlyDamaged:
		return inTurn(ctx, parity, func() error { return scanDamaged(ctx, v, opts, l) })
	case opts.Bounds.Any():
		return scanOldest(ctx, v, opts, l, parity)
	}
	counted := make(chan error, 1) // beside the reading, which need not wait for it
	go func() { counted <- l.meter.expectAll(ctx, v.Catalog, opts) }()
	err = inTurn(ctx, func() error { return scanEverything(ctx, v, opts, l) }, parity)
	return errors.Join(err, <-counted)
}

// inTurn does one thing after the other, whether they fail or not.
func inTurn(ctx context.Context, things ...func() error) error {
	var errs []error
	for _, do := range things {
		errs = append(errs, do())
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(errs...)
}

// scanEverything scrubs one store after the other, each name that it or the
// catalog has.
func scanEverything(ctx context.Context, v *vault.Vault, opts Options, l *ledger) error {
	var errs []error
	for _, cfg := range chosen(v.Config.Stores, opts.Stores) {
		if err := scanStore(ctx, v, cfg, opts, l); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(errs...)
}

func chosen(stores []vault.StoreConfig, names []string) []vault.StoreConfig {
	if len(names) == 0 {
		return stores
	}
	return slices.DeleteFunc(slices.Clone(stores), func(s vault.StoreConfig) bool {
		return !slices.Contains(names, s.Name)
	})
}

// scanStore scrubs one store.
func scanStore(ctx context.Context, v *vault.Vault, cfg vault.StoreConfig, opts Options, l *ledger) (err error) {
	s, mounted, err := openMounted(ctx, v, cfg, opts, l)
	if err != nil || !mounted {
		return err
	}
	defer func() { err = errors.Join(err, closeStore(s)) }()
	l.enter(cfg)
	if err := scanNames(ctx, v, s, cfg, opts, l, everyName(ctx, v.Catalog, s, opts, l)); err != nil {
		return fmt.Errorf("scrub store %q: %w", cfg.Name, err)
	}
	return l.leave(ctx, v.Config)
}

// openMounted opens a store. One that is not mounted is one gate, and not a
// million missing blobs.
func openMounted(ctx context.Context, v *vault.Vault, cfg vault.StoreConfig, opts Options, l *ledger) (store.Store, bool, error) {
	s, err := open(v, opts, cfg.Name)
	if err != nil {
		return nil, false, fmt.Errorf("open store %q: %w", cfg.Name, err)
	}
	here, err := gate.Mounted(ctx, v.Catalog, s, l.now())
	if err == nil && !here {
		err = l.notMounted(ctx, cfg.Name)
	}
	if err != nil || !here {
		return nil, false, errors.Join(err, closeStore(s))
	}
	return s, true, nil
}

// openAll opens the stores that a run is about, as far as they are mounted.
func openAll(ctx context.Context, v *vault.Vault, opts Options, l *ledger) ([]openStore, error) {
	var stores []openStore
	for _, cfg := range chosen(v.Config.Stores, opts.Stores) {
		s, mounted, err := openMounted(ctx, v, cfg, opts, l)
		if err != nil {
			return nil, errors.Join(err, closeAll(stores))
		}
		if mounted {
			stores = append(stores, openStore{s, cfg})
		}
	}
	return stores, nil
}

func closeAll(stores []openStore) error {
	var errs []error
	for _, s := range stores {
		errs = append(errs, closeStore(s.store))
	}
	return errors.Join(errs...)
}

func closeStore(s store.Store) error {
	if closer, ok := s.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

func open(v *vault.Vault, opts Options, name string) (store.Store, error) {
	if opts.Open != nil {
		return opts.Open(name)
	}
	return v.Store(name)
}

// scanNames is the pipeline: one goroutine walks the names, several examine
// them, and the caller's goroutine books the outcomes.
func scanNames(ctx context.Context, v *vault.Vault, s store.Store, cfg vault.StoreConfig, opts Options, l *ledger, names iter.Seq2[pair, error]) error {
	if err := l.openPartials(ctx, cfg.Name); err != nil {
		return err
	}
	device := deviceOf(ctx, s)
	v.Pace().On(device)
	names = inPlace(ctx, s, device, names)
	group, ctx := errgroup.WithContext(ctx)
	work := make(chan []pair, smallReaders)
	outcomes := make(chan []outcome, smallReaders)
	group.Go(func() error {
		defer close(work)
		return dispatch(ctx, names, s, l, work)
	})
	group.Go(func() error {
		defer close(outcomes)
		examiners, ctx := errgroup.WithContext(ctx)
		for range readers(s) {
			examiners.Go(func() error {
				x := newExaminer(v, s, cfg, opts, l)
				return errors.Join(x.run(ctx, work, outcomes), x.free())
			})
		}
		return examiners.Wait()
	})
	booking := l.bookAll(ctx, outcomes)
	return errors.Join(group.Wait(), booking)
}

func readers(s store.Store) int {
	if remote, ok := s.(store.Remote); ok {
		return remote.Readers()
	}
	return max(smallReaders, runtime.GOMAXPROCS(0))
}

// batchOf is how many names of the store travel together to a reader.
func batchOf(s store.Store) int {
	if _, remote := s.(store.Remote); remote {
		return remoteBatch
	}
	return batchLength
}

// dispatch sends the names to examine in batches.
func dispatch(ctx context.Context, names iter.Seq2[pair, error], s store.Store, l *ledger, work chan<- []pair) error {
	length := batchOf(s)
	batch := make([]pair, 0, length)
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		select {
		case work <- batch:
			batch = make([]pair, 0, length)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for p, err := range names {
		if err != nil {
			return errors.Join(send(), err)
		}
		p.skim = !l.ration.admits(s, p)
		if weight := p.weight(); weight > 0 {
			if err := errors.Join(send(), l.memory.Acquire(ctx, weight)); err != nil {
				return err
			}
			p.acquired = weight
		}
		if batch = append(batch, p); len(batch) == length || p.size() >= chunkSize {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}

// everyName yields each name that the store or the catalog has and that is to
// be examined.
func everyName(ctx context.Context, c *catalog.Catalog, s store.Store, opts Options, l *ledger) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		var unlisted shadow
		for p, err := range pairs(ctx, c, s, opts.Names, !opts.Light && !l.pass.goesOn()) {
			keep := true
			if err == nil {
				p, keep, err = sift(ctx, c, s, opts, l, &unlisted, p)
			}
			if (keep || err != nil) && !yield(p, err) {
				return
			}
		}
	}
}

// sift tells whether a name is to be examined, and as what.
func sift(ctx context.Context, c *catalog.Catalog, s store.Store, opts Options, l *ledger, unlisted *shadow, p pair) (pair, bool, error) {
	failed := p.entry != nil && p.entry.Err != nil
	if failed && (p.known == nil || p.known.Kind == hashsets.Directory) {
		unlisted.add(*p.entry) // perhaps a directory: it hides what is below it
	}
	switch {
	case !opts.Names.Has(p.name()):
		return p, false, nil
	case failed:
		return p, true, nil
	case p.isAbsent() && unlisted.over(p.name()) != nil:
		p.entry = &store.Entry{Name: p.name(), Err: unlisted.over(p.name())}
		return p, true, nil
	case p.isAbsent() && !store.Keeps(s, p.known.Kind):
		return p, false, nil
	case l.pass.has(p.known, p.entry):
		l.earlier.Add(1)
		return p, false, nil
	case p.isDirectory():
		lost, err := lostEmptyDirectory(ctx, c, p)
		return p, lost, err
	case p.known == nil && p.entry.Kind == 0:
		l.skip()
		return p, false, nil
	}
	return p, true, nil
}

// lostEmptyDirectory tells whether a recorded directory is gone and was empty.
// One that held blobs is told of by each of them.
func lostEmptyDirectory(ctx context.Context, c *catalog.Catalog, p pair) (bool, error) {
	if p.known == nil || p.entry != nil {
		return false, nil
	}
	below := catalog.Query{From: p.name() + "/", To: p.name() + "0"} // '0' follows '/'
	for _, err := range c.Records(ctx, below) {
		if err != nil {
			return false, fmt.Errorf("look for records below %q: %w", p.name(), err)
		}
		return false, nil
	}
	return true, nil
}

// weight is what the pair takes of the memory for shard sums: those recorded
// and those computed. Small blobs are not counted.
func (p pair) weight() int64 {
	const small = 4096
	if p.known == nil || len(p.known.Hashes.ShardSums) < small {
		return 0
	}
	return min(int64(len(p.known.Hashes.ShardSums))*2*8, sumsInWork)
}

// size is how many bytes the store has under the name; those recorded where
// nobody has looked.
func (p pair) size() int64 {
	switch {
	case p.entry != nil:
		return p.entry.Identity.Size
	case p.known != nil:
		return p.known.Hashes.Size
	}
	return 0
}
