package parity

import (
	"cmp"
	"iter"
	"math/bits"
	"slices"
)

// A FreePlace is a run of bytes below a column's top in which nothing lies any
// more: what deleted and changed blobs left.
type FreePlace struct {
	Column         int
	Offset, Length int64 // in the column, bytes
}

func (f FreePlace) end() int64 { return f.Offset + f.Length }

func (f FreePlace) extent() Extent {
	return Extent{Column: f.Column, Offset: f.Offset, Length: f.Length}
}

// FreePlaces returns what is free between two offsets of all columns of a set,
// which are in use up to tops. What lies there is given by column and offset;
// it may begin before and end behind, and names of one content may lie in one
// place.
func (g Geometry) FreePlaces(from, to int64, tops []int64, lying iter.Seq2[Extent, error]) ([]FreePlace, error) {
	var free []FreePlace
	column, at := 0, from
	freeTo := func(end int64) {
		if end = min(end, to, tops[column]); end > at {
			free = append(free, FreePlace{Column: column, Offset: at, Length: end - at})
		}
	}
	for x, err := range lying {
		if err != nil {
			return nil, err
		}
		if x.Length == 0 || x.Column >= len(tops) {
			continue
		}
		for ; column < x.Column; column, at = column+1, from {
			freeTo(to)
		}
		freeTo(x.Offset)
		at = max(at, x.Offset+x.Length)
	}
	for ; column < len(tops); column, at = column+1, from {
		freeTo(to)
	}
	return free, nil
}

// joined sorts free places by column and offset and makes one of those that
// touch.
func joined(free []FreePlace) []FreePlace {
	sorted := slices.SortedFunc(slices.Values(free), func(a, b FreePlace) int {
		return cmp.Or(cmp.Compare(a.Column, b.Column), cmp.Compare(a.Offset, b.Offset))
	})
	all := sorted[:0]
	for _, f := range sorted {
		if n := len(all); n > 0 && all[n-1].Column == f.Column && all[n-1].end() >= f.Offset {
			all[n-1].Length = max(all[n-1].end(), f.end()) - all[n-1].Offset
			continue
		}
		all = append(all, f)
	}
	return all
}

// vacant holds the free places that a layout may use: whole shards, and rests
// of shards for what is smaller than one.
type vacant struct {
	shardSize int64
	shards    pool
	rests     pool
}

// newVacant takes free places by column and offset.
func newVacant(shardSize int64, free []FreePlace) vacant {
	v := vacant{shardSize: shardSize}
	for _, f := range slices.Backward(free) { // so that the first ones are taken first
		v.add(f)
	}
	return v
}

func (v *vacant) add(f FreePlace) {
	if f.Length <= 0 {
		return
	}
	first, last := ceilDiv(f.Offset, v.shardSize)*v.shardSize, f.end()/v.shardSize*v.shardSize
	if first > last { // amid a shard
		v.rests.add(f)
		return
	}
	v.rests.add(FreePlace{f.Column, last, f.end() - last})
	v.shards.add(FreePlace{f.Column, first, last - first})
	v.rests.add(FreePlace{f.Column, f.Offset, first - f.Offset})
}

// takeWhole takes a place for a blob of at least a shard that has room for all
// of it.
func (v *vacant) takeWhole(size int64) (FreePlace, bool) {
	f, ok := v.shards.take(ceilDiv(size, v.shardSize) * v.shardSize)
	return v.cut(f, size), ok
}

// takeSmall takes a place in one shard for a blob that is smaller than one: of
// a rest, if there is one, or of a shard that is free as a whole.
func (v *vacant) takeSmall(size int64) (f FreePlace, whole, ok bool) {
	if f, ok = v.rests.take(size); !ok {
		f, ok = v.shards.take(v.shardSize)
		whole = ok
	}
	return v.cut(f, size), whole, ok
}

// cut returns the beginning of a place, and keeps the rest.
func (v *vacant) cut(f FreePlace, size int64) FreePlace {
	if f.Length > size {
		v.add(FreePlace{f.Column, f.Offset + size, f.Length - size})
		f.Length = size
	}
	return f
}

// A pool holds free places by the number of bits of their length, so that one
// that is long enough is found without looking at many.
type pool struct {
	classes [64][]FreePlace
	bytes   int64
}

// probes is how many places of a class are looked at, some of which may be too
// short.
const probes = 16

func (p *pool) add(f FreePlace) {
	if f.Length <= 0 {
		return
	}
	class := bits.Len64(uint64(f.Length))
	p.classes[class] = append(p.classes[class], f)
	p.bytes += f.Length
}

// take takes out a place of at least length bytes, of those that are not much
// longer if there is one.
func (p *pool) take(length int64) (FreePlace, bool) {
	if p.bytes < length {
		return FreePlace{}, false
	}
	for class := bits.Len64(uint64(length)); class < len(p.classes); class++ {
		places := p.classes[class]
		for i := len(places) - 1; i >= max(0, len(places)-probes); i-- {
			if f := places[i]; f.Length >= length {
				p.remove(class, i)
				return f, true
			}
		}
	}
	return FreePlace{}, false
}

func (p *pool) remove(class, i int) {
	p.bytes -= p.classes[class][i].Length
	p.classes[class] = slices.Delete(p.classes[class], i, i+1)
}

// drop takes out a certain place.
func (p *pool) drop(f FreePlace) {
	class := bits.Len64(uint64(f.Length))
	p.remove(class, slices.Index(p.classes[class], f))
}

// longest returns about the longest places, at most n of at least length
// bytes each.
func (p *pool) longest(n int, length int64) []FreePlace {
	var found []FreePlace
	for class := len(p.classes) - 1; class >= bits.Len64(uint64(length)); class-- {
		for _, f := range slices.Backward(p.classes[class]) {
			if len(found) == n {
				return found
			}
			if f.Length >= length {
				found = append(found, f)
			}
		}
	}
	return found
}
