package repair

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"bitmend/hashsets/catalog"
	"bitmend/repair/protect"
)

// exportedCopies returns what the vault's export has of a blob's generation.
// The export is read once, for all records that the plan wants healed; of one
// that is damaged, what its checks vouch for is used.
func (r *run) exportedCopies(ctx context.Context, name string, generation int64) ([]catalog.Record, error) {
	if r.exported == nil {
		if err := r.readExport(ctx); err != nil {
			return nil, err
		}
	}
	var copies []catalog.Record
	for _, record := range r.exported[name] {
		if record.Generation == generation {
			copies = append(copies, record)
		}
	}
	return copies, nil
}

func (r *run) readExport(ctx context.Context) error {
	wanted := make(map[string]bool)
	for i := range r.plan.Repairs {
		if p := &r.plan.Repairs[i]; p.Action == HealRecord {
			wanted[p.Blob] = true
		}
	}
	r.exported = make(map[string][]catalog.Record, len(wanted))
	f, err := os.Open(protect.ExportPath(r.vault))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the export: %w", err)
	}
	defer f.Close()
	for e, err := range catalog.ReadExport(ctx, f) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.rep.Note("the export %s is not whole, and only what its checks vouch for is used: %v", f.Name(), err)
			return nil
		}
		if wanted[e.Name] {
			r.exported[e.Name] = append(r.exported[e.Name], e.Record)
		}
	}
	return nil
}
