package parity

// An Extent is a run of bytes in a column that holds (a part of) a blob.
type Extent struct {
	Column     int
	Offset     int64 // in the column
	Length     int64
	BlobOffset int64 // of the extent's first byte; a multiple of the shard size
}

// Layout hands out places in one set. It is a pure value: the same calls give
// the same places. Blobs are filled in column after column up to a height that
// is chosen from what is to come, so that blobs that are neighbours by name
// do not share stripes.
//
// Columns are counted in rows of one shard. All columns are filled up to the
// same row, height; one that is full up to there is left for the next, in a
// circle. A blob that begins in one column and goes on in the next costs a
// stripe as many shards as columns cover its row, which for columns filled
// evenly is its rows divided by the height, rounded up. Place therefore looks
// for a column to begin with in which no stripe loses more than m shards of
// the blob, and raises the height when there is none and the overhead allows a
// blob of that size to be repairable at all. A blob of s shards needs s parity
// shards of stripes that are otherwise full, whatever the placement: that is
// how much the height may overshoot, at most, what the bytes alone need.
type Layout struct {
	Geometry
	columns []column
	coming  forecast
	current int   // column that is being filled
	height  int64 // rows up to which columns are filled
	starts  []int64
}

// column is how far one data column is in use, and the shard in it that small
// blobs may share.
type column struct {
	top  int64 // bytes in use
	open int64 // where the free rest of the open shard begins
	room int64 // its length; 0 when there is none
}

