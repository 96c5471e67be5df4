package pace

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// A Device is what a Pacer asks of the place that is read from.
type Device interface {
	// Rotating tells whether it is a disk that turns, on which one stream at a
	// time is fastest.
	Rotating() bool
	// Latency is how long requests took on the average since it was last
	// asked, those of all processes. It is false where nobody counts, and when
	// there were none.
	Latency() (time.Duration, bool)
}

// A Pacer holds reads to limits. Its methods may be called from many
// goroutines. The nil Pacer limits nothing.
type Pacer struct {
	mu      sync.Mutex
	limits  Limits
	device  Device
	bytes   *rate.Limiter
	reads   *rate.Limiter
	brake   brake
	busy    int           // streams that have begun
	changed chan struct{} // closed when a stream ends or limits change

	limited atomic.Bool // whether a read must be waited for at all
}

// New returns a Pacer.
func New(limits Limits) *Pacer {
	p := &Pacer{bytes: rate.NewLimiter(rate.Inf, 0), reads: rate.NewLimiter(rate.Inf, 0), changed: make(chan struct{})}
	p.Set(limits)
	return p
}

// catchUp is how far a run that was held up may catch up, as a part of a
// second: on a busy host its threads wait for their turn.
const catchUp = 5

// leastBurst is how many bytes may be read at once at least.
const leastBurst = 64 << 10

// Set changes the limits, of reads that are waiting too.
func (p *Pacer) Set(limits Limits) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limits = limits
	setLimit(p.bytes, limits.Rate, max(limits.Rate/catchUp, leastBurst))
	setLimit(p.reads, limits.IOPS, max(limits.IOPS/catchUp, 1))
	p.brake.limit(limits.BackOff)
	p.limited.Store(limits.Rate > 0 || limits.IOPS > 0 || limits.BackOff > 0)
	p.wake()
}

func setLimit(l *rate.Limiter, perSecond, burst int64) {
	if perSecond == 0 {
		l.SetLimit(rate.Inf)
		return
	}
	l.SetBurst(int(min(burst, math.MaxInt32)))
	l.SetLimit(rate.Limit(perSecond))
	l.AllowN(time.Now(), l.Burst()) // nothing was saved up
}

// Limits returns the limits in force.
func (p *Pacer) Limits() Limits {
	if p == nil {
		return Limits{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limits
}

// On says from where the reads to come are; nil where nothing is known of it.
func (p *Pacer) On(device Device) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.device = device
	p.brake.reset()
	p.wake()
}

// wake lets those who wait for a stream look again.
func (p *Pacer) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// streams is how many may be read at once; 0 for any number.
func (p *Pacer) streams() int {
	switch {
	case p.limits.Workers > 0:
		return p.limits.Workers
	case p.device != nil && p.device.Rotating():
		return 1
	}
	return 0
}

// Begin waits until one more stream may be read. End follows it.
func (p *Pacer) Begin(ctx context.Context) error {
	if p == nil {
		return ctx.Err()
	}
	for {
		p.mu.Lock()
		if most := p.streams(); most == 0 || p.busy < most {
			p.busy++
			p.mu.Unlock()
			return ctx.Err()
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			p.mu.Lock()
			p.busy++ // End takes it back
			p.mu.Unlock()
			return ctx.Err()
		}
	}
}

// End ends a stream.
func (p *Pacer) End() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.wake()
}

// Limited tells whether reads are to be waited for now.
func (p *Pacer) Limited() bool { return p != nil && p.limited.Load() }

// Before waits until one more read may be made.
func (p *Pacer) Before(ctx context.Context) error {
	if !p.Limited() {
		return nil
	}
	return p.reads.Wait(ctx)
}

// After waits for as long as a read of n bytes, which took so long, must be
// followed by a pause.
func (p *Pacer) After(ctx context.Context, n int, took time.Duration) error {
	if !p.Limited() {
		return nil
	}
	for n > 0 {
		piece := n
		if p.bytes.Limit() != rate.Inf {
			piece = min(n, p.bytes.Burst())
		}
		if err := p.bytes.WaitN(ctx, piece); err != nil {
			return err
		}
		n -= piece
	}
	p.mu.Lock()
	pause := p.brake.pause(took, time.Now(), p.device)
	p.mu.Unlock()
	return sleep(ctx, pause)
}

// A Hold is a Pacer for one run. What waits in it goes on at once when the
// run's context ends, so that the run ends as it should: whoever reads and
// writes looks at the context himself.
type Hold struct {
	pacer *Pacer
	run   context.Context
}

// During returns the hold of a run.
func (p *Pacer) During(run context.Context) Hold { return Hold{p, run} }

// Limited tells whether anything is to be waited for now.
func (h Hold) Limited() bool { return h.pacer.Limited() }

// Before waits until one more read or write may be made.
func (h Hold) Before() { _ = h.pacer.Before(h.run) }

// After waits for as long as n bytes, which took so long, must be followed by a
// pause.
func (h Hold) After(n int, took time.Duration) { _ = h.pacer.After(h.run, n, took) }

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
