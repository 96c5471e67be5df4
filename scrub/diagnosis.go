package scrub

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/diagnose"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// A Rescue knows what the scrub itself must not know: what could be rebuilt,
// and from where. Its methods may be called from many goroutines at once.
type Rescue interface {
	// Prospect says whether a damaged blob can be rebuilt and from which kinds
	// of sources; a nil repairable leaves that open.
	Prospect(ctx context.Context, f finding.Finding) (repairable *bool, sources []string, err error)
	// Good delivers recorded bytes of a damaged blob, for a diagnosis to
	// compare with; it may refuse. nil when it has none.
	Good(ctx context.Context, f finding.Finding) io.ReaderAt
}

// Bounds on what a run spends on naming damage: searches for a single flipped
// bit (0.3 s of processor time each), and time for looking sums up among all
// that are recorded.
const (
	flipSearches = 64
	lookupTime   = 10 * time.Second
)

// A clinic is what diagnoses in a run share.
type clinic struct {
	catalog  *catalog.Catalog
	rescue   Rescue
	searches atomic.Int64 // for a flipped bit, that may still be made

	mu       sync.Mutex
	lookedUp time.Duration // spent on looking sums up
}

func newClinic(c *catalog.Catalog, opts Options) *clinic {
	k := &clinic{catalog: c, rescue: opts.Rescue}
	k.searches.Store(flipSearches)
	return k
}

// diagnose names the kind of damage in the finding. What cannot be looked at
// is unknown: a diagnosis is no verdict, and its failure ends nothing.
func (k *clinic) diagnose(ctx context.Context, s store.Store, f *finding.Finding, w witnesses) {
	f.Diagnosis = finding.Unknown
	blob, err := s.Open(ctx, f.Blob, store.Access{})
	if err != nil {
		return
	}
	defer blob.Close()
	c := diagnose.Case{
		Name: f.Blob, Recorded: w.record.Hashes, Computed: *w.computed, Damaged: blob,
		Elsewhere: func(sums []uint64) map[uint64]diagnose.Where { return k.elsewhere(ctx, f.Blob, sums) },
	}
	for _, r := range w.earlier {
		c.Earlier = append(c.Earlier, diagnose.Generation{Number: r.Generation, Hashes: r.Hashes})
	}
	if k.rescue != nil {
		c.Good = k.rescue.Good(ctx, *f)
	}
	if k.searches.Add(-1) >= 0 {
		c.FlipSearches = 1
	}
	d, err := diagnose.Look(ctx, c)
	if err != nil {
		return
	}
	f.Diagnosis = d.Kind
	f.Evidence = append(f.Evidence, d.Evidence...)
}

// elsewhere looks shard sums up among the current records of all other blobs,
// in one pass over the catalog.
func (k *clinic) elsewhere(ctx context.Context, blob string, sums []uint64) map[uint64]diagnose.Where {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lookedUp > lookupTime {
		return nil
	}
	begun := time.Now()
	defer func() { k.lookedUp += time.Since(begun) }()
	wanted := make(map[uint64]bool, len(sums))
	for _, sum := range sums {
		wanted[sum] = true
	}
	found := map[uint64]diagnose.Where{}
	for known, err := range k.catalog.Records(ctx, catalog.Query{}) {
		if err != nil {
			return nil
		}
		if known.Name == blob || known.Kind != hashsets.File || known.Damage != nil {
			continue
		}
		for i, sum := range known.Hashes.ShardSums {
			if wanted[sum] {
				found[sum] = diagnose.Where{Blob: known.Name, Generation: known.Generation, Shard: i}
			}
		}
	}
	return found
}

// prospect fills in whether the blob can be rebuilt.
func (k *clinic) prospect(ctx context.Context, f *finding.Finding) error {
	if k.rescue == nil {
		return nil
	}
	repairable, sources, err := k.rescue.Prospect(ctx, *f)
	if err != nil {
		if ctx.Err() != nil {
			return nil // the finding stands without it
		}
		return fmt.Errorf("look for sources of %q: %w", f.Blob, err)
	}
	f.Repairable, f.Sources = repairable, sources
	return nil
}
