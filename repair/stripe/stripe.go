// Package stripe brings the bytes of stripes together: it reads the data
// shards of a stripe from the stores and its parity shards from the parity
// files, believes only what matches a recorded sum, and rebuilds the rest.
//
// It writes nothing, and it does not know why a shard is wanted.
package stripe

import (
	"context"
	"fmt"

	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/store"
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

// Gatherer fills stripes. Data shards are looked for in Stores in their order,
// and every piece must match its recorded shard sum.
type Gatherer struct {
	Catalog *catalog.Catalog
	Home    store.Store   // where parity files live
	Stores  []store.Store // primary first, then replicas
}

// Rebuild rebuilds the shards wanted, reading each stripe once however many of
// its shards are wanted, and hands each one over as soon as it matches its
// recorded sum. What cannot be rebuilt is handed to lost with the reason, a
// *Loss where the stripe is the reason. p is valid during the call. An error
// of deliver or lost ends the run and is returned.
func (g *Gatherer) Rebuild(ctx context.Context, wants []Want, deliver func(w Want, p []byte) error, lost func(w Want, why error) error) error {
	panic("stub")
}

// Fill reads stripe number n of a band into s: data shards from the stores,
// and parity shards if withParity or if some data shard is erased. Ranges that
// cannot be had, or fail their sums, are marked as erased; those that can be
// rebuilt are. What is still erased is returned as *Loss, joined.
func (g *Gatherer) Fill(ctx context.Context, band catalog.Band, n int, s *parity.Stripe, withParity bool) error {
	panic("stub")
}
