package scrub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// bookEvery is how many outcomes are saved in one transaction, and saveAfter
// how long outcomes wait for others.
const (
	bookEvery = 8192
	saveAfter = 2 * time.Second
)

// sumsInWork bounds the shard sums, in bytes, of all blobs that wait to be
// read, are read, or wait to be booked. A blob that has more goes alone.
const sumsInWork = 64 << 20

// entries are what outcomes leave to be saved.
type entries struct {
	coverage []catalog.Coverage
	findings []catalog.Finding
}

func (e *entries) len() int { return len(e.coverage) + len(e.findings) }

// clear empties e and keeps its memory, which then holds on to nothing.
func (e *entries) clear() {
	clear(e.coverage)
	clear(e.findings)
	e.coverage, e.findings = e.coverage[:0], e.findings[:0]
}

// A tally is what a run saw in one store.
type tally struct {
	counts   gate.Counts
	complete bool // every name of the store was seen
	denied   bool // some blobs may not be read
}

// A ledger books what a scrub finds: every figure of the summary is counted
// here and nowhere else. Outcomes are booked by one goroutine; what the walk
// counts is atomic.
type ledger struct {
	catalog *catalog.Catalog
	rep     report.Reporter
	opts    Options
	clinic  *clinic
	now     func() time.Time
	run     int64
	begun   time.Time
	saved   time.Time

	summary report.Summary
	skipped atomic.Int64
	pending entries
	meter   *meter
	ration  *ration             // of what may be fetched; nil for all
	memory  *semaphore.Weighted // for the shard sums of large blobs in work

	pass     *pass                // the reading of everything that this run goes on with; nil for another kind of run
	partials map[string]*partials // by name of store: large blobs that were begun
	earlier  atomic.Int64         // blobs that this run's pass read before it, not yet counted

	budget  *budget           // of a bounded run; nil otherwise
	store   vault.StoreConfig // in work
	tallies map[string]*tally // by name of store

	failure       error    // why the run fails though it went on; nil while it does not
	settledParity []string // parity files that are intact
	told          map[int64]bool
}

func newLedger(c *catalog.Catalog, rep report.Reporter, opts Options) *ledger {
	now := opts.clock()
	return &ledger{catalog: c, rep: rep, opts: opts, now: now, clinic: newClinic(c, opts), told: map[int64]bool{}, summary: report.Summary{
		Verb:     "scrub",
		Light:    opts.Light,
		Verdicts: map[finding.Verdict]int64{},
	}, tallies: map[string]*tally{}, partials: map[string]*partials{}, memory: semaphore.NewWeighted(sumsInWork)}
}

func (l *ledger) start(ctx context.Context) error {
	l.begun = l.now()
	l.saved = l.begun
	if err := l.takeUpPass(ctx); err != nil {
		return err
	}
	return l.catalog.Update(context.WithoutCancel(ctx), func(tx *catalog.Tx) (err error) {
		if l.run, err = tx.StartRun("scrub", l.begun); err != nil || l.pass == nil {
			return err
		}
		return l.pass.begin(tx, l.run)
	})
}

// enter begins a store, or goes on with it.
func (l *ledger) enter(cfg vault.StoreConfig) {
	l.store = cfg
	if l.tallies[cfg.Name] == nil {
		l.tallies[cfg.Name] = &tally{counts: gate.Counts{Store: cfg.Name}, complete: !l.opts.Bounds.Any()}
	}
}

// counts is what was seen in the store in work.
func (l *ledger) counts() *gate.Counts { return &l.tallies[l.store.Name].counts }

// incomplete notes that not every name of the store in work was looked at.
func (l *ledger) incomplete() { l.tallies[l.store.Name].complete = false }

// leave ends a store that was walked to its end: findings that are over are
// forgotten, and gates are judged.
func (l *ledger) leave(ctx context.Context, cfg vault.Config) error {
	if err := l.forgetSettled(ctx); err != nil {
		return err
	}
	t := l.tallies[l.store.Name]
	earlier := l.earlier.Swap(0)
	l.summary.Earlier += earlier
	t.counts.Checked += earlier
	t.counts.Partial = !l.opts.Names.All() || !t.complete || t.denied
	open, err := gate.Judge(ctx, l.catalog, cfg, t.counts, l.now())
	if err != nil {
		return err
	}
	l.tell(open)
	return nil
}

