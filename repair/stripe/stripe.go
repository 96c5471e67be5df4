// Package stripe brings the bytes of stripes together: it reads the data
// shards of a stripe from the stores and its parity shards from the parity
// files, believes only what matches a recorded sum, and rebuilds the rest.
//
// It writes nothing, and it does not know why a shard is wanted.
package stripe

import (
	"context"
	"errors"
	"fmt"

	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/store"
)

// Errors that callers decide by.
var (
	// ErrNoParity is the reason of a shard that lies in no parity set.
	ErrNoParity = errors.New("no parity was written of it")
	// ErrUnproven is the reason of a shard that was rebuilt and does not match
	// its sum, or that has no recorded sum: nobody may use such bytes.
	ErrUnproven = errors.New("what parity gives does not match its recorded sum")
)

// Want is a shard of a blob's generation that is to be rebuilt.
type Want struct {
	Name       string
	Generation int64
	Shard      int // 0 is the blob's first
}

// Loss says why a shard cannot be rebuilt: its stripe misses more than parity
// bears.
type Loss struct {
	Set    int64
	Band   int64
	Stripe int         // in the set
	Range  store.Range // of the shard
	Bad    int         // shards of the stripe that are missing there
	Bears  int         // shards that parity bears
}

func (l *Loss) Error() string {
	return fmt.Sprintf("stripe %d of set %d has %d bad shards, parity bears %d", l.Stripe, l.Set, l.Bad, l.Bears)
}

// Withheld is a loss of which the host may be the reason: other bytes of the
// stripe could not be asked for, and with them it may be rebuilt.
type Withheld struct {
	Loss  error // what it unwraps to
	Cause error
}

func (w *Withheld) Error() string { return fmt.Sprintf("%v, where %v", w.Loss, w.Cause) }
func (w *Withheld) Unwrap() error { return w.Loss }

// Gatherer fills stripes. Data shards are looked for in Stores in their order,
// and every piece must match its recorded shard sum.
type Gatherer struct {
	Catalog *catalog.Catalog
	Home    store.Store   // where parity files live
	Stores  []store.Store // primary first, then replicas
}

// Fill reads stripe number n of a band into s: data shards from the stores,
// and parity shards if withParity or if some data shard is erased. Ranges that
// cannot be had, or fail their sums, are marked as erased; those that can be
// rebuilt are. What is still erased is returned as *Loss, joined.
func (g *Gatherer) Fill(ctx context.Context, band catalog.Band, n int, s *parity.Stripe, withParity bool) error {
	b, err := g.OpenBand(ctx, band, nil)
	if err != nil {
		return err
	}
	err = b.Fill(ctx, n, s, withParity)
	return errors.Join(err, b.Close())
}

// setOf looks a set up by its ID.
func (g *Gatherer) setOf(ctx context.Context, id int64) (catalog.Set, error) {
	sets, err := g.Catalog.Sets(ctx)
	if err != nil {
		return catalog.Set{}, fmt.Errorf("look up parity set %d: %w", id, err)
	}
	for _, s := range sets {
		if s.ID == id {
			return s, nil
		}
	}
	return catalog.Set{}, fmt.Errorf("look up parity set %d: %w", id, catalog.ErrNotRecorded)
}

// GeometryOf returns the shape of a set.
func GeometryOf(s catalog.Set) parity.Geometry {
	return parity.Geometry{Data: s.Data, Parity: s.Parity, ShardSize: s.ShardSize, ColumnSize: s.ColumnSize}
}
