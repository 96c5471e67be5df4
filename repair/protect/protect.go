// Package protect records the hash sets of new and changed blobs of the
// primary store and writes their parity, and writes parity and catalog anew
// from what is left when either was damaged.
//
// It believes nobody: what is encoded was read once for digests, shard sums
// and parity together, and what is encoded again must match its recorded sums.
// It never writes to a store of blobs, and never records content that nobody
// meant to change. It does not know of flags, of the terminal or of exit
// statuses.
package protect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/repair/stripe"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// Options say how a run of protect is carried out.
type Options struct {
	// Accept selects blobs whose rot or loss a person accepts: they are recorded
	// as they are now, or as vanished. Each is the name of a blob, or else a
	// pattern as scrub.ParseNames takes it.
	Accept []string
	// HalfHealed are blobs, by store and name, of which nothing is recorded: an
	// interrupted repair of them could not be ended, so that what stands there
	// looks as if somebody had written it.
	HalfHealed map[[2]string]bool
	// Anew names parity files that pass their own sums and do not fit the data:
	// RebuildParity takes nothing over from the bands that they belong to.
	Anew []string
	// Workers is how many blobs are read at a time; 0 chooses.
	Workers int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// OnStep is called before each durable step of writing parity, for tests
	// of crashes; an error of it ends the run there. nil does nothing.
	OnStep func(Step) error

	source func(store.Store) store.Store // stands between protect and the primary store, in tests
	slab   int64                         // bytes of accumulators; slabBytes but in tests
}

// Step names a durable step of writing parity, in the order in which they
// come.
type Step string

// The steps.
const (
	Announce Step = "announce" // the catalog notes which version is about to be written
	Write    Step = "write"    // a band is staged, sealed and read back
	Publish  Step = "publish"  // its files get their names
	Switch   Step = "switch"   // the catalog puts the new version in force
	Remove   Step = "remove"   // the files of the version before are removed
)

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Workers <= 0 {
		o.Workers = 2 * runtime.GOMAXPROCS(0)
	}
	if o.slab == 0 {
		o.slab = slabBytes
	}
	if o.OnStep == nil {
		o.OnStep = func(Step) error { return nil }
	}
	return o
}

// A run is one execution of protect, or of a verb that writes parity anew.
type run struct {
	vault   *vault.Vault
	catalog *catalog.Catalog
	opts    Options
	rep     report.Reporter
	source  store.Store // the primary store
	config  vault.StoreConfig
	home    home // where parity files live
	accept  acceptance
	id      int64
	started time.Time
	version int64 // of the bands that are being written

	findingsLost bool // the catalog was rebuilt without all the findings of the one before

	mu      sync.Mutex
	summary report.Summary
	total   int64 // bytes that are to be read from the store, once that is known
}

func newRun(v *vault.Vault, verb string, opts Options, rep report.Reporter) (*run, error) {
	opts = opts.withDefaults()
	r := &run{
		vault: v, catalog: v.Catalog, opts: opts, rep: rep, config: v.Primary(),
		started: opts.Now(),
		summary: report.Summary{Verb: verb, Verdicts: map[finding.Verdict]int64{}},
	}
	source, err := v.Store(r.config.Name)
	if err != nil {
		return nil, err
	}
	r.source = source
	if opts.source != nil {
		r.source = opts.source(source)
	}
	place, err := v.ParityHome()
	if err != nil {
		return nil, err
	}
	r.home = home{place}
	return r, nil
}

// Run records the hash sets of new and changed blobs and writes their parity.
// A blob that cannot be read, or that changed without anybody having meant it,
// is reported and left as it is recorded; the rest goes on.
//
// The error is gate.ErrRefused when an open gate kept anything from being
// recorded, the context's when it ended first, and otherwise what kept the run
// from doing its work. The summary is valid with any of them, and what a
// cancelled run finished stays recorded.
func Run(ctx context.Context, v *vault.Vault, opts Options, rep report.Reporter) (report.Summary, error) {
	r, err := newRun(v, "protect", opts, rep)
	if err != nil {
		return report.Summary{Verb: "protect"}, err
	}
	return r.booked(ctx, r.protect)
}

// booked carries out do as a run that the catalog knows of.
func (r *run) booked(ctx context.Context, do func(context.Context) error) (report.Summary, error) {
	err := r.catalog.Update(ctx, func(tx *catalog.Tx) (err error) {
		r.id, err = tx.StartRun(r.summary.Verb, r.started)
		return err
	})
	if err != nil {
		return r.summary, fmt.Errorf("start the run: %w", err)
	}
	stop := report.KeepPosted(r.rep, r.progress)
	err = do(ctx)
	stop()
	r.summary.Elapsed = r.opts.Now().Sub(r.started)
	r.summary.Traffic = r.vault.Traffic()
	r.conclude(err)
	finished := r.catalog.Update(context.WithoutCancel(ctx), func(tx *catalog.Tx) error {
		text, err := json.Marshal(r.summary)
		if err != nil {
			return err
		}
		return tx.FinishRun(catalog.Run{
			ID: r.id, Verb: r.summary.Verb, Started: r.started, Finished: r.opts.Now(),
			Exit: int(r.summary.Exit), Summary: text,
		})
	})
	if finished != nil {
		err = errors.Join(err, fmt.Errorf("save how the run ended: %w", finished))
	}
	return r.summary, err
}