// tell says which gates are open, each once.
func (l *ledger) tell(open []catalog.Gate) {
	for _, g := range open {
		if !l.told[g.ID] {
			l.told[g.ID] = true
			l.rep.Gate(report.Gate{ID: g.ID, Name: g.Name, Store: g.Store, Reason: g.Reason, Opened: g.OpenedAt})
		}
	}
}

// notMounted books a store that could not be looked at.
func (l *ledger) notMounted(ctx context.Context, name string) error {
	open, err := gate.InTheWay(ctx, l.catalog, name)
	if err != nil {
		return err
	}
	l.tell(open)
	l.summary.Failed, l.summary.Refused = true, true
	return nil
}

// skip counts a socket, device or FIFO.
func (l *ledger) skip() { l.skipped.Add(1) }

// bookAll books outcomes until no more come, and saves them as it goes: one
// lot is written while the next is gathered. What was verified before the run
// is cancelled is saved too.
func (l *ledger) bookAll(ctx context.Context, outcomes <-chan []outcome) error {
	lots, written := make(chan entries), make(chan entries, 2)
	var writer errgroup.Group
	writer.Go(func() error { return l.write(context.WithoutCancel(ctx), lots, written) })
	var failed error
	for batch := range outcomes {
		for _, o := range batch {
			if failed == nil { // else let the examiners end
				failed = l.book(ctx, o)
			}
			l.memory.Release(o.acquired)
		}
		if l.pending.len() >= bookEvery || l.now().Sub(l.saved) > saveAfter {
			lots <- l.takePending(written)
		}
	}
	lots <- l.takePending(written)
	close(lots)
	return errors.Join(failed, writer.Wait())
}

// takePending hands over what is to be saved, and gathers on in a lot that was
// written, if there is one.
func (l *ledger) takePending(written <-chan entries) entries {
	lot := l.pending
	select {
	case l.pending = <-written:
	default:
		l.pending = entries{}
	}
	l.saved = l.now()
	return lot
}

// write saves lots until no more come, and gives their memory back. After an
// error it only takes them.
func (l *ledger) write(ctx context.Context, lots <-chan entries, written chan<- entries) error {
	var failed error
	for lot := range lots {
		if failed == nil {
			failed = l.save(ctx, lot)
		}
		lot.clear()
		select {
		case written <- lot:
		default:
		}
	}
	return failed
}

// book counts one outcome and says its finding.
func (l *ledger) book(ctx context.Context, o outcome) error {
	l.summary.Bytes += o.bytes
	l.summary.BytesRead += o.bytes
	l.budget.giveBack(o.granted - o.bytes)
	switch {
	case errors.Is(o.unchecked, context.Canceled), errors.Is(o.unchecked, errLate):
		return nil
	case errors.Is(o.unchecked, errPaused):
		l.summary.Unfinished++
		return nil
	case o.unchecked == nil:
		l.partials[l.store.Name].drop(o.name())
	}
	if o.behind {
		return nil
	}
	l.summary.Blobs++
	if o.finding != nil && o.finding.Denied {
		l.tallies[l.store.Name].denied = true
	} else {
		l.counts().Checked++
	}
	l.meter.of(l.store.Name).blobs.Add(1)
	if o.unchecked != nil {
		l.notChecked(o.unchecked)
		l.incomplete()
		return nil
	}
	if o.finding == nil {
		if o.verdict == finding.Intact {
			l.summary.Intact++
		} else {
			l.summary.Unverified++
		}
		if o.verdict == finding.Intact && !l.opts.Light && !o.vanished { // what was verified more deeply stays so
			l.pending.coverage = append(l.pending.coverage, l.coverage(o))
		}
		return nil
	}
	l.count(o.finding)
	l.meter.of(l.store.Name).findings.Add(1)
	if o.verdict.Damaged() {
		if err := l.clinic.prospect(ctx, o.finding); err != nil {
			if ctx.Err() != nil {
				return err
			}
			l.amiss(err) // whether it can be rebuilt stays open
		}
	}
	l.rep.Finding(*o.finding)
	return l.note(o)
}