// NewLayout continues a set whose data columns are in use up to tops (nil for
// a new set).
func NewLayout(g Geometry, tops []int64, coming Coming) *Layout {
	l := &Layout{
		Geometry: g,
		columns:  make([]column, g.Data),
		coming:   newForecast(g, coming),
		starts:   make([]int64, 0, g.Data),
	}
	for i := range min(len(tops), g.Data) {
		c := &l.columns[i]
		c.top = min(max(tops[i], 0), g.ColumnSize)
		c.open = c.top
		c.room = ceilDiv(c.top, g.ShardSize)*g.ShardSize - c.top
		l.height = max(l.height, l.firstFreeRow(i))
		if c.room > l.columns[l.current].room {
			l.current = i // so that runs of a few small blobs share a shard
		}
	}
	l.height = max(l.height, l.heightFor(l.coming.left))
	return l
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

// hereOfNoLength is the beginning of the last shard in use in the current
// column, so that it lies in a band that exists.
func (l *Layout) hereOfNoLength() Extent {
	row := max(0, l.firstFreeRow(l.current)-1)
	return Extent{Column: l.current, Offset: row * l.ShardSize}
}

func (l *Layout) placeSmall(size int64) ([]Extent, bool) {
	if l.columns[l.current].room < size {
		return l.placeInFreeShard(size)
	}
	c := &l.columns[l.current]
	e := Extent{Column: l.current, Offset: c.open, Length: size}
	c.open += size
	c.room -= size
	c.top = max(c.top, c.open)
	return []Extent{e}, true
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
	shards := ceilDiv(size, l.ShardSize)
	first, ok := l.begin(shards)
	if !ok {
		return nil, false
	}
	l.coming.took(shards)
	extents := make([]Extent, 0, 1)
	l.current = first
	for done := int64(0); done < size; {
		row := l.firstFreeRow(l.current)
		if row >= l.height {
			l.current = l.nth(1)
			continue
		}
		length := min(size-done, (l.height-row)*l.ShardSize)
		extents = append(extents, Extent{Column: l.current, Offset: row * l.ShardSize, Length: length, BlobOffset: done})
		c := &l.columns[l.current]
		c.top = row*l.ShardSize + length
		l.keepRest(c)
		done += length
	}
	return extents, true
}

// begin returns the column in which a blob of so many shards is to begin.
func (l *Layout) begin(shards int64) (first int, ok bool) {
	if first, ok = l.bearable(shards, l.height); ok {
		return first, true
	}
	if !l.coming.mayBear(shards) {
		return l.anywhere(shards)
	}
	before := l.height
	l.height = max(before, l.heightToBear(shards), l.heightFor(l.rowsWanted(shards)))
	if first, ok = l.bearable(shards, l.height); ok {
		return first, true
	}
	l.height = before
	if l.empty() { // no other set would be better
		return l.anywhere(shards)
	}
	return 0, false
}

// anywhere makes room for a blob that no placement makes repairable.
func (l *Layout) anywhere(shards int64) (first int, ok bool) {
	height := l.height
	if l.freeRows(height) < shards {
		height = l.heightFor(l.rowsWanted(shards))
	}
	if l.freeRows(height) < shards {
		return 0, false
	}
	l.height = height
	return l.current, true
}

// bearable returns the first column, from the current one on, in which a blob
// of so many shards can begin without costing a stripe more than m of them,
// when columns are filled up to height.
func (l *Layout) bearable(shards, height int64) (first int, ok bool) {
	for i := range l.columns {
		c := l.nth(i)
		free := height - l.firstFreeRow(c)
		if free >= shards || free > 0 && l.erasures(c, shards, height) <= l.Parity {
			return c, true
		}
	}
	return 0, false
}

// erasures returns how many shards of one stripe a blob covers at most that
// begins in column first, or more than m when there is no room for it.
func (l *Layout) erasures(first int, shards, height int64) int {
	l.starts = l.starts[:0] // first rows of the columns that it fills to the height: all of them cover the row below it
	for i := 0; i < len(l.columns) && len(l.starts) <= l.Parity; i++ {
		row := l.firstFreeRow((first + i) % len(l.columns))
		if row >= height {
			continue
		}
		if height-row > shards { // it ends here, below the height
			last := 1
			for _, start := range l.starts {
				if start < row+shards {
					last++
				}
			}
			return max(last, len(l.starts))
		}
		l.starts = append(l.starts, row)
		shards -= height - row
		if shards == 0 {
			return len(l.starts)
		}
	}
	return l.Parity + 1
}

// heightFor is the least height at which so many rows are free.
func (l *Layout) heightFor(rows int64) int64 {
	return leastHeight(l.height, l.rowsInColumn(), func(h int64) bool { return l.freeRows(h) >= rows })
}

// heightToBear is the least height at which some m neighbouring columns have
// room for a blob of so many shards, which is then bearable.
func (l *Layout) heightToBear(shards int64) int64 {
	return leastHeight(l.height, l.rowsInColumn(), func(height int64) bool {
		free := int64(0)
		width := min(l.Parity, len(l.columns))
		for i := range width {
			free += l.freeRowsOf(i, height)
		}
		for i := range l.columns {
			if free >= shards {
				return true
			}
			free += l.freeRowsOf((i+width)%len(l.columns), height) - l.freeRowsOf(i, height)
		}
		return false
	})
}

// rowsWanted is how many rows should be free when the height is raised: room
// for what is to come or, when that was underestimated, for a strip that is
// not too thin.
func (l *Layout) rowsWanted(shards int64) int64 {
	const strip = 64 // part of the height
	return max(shards, l.coming.left, l.height*int64(len(l.columns))/strip)
}

// leastHeight searches [from, to] for the least height that is enough, given
// that all heights above one that is enough are enough too; to when none is.
func leastHeight(from, to int64, enough func(int64) bool) int64 {
	for from < to {
		middle := from + (to-from)/2
		if enough(middle) {
			to = middle
		} else {
			from = middle + 1
		}
	}
	return to
}

func (l *Layout) freeRows(height int64) int64 {
	free := int64(0)
	for i := range l.columns {
		free += l.freeRowsOf(i, height)
	}
	return free
}

func (l *Layout) freeRowsOf(column int, height int64) int64 {
	return max(0, height-l.firstFreeRow(column))
}

func (l *Layout) empty() bool {
	for _, c := range l.columns {
		if c.top > 0 {
			return false
		}
	}
	return true
}

func (l *Layout) rowsInColumn() int64           { return l.ColumnSize / l.ShardSize }
func (l *Layout) firstFreeRow(column int) int64 { return ceilDiv(l.columns[column].top, l.ShardSize) }
func (l *Layout) nth(i int) int                 { return (l.current + i) % len(l.columns) }
