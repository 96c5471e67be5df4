package stripe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
)

// inFlight is how many stripes are read and rebuilt at once.
const inFlight = 3

// A target is a wanted shard where it lies.
type target struct {
	set    int64
	band   int64
	stripe int // in the band
	column int
	at     int64 // in the shard of the column
	length int64
	blob   blobID
	shard  int
	want   int // in the caller's list
}

// Rebuild rebuilds the shards wanted, reading each stripe once however many of
// its shards are wanted, and hands each one over as soon as it matches its
// recorded sum. What cannot be rebuilt is handed to lost with the reason, a
// *Loss where the stripe is the reason. p is valid during the call. An error
// of deliver or lost ends the run and is returned.
func (g *Gatherer) Rebuild(ctx context.Context, wants []Want, deliver func(w Want, p []byte) error, lost func(w Want, why error) error) error {
	targets, err := g.locate(ctx, wants, lost)
	if err != nil {
		return err
	}
	for len(targets) > 0 {
		n := 1
		for n < len(targets) && targets[n].set == targets[0].set && targets[n].band == targets[0].band {
			n++
		}
		r := bandRebuild{wants: wants, deliver: deliver, lost: lost}
		if err := r.run(ctx, g, targets[:n]); err != nil {
			return err
		}
		targets = targets[n:]
	}
	return nil
}

// locate finds where the wants lie, in the order of sets, bands and stripes.
// Wants that lie nowhere are lost.
func (g *Gatherer) locate(ctx context.Context, wants []Want, lost func(Want, error) error) ([]target, error) {
	sets, err := g.Catalog.Sets(ctx)
	if err != nil {
		return nil, fmt.Errorf("look up parity sets: %w", err)
	}
	byID := make(map[int64]catalog.Set, len(sets))
	for _, s := range sets {
		byID[s.ID] = s
	}
	targets := make([]target, 0, len(wants))
	var places []catalog.Place
	var of blobID
	for i, w := range wants {
		if id := (blobID{w.Name, w.Generation}); i == 0 || id != of {
			of = id
			if places, err = g.Catalog.PlacesOf(ctx, w.Name, w.Generation); err != nil {
				return nil, fmt.Errorf("look up where %q lies: %w", w.Name, err)
			}
		}
		t, ok := targetIn(places, byID, w)
		if !ok {
			if err := lost(w, ErrNoParity); err != nil {
				return nil, err
			}
			continue
		}
		t.want = i
		targets = append(targets, t)
	}
	slices.SortFunc(targets, func(s, t target) int {
		return cmp.Or(cmp.Compare(s.set, t.set), cmp.Compare(s.band, t.band), cmp.Compare(s.stripe, t.stripe),
			cmp.Compare(s.column, t.column), cmp.Compare(s.at, t.at))
	})
	return targets, nil
}

func targetIn(places []catalog.Place, sets map[int64]catalog.Set, w Want) (target, bool) {
	for _, p := range places {
		set, ok := sets[p.Set]
		if !ok || p.Length == 0 {
			continue
		}
		within := int64(w.Shard)*set.ShardSize - p.BlobOffset
		if within < 0 || within >= p.Length {
			continue
		}
		row := (p.Offset + within) / set.ShardSize
		return target{
			set: p.Set, band: row / int64(set.Stripes), stripe: int(row % int64(set.Stripes)),
			column: p.Column, at: (p.Offset + within) % set.ShardSize, length: min(set.ShardSize, p.Length-within),
			blob: blobID{w.Name, w.Generation}, shard: w.Shard,
		}, true
	}
	return target{}, false
}

// A bandRebuild rebuilds what is wanted of one band.
type bandRebuild struct {
	wants   []Want
	deliver func(w Want, p []byte) error
	lost    func(w Want, why error) error
}

// A job is one stripe on its way: it is filled by one goroutine and handed
// over by another, in order.
type job struct {
	filling
	losses []loss
	err    error
	done   chan struct{}
}

