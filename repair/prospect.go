package repair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

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
	vault *vault.Vault

	mu       sync.Mutex
	stores   []store.Store // that may be asked for good bytes; opened on first use
	gatherer *stripe.Gatherer
	left     int // shards that may still be tried
}

// Prospect says whether a finding's blob can be rebuilt, and from which kinds
// of sources. It leaves that open where it cannot be tried, or not cheaply.
func (p *prospector) Prospect(ctx context.Context, f finding.Finding) (*bool, []string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	record, err := p.recordOf(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	if record.Damage != nil || f.Verdict == finding.RecordDamaged {
		return nil, nil, nil
	}
	repairable := true
	if record.Kind != hashsets.File || record.Hashes.Size == 0 {
		return &repairable, []string{string(FromRecord)}, nil
	}
	damaged := shardsIn(&record.Hashes, f.Ranges)
	if len(record.Hashes.ShardSums) == 0 || damaged.count() > p.left {
		return nil, nil, nil
	}
	p.left -= damaged.count()
	if err := p.open(); err != nil {
		return nil, nil, err
	}
	var sources []string
	missing, err := p.try(ctx, f.Store, record, damaged.numbers(), func(from SourceKind, _ int, _ []byte) {
		if !slices.Contains(sources, string(from)) {
			sources = append(sources, string(from))
		}
	})
	if len(missing) == 1 && f.Diagnosis == finding.BitFlip {
		// The diagnosis has turned the bit back, and the shard matched its sum.
		sources, missing = append(sources, string(FromBitFlip)), nil
	}
	repairable = len(missing) == 0
	return &repairable, sources, err
}

func (p *prospector) recordOf(ctx context.Context, f finding.Finding) (*catalog.Record, error) {
	record, err := p.vault.Catalog.Current(ctx, f.Blob)
	if err != nil {
		return nil, fmt.Errorf("look up the record of %q: %w", f.Blob, err)
	}
	return &record, nil
}

// try rebuilds the wanted shards in memory, from other stores than the damaged
// one, its own older versions and then the stripes, and hands each to got. It returns those that
// could not be had.
func (p *prospector) try(ctx context.Context, damaged string, record *catalog.Record, wanted []int, got func(from SourceKind, shard int, bytes []byte)) ([]int, error) {
	for _, s := range p.stores {
		if s.Name() != damaged && len(wanted) > 0 {
			wanted = takeFrom(ctx, s, record, wanted, got)
		}
	}
	for _, s := range p.stores {
		if s.Name() == damaged && len(wanted) > 0 {
			wanted = takeFromVersions(ctx, s, record, wanted, got)
		}
	}
	if len(wanted) == 0 {
		return nil, ctx.Err()
	}
	wants := make([]stripe.Want, len(wanted))
	for i, shard := range wanted {
		wants[i] = stripe.Want{Name: record.Name, Generation: record.Generation, Shard: shard}
	}
	var missing []int
	err := p.gatherer.Rebuild(ctx, wants,
		func(w stripe.Want, bytes []byte) error { got(FromParity, w.Shard, bytes); return nil },
		func(w stripe.Want, _ error) error { missing = append(missing, w.Shard); return nil })
	return missing, err
}

// takeFrom hands over those of the wanted shards that the store delivers as
// recorded, and returns the others.
func takeFrom(ctx context.Context, s store.Store, record *catalog.Record, wanted []int, got func(SourceKind, int, []byte)) []int {
	blob, err := s.Open(ctx, record.Name, store.Access{Whole: len(wanted) == len(record.Hashes.ShardSums), Size: record.Hashes.Size})
	if err != nil {
		return wanted // whatever the reason, it is no source now
	}
	defer blob.Close()
	return take(blob, FromReplica, record, wanted, got)
}

// takeFromVersions is takeFrom with the older versions in the blob's own store.
func takeFromVersions(ctx context.Context, s store.Store, record *catalog.Record, wanted []int, got func(SourceKind, int, []byte)) []int {
	keeper, older, _ := olderVersions(ctx, s, record.Name, record.Hashes.Size)
	for _, v := range older {
		if len(wanted) == 0 {
			break
		}
		blob, err := keeper.OpenVersion(ctx, record.Name, v.Identity.Version, store.Access{Whole: len(wanted) == len(record.Hashes.ShardSums), Size: v.Identity.Size})
		if err != nil {
			continue // it is no source now
		}
		wanted = take(blob, FromVersion, record, wanted, got)
		blob.Close()
	}
	return wanted
}

func take(blob store.Reader, kind SourceKind, record *catalog.Record, wanted []int, got func(SourceKind, int, []byte)) []int {
	var missing []int
	shard := make([]byte, record.Hashes.ShardSize)
	for _, i := range wanted {
		offset, length := record.Hashes.ShardRange(i)
		n, _ := blob.ReadAt(shard[:length], offset)
		if int64(n) < length || hashsets.ShardSum(shard[:n]) != record.Hashes.ShardSums[i] {
			missing = append(missing, i)
			continue
		}
		got(kind, i, shard[:n])
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

// goodShards bounds the shards that are rebuilt for one diagnosis.
const goodShards = 8

// Good delivers recorded bytes of a damaged blob, shard by shard as they are
// asked for.
func (p *prospector) Good(ctx context.Context, f finding.Finding) io.ReaderAt {
	record, err := p.recordOf(ctx, f)
	if err != nil || record.Damage != nil || len(record.Hashes.ShardSums) == 0 {
		return nil
	}
	return &goodBytes{ctx: ctx, from: p, damaged: f.Store, record: record, shards: map[int][]byte{}}
}

// goodBytes is one blob's recorded content, as far as it can be rebuilt.
type goodBytes struct {
	ctx     context.Context
	from    *prospector
	damaged string // the store whose blob is damaged
	record  *catalog.Record
	shards  map[int][]byte // that were rebuilt
}

var errNoGoodBytes = errors.New("no good bytes are at hand")

// ReadAt implements io.ReaderAt.
func (g *goodBytes) ReadAt(p []byte, offset int64) (int, error) {
	done := 0
	for done < len(p) {
		at := offset + int64(done)
		if at >= g.record.Hashes.Size {
			return done, io.EOF
		}
		i := int(at / g.record.Hashes.ShardSize)
		shard, err := g.shard(i)
		if err != nil {
			return done, err
		}
		done += copy(p[done:], shard[at-int64(i)*g.record.Hashes.ShardSize:])
	}
	return done, nil
}

func (g *goodBytes) shard(i int) ([]byte, error) {
	if shard, ok := g.shards[i]; ok {
		return shard, nil
	}
	if len(g.shards) == goodShards {
		return nil, errNoGoodBytes
	}
	g.from.mu.Lock()
	defer g.from.mu.Unlock()
	if err := g.from.open(); err != nil {
		return nil, err
	}
	missing, err := g.from.try(g.ctx, g.damaged, g.record, []int{i}, func(_ SourceKind, i int, bytes []byte) {
		g.shards[i] = slices.Clone(bytes)
	})
	if err == nil && len(missing) > 0 {
		err = errNoGoodBytes
	}
	return g.shards[i], err
}
