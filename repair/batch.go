package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"bitmend/hashsets"
	"bitmend/repair/stripe"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// A batch is what may wait for its stripes at a time, so that the space that
// temporary files take is bounded.
const (
	batchBytes = 8 << 30
	batchBlobs = 4096
	// windowWants bounds the shards that are asked of the stripes at a time.
	windowWants = batchBytes / hashsets.DefaultShardSize
)

// applyInBatches repairs files and links, batch by batch. What is lost is
// tried again as long as other repairs succeed, for they give its stripes new
// shards.
func (r *run) applyInBatches(ctx context.Context, blobs []*Planned) error {
	for {
		before := r.repairedSoFar()
		lost, err := r.applyOnce(ctx, blobs)
		if err != nil {
			return err
		}
		retry := len(lost) < len(blobs) && r.repairedSoFar() > before
		if !retry {
			return r.settleLost(ctx, lost)
		}
		blobs = blobs[:0]
		for _, l := range lost {
			blobs = append(blobs, l.planned)
		}
	}
}

// lostJob is a planned repair that found no source for some of its ranges.
type lostJob struct {
	planned *Planned
	ending  *ending
}

func (r *run) applyOnce(ctx context.Context, blobs []*Planned) ([]lostJob, error) {
	var lost []lostJob
	for len(blobs) > 0 {
		n := batchLength(blobs)
		b := &batch{run: r}
		err := b.apply(ctx, blobs[:n])
		if err != nil {
			return nil, err
		}
		lost = append(lost, b.lost...)
		blobs = blobs[n:]
	}
	return lost, nil
}

// batchLength returns how many of the blobs the next batch takes.
func batchLength(blobs []*Planned) int {
	var bytes int64
	for i, p := range blobs {
		bytes += p.Writes
		if i > 0 && bytes > batchBytes || i == batchBlobs {
			return i
		}
	}
	return len(blobs)
}

func (r *run) settleLost(ctx context.Context, lost []lostJob) error {
	for _, l := range lost {
		if err := r.settle(ctx, l.planned, l.ending); err != nil {
			return err
		}
	}
	return nil
}

// batch is the jobs that are in work together.
type batch struct {
	*run
	guard   sync.Mutex // guards what follows
	waiting []*job     // assembled but for what only the stripes can give
	lost    []lostJob
}

func (b *batch) apply(ctx context.Context, blobs []*Planned) error {
	err := b.each(ctx, len(blobs), func(ctx context.Context, i int) error {
		return b.settle(ctx, blobs[i], b.assembleOne(ctx, blobs[i]))
	})
	if err == nil && len(b.waiting) > 0 {
		err = b.completeWaiting(ctx)
	}
	if err != nil {
		for _, j := range b.waiting {
			_, abandonErr := b.abandon(context.WithoutCancel(ctx), j)
			err = errors.Join(err, abandonErr)
		}
	}
	return err
}

