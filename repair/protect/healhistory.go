package protect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"bitmend/hashsets/catalog"
)

// healHistory puts the damaged records of earlier generations right, from the
// export that an earlier run left and from the lists of the parity files. It
// tells whether any was. Nobody scrubs these generations: they are found out
// when they are exported.
func (r *run) healHistory(ctx context.Context) (bool, error) {
	damaged, err := r.catalog.DamagedHistory(ctx)
	if err != nil || len(damaged) == 0 {
		return false, err
	}
	copies, err := r.exportedHistory(ctx, damaged)
	if err != nil {
		return false, err
	}
	for _, d := range damaged {
		listed, err := ListedCopies(ctx, r.vault, d.Name, d.Generation)
		if err != nil {
			return false, err
		}
		for _, record := range listed {
			copies = append(copies, catalog.Exported{Record: record, EndedAt: d.EndedAt})
		}
	}
	var healed, left []catalog.Exported
	err = r.catalog.Update(ctx, func(tx *catalog.Tx) error {
		healed, left, err = tx.HealHistory(copies)
		return err
	})
	if err != nil {
		return false, err
	}
	for _, e := range healed {
		r.rep.Note("the record of %q as of its generation %d was damaged, and is healed", e.Name, e.Generation)
	}
	for _, e := range left {
		r.rep.Note("the record of %q as of its generation %d is damaged, and neither the export nor the parity files have a copy of it: make the catalog anew without it by: bitmend catalog rebuild", e.Name, e.Generation)
	}
	return len(healed) > 0, nil
}

// writeExport writes the export. What keeps it from being written is healed, if
// that is damaged records of earlier generations.
func (r *run) writeExport(ctx context.Context) error {
	err := WriteExport(ctx, r.vault)
	if !errors.Is(err, catalog.ErrDamaged) {
		return err
	}
	healed, healErr := r.healHistory(ctx)
	if !healed || healErr != nil {
		return errors.Join(err, healErr)
	}
	return WriteExport(ctx, r.vault)
}

// healAfter heals what a run failed for, if that was a damaged record of an
// earlier generation, so that the next run does not.
func (r *run) healAfter(ctx context.Context, failure error) error {
	if !errors.Is(failure, catalog.ErrDamaged) {
		return failure
	}
	healed, err := r.healHistory(ctx)
	if healed {
		r.rep.Note("run protect again")
	}
	return errors.Join(failure, err)
}

// exportedHistory returns what the export has of damaged records. Of one that
// ended after the export was written, it does not know when; the damaged record
// itself may.
func (r *run) exportedHistory(ctx context.Context, damaged []catalog.Exported) ([]catalog.Exported, error) {
	f, err := os.Open(ExportPath(r.vault))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	defer f.Close()
	wanted := make(map[blobKey]catalog.Exported, len(damaged))
	for _, d := range damaged {
		wanted[blobKey{d.Name, d.Generation}] = d
	}
	var copies []catalog.Exported
	for e, err := range catalog.ReadExport(ctx, f) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r.rep.Note("the export %s is not whole, and only what its checks vouch for is used: %v", f.Name(), err)
			break
		}
		d, ok := wanted[blobKey{e.Name, e.Generation}]
		if !ok {
			continue
		}
		if e.Current {
			e.EndedAt = d.EndedAt
		}
		copies = append(copies, e)
	}
	return copies, nil
}
