package scrub

import (
	"context"
	"errors"

	"bitmend/hashsets"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

func newExaminer(v *vault.Vault, s store.Store, cfg vault.StoreConfig, opts Options, l *ledger) *examiner {
	_, remote := s.(store.Remote)
	size := chunkSize
	if remote {
		size = remoteChunk
	}
	memory := store.NewBuffer(size)
	x := &examiner{
		reader:    reader{store: s, memory: memory, buffer: memory.Bytes(), remote: remote, meter: l.meter.of(cfg.Name)},
		pace:      v.Pace(),
		catalog:   v.Catalog,
		clinic:    l.clinic,
		budget:    l.budget,
		partials:  l.partials[cfg.Name],
		access:    store.Access{Direct: !opts.Buffered, Whole: true},
		light:     opts.Light,
		primary:   cfg.Role == vault.Primary,
		immutable: cfg.Immutable,
	}
	if cfg.Role == vault.Lagged {
		x.lag = &lag{behind: cfg.Lag, now: opts.clock()()}
	}
	return x
}

// run examines batches until no more come, each within one stream.
func (x *examiner) run(ctx context.Context, work <-chan []pair, outcomes chan<- []outcome) error {
	for more := true; more; {
		err := x.pace.Begin(ctx)
		if err == nil {
			more = x.runNext(ctx, work, outcomes)
		}
		x.pace.End()
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// runNext examines the next batch; it is false when there is none.
func (x *examiner) runNext(ctx context.Context, work <-chan []pair, outcomes chan<- []outcome) bool {
	batch, more := <-work
	if !more {
		return false
	}
	done := make([]outcome, 0, len(batch))
	for _, p := range batch {
		if ctx.Err() != nil {
			break
		}
		if x.budget.late() {
			done = append(done, outcome{pair: p}.notChecked(errLate))
			continue
		}
		done = append(done, x.look(ctx, p))
	}
	outcomes <- done // the ledger takes them until the end, cancelled or not
	return true
}

// errLate says that the budget was spent before a blob was read to its end. It
// says nothing of the blob.
var errLate = errors.New("the time of the run is over")

func (x *examiner) look(ctx context.Context, p pair) outcome {
	x.meter.workers.Add(1)
	defer x.meter.workers.Add(-1)
	if p.unlisted && p.entry == nil {
		if err := x.meet(ctx, &p); err != nil {
			return outcome{pair: p}.notChecked(err)
		}
		defer x.closeOpened()
	}
	if x.lag != nil {
		held, err := x.againstHistory(ctx, p)
		if err != nil {
			return outcome{pair: p}.notChecked(err)
		}
		p = held
	}
	if x.light || p.skim {
		return x.glance(ctx, p)
	}
	return x.examine(ctx, p)
}

// meet looks at a name at which nobody has looked. A file that will be read is
// opened for that, which spares the store being asked for its name twice.
func (x *examiner) meet(ctx context.Context, p *pair) error {
	if p.known.Kind == hashsets.File && !x.light && !p.skim && !x.remote {
		if blob, err := x.store.Open(ctx, p.name(), x.access); err == nil {
			entry := blob.Opened()
			p.entry, x.opened = &entry, blob
			return nil
		}
	}
	return x.find(ctx, p)
}

// find asks the store for a name.
func (x *examiner) find(ctx context.Context, p *pair) error {
	entry, err := x.store.Stat(ctx, p.name())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil && !blames(err):
		return err
	case err != nil:
		entry = store.Entry{Name: p.name(), Err: err}
	}
	p.entry = &entry
	return nil
}

// glance says what names, sizes, times and the checksums of the service tell.
// Without those a blob that looks as it was recorded is unverified, not intact:
// nobody read its bytes.
func (x *examiner) glance(ctx context.Context, p pair) outcome {
	o := outcome{pair: p}
	w := x.witnesses(p)
	if w.entry == nil {
		if err := x.lookAgain(ctx, &o, &w); err != nil {
			return o.notChecked(err)
		}
	}
	if w.record == nil || w.entry == nil || w.readErr != nil || w.record.Kind != w.entry.Kind {
		return x.conclude(ctx, o, w, nil)
	}
	if w.record.Kind == hashsets.File && w.entry.Identity.Size != w.record.Hashes.Size {
		verdict, reason := w.changed("its size is not the recorded one")
		return o.with(x.finding(w, verdict, reason))
	}
	recorded := w.record.Identity != (hashsets.Identity{}) // it is not, of parity files
	if recorded && x.lag == nil && w.writtenSince() {
		return o.with(x.finding(w, finding.Modified, "it was written since it was recorded; a deep scrub or protect compares its bytes"))
	}
	if p.skim {
		return o
	}
	return x.compareReported(ctx, o, w)
}

// free gives the examiner's memory back.
func (x *examiner) free() error {
	if x.second == nil {
		return x.memory.Free()
	}
	return errors.Join(x.memory.Free(), x.second.Free())
}

// shardBuffer returns memory for one shard.
func (x *examiner) shardBuffer(length int64) []byte {
	if int64(len(x.buffer)) < length {
		x.buffer = make([]byte, length)
	}
	return x.buffer[:length]
}
