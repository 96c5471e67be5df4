package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// healRecord puts a damaged record right from the copy that the lists of the
// parity files carry. The copy is believed when all of it matches the bytes of
// the blob; a record is never made from the bytes alone.
func (r *run) healRecord(ctx context.Context, p *Planned) error {
	if err := r.checkGates(ctx, p); err != nil {
		return err
	}
	target := r.stores[p.Store]
	seen, err := statOrNil(ctx, target, p.Blob)
	if err != nil {
		return err
	}
	if seen == nil || seen.Kind != hashsets.File {
		return skipped("it changed since it was judged: scrub again")
	}
	record, err := r.vault.Catalog.Current(ctx, p.Blob)
	if err != nil {
		return fmt.Errorf("look up the record of %q: %w", p.Blob, err)
	}
	copies, err := r.listedCopies(ctx, p.Blob, record.Generation)
	if err != nil {
		return err
	}
	if record.Damage == nil {
		// The record of another store's finding may have been healed by now.
		copies = append(copies, record)
	}
	for _, healed := range copies {
		whole, err := r.proves(ctx, target, *seen, &healed)
		if err != nil {
			return err
		}
		if whole {
			return r.putRecord(ctx, p, *seen, healed)
		}
	}
	return r.recordLost(p)
}

// recordLost says that no copy of the record is good.
func (r *run) recordLost(p *Planned) error {
	return &ending{outcome: report.Lost, reason: "no copy of its record in the parity files matches the blob, whose bytes are good: run protect with --accept to record it anew"}
}

// proves tells whether every field of the record's hash set is that of the
// blob's bytes, one digest at least being cryptographic.
func (r *run) proves(ctx context.Context, s store.Store, seen store.Entry, record *catalog.Record) (bool, error) {
	if !slices.ContainsFunc(record.Hashes.Algorithms(), hashsets.Algorithm.Cryptographic) {
		return false, nil
	}
	if len(record.Hashes.ShardSums) != hashsets.Shards(record.Hashes.Size, max(1, record.Hashes.ShardSize)) && record.Hashes.ShardSize > 0 {
		return false, nil
	}
	return r.intact(ctx, s, seen, &record.Hashes)
}

// putRecord puts the healed record in the place of the damaged one.
func (r *run) putRecord(ctx context.Context, p *Planned, seen store.Entry, healed catalog.Record) error {
	now := r.opts.Now()
	e := &entry{
		ID: newID(now), Store: p.Store, named: nameOf(p.Blob), Action: HealRecord, Run: r.id, Generation: healed.Generation,
		Size: healed.Hashes.Size, Digests: digestsOf(&healed.Hashes), Attributes: attributesOf(healed.Attributes),
	}
	e.Receipt = &detail{
		Plan: r.plan.ID, Action: HealRecord, Sources: map[SourceKind]int{FromParity: 1}, Proofs: p.Proofs,
		Before: before{Verdict: p.Verdict, Generation: healed.Generation, Identity: identityOf(&seen.Identity)},
		After:  after{Size: e.Size, Identity: identityOf(&seen.Identity), Digests: e.Digests, Attributes: e.Attributes},
	}
	receipt, err := e.receipt(now)
	if err != nil {
		return err
	}
	err = r.vault.Catalog.Update(ctx, func(tx *catalog.Tx) error {
		if err := tx.PutRecord(healed); err != nil {
			return err
		}
		err := tx.PutCoverage(catalog.Coverage{
			Store: p.Store, Name: p.Blob, Generation: healed.Generation, Identity: seen.Identity,
			VerifiedAt: now, Depth: catalog.DeepDirect, Run: r.id,
		})
		if err != nil {
			return err
		}
		if err := tx.DropFinding(p.Store, p.Blob); err != nil {
			return err
		}
		return tx.PutReceipt(receipt)
	})
	if err != nil {
		return fmt.Errorf("%w: healed record of %q: %w", errCatalog, p.Blob, err)
	}
	r.repaired(e)
	return nil
}

// listedCopies returns what the parity files list of a generation of a blob.
func (r *run) listedCopies(ctx context.Context, name string, generation int64) ([]catalog.Record, error) {
	home, err := r.vault.ParityHome()
	if err != nil {
		return nil, fmt.Errorf("open the parity files: %w", err)
	}
	places, err := r.vault.Catalog.PlacesOf(ctx, name, generation)
	if err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
		return nil, fmt.Errorf("look up the places of %q: %w", name, err)
	}
	sets := make(map[int64]bool)
	for _, p := range places {
		sets[p.Set] = true
	}
	byIndex := make(map[int][]parity.Listed) // each of a band's files has the whole list or none
	for set := range sets {
		for band, err := range r.vault.Catalog.Bands(ctx, set) {
			if err != nil {
				return nil, fmt.Errorf("look up the bands of set %d: %w", set, err)
			}
			if !r.touches(ctx, band, places) {
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
func (r *run) touches(ctx context.Context, band catalog.Band, places []catalog.Place) bool {
	sets, err := r.vault.Catalog.Sets(ctx)
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