func (r *bandRebuild) run(ctx context.Context, g *Gatherer, targets []target) error {
	band, err := g.bandOf(ctx, targets[0].set, targets[0].band)
	if err != nil {
		if !errors.Is(err, catalog.ErrNotRecorded) {
			return err
		}
		for _, t := range targets {
			if err := r.lost(r.wants[t.want], ErrNoParity); err != nil {
				return err
			}
		}
		return nil
	}
	b, err := g.OpenBand(ctx, band, nil)
	if err != nil {
		return err
	}
	return errors.Join(r.stripes(ctx, b, targets), b.Close())
}

// stripes fills some stripes at once and hands them over in order.
func (r *bandRebuild) stripes(ctx context.Context, b *Band, targets []target) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	free := make(chan *parity.Stripe, inFlight)
	for range inFlight {
		free <- parity.NewStripe(b.geometry)
	}
	jobs := make(chan *job, inFlight)    // to be filled
	ordered := make(chan *job, inFlight) // to be handed over
	var filled sync.WaitGroup
	for range inFlight {
		filled.Go(func() {
			for j := range jobs {
				j.losses, j.err = j.filling.run(ctx)
				close(j.done)
			}
		})
	}
	var sent sync.WaitGroup
	sent.Go(func() {
		defer close(ordered)
		defer close(jobs)
		r.send(ctx, b, targets, free, jobs, ordered)
	})
	err := r.receive(ordered, free)
	cancel()
	for range ordered { // what is still under way is not wanted any more
	}
	sent.Wait()
	filled.Wait()
	return err
}

func (r *bandRebuild) send(ctx context.Context, b *Band, targets []target, free chan *parity.Stripe, jobs, ordered chan<- *job) {
	for len(targets) > 0 {
		n := 1
		for n < len(targets) && targets[n].stripe == targets[0].stripe {
			n++
		}
		var into *parity.Stripe
		select {
		case into = <-free:
		case <-ctx.Done():
			ordered <- &job{err: ctx.Err(), done: closed()}
			return
		}
		w, err := b.windowFor(ctx, targets[0].stripe)
		if err != nil {
			ordered <- &job{err: err, done: closed()}
			return
		}
		j := &job{
			filling: filling{band: b, window: w, stripe: targets[0].stripe, into: into, targets: targets[:n], withheld: b.withheld},
			done:    make(chan struct{}),
		}
		targets = targets[n:]
		jobs <- j
		ordered <- j
	}
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (r *bandRebuild) receive(ordered <-chan *job, free chan<- *parity.Stripe) error {
	for j := range ordered {
		<-j.done
		if j.err != nil {
			return j.err
		}
		if err := r.handOver(j); err != nil {
			return err
		}
		free <- j.into
	}
	return nil
}

// handOver delivers what was wanted of one stripe.
func (r *bandRebuild) handOver(j *job) error {
	for _, t := range j.targets {
		var err error
		if why := j.lostAt(t); why != nil {
			err = r.lost(r.wants[t.want], why)
		} else {
			err = r.deliver(r.wants[t.want], j.into.Shards[t.column][t.at:t.at+t.length])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lostAt returns why a target was not rebuilt, or nil.
func (j *job) lostAt(t target) error {
	for _, l := range j.losses {
		if int(l.column) == t.column && l.at == t.at && l.length == t.length {
			return l.why
		}
	}
	for _, p := range j.window.stripe(j.stripe) {
		if int(p.column) == t.column && p.at == t.at && p.length == t.length {
			return nil
		}
	}
	return ErrNoParity
}

// bandOf returns the band of a set that is in force.
func (g *Gatherer) bandOf(ctx context.Context, set, number int64) (catalog.Band, error) {
	for band, err := range g.Catalog.Bands(ctx, set) {
		if err != nil {
			return catalog.Band{}, fmt.Errorf("look up bands of set %d: %w", set, err)
		}
		if band.Number == number {
			return band, nil
		}
	}
	return catalog.Band{}, fmt.Errorf("band %d of set %d: %w", number, set, catalog.ErrNotRecorded)
}
