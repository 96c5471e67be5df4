package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/stripe"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// prospectShards bounds the shards that a scrub tries to rebuild, in all:
// each may cost the reading of a whole stripe. Beyond it findings leave open
// whether they are repairable.
const prospectShards = 2048

// A prospector finds out whether damage can be rebuilt by doing so in memory:
// what it calls repairable was rebuilt a moment ago and matched its sums.
type prospector struct {
	vault    *vault.Vault
	stores   []store.Store // that may be asked for good bytes; opened on first use
	gatherer *stripe.Gatherer
	left     int // shards that may still be tried
}

// prospect says whether a finding's blob can be rebuilt, and from which kinds
// of sources. It answers errTooMuch when that would cost too much to find out.
func (p *prospector) prospect(ctx context.Context, f finding.Finding) (bool, []string, error) {
	record, err := p.vault.Catalog.Current(ctx, f.Blob)
	if err != nil {
		return false, nil, fmt.Errorf("look up the record of %q: %w", f.Blob, err)
	}
	if record.Damage != nil || f.Verdict == finding.RecordDamaged {
		return false, nil, errTooMuch
	}
	if record.Kind != hashsets.File || record.Hashes.Size == 0 {
		return true, []string{string(FromRecord)}, nil
	}
	if len(record.Hashes.ShardSums) == 0 {
		return false, nil, errTooMuch
	}
	damaged := shardsIn(&record.Hashes, f.Ranges)
	if damaged.count() > p.left {
		return false, nil, errTooMuch
	}
	p.left -= damaged.count()
	var wanted []int
	for _, run := range damaged {
		for i := run.from; i < run.to; i++ {
			wanted = append(wanted, i)
		}
	}
	if err := p.open(); err != nil {
		return false, nil, err
	}
	return p.try(ctx, f, &record, wanted)
}

// errTooMuch leaves open whether a blob is repairable.
var errTooMuch = errors.New("not tried")

func (p *prospector) try(ctx context.Context, f finding.Finding, record *catalog.Record, wanted []int) (bool, []string, error) {
	var sources []string
	for _, s := range p.stores {
		if s.Name() == f.Store || len(wanted) == 0 {
			continue
		}
		left := missingFrom(ctx, s, record, wanted)
		if len(left) < len(wanted) && !slices.Contains(sources, string(FromReplica)) {
			sources = append(sources, string(FromReplica))
		}
		wanted = left
	}
	if len(wanted) == 0 {
		return true, sources, ctx.Err()
	}
	wants := make([]stripe.Want, len(wanted))
	for i, shard := range wanted {
		wants[i] = stripe.Want{Name: record.Name, Generation: record.Generation, Shard: shard}
	}
	rebuilt := 0
	err := p.gatherer.Rebuild(ctx, wants,
		func(stripe.Want, []byte) error { rebuilt++; return nil },
		func(stripe.Want, error) error { return nil })
	if err != nil {
		return false, nil, err
	}
	if rebuilt > 0 {
		sources = append(sources, string(FromParity))
	}
	return rebuilt == len(wanted), sources, nil
}

// missingFrom returns those of the wanted shards that the store does not
// deliver as recorded.
func missingFrom(ctx context.Context, s store.Store, record *catalog.Record, wanted []int) []int {
	blob, err := s.Open(ctx, record.Name, store.Access{})
	if err != nil {
		return wanted // whatever the reason, it is no source now
	}
	defer blob.Close()
	var missing []int
	shard := make([]byte, record.Hashes.ShardSize)
	for _, i := range wanted {
		offset, length := record.Hashes.ShardRange(i)
		n, _ := blob.ReadAt(shard[:length], offset)
		if int64(n) < length || hashsets.ShardSum(shard[:n]) != record.Hashes.ShardSums[i] {
			missing = append(missing, i)
		}
	}
	return missing
}

// open opens the stores that may be asked, once.
func (p *prospector) open() error {
	if p.gatherer != nil {
		return nil
	}
	for _, cfg := range p.vault.Config.Stores {
		s, err := p.vault.Store(cfg.Name)
		if err != nil {
			return fmt.Errorf("open store %q: %w", cfg.Name, err)
		}
		p.stores = append(p.stores, s)
	}
	home, err := p.vault.ParityHome()
	if err != nil {
		return fmt.Errorf("open the parity files: %w", err)
	}
	p.gatherer = &stripe.Gatherer{Catalog: p.vault.Catalog, Home: home, Stores: p.stores}
	return nil
}
