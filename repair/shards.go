package repair

import (
	"sort"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// shardRun is the shards [from, to).
type shardRun struct{ from, to int }

// shardSet is a set of shard numbers as ascending runs that do not touch, so
// that a lost blob of any size takes one run.
type shardSet []shardRun

// allShards is the set of all shards of a hash set.
func allShards(h *hashsets.HashSet) shardSet {
	n := len(h.ShardSums)
	if n == 0 {
		return nil
	}
	return shardSet{{0, n}}
}

// add adds shard i, which is above all that are in the set.
func (s *shardSet) add(i int) { s.addRun(shardRun{i, i + 1}) }

// addRun adds a run that lies above all that are in the set.
func (s *shardSet) addRun(r shardRun) {
	if r.from >= r.to {
		return
	}
	if n := len(*s); n > 0 && (*s)[n-1].to == r.from {
		(*s)[n-1].to = r.to
		return
	}
	*s = append(*s, r)
}

// insert adds shard i anywhere.
func (s *shardSet) insert(i int) {
	if n := len(*s); n == 0 || (*s)[n-1].to <= i {
		s.add(i)
		return
	}
	if s.has(i) {
		return
	}
	var all shardSet
	placed := false
	for _, r := range *s {
		if !placed && i < r.from {
			all.add(i)
			placed = true
		}
		all.addRun(r)
	}
	*s = all
}

// has tells whether shard i is in the set.
func (s shardSet) has(i int) bool {
	n := sort.Search(len(s), func(n int) bool { return s[n].to > i })
	return n < len(s) && s[n].from <= i
}

// count returns how many shards are in the set.
func (s shardSet) count() int {
	n := 0
	for _, r := range s {
		n += r.to - r.from
	}
	return n
}

// numbers returns the shards one by one, in order.
func (s shardSet) numbers() []int {
	all := make([]int, 0, s.count())
	for _, run := range s {
		for i := run.from; i < run.to; i++ {
			all = append(all, i)
		}
	}
	return all
}

// ranges returns the bytes of the set's shards.
func (s shardSet) ranges(h *hashsets.HashSet) []store.Range {
	var ranges []store.Range
	for _, r := range s {
		offset := int64(r.from) * h.ShardSize
		end := min(int64(r.to)*h.ShardSize, h.Size)
		ranges = append(ranges, store.Range{Offset: offset, Length: end - offset})
	}
	return ranges
}

// shardsIn returns the shards that the ranges touch, which ascend.
func shardsIn(h *hashsets.HashSet, ranges []store.Range) shardSet {
	var s shardSet
	next := 0
	for _, r := range ranges {
		if r.Length <= 0 || h.ShardSize == 0 {
			continue
		}
		from := max(next, int(r.Offset/h.ShardSize))
		to := min(len(h.ShardSums), int((r.Offset+r.Length+h.ShardSize-1)/h.ShardSize))
		s.addRun(shardRun{from, to})
		next = max(next, to)
	}
	return s
}

// minus returns the shards of s that are not in other.
func (s shardSet) minus(other shardSet) shardSet {
	var rest shardSet
	for _, r := range s {
		from := r.from
		for _, o := range other {
			if o.to <= from || o.from >= r.to {
				continue
			}
			rest.addRun(shardRun{from, o.from})
			from = o.to
		}
		rest.addRun(shardRun{from, r.to})
	}
	return rest
}
