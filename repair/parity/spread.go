package parity

import "iter"

// A blob that no free place has room for lies in the rows between the tops of
// columns and the height, and in several free places if need be. It then costs
// some stripe as many shards as it has spans in one row. The fewest are best: a
// blob that costs one is repairable with any m-1 further shards of its stripes
// lost, one that costs m only while all parity is whole.
//
// What fewer cost is parity for a greater height. A blob of s shards that costs
// a stripe e of them needs s/e rows of m parity shards each, of stripes that
// are otherwise full. So the height is raised for any e when that costs little,
// and beyond for e = m-1, so that one parity shard is in hand, or for m, when
// the overhead allows parity of s·m/e shards for one blob at all.

// A span is some rows of one column for a blob. If they are in a free place, of
// has it; its length is 0 otherwise.
type span struct {
	column int
	rows
	of FreePlace
}

// rows are the rows [from, to).
type rows struct{ from, to int64 }

// spread finds spans for a blob of so many shards, raising the height when they
// cannot be had below it; false when another set would serve it better, or has
// to because this one is full.
func (l *Layout) spread(shards int64) ([]span, bool) {
	if spans, ok := l.lay(shards, l.height, 1, 0); ok {
		return spans, true
	}
	most := l.coming.most(l.Geometry, shards)
	for few := 1; few <= most; few++ {
		if spans, ok := l.lay(shards, l.height, few, freeSpans); ok {
			return spans, true
		}
		if few <= l.Parity && l.raise(shards, few, l.cheapHeight()) {
			return l.lay(shards, l.height, few, freeSpans)
		}
	}
	for !l.raise(shards, most, l.rowsInColumn()) {
		newSetIsBetter := !l.empty() && (most >= l.Parity || int64(most)*l.rowsInColumn() >= shards)
		if newSetIsBetter || most >= l.Data {
			return nil, false
		}
		most++
	}
	for few := 1; ; few++ {
		if spans, ok := l.lay(shards, l.height, few, freeSpans); ok || few == most {
			return spans, ok
		}
	}
}

// raise raises the height for a blob that is to cost a stripe few shards: as
// far as it must, if that is no further than to limit, and as far as is wanted
// by others.
func (l *Layout) raise(shards int64, few int, limit int64) bool {
	fits := func(height int64) bool {
		_, ok := l.lay(shards, height, few, freeSpans)
		return ok
	}
	if limit <= l.height || !fits(limit) {
		return false
	}
	wanted := min(l.heightFor(l.rowsWanted(shards)), limit)
	l.height = max(wanted, leastHeight(l.height, limit, fits))
	return true
}

// freeSpans is in how many free places one blob may lie at most.
const freeSpans = 64

// lay finds spans for a blob, at most few of them in any row, below a height
// and in so many free places.
func (l *Layout) lay(shards, height int64, few, free int) (spans []span, ok bool) {
	for of := range l.vacancies(shards, height, free) {
		for r := range shallow(spans, of.rows, few) {
			r.to = min(r.to, r.from+shards)
			shards -= r.to - r.from
			if n := len(spans); n > 0 && spans[n-1].column == of.column && spans[n-1].of == of.of && spans[n-1].to == r.from {
				spans[n-1].to = r.to
			} else {
				spans = append(spans, span{of.column, r, of.of})
			}
			if shards == 0 {
				return spans, true
			}
		}
	}
	return nil, false
}

// vacancies yields where spans of a blob may lie: the longest free places and
// then, from the current column on, the rows below a height.
func (l *Layout) vacancies(shards, height int64, free int) iter.Seq[span] {
	return func(yield func(span) bool) {
		if free > 0 {
			for _, f := range l.vacant.shards.longest(free, ceilDiv(shards, freeSpans)*l.ShardSize) {
				if !yield(span{f.Column, rows{f.Offset / l.ShardSize, f.end() / l.ShardSize}, f}) {
					return
				}
			}
		}
		for i := range l.columns {
			c := l.nth(i)
			if row := l.firstFreeRow(c); row < height && !yield(span{column: c, rows: rows{row, height}}) {
				return
			}
		}
	}
}

// shallow yields those of some rows in which fewer than few spans lie.
func shallow(spans []span, all rows, few int) iter.Seq[rows] {
	return func(yield func(rows) bool) {
		for at := all.from; at < all.to; {
			r := rows{at, all.to}
			lying := 0
			for _, p := range spans {
				if p.from <= at && at < p.to {
					lying++
				}
				for _, border := range []int64{p.from, p.to} {
					if border > at {
						r.to = min(r.to, border)
					}
				}
			}
			if lying < few && !yield(r) {
				return
			}
			at = r.to
		}
	}
}

// use takes the spans for a blob of size bytes. What it leaves beside them is
// free for others.
func (l *Layout) use(spans []span, size int64) []Extent {
	extents := make([]Extent, 0, len(spans))
	done := int64(0)
	for _, p := range spans {
		e := Extent{Column: p.column, Offset: p.from * l.ShardSize, BlobOffset: done}
		e.Length = min(size-done, (p.to-p.from)*l.ShardSize)
		extents = append(extents, e)
		done += e.Length
	}
	for n := 0; n < len(spans); {
		first := n
		for n < len(spans) && spans[n].column == spans[first].column && spans[n].of == spans[first].of {
			n++
		}
		if of := spans[first].of; of.Length > 0 {
			l.vacant.shards.drop(of)
			end := l.leave(of.Offset, extents[first:n])
			l.vacant.add(FreePlace{of.Column, end, of.end() - end})
			continue
		}
		l.current = spans[first].column
		c := &l.columns[l.current]
		c.top = l.leave(l.firstFreeRow(l.current)*l.ShardSize, extents[first:n])
		l.keepRest(c)
	}
	return extents
}

// leave keeps what is free between from and the extents of one column, and
// returns where they end.
func (l *Layout) leave(from int64, extents []Extent) int64 {
	for _, e := range extents {
		l.vacant.add(FreePlace{e.Column, from, e.Offset - from})
		from = e.Offset + e.Length
	}
	return from
}
