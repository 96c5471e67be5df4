package stripe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"bitmend/repair/parity"
	"bitmend/scrub/store"
)

// A Misfit is a stripe whose shards all pass their own sums and do not fit
// together. The data are what is recorded, so it is the parity that was made of
// something else: a write that was lost or went elsewhere, or a fault in memory
// while it was encoded.
type Misfit struct {
	Stripe  int   // in the band
	Columns []int // parity columns that do not fit the data
	// Blob and Shard say of which data all parity columns agree that it was
	// something else; "" when they do not agree on one.
	Blob  string
	Shard int
}

// Check reads every stripe of the band and calls misfit for each whose parity
// does not fit its data. What is missing or fails its own sum is no news here:
// such a parity shard is left out, and a stripe whose data cannot be had whole
// is not checked and counted in unchecked.
func (b *Band) Check(ctx context.Context, misfit func(Misfit) error) (unchecked int, err error) {
	s := parity.NewStripe(b.geometry)
	kept := make([][]byte, b.Set.Parity)
	for n := range b.stripes() {
		m, ok, err := b.checkStripe(ctx, n, s, kept)
		if err != nil {
			return unchecked, fmt.Errorf("check stripe %d of band %d of set %d: %w", n, b.ID.Number, b.ID.Set, err)
		}
		if !ok {
			unchecked++
			continue
		}
		if len(m.Columns) > 0 {
			if err := misfit(m); err != nil {
				return unchecked, err
			}
		}
	}
	return unchecked, nil
}

// stripes is how many stripes the parity files of the band have.
func (b *Band) stripes() int {
	n := 0
	for _, f := range b.files {
		if f != nil {
			n = max(n, f.Stripes)
		}
	}
	return n
}

func (b *Band) checkStripe(ctx context.Context, n int, s *parity.Stripe, kept [][]byte) (m Misfit, ok bool, err error) {
	err = b.Fill(ctx, n, s, true)
	var lost *Loss
	if errors.As(err, &lost) || errors.Is(err, ErrUnproven) {
		return m, false, nil
	}
	if err != nil {
		return m, false, err
	}
	k := b.Set.Data
	var columns []int // whose shard passes its own sum
	whole := store.Range{Length: b.Set.ShardSize}
	for j := range b.Set.Parity {
		kept[j] = nil
		if len(s.Erased[k+j]) == 0 {
			kept[j] = slices.Clone(s.Shards[k+j])
			columns = append(columns, j)
		}
		s.Erased[k+j] = s.Erased[k+j][:0]
		s.Erase(k+j, whole)
	}
	if err := b.encode(s); err != nil {
		return m, false, err
	}
	m.Stripe = n
	for _, j := range columns {
		if !bytes.Equal(kept[j], s.Shards[k+j]) {
			m.Columns = append(m.Columns, j)
		}
	}
	if len(m.Columns) == len(columns) && len(columns) > 1 {
		err = b.attribute(ctx, s, kept, &m)
	}
	return m, true, err
}

// encode makes the parity shards of a stripe from its data, which are whole.
func (b *Band) encode(s *parity.Stripe) error {
	return b.geometry.Rebuild(s, b.parityColumns())
}

func (b *Band) parityColumns() []int {
	columns := make([]int, b.Set.Parity)
	for j := range columns {
		columns[j] = b.Set.Data + j
	}
	return columns
}

// attribute looks for the one data column with which, were it something else,
// all parity columns would fit: they were then made of an older or a misplaced
// shard.
func (b *Band) attribute(ctx context.Context, s *parity.Stripe, kept [][]byte, m *Misfit) error {
	k := b.Set.Data
	whole := store.Range{Length: b.Set.ShardSize}
	suspect := -1
	for column := range k {
		was := slices.Clone(s.Shards[column])
		for j := range kept {
			s.Erased[k+j] = s.Erased[k+j][:0]
			if kept[j] == nil {
				s.Erase(k+j, whole)
			} else {
				copy(s.Shards[k+j], kept[j])
			}
		}
		fits, err := b.fitsWithout(s, column, kept)
		copy(s.Shards[column], was)
		s.Erased[column] = s.Erased[column][:0]
		if err != nil {
			return err
		}
		if fits && suspect >= 0 {
			return nil // more than one could be it
		}
		if fits {
			suspect = column
		}
	}
	if suspect < 0 {
		return nil
	}
	return b.nameOf(ctx, m, suspect)
}

// fitsWithout rebuilds a data column from the others and one parity column, and
// tells whether the other parity columns fit that.
func (b *Band) fitsWithout(s *parity.Stripe, column int, kept [][]byte) (bool, error) {
	k := b.Set.Data
	whole := store.Range{Length: b.Set.ShardSize}
	first := slices.IndexFunc(kept, func(p []byte) bool { return p != nil })
	for j := range kept {
		if j != first {
			s.Erased[k+j] = s.Erased[k+j][:0]
			s.Erase(k+j, whole)
		}
	}
	if b.Set.Parity < 2 {
		return false, nil
	}
	s.Erase(column, whole)
	if err := b.geometry.Rebuild(s, append([]int{column}, others(b.parityColumns(), k+first)...)); err != nil {
		return false, err
	}
	for j, p := range kept {
		if p != nil && !bytes.Equal(p, s.Shards[k+j]) {
			return false, nil
		}
	}
	return true, nil
}

func others(columns []int, without int) []int {
	return slices.DeleteFunc(slices.Clone(columns), func(c int) bool { return c == without })
}

// nameOf fills in what lies in a column of the stripe.
func (b *Band) nameOf(ctx context.Context, m *Misfit, column int) error {
	w, err := b.windowFor(ctx, m.Stripe)
	if err != nil {
		return err
	}
	for _, p := range w.stripe(m.Stripe) {
		if int(p.column) == column {
			m.Blob, m.Shard = w.blobs[p.blob].name, int(p.shard)
			return nil
		}
	}
	return nil
}
