package protect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// A foundExport is an export that a catalog can be made anew from.
type foundExport struct {
	where  string // for messages
	header catalog.ExportHeader
	open   func(ctx context.Context) (io.ReadCloser, error)
}

// exportPlaces are the places where exports of a vault may be, its own first.
func exportPlaces(v *vault.Vault) ([]foundExport, error) {
	all := []foundExport{{where: ExportPath(v), open: func(context.Context) (io.ReadCloser, error) { return os.Open(ExportPath(v)) }}}
	mirrors, err := v.Mirrors()
	for _, m := range mirrors {
		all = append(all, foundExport{
			where: exportName + " in the mirror " + m.URL(),
			open:  func(ctx context.Context) (io.ReadCloser, error) { return openMirrored(ctx, m) },
		})
	}
	return all, err
}

// check reads the export to its end.
func (x *foundExport) check(ctx context.Context) error {
	from, err := x.open(ctx)
	if err != nil {
		return err
	}
	defer from.Close()
	for _, err := range catalog.ReadExport(ctx, from) {
		if err != nil {
			return err
		}
	}
	return nil
}

// exportsOf finds the exports of a vault, its own and those of its mirrors. Of
// those of one catalog the newest comes first; the vault's own comes before
// those of other catalogs.
func exportsOf(ctx context.Context, v *vault.Vault, rep report.Reporter) ([]foundExport, error) {
	all, err := exportPlaces(v)
	if err != nil {
		return nil, err
	}
	var found []foundExport
	for _, x := range all {
		if x.header, err = x.readHeader(ctx); err == nil {
			found = append(found, x)
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !isAbsent(err) {
			rep.Note("the export %s cannot be used: %v", x.where, err)
		}
	}
	if len(found) > 0 {
		first := found[0].header.Catalog
		newness := func(x foundExport) int64 {
			if x.header.Catalog != first {
				return -1
			}
			return x.header.Epoch
		}
		slices.SortStableFunc(found, func(x, y foundExport) int { return cmp.Compare(newness(y), newness(x)) })
	}
	return found, nil
}

func (x *foundExport) readHeader(ctx context.Context) (catalog.ExportHeader, error) {
	from, err := x.open(ctx)
	if err != nil {
		return catalog.ExportHeader{}, err
	}
	defer from.Close()
	return catalog.ReadExportHeader(from)
}

func isAbsent(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNotMounted)
}

// addExports adds what the exports have and the heads of the parity files do
// not, from the first that is whole and from what can be read of those before
// it. The lists of parity files are what lies in them; an export may be newer
// in names, attributes and ends, which cost no parity.
func (b *rebuilding) addExports(ctx context.Context) error {
	var from []string
	for i := range b.exports {
		x := &b.exports[i]
		whole, err := b.addExport(ctx, x)
		if err != nil {
			return err
		}
		from = append(from, x.header.Catalog)
		if whole {
			break
		}
	}
	if len(from) == 0 {
		return nil
	}
	b.later(func(tx *catalog.Tx) error { return tx.PutSetting(exportsBefore, strings.Join(from, " ")) })
	return b.save(ctx, true)
}

// addExport tells whether the export was whole.
func (b *rebuilding) addExport(ctx context.Context, x *foundExport) (whole bool, err error) {
	f, err := x.open(ctx)
	if err != nil {
		return false, fmt.Errorf("read the export %s: %w", x.where, err)
	}
	defer f.Close()
	whole = true
	for e, err := range catalog.ReadExport(ctx, f) {
		if err != nil {
			if ctx.Err() != nil {
				return false, err
			}
			b.rep.Note("the export %s is not whole, and only what could be read of it is used: %v", x.where, err)
			whole = false
			break
		}
		if err := b.addExported(ctx, e); err != nil {
			return false, err
		}
		if err := b.save(ctx, false); err != nil {
			return false, err
		}
	}
	return whole, b.save(ctx, true)
}

func (b *rebuilding) addExported(ctx context.Context, e catalog.Exported) error {
	if e.Damage != nil {
		return nil
	}
	there, err := b.catalog.Generation(ctx, e.Name, e.Generation)
	recorded := err == nil && there.Damage == nil
	if err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
		return err
	}
	if recorded && !there.Hashes.Equal(&e.Hashes) {
		exported, err := b.exportIsRight(ctx, e.Record, there)
		if err != nil || !exported {
			return err
		}
	}
	from, err := b.renamedFrom(ctx, e)
	if err != nil {
		return err
	}
	if !recorded && e.Kind != hashsets.Directory && e.Current {
		b.summary.Blobs++
	}
	b.later(func(tx *catalog.Tx) error { return putExported(tx, e, from) })
	return nil
}

// exportIsRight tells whether the export is believed, where it says of one
// generation something else than the list of a parity file: when a store has
// what it says, and none has what the other does.
func (b *rebuilding) exportIsRight(ctx context.Context, exported, listed catalog.Record) (bool, error) {
	as := [2]bool{}
	for i, r := range []catalog.Record{exported, listed} {
		var err error
		if as[i], err = b.isInAStore(ctx, r.Name, &r.Hashes); err != nil {
			return false, err
		}
	}
	switch {
	case as[0] && !as[1]:
		b.rep.Note("the export and the parity files disagree on %q; its content is as the export says, which is believed", exported.Name)
		return true, nil
	case !as[1]:
		b.summary.FindingsGap = true
	}
	b.rep.Note("the export and the parity files disagree on %q; the parity files are believed", exported.Name)
	return false, nil
}

// renamedFrom returns the name under which the lists of the parity files still
// have what the export has under another name, or an empty one.
func (b *rebuilding) renamedFrom(ctx context.Context, e catalog.Exported) (blobKey, error) {
	if !e.Current || len(e.Places) == 0 || len(e.Hashes.Digests) == 0 {
		return blobKey{}, nil
	}
	mine, err := b.catalog.PlacesOf(ctx, e.Name, e.Generation)
	if err != nil || len(mine) > 0 {
		return blobKey{}, err
	}
	p := e.Places[0]
	for q, err := range b.catalog.PlacesIn(ctx, p.Set, p.Column, p.Offset, p.Offset+max(1, p.Length)) {
		if err != nil {
			return blobKey{}, err
		}
		if q.Offset != p.Offset || q.Length != p.Length || q.BlobOffset != p.BlobOffset {
			continue
		}
		r, err := b.catalog.Generation(ctx, q.Name, q.Generation)
		if err == nil && r.Hashes.Equal(&e.Hashes) {
			return blobKey{q.Name, q.Generation}, nil
		}
	}
	return blobKey{}, nil
}

// putExported records one line of an export.
func putExported(tx *catalog.Tx, e catalog.Exported, from blobKey) error {
	now, err := tx.Current(e.Name)
	if err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
		return err
	}
	if err == nil && now.Generation > e.Generation {
		if e.Current {
			return nil // the parity files know a newer generation
		}
		return tx.PutEnded(e.Record, e.EndedAt)
	}
	if err := tx.PutRecord(e.Record); err != nil {
		return err
	}
	if !e.Current {
		if now, err := tx.Current(e.Name); err == nil && now.Generation == e.Generation {
			return tx.Vanish(e.Name, e.EndedAt)
		}
		return nil
	}
	if from.name == "" {
		return nil
	}
	// A name of the same file, or the one before a rename: which of the two
	// the export says when it comes to that name.
	places, err := tx.PlacesOf(from.name, from.generation)
	if err != nil {
		return err
	}
	for _, p := range places {
		p.Name, p.Generation = e.Name, e.Generation
		if err := tx.PutPlace(p); err != nil {
			return err
		}
	}
	return nil
}
