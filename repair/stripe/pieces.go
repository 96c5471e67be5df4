package stripe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"bitmend/hashsets/catalog"
)

// A piece is a shard of a blob where it lies in a band: a range of one data
// shard of one stripe. Names of one content (hard links) are pieces at the
// same place.
type piece struct {
	stripe     int32 // in the band
	column     int32
	at, length int64 // in the shard, bytes
	blob       int32 // in window.blobs
	shard      int32 // of the blob
	sum        uint64
	known      bool // whether there is a sum
}

// samePlace tells whether two pieces are names of one content.
func (p piece) samePlace(q piece) bool {
	return p.stripe == q.stripe && p.column == q.column && p.at == q.at && p.length == q.length
}

// blobID names a generation of a blob.
type blobID struct {
	name       string
	generation int64
}

// A window holds the pieces of some consecutive stripes of a band.
type window struct {
	from, to int // stripes in the band
	blobs    []blobID
	pieces   []piece // by stripe, column and place in the shard
}

// Windows are as wide as the pieces in them are few.
const (
	firstWindow  = 8
	widePieces   = 1 << 13 // under which the next window is wider
	narrowPieces = 1 << 16 // over which the next window is narrower
)

// windowFor returns the window that holds stripe n.
func (b *Band) windowFor(ctx context.Context, n int) (*window, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := b.window; w != nil && n >= w.from && n < w.to {
		return w, nil
	}
	w, err := b.load(ctx, n, min(n+b.width, b.Set.Stripes))
	if err != nil {
		return nil, err
	}
	switch {
	case len(w.pieces) < widePieces:
		b.width = min(4*b.width, b.Set.Stripes)
	case len(w.pieces) > narrowPieces:
		b.width = max(b.width/4, 1)
	}
	b.window = w
	return w, nil
}

// load reads what lies in the stripes [from, to) from the catalog.
func (b *Band) load(ctx context.Context, from, to int) (*window, error) {
	w := &window{from: from, to: to}
	first := b.base + int64(from)*b.Set.ShardSize
	after := b.base + int64(to)*b.Set.ShardSize
	for place, err := range b.gatherer.Catalog.PlacesIn(ctx, b.Set.ID, -1, first, after) {
		if err != nil {
			return nil, fmt.Errorf("look up what lies in band %d of set %d: %w", b.ID.Number, b.Set.ID, err)
		}
		if place.Length == 0 {
			continue
		}
		if err := b.cut(ctx, w, place, first, after); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(w.pieces, func(p, q piece) int {
		return cmp.Or(cmp.Compare(p.stripe, q.stripe), cmp.Compare(p.column, q.column), cmp.Compare(p.at, q.at), cmp.Compare(p.length, q.length))
	})
	return w, nil
}

// cut adds the pieces of a place between two offsets in the column.
func (b *Band) cut(ctx context.Context, w *window, place catalog.Place, first, after int64) error {
	record, err := b.recent.Generation(ctx, place.Name, place.Generation)
	if err != nil && !errors.Is(err, catalog.ErrNotRecorded) && !errors.Is(err, catalog.ErrDamaged) {
		return fmt.Errorf("look up what is recorded of %q: %w", place.Name, err)
	}
	hasSums := err == nil && record.Damage == nil && record.Hashes.ShardSize == b.Set.ShardSize
	shardSize := b.Set.ShardSize
	blob := int32(len(w.blobs))
	w.blobs = append(w.blobs, blobID{place.Name, place.Generation})

	skip := max(0, (first-place.Offset)/shardSize) // whole shards of the place before the window
	for done := skip * shardSize; done < place.Length; done += shardSize {
		offset := place.Offset + done
		if offset >= after {
			break
		}
		length := min(shardSize, place.Length-done)
		p := piece{
			stripe: int32((offset - b.base) / shardSize),
			column: int32(place.Column),
			at:     offset % shardSize,
			length: length,
			blob:   blob,
			shard:  int32((place.BlobOffset + done) / shardSize),
		}
		if offset < first {
			continue
		}
		if hasSums && int(p.shard) < len(record.Hashes.ShardSums) && p.at+p.length <= shardSize {
			p.sum, p.known = record.Hashes.ShardSums[p.shard], true
		}
		p.length = min(p.length, shardSize-p.at)
		w.pieces = append(w.pieces, p)
	}
	return nil
}

// stripe returns the pieces of one stripe.
func (w *window) stripe(n int) []piece {
	byStripe := func(p piece, n int) int { return cmp.Compare(int(p.stripe), n) }
	from, _ := slices.BinarySearchFunc(w.pieces, n, byStripe)
	to, _ := slices.BinarySearchFunc(w.pieces, n+1, byStripe)
	return w.pieces[from:to]
}
