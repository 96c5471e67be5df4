package protect

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/store"
)

// Settings of the catalog.
const (
	// pendingKey holds what a run was about to write, a pendingWrite a word; ""
	// once it concluded. Only files of these versions are what an interrupted
	// run left.
	pendingKey = "protect/pending"
	// unfinishedKey is "1" while places may be left that no current record
	// claims, or current records that have no places.
	unfinishedKey = "protect/unfinished"
)

// tidy removes the parity files that an interrupted run left, and those that
// it did not come to remove. It finds the highest version that there is.
//
// A file is removed only when the catalog proves that it is of no use: an
// older version of a band whose files in force are all there, or a version
// that a run announced and did not put in force. Any other file that the
// catalog does not name may be newer than the catalog, and is kept.
func (e *encoding) tidy(ctx context.Context) error {
	pending, err := e.pendingWrites(ctx)
	if err != nil {
		return err
	}
	inForce := make(map[[2]int64]catalog.Band)
	for b, err := range e.catalog.Bands(ctx, 0) {
		if err != nil {
			return err
		}
		inForce[[2]int64{b.Set, b.Number}] = b
		e.version = max(e.version, b.Version)
	}
	there := make(map[string]parity.BandID)
	for entry, err := range e.home.List(ctx, store.ListOptions{}) {
		if errors.Is(err, store.ErrNotMounted) {
			break
		}
		if err != nil {
			return err
		}
		if id, _, ok := parity.ParseFileName(entry.Name); ok && entry.Kind == hashsets.File {
			there[entry.Name] = id
			e.version = max(e.version, id.Version)
			e.highestSet = max(e.highestSet, id.Set)
		}
	}
	for v, p := range pending {
		e.version = max(e.version, v)
		if err := e.discard(ctx, p); err != nil {
			return err
		}
	}

	var useless []string
	kept := 0
	for name, id := range there {
		band, known := inForce[[2]int64{id.Set, id.Number}]
		complete := known
		for _, f := range band.Files {
			_, ok := there[f.Name]
			complete = complete && ok
		}
		_, announced := pending[id.Version]
		switch {
		case known && id.Version == band.Version:
		case complete && id.Version < band.Version, announced && (complete || !known):
			useless = append(useless, name)
		default:
			kept++
		}
	}
	if kept > 0 {
		e.rep.Note("%d parity files are of no band that the catalog knows; they are kept, since they may be newer than the catalog", kept)
	}
	return e.remove(ctx, useless)
}

// A pendingWrite is what a unit was about to write: bands below a number of
// one set, in so many parity columns.
type pendingWrite struct {
	version, set, bands int64
	columns             int
}

func (p pendingWrite) String() string {
	return fmt.Sprintf("%d:%d:%d:%d", p.version, p.set, p.bands, p.columns)
}

func (e *encoding) pendingWrites(ctx context.Context) (map[int64]pendingWrite, error) {
	value, err := e.catalog.Setting(ctx, pendingKey)
	if err != nil {
		return nil, err
	}
	pending := make(map[int64]pendingWrite)
	for _, field := range strings.Fields(value) {
		var p pendingWrite
		if _, err := fmt.Sscanf(field, "%d:%d:%d:%d", &p.version, &p.set, &p.bands, &p.columns); err != nil {
			return nil, fmt.Errorf("look up what an earlier run was about to write: %q: %w", field, err)
		}
		pending[p.version] = p
	}
	return pending, nil
}

// discard removes what a unit staged and did not publish.
func (e *encoding) discard(ctx context.Context, p pendingWrite) error {
	for band := range p.bands {
		for j := range p.columns {
			name := parity.FileName(parity.BandID{Set: p.set, Number: band, Version: p.version}, j)
			staged, err := e.home.Reopen(ctx, name, stageID(name))
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNotMounted) {
				continue
			}
			if err != nil {
				return err
			}
			if err := errors.Join(staged.Discard(ctx), staged.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin notes in the catalog that the run is about to change parity.
func (e *encoding) begin(ctx context.Context) error {
	return e.catalog.Update(ctx, func(tx *catalog.Tx) error { return tx.PutSetting(unfinishedKey, "1") })
}

// announce notes under which version the unit is about to write, so that the
// next run knows what is useless of it should this one be killed.
func (u *unit) announce(ctx context.Context) error {
	if err := u.step(Announce); err != nil {
		return err
	}
	pending, err := u.pendingWrites(ctx)
	if err != nil {
		return err
	}
	u.version++
	p := pendingWrite{version: u.version, set: u.set.ID, columns: u.geometry.Parity}
	for _, band := range u.touchedBands() {
		p.bands = max(p.bands, band+1)
	}
	pending[p.version] = p
	var fields []string
	for _, p := range pending {
		fields = append(fields, p.String())
	}
	return u.catalog.Update(ctx, func(tx *catalog.Tx) error { return tx.PutSetting(pendingKey, strings.Join(fields, " ")) })
}

// ToPlace notes that records were made whose blobs have no parity yet.
func ToPlace(tx *catalog.Tx) error { return tx.PutSetting(unfinishedKey, "1") }

// concluded notes that nothing is pending any more.
func (e *encoding) concluded(ctx context.Context) error {
	return e.catalog.Update(ctx, func(tx *catalog.Tx) error {
		unfinished := ""
		if e.kept {
			unfinished = "1"
		}
		return errors.Join(tx.PutSetting(pendingKey, ""), tx.PutSetting(unfinishedKey, unfinished))
	})
}

// unfinished looks for places that an earlier run could not give up, and for
// records that have none.
func (e *encoding) unfinished(ctx context.Context) error {
	value, err := e.catalog.Setting(ctx, unfinishedKey)
	if err != nil || value == "" {
		return err
	}
	for _, set := range e.sets {
		for p, err := range e.catalog.PlacesIn(ctx, set.ID, -1, 0, set.ColumnSize) {
			if err != nil {
				return err
			}
			if p.BlobOffset != 0 || e.gone(p.Name, p.Generation) {
				continue
			}
			current, err := e.catalog.Current(ctx, p.Name)
			if err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
				return err
			}
			if err != nil || current.Generation != p.Generation {
				if err := e.giveUp(ctx, p.Name, p.Generation); err != nil {
					return err
				}
			}
		}
	}
	return e.findUnplaced(ctx)
}

// findUnplaced finds the records that lie in no set: they were recorded while
// parity was off, or only the export knew of them.
func (e *encoding) findUnplaced(ctx context.Context) error {
	others := 0
	for k, err := range e.catalog.Records(ctx, catalog.Query{}) {
		if err != nil {
			return err
		}
		places, err := e.catalog.PlacesOf(ctx, k.Name, k.Generation)
		if err != nil {
			return err
		}
		if len(places) > 0 || k.Damage != nil {
			continue
		}
		if k.Kind == hashsets.File && k.Hashes.ShardSize != e.wish.ShardSize {
			others++
			continue
		}
		if _, err := e.unplaced.add(k.Name); err != nil {
			return err
		}
	}
	if others > 0 {
		e.kept = true
		e.rep.Note("%d blobs have no parity: they were recorded with another shard_size than the configuration has now, or by import alone", others)
	}
	return nil
}
