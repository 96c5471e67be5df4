package protect

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/store"
)

// Settings of the catalog.
const (
	// pendingKey holds the versions of bands that a run was about to write,
	// separated by spaces; "" once it concluded. Only files of these versions
	// are what an interrupted run left.
	pendingKey = "protect/pending"
	// unfinishedKey is "1" while places may be left that no current record
	// claims, or current records that have no places.
	unfinishedKey = "protect/unfinished"
)

// tidy removes the parity files that an interrupted run left, and those that
// it did not come to remove. It chooses a version that no file has.
//
// A file is removed only when the catalog proves that it is of no use: an
// older version of a band whose files in force are all there, or a version
// that a run announced and did not put in force. Any other file that the
// catalog does not name may be newer than the catalog, and is kept.
func (e *encoding) tidy(ctx context.Context) error {
	pending, err := e.pendingVersions(ctx)
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
	for v := range pending {
		e.version = max(e.version, v)
	}
	e.version++

	var useless []string
	kept := 0
	for name, id := range there {
		band, known := inForce[[2]int64{id.Set, id.Number}]
		complete := known
		for _, f := range band.Files {
			_, ok := there[f.Name]
			complete = complete && ok
		}
		switch {
		case known && id.Version == band.Version:
		case complete && id.Version < band.Version, pending[id.Version] && (complete || !known):
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

func (e *encoding) pendingVersions(ctx context.Context) (map[int64]bool, error) {
	value, err := e.catalog.Setting(ctx, pendingKey)
	if err != nil {
		return nil, err
	}
	pending := make(map[int64]bool)
	for _, field := range strings.Fields(value) {
		v, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("look up what an earlier run was about to write: %w", err)
		}
		pending[v] = true
	}
	return pending, nil
}

// announce notes the version that is about to be written.
func (e *encoding) announce(ctx context.Context) error {
	if err := e.step(Announce); err != nil {
		return err
	}
	pending, err := e.pendingVersions(ctx)
	if err != nil {
		return err
	}
	pending[e.version] = true
	var fields []string
	for v := range pending {
		fields = append(fields, strconv.FormatInt(v, 10))
	}
	return e.catalog.Update(ctx, func(tx *catalog.Tx) error {
		return errors.Join(tx.PutSetting(unfinishedKey, "1"), tx.PutSetting(pendingKey, strings.Join(fields, " ")))
	})
}

// nextVersion goes on to a version that nothing was written under.
func (e *encoding) nextVersion(ctx context.Context) error {
	e.version++
	return e.announce(ctx)
}

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
		e.rep.Note("%d blobs have no parity: they were recorded with another shard_size than the configuration has now", others)
	}
	return nil
}
