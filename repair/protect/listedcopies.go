package protect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// ListedCopies returns what the parity files of a vault list of a generation of
// a blob, as far as they can be read.
func ListedCopies(ctx context.Context, v *vault.Vault, name string, generation int64) ([]catalog.Record, error) {
	home, err := v.ParityHome()
	if err != nil {
		return nil, fmt.Errorf("open the parity files: %w", err)
	}
	places, err := v.Catalog.PlacesOf(ctx, name, generation)
	if err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
		return nil, fmt.Errorf("look up the places of %q: %w", name, err)
	}
	sets := make(map[int64]bool)
	for _, p := range places {
		sets[p.Set] = true
	}
	byIndex := make(map[int][]parity.Listed) // each of a band's files has the whole list or none
	for set := range sets {
		for band, err := range v.Catalog.Bands(ctx, set) {
			if err != nil {
				return nil, fmt.Errorf("look up the bands of set %d: %w", set, err)
			}
			if !touches(ctx, v.Catalog, band, places) {
				continue
			}
			for _, file := range band.Files {
				entries, err := listedIn(ctx, home, file.Name, name, generation)
				if err != nil {
					return nil, err
				}
				byIndex[file.Index] = append(byIndex[file.Index], entries...)
			}
		}
	}
	var copies []catalog.Record
	for index := range 256 {
		if record, ok := joinListed(byIndex[index]); ok {
			copies = append(copies, record)
		}
	}
	return copies, nil
}

// touches tells whether a place lies in the band.
func touches(ctx context.Context, c *catalog.Catalog, band catalog.Band, places []catalog.Place) bool {
	sets, err := c.Sets(ctx)
	if err != nil {
		return true // then all bands are looked at
	}
	for _, s := range sets {
		if s.ID != band.Set {
			continue
		}
		height := s.ShardSize * int64(s.Stripes)
		for _, p := range places {
			if p.Set == band.Set && p.Offset < (band.Number+1)*height && p.Offset+max(p.Length, 1) > band.Number*height {
				return true
			}
		}
	}
	return false
}

// listedIn returns what one parity file lists of a generation of a blob. A
// file that cannot be read lists nothing.
func listedIn(ctx context.Context, home store.Store, file, name string, generation int64) ([]parity.Listed, error) {
	f, err := parity.OpenFile(ctx, home, file)
	if err != nil {
		return nil, ctx.Err()
	}
	defer f.Close()
	if !f.HasList {
		return nil, nil
	}
	var entries []parity.Listed
	for l, err := range f.List(ctx) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && l.Name == name && l.Generation == generation {
			entries = append(entries, l)
		}
	}
	return entries, nil
}

// joinListed makes one record of the entries of one generation, each of which
// has the shard sums of its own band alone. It is false when one is missing.
func joinListed(entries []parity.Listed) (catalog.Record, bool) {
	if len(entries) == 0 {
		return catalog.Record{}, false
	}
	slices.SortFunc(entries, func(a, b parity.Listed) int { return int(a.BlobOffset - b.BlobOffset) })
	first := entries[0]
	record := catalog.Record{
		Name: first.Name, Generation: first.Generation, RecordedAt: time.Unix(0, first.RecordedAt).UTC(), Kind: first.Kind,
		Identity: first.Identity, Attributes: first.Attributes, Target: first.Target,
		Hashes: hashsets.HashSet{Size: first.Hashes.Size, ShardSize: first.Hashes.ShardSize},
	}
	next := int64(0)
	for _, l := range entries {
		if l.BlobOffset != next || l.Hashes.Size != record.Hashes.Size {
			return record, false
		}
		next += l.Length
		record.Hashes.ShardSums = append(record.Hashes.ShardSums, l.Hashes.ShardSums...)
		if len(l.Hashes.Digests) > 0 {
			record.Hashes.Digests = l.Hashes.Digests
		}
	}
	return record, next == record.Hashes.Size && len(record.Hashes.Digests) > 0
}
