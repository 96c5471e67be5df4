package repair

import (
	"context"
	"errors"
	"fmt"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// peer is a store that is asked for good bytes.
type peer struct {
	kind SourceKind
	name string // of the store, donor or receipt
	from store.Store
}

// peers returns the stores to ask for blobs of target, in their order: the
// primary and the replicas, lagged stores, donors.
func (r *run) peers(target string) []peer {
	var current, lagged, donors []peer
	for _, c := range r.vault.Config.Stores {
		s := r.stores[c.Name]
		if c.Name == target || s == nil {
			continue
		}
		if c.Role == vault.Lagged {
			lagged = append(lagged, peer{FromLagged, c.Name, s})
		} else {
			current = append(current, peer{FromReplica, c.Name, s})
		}
	}
	for _, d := range r.opts.Donors {
		donors = append(donors, peer{FromDonor, d.URL(), d})
	}
	return append(append(current, lagged...), donors...)
}

// findSources lists where the plan expects the bytes to be. It reads none of
// them: each candidate is proven when it is used.
func (m *planner) findSources(ctx context.Context, p *Planned, record *catalog.Record) error {
	if record.Kind != hashsets.File || record.Hashes.Size == 0 {
		p.Sources = append(p.Sources, Source{Kind: FromRecord})
		return nil
	}
	if p.Ranges == nil || p.Expect == nil {
		p.Ranges = []store.Range{{Offset: 0, Length: record.Hashes.Size}}
	}
	if p.Expect != nil {
		p.Sources = append(p.Sources, Source{Kind: FromReread, From: p.Store, Ranges: p.Ranges})
	}
	for _, peer := range m.peers(p.Store) {
		ranges, err := m.offered(ctx, peer, p, record)
		if err != nil {
			return err
		}
		if len(ranges) > 0 {
			p.Sources = append(p.Sources, Source{Kind: peer.kind, From: peer.name, Ranges: ranges})
		}
	}
	if err := m.findVersions(ctx, p); err != nil {
		return err
	}
	for _, id := range m.kept.of(p.Blob) {
		p.Sources = append(p.Sources, Source{Kind: FromQuarantine, From: id, Ranges: p.Ranges})
	}
	return m.findStripes(ctx, p)
}

// offered returns which of the ranges that must be rebuilt the peer has, as
// far as its size and its own findings tell.
func (m *planner) offered(ctx context.Context, from peer, p *Planned, record *catalog.Record) ([]store.Range, error) {
	seen, err := from.from.Stat(ctx, p.Blob)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || seen.Kind != hashsets.File || seen.Identity.Size == 0 {
		return nil, nil
	}
	h := &record.Hashes
	if h.ShardSize == 0 {
		return p.Ranges, nil
	}
	wanted := shardsIn(h, p.Ranges)
	if from.kind == FromLagged {
		var err error
		if wanted, err = m.asHeld(ctx, from.name, record, wanted); err != nil {
			return nil, err
		}
	}
	for _, d := range m.damaged[p.Blob] {
		if d.store == from.name && from.kind != FromDonor {
			wanted = wanted.minus(shardsIn(h, d.ranges))
		}
	}
	return wanted.ranges(h), nil
}

// asHeld leaves of the wanted shards those that the generation which a lagged
// store was seen to hold has as well. Where that is not known, all may be there.
func (m *planner) asHeld(ctx context.Context, lagged string, record *catalog.Record, wanted shardSet) (shardSet, error) {
	seen, err := m.vault.Catalog.Coverage(ctx, lagged, record.Name)
	if errors.Is(err, catalog.ErrNotRecorded) || errors.Is(err, catalog.ErrDamaged) {
		return wanted, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up what store %q holds of %q: %w", lagged, record.Name, err)
	}
	if seen.Generation == record.Generation {
		return wanted, nil
	}
	held, err := m.vault.Catalog.Generation(ctx, record.Name, seen.Generation)
	if errors.Is(err, catalog.ErrNotRecorded) || err == nil && (held.Damage != nil || held.Hashes.ShardSize != record.Hashes.ShardSize) {
		return wanted, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up generation %d of %q: %w", seen.Generation, record.Name, err)
	}
	var same shardSet
	for _, run := range wanted {
		for i := run.from; i < min(run.to, len(held.Hashes.ShardSums)); i++ {
			if held.Hashes.ShardSums[i] == record.Hashes.ShardSums[i] {
				same.add(i)
			}
		}
	}
	return same, nil
}

// findStripes adds the stripes to the sources when the blob lies in a set.
func (m *planner) findStripes(ctx context.Context, p *Planned) error {
	places, err := m.vault.Catalog.PlacesOf(ctx, p.Blob, p.Generation)
	if err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
		return fmt.Errorf("look up the places of %q: %w", p.Blob, err)
	}
	if len(places) > 0 {
		p.Sources = append(p.Sources, Source{Kind: FromParity, From: fmt.Sprintf("set %d", places[0].Set), Ranges: p.Ranges})
	}
	return nil
}