// each calls do for 0 … n-1 from as many goroutines as there are workers.
func (b *batch) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(b.opts.Workers)
	for i := range n {
		if within.Err() != nil {
			break
		}
		group.Go(func() error { return do(within, i) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// assembleOne repairs a blob as far as it can be without its stripes. One that
// needs them is left waiting.
func (b *batch) assembleOne(ctx context.Context, p *Planned) error {
	if err := b.begins(); err != nil {
		return err
	}
	if err := b.checkGates(ctx, p); err != nil {
		return err
	}
	j, err := b.newJob(ctx, p)
	if err != nil {
		return err
	}
	if p.Action == MakeLink {
		return b.placeLink(ctx, j)
	}
	if p.Action == ReadAgain {
		return b.readAgain(ctx, j)
	}
	copied, err := b.copyVersion(ctx, j)
	switch {
	case err != nil:
		return b.finishOrAbandon(ctx, j, err)
	case copied:
		return nil
	}
	err = b.begin(ctx, j)
	if err == nil {
		err = b.assemble(ctx, j)
	}
	if err == nil && !j.complete() {
		if err = b.unkeep(j); err == nil {
			b.guard.Lock()
			b.waiting = append(b.waiting, j)
			b.guard.Unlock()
			return nil
		}
	}
	return b.finishOrAbandon(ctx, j, err)
}

func (b *batch) finishOrAbandon(ctx context.Context, j *job, err error) error {
	if err == nil {
		err = b.goesOn()
	}
	if err == nil {
		err = b.finish(ctx, j)
	}
	if err == nil || errors.Is(err, errCatalog) {
		return err
	}
	end, abandonErr := b.abandon(context.WithoutCancel(ctx), j)
	if end == completed {
		return abandonErr
	}
	return errors.Join(err, abandonErr)
}

// completeWaiting takes what is missing from the stripes and, last, from
// single-bit corrections, and finishes the blobs.
func (b *batch) completeWaiting(ctx context.Context) error {
	// The order of the plan makes a run of the same state do the same.
	slices.SortFunc(b.waiting, func(x, y *job) int { return comparePlanned(x.planned, y.planned) })
	if err := b.fillFromStripes(ctx); err != nil {
		return err
	}
	if err := b.correctBitFlips(ctx); err != nil {
		return err
	}
	waiting := b.waiting
	b.waiting = nil
	finished := make([]bool, len(waiting))
	err := b.each(ctx, len(waiting), func(ctx context.Context, i int) error {
		j := waiting[i]
		finished[i] = true
		if j.complete() {
			return b.settle(ctx, j.planned, b.finishOrAbandon(ctx, j, nil))
		}
		_, err := b.abandon(context.WithoutCancel(ctx), j)
		if why := b.notLost(j); why != "" {
			return b.settle(ctx, j.planned, errors.Join(skipped("%s", why), err))
		}
		b.guard.Lock()
		b.lost = append(b.lost, lostJob{j.planned, j.loss()})
		b.guard.Unlock()
		return err
	})
	for i, j := range waiting {
		if !finished[i] {
			b.waiting = append(b.waiting, j)
		}
	}
	return err
}

// notLost says why a blob that no source had cannot be called lost: not all of
// them could be asked. "" when all were.
func (r *run) notLost(j *job) string {
	if j.unknown != nil {
		return fmt.Sprintf("it could not be rebuilt now, which does not mean that it is lost: %v", j.unknown)
	}
	for _, c := range r.vault.Config.Stores {
		if r.stores[c.Name] == nil {
			return fmt.Sprintf("%v, and store %q is not mounted and may have it: mount it and run repair again", j.loss(), c.Name)
		}
	}
	return ""
}

// loss says why the blob is lost.
func (j *job) loss() *ending {
	reason := "no source has it"
	if len(j.lost) > 0 {
		reason = j.lost[0].Error()
	}
	ranges := j.missing.ranges(&j.record.Hashes)
	if j.record.Hashes.ShardSize == 0 {
		ranges = []store.Range{{Offset: 0, Length: j.record.Hashes.Size}}
	}
	return &ending{outcome: report.Lost, reason: reason, ranges: ranges}
}

// fillFromStripes asks the stripes for every missing shard of the waiting
// blobs, a window of them at a time.
func (b *batch) fillFromStripes(ctx context.Context) error {
	g, err := b.gatherer()
	if err != nil {
		for _, j := range b.waiting {
			j.unknown = err
		}
		return nil
	}
	w := &window{run: b.run, gatherer: g, open: make(map[stripe.Want][]*job)}
	for _, j := range b.waiting {
		missing := j.missing
		j.missing = nil
		for _, run := range missing {
			for i := run.from; i < run.to; i++ {
				if len(w.open) >= windowWants {
					if err := w.rebuild(ctx); err != nil {
						return err
					}
				}
				w.want(j, i)
			}
		}
	}
	return w.rebuild(ctx)
}

// gatherer reads stripes from all stores that there are.
func (r *run) gatherer() (*stripe.Gatherer, error) {
	home, err := r.vault.ParityHome()
	if err != nil {
		return nil, fmt.Errorf("the parity files cannot be reached: %w", err)
	}
	g := &stripe.Gatherer{Catalog: r.vault.Catalog, Home: home}
	for _, p := range r.peers("") {
		g.Stores = append(g.Stores, p.from)
	}
	return g, nil
}

// window is a bounded number of shards that are wanted of the stripes.
type window struct {
	*run
	gatherer *stripe.Gatherer
	guard    sync.Mutex
	wants    []stripe.Want
	open     map[stripe.Want][]*job // not yet delivered; the same shard may be missing in several stores
}

func (w *window) want(j *job, shard int) {
	want := stripe.Want{Name: j.record.Name, Generation: j.record.Generation, Shard: shard}
	if j.other.name != "" {
		want.Name, want.Generation = j.other.name, j.other.generation
	}
	if w.open[want] == nil {
		w.wants = append(w.wants, want)
	}
	w.open[want] = append(w.open[want], j)
}

// rebuild delivers what is wanted. What is not delivered goes back among the
// missing shards of its jobs.
func (w *window) rebuild(ctx context.Context) error {
	if len(w.wants) == 0 {
		return nil
	}
	reasons := make(map[*job]error)
	err := w.gatherer.Rebuild(ctx, w.wants, w.deliver, func(want stripe.Want, why error) error {
		w.guard.Lock()
		defer w.guard.Unlock()
		for _, j := range w.open[want] {
			if reasons[j] == nil {
				reasons[j] = why
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, want := range w.wants {
		for _, j := range w.open[want] {
			j.missing.insert(want.Shard)
			if reasons[j] != nil {
				j.lost = append(j.lost, reasons[j])
				var withheld *stripe.Withheld
				if errors.As(reasons[j], &withheld) {
					j.unknown = withheld
				}
				reasons[j] = nil
			}
			if err != nil {
				j.unknown = err
			}
		}
	}
	w.wants, w.open = w.wants[:0], make(map[stripe.Want][]*job)
	return nil
}

// deliver puts a rebuilt shard into every blob that wants it.
func (w *window) deliver(want stripe.Want, p []byte) error {
	w.guard.Lock()
	jobs := w.open[want]
	delete(w.open, want)
	w.guard.Unlock()
	for _, j := range jobs {
		offset, length := j.record.Hashes.ShardRange(want.Shard)
		if int64(len(p)) < length || hashsets.ShardSum(p[:length]) != j.record.Hashes.ShardSums[want.Shard] {
			j.failed(want.Shard, errors.New("the rebuilt shard does not match its sum"))
			continue
		}
		if err := w.write(j, p[:length], offset); err != nil {
			j.failed(want.Shard, err)
			j.unknown = err
			continue
		}
		w.credit(j)
	}
	return nil
}

func (w *window) credit(j *job) {
	j.guard.Lock()
	defer j.guard.Unlock()
	j.sources[FromParity]++
}

// failed puts a shard back among the missing ones.
func (j *job) failed(shard int, why error) {
	j.guard.Lock()
	defer j.guard.Unlock()
	j.missing.insert(shard)
	j.lost = append(j.lost, why)
}
