package protect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
)

// A placing lays newcomers out, unit after unit: where other sets have free
// places that are large enough there, and else in one set after the other.
type placing struct {
	*encoding
	small   []catalog.Set  // laid out anew
	coming  parity.Coming  // that is not placed yet
	blobs   int            // that are not placed yet
	used    map[int64]bool // sets that are asked no more
	fillers []*unit        // of other sets, in their free places alone
	unit    *unit
}

func (p *placing) run(ctx context.Context, newcomers iter.Seq2[newcomer, error]) error {
	p.used = make(map[int64]bool)
	if err := p.openFillers(ctx); err != nil {
		return err
	}
	for n, err := range newcomers {
		if err == nil {
			err = p.put(ctx, n)
		}
		if err != nil {
			return err
		}
	}
	for p.unit != nil || len(p.fillers) > 0 {
		if p.unit == nil {
			p.unit, p.fillers = p.fillers[0], p.fillers[1:]
		}
		if len(p.unit.items) == 0 { // what ends in it, ends later
			if err := p.unit.close(); err != nil {
				return err
			}
			p.unit = nil
			continue
		}
		if err := p.finish(ctx); err != nil {
			return err
		}
	}
	return nil
}

// close lets go of the units that an error left in work.
func (p *placing) close() error {
	var errs []error
	if p.unit != nil {
		errs = append(errs, p.unit.close())
	}
	for _, u := range p.fillers {
		errs = append(errs, u.close())
	}
	return errors.Join(errs...)
}

// put gives one newcomer its places, in as many sets as it takes to find room.
func (p *placing) put(ctx context.Context, n newcomer) error {
	if n.record == nil && n.generation == 0 {
		var err error
		if n.generation, err = p.nextGeneration(ctx, n.one, p.history); err != nil {
			return err
		}
	}
	if placed, err := p.fill(ctx, n); placed || err != nil {
		return err
	}
	if p.unit == nil {
		if err := p.open(ctx); err != nil {
			return err
		}
	}
	for {
		placed, err := p.unit.take(ctx, n)
		if err != nil {
			return err
		}
		if placed {
			break
		}
		if len(p.unit.items) == 0 && retired(p.unit.set) {
			return fmt.Errorf("a new parity set of %d+%d columns has no room for %q", p.unit.geometry.Data, p.unit.geometry.Parity, n.one.entry.Name)
		}
		if err := p.next(ctx, true); err != nil {
			return err
		}
	}
	if p.unit.isFull() {
		return p.next(ctx, false)
	}
	return nil
}

// fill gives a newcomer a free place of another set, if there is one. What is
// laid out anew stays together.
func (p *placing) fill(ctx context.Context, n newcomer) (bool, error) {
	if n.record != nil {
		return false, nil
	}
	for _, u := range p.fillers {
		if u.isFull() {
			continue
		}
		if placed, err := u.take(ctx, n); placed || err != nil {
			return placed, err
		}
	}
	return false, nil
}

// next finishes the unit in work and opens another, in another set if the one
// in work has no room.
func (p *placing) next(ctx context.Context, elsewhere bool) error {
	if elsewhere && len(p.unit.items) == 0 {
		p.used[p.unit.set.ID] = true
		if err := p.unit.close(); err != nil {
			return err
		}
		p.unit = nil
		return p.open(ctx)
	}
	if elsewhere {
		p.used[p.unit.set.ID] = true
	}
	if err := p.finish(ctx); err != nil || p.unit != nil {
		return err
	}
	return p.open(ctx)
}

// finish encodes and commits the unit in work. When the set cannot take it,
// its blobs are in a unit of another set afterwards.
func (p *placing) finish(ctx context.Context) error {
	u := p.unit
	err := u.encode(ctx)
	switch {
	case errors.Is(err, errNoRoom):
		return p.again(ctx)
	case errors.Is(err, errNoBase) && !retired(u.set):
		p.cannotRenew(u.set.ID, err)
		p.used[u.set.ID] = true
		return p.again(ctx)
	case err != nil:
		return err
	}
	if err := u.commit(ctx); err != nil {
		return err
	}
	if !u.filling {
		p.small = nil // they are laid out anew with the first unit
	}
	p.coming.Total = max(0, p.coming.Total-u.bytes)
	p.coming.Padded = max(0, p.coming.Padded-u.bytes)
	p.blobs = max(0, p.blobs-len(u.items))
	p.unit = nil
	return u.close()
}

