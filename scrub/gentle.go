package scrub

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"bitmend/hashsets"
	"bitmend/scrub/pace"
	"bitmend/scrub/store"
)

// deviceOf returns what the store lies on; nil when that is not on this host
// or not known.
func deviceOf(ctx context.Context, s store.Store) pace.Device {
	on, ok := s.(store.OnDisk)
	if !ok {
		return nil
	}
	device, err := on.Disk(ctx)
	if err != nil {
		return nil // it is met again where it matters
	}
	return device
}

// Bounds of how many names are put into the order of their places at once.
const (
	placedAtOnce = 1024
	placedSums   = 1 << 20 // shard sums that they have together
)

// inPlace yields names on a disk that turns in the order in which they lie on
// it, so many at a time, as far as the file system tells.
func inPlace(ctx context.Context, s store.Store, device pace.Device, names iter.Seq2[pair, error]) iter.Seq2[pair, error] {
	on, ok := s.(store.OnDisk)
	if !ok || device == nil || !device.Rotating() {
		return names
	}
	return func(yield func(pair, error) bool) {
		var batch []placed
		sums := 0
		flush := func() bool {
			slices.SortStableFunc(batch, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
			for _, p := range batch {
				if !yield(p.pair, nil) {
					return false
				}
			}
			batch, sums = batch[:0], 0
			return true
		}
		for p, err := range names {
			if err != nil {
				if flush() {
					yield(p, err)
				}
				return
			}
			batch = append(batch, placed{p, placeOf(ctx, on, p)})
			if p.known != nil {
				sums += len(p.known.Hashes.ShardSums)
			}
			if (len(batch) >= placedAtOnce || sums >= placedSums) && !flush() {
				return
			}
		}
		flush()
	}
}

// A placed name is one with its place on the disk.
type placed struct {
	pair
	at int64
}

// placeOf returns where the content of a name lies; 0 when nothing tells.
func placeOf(ctx context.Context, on store.OnDisk, p pair) int64 {
	if p.known == nil || p.known.Kind != hashsets.File || p.size() == 0 {
		return 0
	}
	at, err := on.Place(ctx, p.name())
	if err != nil {
		return 0 // it is met again when it is read
	}
	return at
}
