package protect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// commit puts the unit in force in one step and removes the parity files of
// the versions before.
func (u *unit) commit(ctx context.Context) error {
	if err := u.step(Switch); err != nil {
		return err
	}
	// What is published is finished also when the run is cancelled now.
	ctx = context.WithoutCancel(ctx)
	var done report.Summary
	var set catalog.Set
	bands := make(map[int64]catalog.Band)
	err := u.catalog.Update(ctx, func(tx *catalog.Tx) error {
		done = report.Summary{}
		if err := u.putItems(tx, &done); err != nil {
			return err
		}
		if err := u.dropGivenUp(tx); err != nil {
			return err
		}
		if err := u.dropSmall(ctx, tx); err != nil {
			return err
		}
		if err := u.dropEmptied(tx); err != nil {
			return err
		}
		set = u.set
		set.Tops = u.tops()
		if _, err := tx.PutSet(set); err != nil {
			return err
		}
		for number, staged := range u.written {
			band := catalog.Band{Set: set.ID, Number: number, Version: staged.ID.Version}
			for _, f := range staged.Files {
				band.Files = append(band.Files, catalog.ParityFile{Index: f.Index, Name: f.Name, Hashes: f.Hashes})
			}
			if err := tx.PutBand(band); err != nil {
				return err
			}
			bands[number] = band
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put what was encoded in set %d in force: %w", u.set.ID, err)
	}
	u.count(func(s *report.Summary) { s.New += done.New; s.Changed += done.Changed })
	u.switched(set)
	return u.removeObsolete(ctx)
}

// putItems records the items and where they lie.
func (u *unit) putItems(tx *catalog.Tx, done *report.Summary) error {
	for i := range u.items {
		known, a, ok, err := u.outcomeOf(int32(i))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		record, err := u.outcomes.whole(known)
		if err != nil {
			return err
		}
		switch {
		case a.laidAnew:
			err = tx.DropPlaces(record.Name, record.Generation)
		case !a.recorded:
			err = u.putNew(tx, record, a.one.settled)
			countNew(done, record, a.one)
		}
		if err != nil {
			return err
		}
		if a.shares != "" {
			if err := u.sharePlaces(tx, record, a.shares); err != nil {
				return err
			}
		}
		for _, x := range u.extentsOf(int32(i)) {
			if err := tx.PutPlace(catalog.Place{
				Set: u.set.ID, Column: x.Column, Offset: x.Offset, Length: x.Length,
				Name: record.Name, Generation: record.Generation, BlobOffset: x.BlobOffset,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// sharePlaces gives a record the places of another name of the same file. The
// lists of the parity files will have it when their bands are written next.
func (u *unit) sharePlaces(tx *catalog.Tx, record catalog.Record, name string) error {
	leader, err := tx.Current(name)
	if err != nil {
		return err
	}
	places, err := tx.PlacesOf(name, leader.Generation)
	if err != nil {
		return err
	}
	for _, p := range places {
		p.Name, p.Generation = record.Name, record.Generation
		if err := tx.PutPlace(p); err != nil {
			return err
		}
	}
	return nil
}

// dropGivenUp drops the places of what was given up in the sets that the unit
// encoded or laid out anew, unless a band of them had to be held.
func (u *unit) dropGivenUp(tx *catalog.Tx) error {
	over := make(map[int64]bool)
	if u.end != nil {
		over[u.set.ID] = true
	}
	for _, s := range u.small {
		over[s.ID] = true
	}
	if len(over) == 0 {
		return nil
	}
	for g, err := range u.given.all() {
		if err != nil {
			return err
		}
		if !over[g.value.set] {
			continue
		}
		held, err := u.isHeld(tx, g.value)
		if err != nil {
			return err
		}
		if held {
			continue
		}
		if err := tx.DropPlaces(g.value.name, g.value.generation); err != nil {
			return err
		}
	}
	return nil
}

func (u *unit) isHeld(tx *catalog.Tx, g givenUp) (bool, error) {
	if g.set != u.set.ID || u.end == nil || len(u.end.held) == 0 {
		return false, nil
	}
	places, err := tx.PlacesOf(g.name, g.generation)
	if err != nil {
		return false, err
	}
	for _, p := range places {
		x := parity.Extent{Column: p.Column, Offset: p.Offset, Length: p.Length, BlobOffset: p.BlobOffset}
		for band := range u.geometry.Bands(x) {
			if u.end.held[band] {
				return true, nil
			}
		}
	}
	return false, nil
}

// dropEmptied drops the bands in which nothing lies any more.
func (u *unit) dropEmptied(tx *catalog.Tx) error {
	for _, number := range u.emptied() {
		if err := tx.DropBand(u.set.ID, number); err != nil {
			return err
		}
		u.obsolete = append(u.obsolete, namesOf(map[int64]catalog.Band{number: u.bands[number]})...)
	}
	return nil
}

// tops is how far the columns are in use once the unit is committed; nil when
// nothing is left in the set.
func (u *unit) tops() []int64 {
	if len(u.written) == 0 && len(u.emptied()) == len(u.bands) {
		return nil
	}
	return u.layout.Tops()
}

// dropSmall retires the sets whose blobs were laid out anew.
func (u *unit) dropSmall(ctx context.Context, tx *catalog.Tx) error {
	for _, s := range u.small {
		bands, err := u.bandsOf(ctx, s.ID)
		if err != nil {
			return err
		}
		for _, number := range slices.Sorted(maps.Keys(bands)) {
			if err := tx.DropBand(s.ID, number); err != nil {
				return err
			}
		}
		s.Tops = nil
		if _, err := tx.PutSet(s); err != nil {
			return err
		}
		u.obsolete = append(u.obsolete, namesOf(bands)...)
	}
	for number := range u.written {
		if band, ok := u.bands[number]; ok {
			u.obsolete = append(u.obsolete, namesOf(map[int64]catalog.Band{number: band})...)
		}
	}
	return nil
}

func namesOf(bands map[int64]catalog.Band) []string {
	var names []string
	for _, b := range bands {
		for _, f := range b.Files {
			names = append(names, f.Name)
		}
	}
	return names
}

// switched brings what the run knows of sets to what is in force now.
func (u *unit) switched(set catalog.Set) {
	retire := func(s catalog.Set) {
		i := slices.IndexFunc(u.sets, func(t catalog.Set) bool { return t.ID == s.ID })
		if i < 0 {
			u.sets = append(u.sets, s)
		} else {
			u.sets[i] = s
		}
	}
	retire(set)
	for _, s := range u.small {
		s.Tops = nil
		retire(s)
		delete(u.ends, s.ID)
	}
	if u.end != nil {
		if len(u.end.held) > 0 {
			u.kept = true
		}
		delete(u.ends, u.set.ID)
	}
}

// removeObsolete removes parity files that are not in force any more.
func (u *unit) removeObsolete(ctx context.Context) error {
	if len(u.obsolete) == 0 {
		return nil
	}
	if err := u.keepDamaged(ctx); err != nil {
		return err
	}
	if err := u.step(Remove); err != nil {
		return err
	}
	return u.remove(ctx, u.obsolete)
}

func (r *run) remove(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := r.home.Remove(ctx, name); err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("remove parity file %s, which is not in force any more: %w", name, err)
		}
	}
	return nil
}