// again places the blobs of the unit in work once more.
func (p *placing) again(ctx context.Context) error {
	u := p.unit
	p.unit = nil
	if err := u.withdrawAll(ctx); err != nil {
		return errors.Join(err, u.close())
	}
	for i, it := range u.items {
		if it.out {
			continue
		}
		a, err := u.assigned.at(it.at)
		if err != nil {
			return errors.Join(err, u.close())
		}
		n := newcomer{one: a.one, generation: a.generation, placed: a.laidAnew, same: a.recorded && it.leader != int32(i)}
		if a.recorded {
			known, err := u.outcomes.at(it.outcome)
			if err != nil {
				return errors.Join(err, u.close())
			}
			r, err := u.outcomes.whole(known)
			if err != nil {
				return errors.Join(err, u.close())
			}
			n.record = &r
		}
		if err := p.put(ctx, n); err != nil {
			return errors.Join(err, u.close())
		}
	}
	return u.close()
}

// shapes returns the shape that a new set would get, and that of one in a vault
// which is not small.
func (p *placing) shapes() (fresh, full parity.Geometry, err error) {
	fresh, err = parity.Choose(max(p.coming.Padded, p.coming.Total), p.coming.Largest, p.wish)
	if err == nil {
		full, err = parity.Choose(math.MaxInt32, 0, p.wish)
	}
	if err != nil {
		err = fmt.Errorf("choose the shape of a parity set: %w", err)
	}
	return fresh, full, err
}

// suits tells whether newcomers may go into a set.
func (p *placing) suits(s catalog.Set, fresh, full parity.Geometry) bool {
	isSmall := slices.ContainsFunc(p.small, func(t catalog.Set) bool { return t.ID == s.ID })
	if retired(s) || p.used[s.ID] || isSmall || s.ShardSize != fresh.ShardSize || s.Data < full.Data && len(p.small) > 0 {
		return false
	}
	return s.Data == full.Data && s.Parity == full.Parity || s.Data >= fresh.Data && s.Parity >= fresh.Parity
}

// openFillers begins a unit in each set that has free places, but for the one
// in which newcomers go anyway.
func (p *placing) openFillers(ctx context.Context) error {
	fresh, full, err := p.shapes()
	if err != nil {
		return err
	}
	main := true
	for _, s := range slices.Backward(p.sets) {
		if !p.suits(s, fresh, full) {
			continue
		}
		if main {
			main = false
			continue
		}
		if p.ends[s.ID] == nil {
			continue
		}
		u, err := p.openUnit(ctx, s, p.coming, nil)
		if err != nil {
			return err
		}
		u.filling = true
		p.fillers = append(p.fillers, u)
	}
	return nil
}

// open begins a unit: in the newest set that has the shape that new sets get
// and was not found full, or in a new set.
func (p *placing) open(ctx context.Context) error {
	fresh, full, err := p.shapes()
	if err != nil {
		return err
	}
	for _, s := range slices.Backward(p.sets) {
		if !p.suits(s, fresh, full) {
			continue
		}
		if i := slices.IndexFunc(p.fillers, func(u *unit) bool { return u.set.ID == s.ID }); i >= 0 {
			p.unit = p.fillers[i]
			p.fillers = slices.Delete(p.fillers, i, i+1)
			p.unit.filling, p.unit.small = false, p.small
			return nil
		}
		return p.begin(ctx, s)
	}
	set := catalog.Set{
		ID: p.freeSetID(), Data: fresh.Data, Parity: fresh.Parity, ShardSize: fresh.ShardSize, ColumnSize: fresh.ColumnSize,
		Stripes: parity.BandStripes, Code: parity.Code,
	}
	return p.begin(ctx, set)
}

// begin begins a unit in a set, with room for the blobs that it may take.
func (p *placing) begin(ctx context.Context, set catalog.Set) (err error) {
	p.unit, err = p.openUnit(ctx, set, p.coming, p.small)
	if err == nil {
		room := min(p.blobs, unitBlobs)
		p.unit.items, p.unit.extents = make([]item, 0, room), make([]parity.Extent, 0, room)
	}
	return err
}
