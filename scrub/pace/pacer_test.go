package pace_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bitmend/scrub/pace"
)

// read makes reads of n bytes that take no time until total bytes are read by
// so many streams, and returns how long that took.
func read(t *testing.T, p *pace.Pacer, streams, n, total int) time.Duration {
	t.Helper()
	begun := time.Now()
	var left atomic.Int64
	left.Store(int64(total))
	var all sync.WaitGroup
	for range streams {
		all.Go(func() {
			for left.Add(-int64(n)) >= 0 {
				if err := errors.Join(p.Before(t.Context()), p.After(t.Context(), n, 0)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	return time.Since(begun)
}

func within(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want*95/100 || got > want*105/100 {
		t.Errorf("%s took %v, want %v", what, got, want)
	}
}

func TestRateIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		limits           pace.Limits
		streams, n, size int
		want             time.Duration
	}{
		"large reads":              {pace.Limits{Rate: 50e6}, 2, 2 << 20, 500 << 20, 500 << 20 * time.Second / 50e6},
		"small reads, many":        {pace.Limits{Rate: 50e6}, 16, 4000, 100e6, 2 * time.Second},
		"reads above the rate":     {pace.Limits{Rate: 100_000}, 4, 2 << 20, 20 << 20, 20 << 20 * time.Second / 100_000},
		"reads a second":           {pace.Limits{IOPS: 200}, 8, 10, 20_000, 10 * time.Second},
		"the tighter one of both":  {pace.Limits{Rate: 1e6, IOPS: 10}, 8, 1000, 100_000, 10 * time.Second},
		"the tighter one is bytes": {pace.Limits{Rate: 1e6, IOPS: 10_000}, 8, 1000, 10e6, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				within(t, name, read(t, pace.New(c.limits), c.streams, c.n, c.size), c.want)
			})
		})
	}
}

func TestNoLimitsTakeNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, p := range []*pace.Pacer{nil, pace.New(pace.Limits{})} {
			if took := read(t, p, 4, 2<<20, 1<<30); took != 0 {
				t.Errorf("it took %v", took)
			}
		}
	})
}

func TestLimitsChangeDuringARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(pace.Limits{Rate: 1e6})
		time.AfterFunc(10*time.Second, func() { p.Set(pace.Limits{Rate: 10e6}) })
		time.AfterFunc(20*time.Second, func() { p.Set(pace.Limits{}) })
		within(t, "10 s at 1 MB/s, 10 s at 10 MB/s, the rest at once", read(t, p, 4, 100_000, 1000e6), 20*time.Second)
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		p := pace.New(pace.Limits{Rate: 1000, IOPS: 1, Workers: 1})
		if err := p.After(ctx, 1<<30, 0); err == nil {
			t.Error("a read of days is not given up")
		}
		begun := p.Begin(t.Context())
		if err := p.Begin(ctx); begun != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v; a second stream of one: %v", begun, err)
		}
	})
}

// A run that is cancelled is held no longer: it has things to bring to an end.
func TestAHoldEndsWithItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		hold, begun := pace.New(pace.Limits{Rate: 1000, IOPS: 1}).During(run), time.Now()
		for range 100 {
			hold.Before()
			hold.After(1<<30, 0)
		}
		if took := time.Since(begun); !hold.Limited() || took != 5*time.Second {
			t.Errorf("it was held for %v, and its run lasted 5 s", took)
		}
	})
}

// A disk is a Device of which a test says how it is.
type disk struct {
	rotating bool
	latency  time.Duration // 0 for unknown
}

func (d *disk) Rotating() bool                 { return d.rotating }
func (d *disk) Latency() (time.Duration, bool) { return d.latency, d.latency > 0 }

func TestStreamsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		workers int
		device  pace.Device
		want    int
	}{
		"any number":              {0, nil, 16},
		"on a disk that turns":    {0, &disk{rotating: true}, 1},
		"on one that does not":    {0, &disk{}, 16},
		"as many as were said":    {3, nil, 3},
		"also on a turning disk":  {2, &disk{rotating: true}, 2},
		"more than there will be": {99, nil, 16},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pace.New(pace.Limits{Workers: c.workers})
				p.On(c.device)
				var now, most atomic.Int64
				var all sync.WaitGroup
				for range 16 {
					all.Go(func() {
						defer p.End()
						if err := p.Begin(t.Context()); err != nil {
							t.Error(err)
						}
						n := now.Add(1)
						for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
						}
						time.Sleep(time.Second)
						now.Add(-1)
					})
				}
				all.Wait()
				if int(most.Load()) != c.want {
					t.Errorf("%d streams at once, want %d", most.Load(), c.want)
				}
			})
		})
	}
}

// busyShare is the share of a minute that reads of 10 ms each fill.
func busyShare(t *testing.T, p *pace.Pacer) float64 {
	t.Helper()
	begun, reading := time.Now(), time.Duration(0)
	for time.Since(begun) < time.Minute {
		time.Sleep(10 * time.Millisecond)
		reading += 10 * time.Millisecond
		if err := p.After(t.Context(), 4096, 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	return reading.Seconds() / time.Since(begun).Seconds()
}

func TestBackingOffFromABusyDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, d := pace.New(pace.Limits{BackOff: 35 * time.Millisecond}), &disk{latency: 10 * time.Millisecond}
		p.On(d)
		for _, step := range []struct {
			latency     time.Duration
			least, most float64
		}{
			{10 * time.Millisecond, 0.99, 1},
			{40 * time.Millisecond, 0, 0.15},
			{30 * time.Millisecond, 0, 0.05}, // between the two limits it stays as it is
			{20 * time.Millisecond, 0.6, 1},
			{20 * time.Millisecond, 0.99, 1},
		} {
			d.latency = step.latency
			if share := busyShare(t, p); share < step.least || share > step.most {
				t.Errorf("at %v it reads %.2f of the time, want %.2f to %.2f", step.latency, share, step.least, step.most)
			}
		}
		d.latency = time.Second
		busyShare(t, p)
		p.Set(pace.Limits{})
		if share := busyShare(t, p); share < 0.99 {
			t.Errorf("without the limit it reads %.2f of the time", share)
		}
	})
}

// Where nobody counts for the device, our own reads tell.
func TestBackingOffByTheLatencyOfOwnReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fast, slow := pace.New(pace.Limits{BackOff: 35 * time.Millisecond}), pace.New(pace.Limits{BackOff: 5 * time.Millisecond})
		if a, b := busyShare(t, fast), busyShare(t, slow); a < 0.99 || b > 0.15 {
			t.Errorf("reads of 10 ms fill %.2f of the time under a limit of 35 ms, %.2f under one of 5 ms", a, b)
		}
	})
}
