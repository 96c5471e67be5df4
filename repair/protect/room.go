package protect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/repair/stripe"
)

// A room is what new blobs can have of a set without touching more of it: the
// free places of bands that are encoded anew anyway, because something in them
// is given up, and of bands in which nothing lies.
type room struct {
	free      []parity.FreePlace
	bands     map[int64]bool // in which they are
	inhabited map[int64]bool // those in which something lies that stays
}

// roomIn finds the room in a set. There is none in bands in which nothing could
// be given up.
func (e *encoding) roomIn(ctx context.Context, set catalog.Set, inForce map[int64]catalog.Band) (room, error) {
	r := room{bands: make(map[int64]bool), inhabited: make(map[int64]bool)}
	if retired(set) {
		return r, nil
	}
	g := stripe.GeometryOf(set)
	end := e.ends[set.ID]
	isRoom := func(band int64) bool {
		_, there := inForce[band]
		return !there || end != nil && end.stripes[band] != nil && !end.held[band]
	}
	last := (slices.Max(set.Tops) - 1) / g.BandSize()
	for band := range inForce {
		last = max(last, band)
	}
	for band := int64(0); band <= last; band++ {
		first := band
		for ; band <= last && isRoom(band); band++ {
			r.bands[band] = true
		}
		if band == first {
			continue
		}
		from, to := first*g.BandSize(), min(band*g.BandSize(), g.ColumnSize)
		free, err := g.FreePlaces(from, to, set.Tops, e.staying(ctx, set, from, to, r.inhabited))
		if err != nil {
			return r, fmt.Errorf("look for free places in set %d: %w", set.ID, err)
		}
		r.free = append(r.free, free...)
	}
	return r, nil
}

// staying yields what lies between two offsets of a set and is not given up,
// and notes in which bands that is.
func (e *encoding) staying(ctx context.Context, set catalog.Set, from, to int64, bands map[int64]bool) iter.Seq2[parity.Extent, error] {
	g := stripe.GeometryOf(set)
	return func(yield func(parity.Extent, error) bool) {
		for p, err := range e.catalog.PlacesIn(ctx, set.ID, -1, from, to) {
			if err == nil && e.gone(p.Name, p.Generation) {
				continue
			}
			x := parity.Extent{Column: p.Column, Offset: p.Offset, Length: p.Length, BlobOffset: p.BlobOffset}
			if err == nil {
				for band := range g.Bands(x) {
					bands[band] = true
				}
			}
			if !yield(x, err) || err != nil {
				return
			}
		}
	}
}

// errNoRoom is why a unit is to be laid out again: places that it had taken for
// free are not, because what was given up there has to stay.
var errNoRoom = errors.New("what was given up there has to stay for now")

// emptied returns the bands in force in which nothing lies any more once the
// unit is committed.
func (u *unit) emptied() (bands []int64) {
	filled := make(map[int64]bool)
	for i := range u.items {
		for _, x := range u.extentsOf(int32(i)) {
			for band := range u.geometry.Bands(x) {
				filled[band] = true
			}
		}
	}
	for band := range u.bands {
		if u.room.bands[band] && !u.room.inhabited[band] && !filled[band] {
			bands = append(bands, band)
		}
	}
	slices.Sort(bands)
	return bands
}
