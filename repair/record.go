package repair

import (
	"context"
	"fmt"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/protect"
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
	listed, err := protect.ListedCopies(ctx, r.vault, record.Name, record.Generation)
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
