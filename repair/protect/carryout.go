package protect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

// updateEvery is how many names are recorded in one transaction.
const updateEvery = 4096

// historyKey is a setting: "1" once a record ended, so that a new name may
// have had generations before.
const historyKey = "protect/history"

// carryOut does what was decided: first what needs no reading, then the rest.
func (r *run) carryOut(ctx context.Context, d *decided) error {
	if err := r.keepFindings(ctx, d.findings); err != nil {
		return err
	}
	e, err := r.openEncoding(ctx, d)
	if err != nil {
		return err
	}
	defer e.close()
	if err := e.prepare(ctx); err != nil {
		return err
	}
	if err := r.recordStates(ctx, d, e); err != nil {
		return err
	}
	if e.parityOff() {
		return r.recordWithoutParity(ctx, d)
	}
	return e.all(ctx)
}

// keepFindings keeps what must stay red.
func (r *run) keepFindings(ctx context.Context, findings []finding.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	now := r.opts.Now()
	return r.catalog.Update(ctx, func(tx *catalog.Tx) error {
		for _, f := range findings {
			detail, err := json.Marshal(f)
			if err != nil {
				return fmt.Errorf("note finding of %q: %w", f.Blob, err)
			}
			if err := tx.PutFinding(catalog.Finding{
				Store: f.Store, Name: f.Blob, Verdict: string(f.Verdict), Generation: f.Generation,
				Identity: f.Identity, Detail: detail, FirstSeen: now, LastSeen: now, Run: r.id,
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// recordStates records everything that was decided but new content.
func (r *run) recordStates(ctx context.Context, d *decided, e *encoding) error {
	var batch []decision
	save := func() error {
		if len(batch) == 0 {
			return nil
		}
		var done report.Summary
		err := r.catalog.Update(ctx, func(tx *catalog.Tx) error {
			done = report.Summary{}
			for _, one := range batch {
				if err := r.recordState(tx, one, &done); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("record the state of blobs: %w", err)
		}
		r.count(func(s *report.Summary) { s.Moved += done.Moved; s.Vanished += done.Vanished })
		batch = batch[:0]
		return nil
	}
	for one, err := range d.all() {
		if err != nil {
			return err
		}
		switch one.value.action {
		case leave:
			continue
		case renew:
			if one.value.generation > 0 {
				if err := e.giveUp(ctx, one.value.entry.Name, one.value.generation); err != nil {
					return err
				}
			}
			continue
		case vanish:
			if err := e.giveUp(ctx, one.value.entry.Name, one.value.generation); err != nil {
				return err
			}
		}
		batch = append(batch, one.value)
		if len(batch) == updateEvery {
			if err := save(); err != nil {
				return err
			}
		}
	}
	return save()
}

func (r *run) recordState(tx *catalog.Tx, one decision, done *report.Summary) error {
	name := one.entry.Name
	blob := one.entry.Kind != hashsets.Directory
	if one.settled {
		if err := tx.DropFinding(r.source.Name(), name); err != nil {
			return err
		}
	}
	switch one.action {
	case vanish:
		if blob {
			done.Vanished++
		}
		return errors.Join(tx.Vanish(name, r.started), tx.PutSetting(historyKey, "1"))
	case move:
		done.Moved++
		if err := errors.Join(tx.Rename(one.from, name, r.started), tx.DropFinding(r.source.Name(), one.from),
			tx.PutSetting(historyKey, "1")); err != nil {
			return err
		}
	}
	record, err := tx.Current(name)
	if err != nil {
		return err
	}
	record.Identity, record.Attributes = one.entry.Identity, one.attributes
	if err := tx.PutRecord(record); err != nil || !blob {
		return err
	}
	return tx.PutCoverage(r.coverage(record))
}

// coverage says that a blob was read in this run.
func (r *run) coverage(record catalog.Record) catalog.Coverage {
	return catalog.Coverage{
		Store: r.source.Name(), Name: record.Name, Generation: record.Generation, Identity: record.Identity,
		VerifiedAt: r.opts.Now(), Depth: catalog.ByConstruction, Run: r.id,
	}
}

// nextGeneration returns the generation that new content of a name will be.
func (r *run) nextGeneration(ctx context.Context, one decision, history bool) (int64, error) {
	if one.generation > 0 {
		return one.generation + 1, nil
	}
	if !history {
		return 1, nil
	}
	for earlier, err := range r.catalog.History(ctx, one.entry.Name) {
		if err != nil {
			return 0, fmt.Errorf("look up what is recorded of %q: %w", one.entry.Name, err)
		}
		return earlier.Generation + 1, nil
	}
	return 1, nil
}

// hasHistory tells whether a new name may have had generations before.
func (r *run) hasHistory(ctx context.Context) (bool, error) {
	value, err := r.catalog.Setting(ctx, historyKey)
	return value != "", err
}

// record is what is recorded of a decision once its content is known.
func (r *run) record(one decision, generation int64, got reading) catalog.Record {
	return catalog.Record{
		Name: one.entry.Name, Generation: generation, RecordedAt: r.started, Kind: one.entry.Kind,
		Identity: got.after.Identity, Attributes: got.attributes, Target: one.target, Hashes: got.hashes,
	}
}

// putNew records new content.
func (r *run) putNew(tx *catalog.Tx, record catalog.Record, settled bool) error {
	if err := tx.PutRecord(record); err != nil {
		return err
	}
	if settled {
		if err := tx.DropFinding(r.source.Name(), record.Name); err != nil {
			return err
		}
	}
	if record.Kind == hashsets.Directory {
		return nil
	}
	return tx.PutCoverage(r.coverage(record))
}

// countNew counts what was recorded.
func countNew(s *report.Summary, record catalog.Record, one decision) {
	switch {
	case record.Kind == hashsets.Directory, one.completes:
	case one.generation > 0:
		s.Changed++
	default:
		s.New++
	}
}

// leftOut reports a blob that could not be read as it was decided to.
func (r *run) leftOut(one decision, why error) {
	if d := r.leaveFor(one, why); d.found != nil {
		r.found(*d.found)
	}
}
