package parity

// heightFor is the least height at which so many rows are free.
func (l *Layout) heightFor(rows int64) int64 {
	return leastHeight(l.height, l.rowsInColumn(), func(h int64) bool { return l.freeRows(h) >= rows })
}

// rowsToCome is how many rows what is to come needs beyond the free places.
func (l *Layout) rowsToCome() int64 {
	return max(0, l.coming.left-l.vacant.shards.bytes/l.ShardSize)
}

// rowsWanted is how many rows should be free when the height is raised: room
// for what is to come or, when that was underestimated, for a strip that is
// not too thin.
func (l *Layout) rowsWanted(shards int64) int64 {
	const strip = 64 // part of the height
	return max(shards, l.rowsToCome(), l.height*int64(len(l.columns))/strip)
}

// cheapHeight is up to where the height may be raised for the sake of fewer
// shards of one blob in a stripe: little above that of columns which are filled
// evenly with all that there is and that is to come.
func (l *Layout) cheapHeight() int64 {
	const little = 32 // part of the height
	rows := l.rowsToCome()
	for i := range l.columns {
		rows += l.firstFreeRow(i)
	}
	even := ceilDiv(rows, int64(len(l.columns)))
	return min(even+even/little, l.rowsInColumn())
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
		free += max(0, height-l.firstFreeRow(i))
	}
	return free
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
