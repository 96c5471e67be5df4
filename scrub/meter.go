package scrub

import (
	"context"
	"sync/atomic"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// A meter tells how far a scrub is while it runs. It counts bytes as they are
// read, where the ledger counts blobs that are done; nothing of it goes into the
// summary. Its methods may be called from many goroutines.
type meter struct {
	begun  time.Time // by the clock of the host
	ends   time.Time // when the time of the run is over; zero for never
	most   atomic.Int64
	stores []*storeMeter // in the order in which they are read
}

// A storeMeter tells how far a scrub is in one store.
type storeMeter struct {
	name     string
	blobs    atomic.Int64
	bytes    atomic.Int64
	total    atomic.Int64 // bytes expected; 0 when that is not known
	findings atomic.Int64
	workers  atomic.Int64 // at work on a blob
}

// newMeter makes the meter of a run that begins now.
func newMeter(v *vault.Vault, opts Options, begun time.Time) *meter {
	m := &meter{begun: begun, ends: opts.Bounds.Until}
	if ends := begun.Add(opts.Bounds.Budget); opts.Bounds.Budget > 0 && (m.ends.IsZero() || ends.Before(m.ends)) {
		m.ends = ends
	}
	for _, cfg := range chosen(v.Config.Stores, opts.Stores) {
		m.stores = append(m.stores, &storeMeter{name: cfg.Name})
	}
	if opts.readsParity(v) {
		m.stores = append(m.stores, &storeMeter{name: finding.ParityStore})
	}
	return m
}

// of returns the meter of a store. One that the run is not about has one that
// nobody looks at.
func (m *meter) of(name string) *storeMeter {
	for _, s := range m.stores {
		if s.name == name {
			return s
		}
	}
	return &storeMeter{name: name}
}

// expectAll notes how much a run will read that reads everything.
func (m *meter) expectAll(ctx context.Context, c *catalog.Catalog, opts Options) error {
	if opts.Light || !opts.Names.All() {
		return nil
	}
	totals, err := c.Totals(ctx)
	if err != nil {
		return err
	}
	_, parity, err := paritySize(ctx, c)
	if err != nil {
		return err
	}
	for _, s := range m.stores {
		s.total.Store(totals.Bytes)
		if s.name == finding.ParityStore {
			s.total.Store(parity)
		}
	}
	return nil
}

// progress is how far the run is.
func (m *meter) progress() report.Progress {
	p := report.Progress{Verb: "scrub", Elapsed: time.Since(m.begun)}
	known := true
	for _, s := range m.stores {
		one := report.StoreProgress{
			Store: s.name, Blobs: s.blobs.Load(), Bytes: s.bytes.Load(), Total: s.total.Load(),
			Findings: s.findings.Load(), Workers: int(s.workers.Load()),
		}
		p.Blobs += one.Blobs
		p.Bytes += one.Bytes
		p.Total += one.Total
		p.Findings += one.Findings
		p.Workers += one.Workers
		known = known && one.Total > 0
		p.Stores = append(p.Stores, one)
	}
	if most := m.most.Load(); most > 0 && (most < p.Total || !known) {
		p.Total, known = most, true
	}
	if !known {
		p.Total = 0
	}
	if len(p.Stores) == 1 {
		p.Store = p.Stores[0].Store
	}
	if !m.ends.IsZero() {
		p.Left = max(time.Until(m.ends), 0)
	}
	return p
}

// A meteredReader tells the meter what it reads of a blob.
type meteredReader struct {
	store.Reader
	meter *storeMeter // nil for none
}

func (r *meteredReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Reader.ReadAt(p, off)
	if r.meter != nil {
		r.meter.bytes.Add(int64(n))
	}
	return n, err
}
