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
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// recordCopy is a copy of a record, and where it was found.
type recordCopy struct {
	catalog.Record
	from SourceKind
}

// healRecord puts a damaged record right from a copy: in the lists of the
// parity files, in the export, or healed for another store. The copy is
// believed when all of it matches the bytes of the blob; where the bytes are
// damaged too, a record that fails its own check gives way to a copy that
// passes its. A record is never made from the bytes alone.
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
	copies, err := r.recordCopies(ctx, &record)
	if err != nil {
		return err
	}
	for _, healed := range copies {
		whole, err := r.proves(ctx, target, *seen, &healed.Record)
		if err != nil {
			return err
		}
		if whole {
			return r.putRecord(ctx, p, *seen, healed)
		}
	}
	if record.Damage != nil && agree(copies) {
		return r.putRecord(ctx, p, *seen, copies[0])
	}
	return r.recordLost(ctx, p)
}

// agree tells whether there are copies and all of them say the same. Where they
// do not, only the bytes tell which of them is right.
func agree(copies []recordCopy) bool {
	return len(copies) > 0 && !slices.ContainsFunc(copies, func(c recordCopy) bool {
		return !c.Hashes.Equal(&copies[0].Hashes)
	})
}

// recordCopies returns all copies of a record that pass their checks.
func (r *run) recordCopies(ctx context.Context, record *catalog.Record) ([]recordCopy, error) {
	var copies []recordCopy
	listed, err := r.listedCopies(ctx, record.Name, record.Generation)
	if err != nil {
		return nil, err
	}
	for _, l := range listed {
		copies = append(copies, recordCopy{l, FromParity})
	}
	exported, err := r.exportedCopies(ctx, record.Name, record.Generation)
	if err != nil {
		return nil, err
	}
	for _, e := range exported {
		copies = append(copies, recordCopy{e, FromExport})
	}
	if record.Damage == nil {
		// The record of another store's finding may have been healed by now.
		copies = append(copies, recordCopy{*record, FromRecord})
	}
	return copies, nil
}

// recordLost says that no copy of the record is good, and opens the gate when
// that are as many as the configuration bears.
func (r *run) recordLost(ctx context.Context, p *Planned) error {
	reason := "no copy of its record, in the parity files or the export, is good; where its bytes are right, protect with --accept records it anew"
	r.mu.Lock()
	r.badRecords++
	bad := r.badRecords
	r.mu.Unlock()
	if bad >= r.vault.Config.BadRecords {
		why := fmt.Sprintf("%d records, that of %q among them, fail their checks and no copy heals them", bad, p.Blob)
		g, err := gate.OpenNow(ctx, r.vault.Catalog, gate.BadCatalog, "", why, bad, r.opts.Now())
		if err != nil {
			return err
		}
		if g.ID != 0 {
			r.mu.Lock()
			r.summary.Refused = true
			clear(r.gates) // it is in the way of every store
			r.mu.Unlock()
			r.tellGates([]catalog.Gate{g})
		}
	}
	return &ending{outcome: report.Lost, reason: reason}
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

// putRecord puts the healed record in the place of the damaged one. The finding
// of a blob whose bytes do not match it stays, until a scrub judges it anew.
func (r *run) putRecord(ctx context.Context, p *Planned, seen store.Entry, healed recordCopy) error {
	proven, err := r.proves(ctx, r.stores[p.Store], seen, &healed.Record)
	if err != nil {
		return err
	}
	now := r.opts.Now()
	e := &entry{
		ID: newID(now), Store: p.Store, named: nameOf(p.Blob), Action: HealRecord, Run: r.id, Generation: healed.Generation,
		Size: healed.Hashes.Size, Digests: digestsOf(&healed.Hashes), Attributes: attributesOf(healed.Attributes),
	}
	e.Receipt = &detail{
		Plan: r.plan.ID, Action: HealRecord, Sources: map[SourceKind]int{healed.from: 1}, Proofs: p.Proofs,
		Before: before{Verdict: p.Verdict, Generation: healed.Generation, Identity: identityOf(&seen.Identity)},
		After:  after{Size: e.Size, Identity: identityOf(&seen.Identity), Digests: e.Digests, Attributes: e.Attributes},
	}
	receipt, err := e.receipt(now)
	if err != nil {
		return err
	}
	err = r.vault.Catalog.Update(ctx, func(tx *catalog.Tx) error {
		if err := tx.PutRecord(healed.Record); err != nil {
			return err
		}
		if !proven {
			return tx.PutReceipt(receipt)
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
	if !proven {
		return skipped("its record is healed, from the %s: scrub again, so that its bytes are judged by it", healed.from)
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
