package repair

import (
	"context"
	"fmt"
	"path"
	"slices"
	"sync"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// Bounds on looking for a blob's content under other names of a donor.
const (
	donorNames      = 1 << 20 // names of fitting size that are remembered
	donorCandidates = 16      // names that are tried for one blob
)

// donor is a source of good bytes whose names need not be ours.
type donor struct {
	from  store.Store
	sizes map[int64]bool // of the blobs that are repaired

	mu     sync.Mutex
	listed bool
	names  map[int64][]string // by size
}

func newDonors(from []store.Store, sizes map[int64]bool) []*donor {
	var donors []*donor
	for _, s := range from {
		donors = append(donors, &donor{from: s, sizes: sizes, names: make(map[int64][]string)})
	}
	return donors
}

// candidates returns names of files of the blob's size, those first that end
// alike. The blob's own name is not among them: it was asked before.
func (d *donor) candidates(ctx context.Context, blob string, size int64) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.listed {
		if err := d.list(ctx); err != nil {
			return nil, err
		}
	}
	var alike, others []string
	for _, name := range d.names[size] {
		switch {
		case name == blob:
		case path.Base(name) == path.Base(blob):
			alike = append(alike, name)
		default:
			others = append(others, name)
		}
	}
	all := slices.Concat(alike, others)
	return all[:min(len(all), donorCandidates)], nil
}

// list remembers the donor's files of fitting sizes. A donor that cannot be
// listed to its end gives what it gave.
func (d *donor) list(ctx context.Context) error {
	d.listed = true
	count := 0
	for seen, err := range d.from.List(ctx, store.ListOptions{}) {
		if ctx.Err() != nil {
			return fmt.Errorf("list donor %s: %w", d.from.URL(), ctx.Err())
		}
		if err != nil || count == donorNames {
			return nil
		}
		if seen.Err == nil && seen.Kind == hashsets.File && d.sizes[seen.Identity.Size] {
			d.names[seen.Identity.Size] = append(d.names[seen.Identity.Size], seen.Name)
			count++
		}
	}
	return nil
}
