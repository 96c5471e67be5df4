package protect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/report"
)

// Bounds of what is placed and committed at once.
const (
	unitBytes = 40 << 30
	unitBlobs = 1 << 19
)

// smallBytes is how much of a small set may be in use for it to be laid out
// anew together with new blobs.
const smallBytes = 64 << 20

func sum(tops []int64) int64 {
	total := int64(0)
	for _, t := range tops {
		total += t
	}
	return total
}

// smallSets returns the sets that have fewer columns than a vault that is not
// small has. They are laid out anew when there is something to place, so that
// a vault that grows in small steps does not end as a thousand small sets.
func (e *encoding) smallSets() []catalog.Set {
	full, err := parity.Choose(math.MaxInt32, 0, e.wish)
	if err != nil {
		return nil
	}
	var small []catalog.Set
	for _, s := range e.sets {
		if s.Data < full.Data && s.ShardSize == full.ShardSize && sum(s.Tops) <= smallBytes && !retired(s) {
			small = append(small, s)
		}
	}
	return small
}

// retired tells whether nothing lies in a set any more.
func retired(s catalog.Set) bool { return len(s.Tops) == 0 }

// place lays newcomers out in sets, encodes them and commits them. The blobs
// of small sets are laid out anew with them.
func (e *encoding) place(ctx context.Context, small []catalog.Set, newcomers iter.Seq2[newcomer, error]) error {
	coming, blobs, err := e.comingOf(ctx, small, newcomers)
	if err != nil || blobs == 0 {
		return err
	}
	p := &placing{encoding: e, small: small, coming: coming, blobs: blobs}
	err = p.run(ctx, func(yield func(newcomer, error) bool) {
		for n, err := range e.laidAnew(ctx, small) {
			if !yield(n, err) || err != nil {
				return
			}
		}
		newcomers(yield)
	})
	return errors.Join(err, p.close())
}

// comingOf counts what is to be placed, in bytes and in blobs; no blobs are when
// nothing new is.
func (e *encoding) comingOf(ctx context.Context, small []catalog.Set, newcomers iter.Seq2[newcomer, error]) (c parity.Coming, blobs int, err error) {
	for n, err := range newcomers {
		if err != nil {
			return c, 0, err
		}
		blobs++
		c.Add(n.size(), e.wish.ShardSize)
	}
	if blobs == 0 {
		return c, 0, nil
	}
	for n, err := range e.laidAnew(ctx, small) {
		if err != nil {
			return c, 0, err
		}
		blobs++
		if !n.same {
			c.Add(n.size(), e.wish.ShardSize)
		}
	}
	c.Overhead = e.overhead
	c.Vault = max(e.decided.bytes, c.Total)
	return c, blobs, nil
}

// size is how many bytes of it are encoded.
func (n newcomer) size() int64 {
	if n.record != nil {
		return n.record.Hashes.Size
	}
	return sizeOf(n.one.entry)
}

// laidAnew yields what lies in sets, in the order in which it lies there.
func (e *encoding) laidAnew(ctx context.Context, sets []catalog.Set) iter.Seq2[newcomer, error] {
	return func(yield func(newcomer, error) bool) {
		for _, set := range sets {
			var before catalog.Place
			for p, err := range e.catalog.PlacesIn(ctx, set.ID, -1, 0, set.ColumnSize) {
				if err != nil {
					yield(newcomer{}, err)
					return
				}
				if p.BlobOffset != 0 || e.gone(p.Name, p.Generation) {
					continue
				}
				record, err := e.catalog.Generation(ctx, p.Name, p.Generation)
				if err == nil && record.Damage != nil {
					err = fmt.Errorf("set %d: the record of %q: %w: %w", set.ID, p.Name, errLaidAnew, record.Damage)
				}
				n := newcomer{record: &record, placed: true, same: p.Length > 0 && p.Column == before.Column && p.Offset == before.Offset && p.Length == before.Length}
				before = p
				if !yield(n, err) || err != nil {
					return
				}
			}
		}
	}
}

// cannotRenew says that a set stays as it is because data and parity of it are
// damaged together.
func (e *encoding) cannotRenew(set int64, why error) {
	e.kept = true
	e.count(func(s *report.Summary) { s.Parity.Damaged++ })
	e.rep.Note("parity set %d stays as it was: %v; run scrub and repair, then protect again", set, why)
}

// freeSetID returns the ID of a set that nothing lies in any more, or a new
// one.
func (e *encoding) freeSetID() int64 {
	highest := int64(0)
	for _, s := range e.sets {
		if retired(s) {
			return s.ID
		}
		highest = max(highest, s.ID)
	}
	return max(highest, e.highestSet) + 1
}

// bandsOf returns the bands of a set that are in force, by number.
func (e *encoding) bandsOf(ctx context.Context, set int64) (map[int64]catalog.Band, error) {
	bands := make(map[int64]catalog.Band)
	for b, err := range e.catalog.Bands(ctx, set) {
		if err != nil {
			return nil, fmt.Errorf("look up the bands of set %d: %w", set, err)
		}
		bands[b.Number] = b
	}
	return bands, nil
}

// endIn encodes the bands of a set anew in which something was given up and
// nothing new is placed.
func (e *encoding) endIn(ctx context.Context, id int64) error {
	set, ok := e.setByID(id)
	if !ok {
		return nil
	}
	u, err := e.openUnit(ctx, set, parity.Coming{Overhead: e.overhead}, nil)
	if err != nil {
		return err
	}
	err = u.encode(ctx)
	if errors.Is(err, errNoRoom) {
		if err := errors.Join(u.withdrawAll(ctx), u.close()); err != nil {
			return err
		}
		return e.endIn(ctx, id)
	}
	if err == nil {
		err = u.commit(ctx)
	}
	return errors.Join(err, u.close())
}
