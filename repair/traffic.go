package repair

import (
	"context"
	"fmt"
	"slices"

	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// traffic is about what the repairs of a plan would ask of stores behind a
// network and fetch from them: where several sources may have the bytes, all of
// them from the first. It is not nil.
func (r *run) traffic(ctx context.Context, p *Plan) ([]store.Traffic, error) {
	e := estimate{run: r, by: map[string]*store.Traffic{}}
	sets, err := r.vault.Catalog.Sets(ctx)
	if err != nil {
		return nil, fmt.Errorf("look up the parity sets: %w", err)
	}
	for _, s := range sets {
		e.columns = max(e.columns, s.Data)
	}
	for i := range p.Repairs {
		if p.Repairs[i].Grade != Refused {
			e.add(&p.Repairs[i])
		}
	}
	all := []store.Traffic{}
	for _, name := range e.order {
		all = append(all, *e.by[name])
	}
	return all, nil
}

type estimate struct {
	*run
	columns int                       // that a stripe is read from
	by      map[string]*store.Traffic // by store
	order   []string                  // of their first mention
}

// remote returns a store behind a network; nil for any other.
func (e *estimate) remote(name string) store.Remote {
	var s store.Store
	if name == finding.ParityStore {
		if home, err := e.vault.ParityHome(); err == nil {
			s = home
		}
	} else if opened := e.stores[name]; opened != nil {
		s = opened
	}
	remote, _ := s.(store.Remote)
	return remote
}

func (e *estimate) count(name string, t store.Traffic) {
	if e.by[name] == nil {
		e.by[name] = &store.Traffic{Store: name}
		e.order = append(e.order, name)
	}
	*e.by[name] = e.by[name].Plus(t)
}

// add adds what one repair takes.
func (e *estimate) add(p *Planned) {
	size := p.Writes
	if _, some := e.stores[p.Store].(store.Copier); some && copies(p) {
		// The service copies it. It is fetched where the service cannot.
		e.count(p.Store, store.Traffic{Requests: 8})
		return
	}
	if target := e.remote(p.Store); target != nil && size > 0 {
		const looks = 6 // before, when it is kept, when it is placed, and after
		sent := store.Traffic{Requests: looks + target.Reading(size).Requests, Sent: size}
		for range e.readings(p) {
			sent = sent.Plus(target.Reading(size))
		}
		e.count(p.Store, sent)
	}
	for _, s := range p.Sources {
		switch s.Kind {
		case FromReplica, FromLagged:
			e.read(s.From, s.Ranges, 1)
			return
		case FromParity:
			// Each stripe is read from as many columns as there are data ones.
			e.read(e.vault.Primary().Name, s.Ranges, e.columns)
			e.read(finding.ParityStore, s.Ranges, 1)
			return
		}
	}
}

// copies tells whether the store is asked to copy a version.
func copies(p *Planned) bool {
	return p.Action == Replace && slices.ContainsFunc(p.Sources, func(s Source) bool { return s.Kind == FromVersion })
}

// readings is how often all of a target behind a network is read: for what is
// good of it, for the quarantine, which is the same reading where copies in
// other stores have the rest, and when it is read back.
func (e *estimate) readings(p *Planned) int {
	switch copier, some := e.stores[p.Store].(store.Copier); {
	case p.Expect == nil:
		return 1
	case p.fromCopy(), some && copier.KeepsReplaced(*p.Expect):
		return 2
	}
	return 3
}

// read adds the reading of ranges, so many times.
func (e *estimate) read(name string, ranges []store.Range, times int) {
	source := e.remote(name)
	if source == nil {
		return
	}
	for range times {
		for _, r := range ranges {
			e.count(name, source.Reading(r.Length))
		}
	}
}