// notChecked books a blob or parity file that could not be checked, for no fault
// of its own. That the catalog is damaged where it is asked for one blob is a
// failure of the run too.
func (l *ledger) notChecked(why error) {
	l.summary.Unchecked++
	l.rep.Note("%v; it was not checked, which says nothing of its bytes", why)
	if errors.Is(why, catalog.ErrDamaged) {
		l.amiss(why)
	}
}

// amiss keeps why the run fails though it goes on to the other blobs: the first
// reason, for those of a million blobs are mostly the same.
func (l *ledger) amiss(why error) {
	if l.failure == nil {
		l.failure = why
	}
}

// count counts a finding. What may not be read is red and no reason for a gate:
// that somebody ran a scrub as the wrong user is nothing that a store met with.
func (l *ledger) count(f *finding.Finding) {
	v := f.Verdict
	l.summary.Verdicts[v]++
	if f.Diagnosis == finding.EncryptedLooking {
		l.counts().Encrypted++
	}
	switch v {
	case finding.Missing:
		l.counts().Missing++
	case finding.Modified:
		l.counts().Changed++
	}
	if v.Damaged() {
		l.summary.Damaged++
	}
	if v.Damaged() && !f.Denied {
		l.counts().Damaged++
	}
}

// save writes entries into the catalog.
func (l *ledger) save(ctx context.Context, lot entries) error {
	if lot.len() == 0 {
		return nil
	}
	err := l.catalog.Update(ctx, func(tx *catalog.Tx) error {
		for _, c := range lot.coverage {
			if err := tx.PutCoverage(c); err != nil {
				return err
			}
		}
		for _, f := range lot.findings {
			if err := tx.PutFinding(f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save what was verified: %w", err)
	}
	return nil
}

// note takes a finding down.
func (l *ledger) note(o outcome) error {
	detail, err := json.Marshal(o.finding)
	if err != nil {
		return fmt.Errorf("note the finding of %q: %w", o.finding.Blob, err)
	}
	now := l.now()
	l.pending.findings = append(l.pending.findings, catalog.Finding{
		Store: o.finding.Store, Name: o.finding.Blob, Verdict: string(o.finding.Verdict),
		Generation: o.finding.Generation, Identity: o.finding.Identity, Detail: detail,
		FirstSeen: now, LastSeen: now, Run: l.run,
	})
	return nil
}

func (l *ledger) coverage(o outcome) catalog.Coverage {
	c := o.known.CoverageIn(l.store.Name)
	c.VerifiedAt, c.Depth, c.Run = l.now(), catalog.DeepBuffered, l.run
	if o.entry != nil {
		c.Identity = o.entry.Identity
	}
	if !o.begun.IsZero() {
		c.VerifiedAt = o.begun
	}
	if o.direct {
		c.Depth = catalog.DeepDirect
	}
	return c
}

// finish saves how the run ended and returns the summary. runErr is why it did
// not finish, or nil.
func (l *ledger) finish(ctx context.Context, runErr error) (report.Summary, error) {
	l.summary.Skipped = l.skipped.Load()
	l.summary.Elapsed = l.now().Sub(l.begun)
	l.summary.Cancelled = errors.Is(runErr, context.Canceled)
	l.summary.Failed = l.summary.Failed || (runErr != nil && !l.summary.Cancelled)
	l.summary.Exit = int(report.ExitOf(l.summary))
	l.summary.Run = l.run
	if l.pass != nil && !l.summary.Cancelled {
		if err := l.catalog.Update(context.WithoutCancel(ctx), l.pass.end); err != nil {
			runErr = errors.Join(runErr, fmt.Errorf("note that everything was read: %w", err))
		}
	}
	return l.summary, errors.Join(runErr, Conclude(ctx, l.catalog, l.summary, l.now()))
}
