package parity

import "slices"

// An Extent is a run of bytes in a column that holds (a part of) a blob.
type Extent struct {
	Column     int
	Offset     int64 // in the column
	Length     int64
	BlobOffset int64 // of the extent's first byte; a multiple of the shard size
}

// Layout hands out places in one set. It is a pure value: the same calls give
// the same places. Blobs go into free places that have room for all of them
// and, beyond those, are filled in column after column up to a height that is
// chosen from what is to come, so that blobs that are neighbours by name do not
// share stripes.
//
// Columns are counted in rows of one shard. All columns are filled up to the
// same row, height; one that is full up to there is left for the next, in a
// circle.
type Layout struct {
	Geometry
	columns []column
	vacant  vacant
	coming  forecast
	current int   // column that is being filled
	height  int64 // rows up to which columns are filled
}

// column is how far one data column is in use, and the shard in it that small
// blobs may share.
type column struct {
	top  int64 // bytes in use
	open int64 // where the free rest of the open shard begins
	room int64 // its length; 0 when there is none
}

// NewLayout continues a set whose data columns are in use up to tops (nil for
// a new set), and in which there are free places. A column that is free up to
// its top is lowered.
func NewLayout(g Geometry, tops []int64, free []FreePlace, coming Coming) *Layout {
	l := &Layout{Geometry: g, columns: make([]column, g.Data), coming: newForecast(g, coming)}
	for i := range min(len(tops), g.Data) {
		l.columns[i].top = min(max(tops[i], 0), g.ColumnSize)
	}
	l.vacant = newVacant(g.ShardSize, l.lower(joined(free)))
	for i := range l.columns {
		c := &l.columns[i]
		c.open = c.top
		c.room = ceilDiv(c.top, g.ShardSize)*g.ShardSize - c.top
		l.height = max(l.height, l.firstFreeRow(i))
		if c.room > l.columns[l.current].room {
			l.current = i // so that runs of a few small blobs share a shard
		}
	}
	l.height = max(l.height, l.heightFor(l.rowsToCome()))
	return l
}

// lower takes free places at the top of their columns off these, and returns
// the others.
func (l *Layout) lower(free []FreePlace) []FreePlace {
	return slices.DeleteFunc(free, func(f FreePlace) bool {
		if f.Column >= len(l.columns) || f.end() < l.columns[f.Column].top {
			return false
		}
		l.columns[f.Column].top = f.Offset
		return true
	})
}

// Tops returns how far each data column is in use, in bytes.
func (l *Layout) Tops() []int64 {
	tops := make([]int64, len(l.columns))
	for i, c := range l.columns {
		tops[i] = c.top
	}
	return tops
}

// Place hands out the extents of a blob of size bytes, or false when the set
// has no room for it. A blob of no bytes gets one extent of no length. A blob
// of at least a shard begins at a shard's border and lies in order along its
// columns, so that one sequential read serves hashing and encoding; a smaller
// one lies anywhere in one shard.
func (l *Layout) Place(size int64) ([]Extent, bool) {
	switch {
	case size < 0:
		return nil, false
	case size == 0:
		return []Extent{l.hereOfNoLength()}, true
	case size < l.ShardSize:
		return l.placeSmall(size)
	}
	return l.placeLarge(size)
}

// PlaceInFree is Place for free places alone, which make the set no larger.
func (l *Layout) PlaceInFree(size int64) ([]Extent, bool) {
	if size <= 0 {
		return nil, false
	}
	f, ok := l.takeFree(size)
	return []Extent{f.extent()}, ok
}

// takeFree takes a free place that has room for all of a blob.
func (l *Layout) takeFree(size int64) (FreePlace, bool) {
	if size < l.ShardSize {
		f, whole, ok := l.vacant.takeSmall(size)
		if whole {
			l.coming.took(1)
		}
		return f, ok
	}
	f, ok := l.vacant.takeWhole(size)
	if ok {
		l.coming.took(ceilDiv(size, l.ShardSize))
	}
	return f, ok
}

// hereOfNoLength is the beginning of the last shard in use in the current
// column, so that it lies in a band that exists.
func (l *Layout) hereOfNoLength() Extent {
	row := max(0, l.firstFreeRow(l.current)-1)
	return Extent{Column: l.current, Offset: row * l.ShardSize}
}

func (l *Layout) placeSmall(size int64) ([]Extent, bool) {
	if c := &l.columns[l.current]; c.room >= size {
		e := Extent{Column: l.current, Offset: c.open, Length: size}
		c.open += size
		c.room -= size
		c.top = max(c.top, c.open)
		return []Extent{e}, true
	}
	if f, ok := l.takeFree(size); ok {
		return []Extent{f.extent()}, true
	}
	return l.placeInFreeShard(size)
}

func (l *Layout) placeInFreeShard(size int64) ([]Extent, bool) {
	if !l.toFreeShard() {
		return nil, false
	}
	c := &l.columns[l.current]
	e := Extent{Column: l.current, Offset: l.firstFreeRow(l.current) * l.ShardSize, Length: size}
	l.coming.took(1)
	c.top = e.Offset + size
	l.keepRest(c)
	return []Extent{e}, true
}

// toFreeShard moves on to the next column that has a free shard, raising the
// height when there is none.
func (l *Layout) toFreeShard() bool {
	for i := range l.columns {
		if c := l.nth(i); l.firstFreeRow(c) < l.height {
			l.current = c
			return true
		}
	}
	height := l.heightFor(l.rowsWanted(1))
	if height == l.height {
		return false
	}
	l.height = height
	return l.toFreeShard()
}

// keepRest makes the rest of the shard at the top the open one, unless the
// rest that is open already is larger.
func (l *Layout) keepRest(c *column) {
	rest := ceilDiv(c.top, l.ShardSize)*l.ShardSize - c.top
	if rest > c.room {
		c.open, c.room = c.top, rest
	}
}

func (l *Layout) placeLarge(size int64) ([]Extent, bool) {
	if f, ok := l.takeFree(size); ok {
		return []Extent{f.extent()}, true
	}
	shards := ceilDiv(size, l.ShardSize)
	spans, ok := l.spread(shards)
	if !ok {
		return nil, false
	}
	l.coming.took(shards)
	return l.use(spans, size), true
}
