package status

import (
	"context"
	"fmt"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// A Set is how much more damage a parity set can bear.
type Set struct {
	ID           int64
	Data, Parity int // columns
	Bands, Files int64
	Bytes        int64
	BadFiles     int64
	// Left is how many more shards may go bad in the worst stripe before
	// something is lost; below zero, something is.
	Left int
	Hurt int64 // stripes in which shards of data are bad
	// AtMost says that there is more damage than was looked at: Left may be
	// less.
	AtMost bool
}

// shardsTraced bounds the damaged shards that are looked up in the stripes.
const shardsTraced = 1 << 18

// A tracer finds out in which stripes the damage of the primary store lies. A
// shard that several small blobs share is bad once.
type tracer struct {
	vault  *vault.Vault
	sets   map[int64]catalog.Set
	bad    map[shardPlace]struct{}
	left   int
	capped bool
}

type shardPlace struct {
	set    int64
	column int
	stripe int64
}

func newTracer(v *vault.Vault, sets []catalog.Set) *tracer {
	t := &tracer{vault: v, sets: map[int64]catalog.Set{}, bad: map[shardPlace]struct{}{}, left: shardsTraced}
	for _, s := range sets {
		t.sets[s.ID] = s
	}
	return t
}

// takes tells whether what parity is made from is not there any more, as far
// as a finding tells: it was damaged, or written since.
func takes(f *finding.Finding) bool {
	switch f.Verdict {
	case finding.Corrupt, finding.Stale, finding.Missing, finding.Unreadable, finding.Modified, finding.Undecided:
		return f.Generation > 0
	}
	return false
}

// trace marks the shards of parity sets that a finding of the primary store
// makes bad.
func (t *tracer) trace(ctx context.Context, f *finding.Finding) error {
	if f.Store != t.vault.Primary().Name || !takes(f) || len(t.sets) == 0 {
		return nil
	}
	if t.left <= 0 {
		t.capped = true
		return nil
	}
	places, err := t.vault.Catalog.PlacesOf(ctx, f.Blob, f.Generation)
	if err != nil {
		return fmt.Errorf("look up where %q lies in the parity sets: %w", f.Blob, err)
	}
	ranges := f.Ranges
	if len(ranges) == 0 {
		ranges = []store.Range{{Length: f.Size}}
	}
	for _, p := range places {
		for _, r := range ranges {
			t.mark(p, r)
		}
	}
	return nil
}

// mark marks what a range of a blob has in one of its places.
func (t *tracer) mark(p catalog.Place, r store.Range) {
	size := t.sets[p.Set].ShardSize
	from, to := max(r.Offset, p.BlobOffset), min(r.Offset+r.Length, p.BlobOffset+p.Length)
	if size <= 0 || from >= to {
		return
	}
	from, to = from-p.BlobOffset+p.Offset, to-p.BlobOffset+p.Offset
	for stripe := from / size; stripe*size < to; stripe++ {
		if t.left <= 0 {
			t.capped = true
			return
		}
		t.left--
		t.bad[shardPlace{p.Set, p.Column, stripe}] = struct{}{}
	}
}

// A stripePlace is one row of a set.
type stripePlace struct {
	set    int64
	stripe int64
}

// A bandPlace is one band of a set.
type bandPlace struct {
	set  int64
	band int64
}

// judge says what each set can bear, given how many parity files of which band
// are bad.
func (t *tracer) judge(sets []Set, badFiles map[bandPlace]int) {
	stripes := map[stripePlace]int{}
	for at := range t.bad {
		stripes[stripePlace{at.set, at.stripe}]++
	}
	for i := range sets {
		s := &sets[i]
		s.AtMost = t.capped
		s.Left = s.Parity
		for at, bad := range badFiles {
			if at.set == s.ID {
				s.Left = min(s.Left, s.Parity-bad)
			}
		}
		for at, bad := range stripes {
			if at.set != s.ID {
				continue
			}
			s.Hurt++
			band := bandPlace{at.set, at.stripe / int64(max(t.sets[at.set].Stripes, 1))}
			s.Left = min(s.Left, s.Parity-bad-badFiles[band])
		}
	}
}
