package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
)

// band is one band of one set.
type band struct{ set, number int64 }

// columns is a set of columns of a set; there are at most 256.
type columns [4]uint64

func (c *columns) add(i int) { c[i/64%4] |= 1 << (i % 64) }

func (c *columns) count() int {
	n := 0
	for _, word := range c {
		for ; word != 0; word &= word - 1 {
			n++
		}
	}
	return n
}

// weigh works out how many further losses each blob bears: of one that a
// current copy has whole, those copies; of one that needs its stripes, the
// erasures that its poorest band bears. It counts the columns of a band that
// are damaged anywhere, so it may be too low and is never too high. What lies
// in a lagged store is no redundancy: it is not there to be spent.
func (m *planner) weigh(ctx context.Context) error {
	for i := range m.plan.Repairs {
		p := &m.plan.Repairs[i]
		if left := p.copies(); p.Kind == hashsets.File && (p.Action == Replace || p.Action == Overwrite) {
			p.Left = &left
		}
	}
	sets, err := m.vault.Catalog.Sets(ctx)
	if err != nil {
		return fmt.Errorf("look up the parity sets: %w", err)
	}
	if len(sets) == 0 {
		return nil
	}
	return m.weighStripes(ctx, sets)
}

// weighStripes is weigh for what needs its stripes.
func (m *planner) weighStripes(ctx context.Context, sets []catalog.Set) error {
	bears := make(map[int64]catalog.Set)
	for _, s := range sets {
		bears[s.ID] = s
	}
	bad := make(map[band]*columns)
	touched := make(map[int][]band) // by index of the repair
	for i := range m.plan.Repairs {
		p := &m.plan.Repairs[i]
		if err := m.erasures(ctx, p, bears, func(b band, column int) {
			if bad[b] == nil {
				bad[b] = new(columns)
			}
			bad[b].add(column)
			touched[i] = append(touched[i], b)
		}); err != nil {
			return err
		}
	}
	for i, bands := range touched {
		p := &m.plan.Repairs[i]
		p.Left = nil
		for _, b := range bands {
			left := bears[b.set].Parity - bad[b].count()
			if p.Left == nil || left < *p.Left {
				p.Left = &left
			}
		}
		p.Reads += p.damagedBytes() * int64(bears[bands[0].set].Data)
	}
	return nil
}

// erasures calls erased with each band in which the repair p asks the stripes,
// and the column that is damaged there.
func (m *planner) erasures(ctx context.Context, p *Planned, sets map[int64]catalog.Set, erased func(b band, column int)) error {
	if p.Action == RebuildParity {
		if id, index, ok := parity.ParseFileName(p.Blob); ok {
			erased(band{id.Set, id.Number}, sets[id.Set].Data+index)
		}
		return nil
	}
	if p.Kind != hashsets.File || !needsStripes(p) {
		return nil
	}
	places, err := m.vault.Catalog.PlacesOf(ctx, p.Blob, p.Generation)
	if err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
		return fmt.Errorf("look up the places of %q: %w", p.Blob, err)
	}
	for _, place := range places {
		s := sets[place.Set]
		height := s.ShardSize * int64(s.Stripes)
		if height == 0 {
			continue
		}
		last := int64(-1)
		for _, r := range p.Ranges {
			from := max(r.Offset, place.BlobOffset) - place.BlobOffset + place.Offset
			to := min(r.Offset+r.Length, place.BlobOffset+place.Length) - place.BlobOffset + place.Offset
			for number := max(from/height, last+1); from < to && number <= (to-1)/height; number++ {
				erased(band{place.Set, number}, place.Column)
				last = number
			}
		}
	}
	return nil
}

// needsStripes tells whether no copy is expected to have all that must be
// rebuilt.
func needsStripes(p *Planned) bool {
	recorded := slices.ContainsFunc(p.Sources, func(s Source) bool { return s.Kind == FromRecord })
	return !recorded && p.copies() == 0
}

// copies counts the sources that are expected to have all that must be rebuilt
// and that may be spent.
func (p *Planned) copies() int {
	n := 0
	for _, s := range p.Sources {
		switch s.Kind {
		case FromReplica, FromVersion, FromDonor:
			if covers(s.Ranges, p.Ranges) {
				n++
			}
		}
	}
	return n
}

func (p *Planned) damagedBytes() int64 {
	n := int64(0)
	for _, r := range p.Ranges {
		n += r.Length
	}
	return n
}
