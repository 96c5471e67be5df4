package repair

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// run is one execution of repair.
type run struct {
	vault   *vault.Vault
	opts    Options
	rep     report.Reporter
	started time.Time
	id      int64 // in the catalog

	names       selection
	stuck       map[[2]string]bool // by store and name: blobs whose interrupted repair is still in the journal
	plan        *Plan
	stores      map[string]store.Writable // those that can be reached
	unreachable map[string]error          // those that cannot, for an error that says nothing of what is mounted
	journal     journal
	ledger      ledger
	kept        *keptIndex
	buffers     bufferPool
	flips       int // shards in which a flipped bit was searched
	staged      stagedPool
	donors      []*donor
	dirs        directories

	mu         sync.Mutex // guards what follows
	gates      map[string][]catalog.Gate
	told       map[int64]bool              // gates that were reported
	exported   map[string][]catalog.Record // copies of the records that are to be healed; nil before the export was read
	badRecords int64                       // that no copy heals
	spread     gate.Poison                 // blobs whose current copies all have the same other bytes
	bad        map[string]int64            // by store: repaired blobs that did not verify in their place
	hindered   error                       // why a repair failed for no fault of its blob; nil while none did
	stopped    string                      // why an unattended run repairs nothing more; "" while it does
	placed     *placedBlobs                // of the ring in work; nil when nothing is remembered
	summary    report.Summary
}

func newRun(v *vault.Vault, opts Options, rep report.Reporter) *run {
	return &run{
		vault: v, opts: opts, rep: rep, started: opts.Now(),
		stores:      make(map[string]store.Writable),
		unreachable: make(map[string]error),
		journal:     journal{v.JournalDir()},
		ledger:      ledger{catalog: v.Catalog},
		stuck:       make(map[[2]string]bool),
		gates:       make(map[string][]catalog.Gate),
		told:        make(map[int64]bool),
		bad:         make(map[string]int64),
		spread:      gate.Poison{Stores: currentNames(v.Config.Stores), Partial: true},
		summary:     report.Summary{Verb: "repair", Verdicts: make(map[finding.Verdict]int64)},
	}
}

// openStores opens the stores that are mounted, and reads what the quarantine
// holds.
func (r *run) openStores(ctx context.Context) error {
	for _, c := range r.vault.Config.Stores {
		s, err := r.open(c.Name)
		if err != nil {
			return fmt.Errorf("open store %q: %w", c.Name, err)
		}
		mounted, err := gate.Mounted(ctx, r.vault.Catalog, s, r.opts.Now())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			// The others are repaired without it, as far as they can be.
			r.unreachable[c.Name] = err
			continue
		}
		if mounted {
			r.stores[c.Name] = s
		}
	}
	kept, err := indexQuarantine(r.vault.QuarantineDir())
	if err != nil {
		return err
	}
	r.kept = kept
	return nil
}

func (r *run) open(name string) (store.Writable, error) {
	if r.opts.Open != nil {
		return r.opts.Open(name)
	}
	return r.vault.Store(name)
}

// selection says which blobs are meant, by name.
type selection interface{ Has(name string) bool }

// config returns the configuration of a store, nil when there is none.
func (r *run) config(name string) *vault.StoreConfig {
	for i := range r.vault.Config.Stores {
		if r.vault.Config.Stores[i].Name == name {
			return &r.vault.Config.Stores[i]
		}
	}
	return nil
}

func (r *run) startRun(ctx context.Context) error {
	err := r.vault.Catalog.Update(ctx, func(tx *catalog.Tx) (err error) {
		r.id, err = tx.StartRun("repair", r.started)
		return err
	})
	if err != nil {
		return fmt.Errorf("record the start of the run: %w", err)
	}
	return nil
}

func (r *run) finishRun(ctx context.Context) error {
	text, err := json.Marshal(r.summary)
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	done := catalog.Run{ID: r.id, Verb: "repair", Started: r.started, Finished: r.opts.Now(), Exit: r.summary.Exit, Summary: text}
	if err := r.vault.Catalog.Update(ctx, func(tx *catalog.Tx) error { return tx.FinishRun(done) }); err != nil {
		return fmt.Errorf("record the end of the run: %w", err)
	}
	return nil
}

// askLastScrub says so when the scrub that the findings are of did not check all
// of the blobs: then no finding is no good news. A run that fails for a store
// that it cannot reach says so anyway.
func (r *run) askLastScrub(ctx context.Context) error {
	if r.opts.Scrubbed || len(r.unreachable) > 0 {
		return nil
	}
	last, err := scrub.BrokeOff(ctx, r.vault.Catalog)
	if err != nil {
		return err
	}
	if before := r.vault.Abandoned(); last == nil && before != nil && before.Verb == "scrub" {
		last = &catalog.Run{Started: before.Since} // killed before it was on record
	}
	if last == nil {
		return nil
	}
	r.summary.FindingsGap = true
	how := fmt.Sprintf("could not check everything (exit status %d)", last.Exit)
	if last.Finished.IsZero() {
		how = "was killed before it had checked everything"
	}
	r.rep.Note("the last scrub, of %s, %s, so that there may be damage that it did not find: scrub again, then repair",
		last.Started.Local().Format(time.DateTime), how)
	return nil
}

// countFindings counts what the plan is about.
func (r *run) countFindings() {
	seen := func(storeName string, v finding.Verdict) {
		if storeName == finding.ParityStore {
			r.summary.Parity.Damaged++
			return
		}
		r.countDamaged(v)
	}
	for _, p := range r.plan.Repairs {
		verdict := p.Verdict
		if p.Revert {
			verdict = finding.Corrupt // a person says that nobody meant to change it
		}
		seen(p.Store, verdict)
		for _, n := range p.Names {
			if n.Damaged {
				seen(p.Store, verdict)
			}
		}
	}
	for _, l := range r.plan.Left {
		seen(l.Store, l.Verdict)
	}
}

// countDamaged counts a blob that has a finding.
func (r *run) countDamaged(v finding.Verdict) {
	r.summary.Blobs++
	r.summary.Verdicts[v]++
	if v.Damaged() {
		r.summary.Damaged++
	}
}

// count adds bytes to the summary.
func (r *run) count(read, written int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.BytesRead += read
	r.summary.BytesWritten += written
}

// rangesOf returns the ranges of a finding; nil when its detail cannot be
// read.
func rangesOf(f catalog.Finding) []store.Range {
	var found finding.Finding
	if json.Unmarshal(f.Detail, &found) != nil {
		return nil
	}
	return found.Ranges
}

// bufferPool hands out buffers of chunkSize bytes.
type bufferPool struct{ pool sync.Pool }

func (b *bufferPool) get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, chunkSize)
}

func (b *bufferPool) put(buffer []byte) { b.pool.Put(&buffer) }
