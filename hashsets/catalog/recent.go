package catalog

import (
	"context"
	"slices"
)

// A Recent looks up generations and remembers those of large blobs that were
// asked for last: who goes through a parity set column by column asks for such
// a blob again and again, and its shard sums may be many millions of bytes. It
// is for one goroutine at a time, and for as long as nobody writes what it is
// asked for.
type Recent struct {
	catalog *Catalog
	records []Record // the last one asked for is the last
	sums    int      // that they have together
}

// Bounds of what a Recent remembers: records of so many shard sums, as long as
// they have no more together, or only the last one.
const (
	recentFrom = 1024
	recentSums = 1 << 20
)

// Recent returns one that remembers nothing yet.
func (c *Catalog) Recent() *Recent { return &Recent{catalog: c} }

// Generation is as Catalog.Generation. The record must not be changed.
func (r *Recent) Generation(ctx context.Context, name string, generation int64) (Record, error) {
	at := slices.IndexFunc(r.records, func(known Record) bool { return known.Name == name && known.Generation == generation })
	if at >= 0 {
		known := r.records[at]
		r.records = append(slices.Delete(r.records, at, at+1), known)
		return known, nil
	}
	known, err := r.catalog.Generation(ctx, name, generation)
	if err == nil && len(known.Hashes.ShardSums) >= recentFrom {
		r.remember(known)
	}
	return known, err
}

func (r *Recent) remember(known Record) {
	r.records = append(r.records, known)
	r.sums += len(known.Hashes.ShardSums)
	for len(r.records) > 1 && r.sums > recentSums {
		r.sums -= len(r.records[0].Hashes.ShardSums)
		r.records = slices.Delete(r.records, 0, 1)
	}
}
