package protect

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
)

func timeAt(ns int64) time.Time { return time.Unix(0, ns) }

// listing writes down what lies in a band, by column and offset: what is there
// already and what is new.
func (s *slab) listing(ctx context.Context, band int64) (_ *spool[parity.Listed], err error) {
	list, err := newSpool(s.vault.ScratchDir(), (*encoder).listed, (*decoder).listed)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, list.Close())
		}
	}()
	fresh := s.freshIn(band)
	end := band*s.geometry.BandSize() + int64(s.stripesWritten(band))*s.geometry.ShardSize
	add := func(record *catalog.Record, part parity.Extent, sumsOf sumsOf) error {
		if part.Length == 0 { // what lay in its shard may be gone, and the stripe with it
			part.Offset = min(part.Offset, end)
		}
		listed, err := listedOf(record, part, sumsOf)
		if err == nil {
			_, err = list.add(listed)
		}
		return err
	}
	addFresh := func(before func(parity.Extent) bool) error {
		for len(fresh) > 0 {
			part, _ := s.partIn(band, s.extents[fresh[0].extent])
			if !before(part) {
				return nil
			}
			known, _, ok, err := s.outcomeOf(fresh[0].item)
			if err == nil && ok {
				err = add(&known.record, part, func(first, after int64) ([]uint64, error) {
					return s.outcomes.sumsOf(&known, first, after)
				})
			}
			if err != nil {
				return err
			}
			fresh = fresh[1:]
		}
		return nil
	}
	for there, err := range s.thereIn(ctx, band) {
		if err != nil {
			return nil, err
		}
		if err := addFresh(func(x parity.Extent) bool { return compareExtents(x, there.part) < 0 }); err != nil {
			return nil, err
		}
		sumsOf := func(first, after int64) ([]uint64, error) {
			return between(there.record.Hashes.ShardSums, first, after), nil
		}
		if err := add(&there.record, there.part, sumsOf); err != nil {
			return nil, err
		}
	}
	return list, addFresh(func(parity.Extent) bool { return true })
}

func compareExtents(x, y parity.Extent) int {
	return cmp.Or(cmp.Compare(x.Column, y.Column), cmp.Compare(x.Offset, y.Offset))
}

// A laid is an item and one of the unit's extents that it lies in.
type laid struct{ item, extent int32 }

// freshIn returns what lies of items in a band, other names of an item
// included, by column and offset.
func (s *slab) freshIn(band int64) []laid {
	var fresh []laid
	for i, it := range s.items {
		for extent := it.first; extent < it.first+it.extents; extent++ {
			if _, in := s.partIn(band, s.extents[extent]); in {
				fresh = append(fresh, laid{int32(i), extent})
			}
		}
	}
	slices.SortStableFunc(fresh, func(a, b laid) int { return compareExtents(s.extents[a.extent], s.extents[b.extent]) })
	return fresh
}

// partIn returns the part of an extent in a band, and whether there is any.
func (u *unit) partIn(band int64, x parity.Extent) (parity.Extent, bool) {
	for number, part := range u.geometry.Bands(x) {
		if number == band {
			return part, true
		}
	}
	return parity.Extent{}, false
}

// A there is what lies in a band already.
type there struct {
	record catalog.Record
	part   parity.Extent
}

// thereIn yields what lies in a band as the catalog has it and is not given
// up.
func (u *unit) thereIn(ctx context.Context, band int64) func(func(there, error) bool) {
	from := band * u.geometry.BandSize()
	to := min(from+u.geometry.BandSize(), u.geometry.ColumnSize)
	held := u.end != nil && u.end.held[band]
	recent := u.catalog.Recent()
	return func(yield func(there, error) bool) {
		for p, err := range u.catalog.PlacesIn(ctx, u.set.ID, -1, from, to) {
			if err == nil && !held && u.gone(p.Name, p.Generation) {
				continue
			}
			var record catalog.Record
			if err == nil {
				record, err = recent.Generation(ctx, p.Name, p.Generation)
				if errors.Is(err, catalog.ErrNotRecorded) {
					continue // nobody can say what its bytes are
				}
				if err == nil && record.Damage != nil {
					err = record.Damage
				}
			}
			if err != nil {
				yield(there{}, err)
				return
			}
			x := parity.Extent{Column: p.Column, Offset: p.Offset, Length: p.Length, BlobOffset: p.BlobOffset}
			if part, in := u.partIn(band, x); in && !yield(there{record, part}, nil) {
				return
			}
		}
	}
}

// A sumsOf returns the sums of some shards of a blob; fewer, when it does not
// have them all.
type sumsOf func(first, after int64) ([]uint64, error)

// listedOf is what the list of a band says of a part of a blob.
func listedOf(r *catalog.Record, part parity.Extent, sumsOf sumsOf) (parity.Listed, error) {
	l := parity.Listed{
		Extent: part, Name: r.Name, Generation: r.Generation, RecordedAt: r.RecordedAt.UnixNano(), Kind: r.Kind,
		Identity: r.Identity, Attributes: r.Attributes, Target: r.Target,
		Hashes: hashsets.HashSet{Size: r.Hashes.Size, ShardSize: r.Hashes.ShardSize},
	}
	if part.BlobOffset+part.Length == r.Hashes.Size {
		l.Hashes.Digests = r.Hashes.Digests
	}
	if size := r.Hashes.ShardSize; size > 0 && part.Length > 0 {
		first := part.BlobOffset / size
		after := first + (part.Length+size-1)/size
		sums, err := sumsOf(first, after)
		if err != nil {
			return l, err
		}
		if int64(len(sums)) == after-first {
			l.Hashes.ShardSums = sums
		}
	}
	return l, nil
}