func (r *run) progress() report.Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := report.Progress{
		Verb: r.summary.Verb, Store: r.source.Name(), Blobs: r.summary.Blobs, Bytes: r.summary.Bytes, Total: r.total,
		Elapsed: r.opts.Now().Sub(r.started),
	}
	for _, n := range r.summary.Verdicts {
		p.Findings += n
	}
	return p
}

// protect is the whole way from the listing to the last band.
func (r *run) protect(ctx context.Context) error {
	mounted, err := gate.Mounted(ctx, r.catalog, r.source, r.started)
	if err != nil {
		return err
	}
	if !mounted {
		return r.refused(ctx)
	}
	if r.findingsLost, err = findingsAreLost(ctx, r.catalog); err != nil {
		return err
	}
	if err := r.acceptAll(ctx, r.opts.Accept); err != nil {
		return err
	}
	surveyed, err := r.survey(ctx)
	if err != nil {
		return fmt.Errorf("look for new and changed blobs: %w", err)
	}
	defer surveyed.Close()
	if err := surveyed.settle(ctx); err != nil {
		return err
	}
	decided, err := r.decide(ctx, surveyed)
	if err != nil {
		return fmt.Errorf("compare changed blobs with what is recorded: %w", err)
	}
	defer decided.Close()
	r.mu.Lock()
	r.total = r.summary.Bytes + decided.coming.Total
	r.mu.Unlock()
	open, err := gate.Judge(ctx, r.catalog, r.vault.Config, decided.counts, r.opts.Now())
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return r.refused(ctx)
	}
	if err := r.carryOut(ctx, decided); err != nil {
		return r.healAfter(ctx, err)
	}
	forgotten, err := r.pruneHistory(ctx)
	if err != nil {
		return err
	}
	return r.export(ctx, decided.count > 0 || forgotten > 0)
}

// export leaves the export of what is recorded now, if anything changed, and
// brings the mirrors up to date.
func (r *run) export(ctx context.Context, changed bool) error {
	if changed || !r.isExported() {
		if err := r.writeExport(ctx); err != nil {
			return err
		}
	}
	late, err := Mirror(ctx, r.vault)
	r.count(func(s *report.Summary) { s.Deferred += int64(late) })
	return err
}

// isExported tells whether the vault has an export of its catalog, and not only
// of the one that it was rebuilt from.
func (r *run) isExported() bool {
	f, err := os.Open(ExportPath(r.vault))
	if err != nil {
		return false
	}
	defer f.Close()
	there, err := catalog.ReadExportHeader(f)
	return err == nil && there.Catalog == r.catalog.ID()
}

// refused reports the gates that are in the way.
func (r *run) refused(ctx context.Context) error {
	open, err := gate.InTheWay(ctx, r.catalog, r.source.Name())
	if err != nil {
		return err
	}
	for _, g := range open {
		r.rep.Gate(report.Gate{ID: g.ID, Name: g.Name, Store: g.Store, Reason: g.Reason, Opened: g.OpenedAt})
	}
	held := gate.Hold(ctx, r.vault, r.rep, r.opts.Now())
	return errors.Join(fmt.Errorf("protect: %w", gate.ErrRefused), held)
}

// step tells that a durable step is about to be taken.
func (r *run) step(s Step) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opts.OnStep(s)
}

// gatherer reads stripes as the catalog has them.
func (r *run) gatherer(ctx context.Context) *stripe.Gatherer {
	g := &stripe.Gatherer{Catalog: r.catalog, Home: r.home, Stores: []store.Store{r.source}}
	for _, cfg := range r.vault.Config.Stores {
		if cfg.Name == r.config.Name {
			continue
		}
		replica, err := r.vault.Store(cfg.Name)
		if err != nil {
			continue // a store that cannot be opened is no source
		}
		if _, err := replica.Probe(ctx); err == nil {
			g.Stores = append(g.Stores, replica)
		}
	}
	return g
}

// count changes the summary. All figures are counted through it.
func (r *run) count(change func(s *report.Summary)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.summary)
}

func (r *run) readFromStore(n int64) {
	r.count(func(s *report.Summary) { s.Bytes += n; s.BytesRead += n })
}

// found reports a finding and counts its verdict.
func (r *run) found(f finding.Finding) {
	r.count(func(s *report.Summary) {
		s.Verdicts[f.Verdict]++
		if f.Verdict.Damaged() {
			s.Damaged++
		}
	})
	r.rep.Finding(f)
}

// conclude says how the run ended.
func (r *run) conclude(err error) {
	r.count(func(s *report.Summary) {
		s.Cancelled = errors.Is(err, context.Canceled)
		s.Refused = errors.Is(err, gate.ErrRefused)
		s.Failed = err != nil && !s.Cancelled && !s.Refused || errors.Is(err, gate.ErrHold)
		s.Exit = exitOf(*s)
	})
}
