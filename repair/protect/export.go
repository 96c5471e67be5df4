package protect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// ExportPath is where a run that changed the catalog of a vault leaves its
// export, absolute.
func ExportPath(v *vault.Vault) string { return filepath.Join(v.Dir, "export", "catalog.jsonl.zst") }

// WriteExport writes the export of a vault's catalog in place of the one
// before, in one step.
func WriteExport(ctx context.Context, v *vault.Vault) (err error) {
	path := ExportPath(v)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder of the export: %w", err)
	}
	unfinished := path + ".unfinished"
	f, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	err = v.Catalog.Export(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write the export: %w", err), os.Remove(unfinished))
	}
	if err := os.Rename(unfinished, path); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return errors.Join(syncFolder(folder), folder.Close())
}

// addExport adds what an export has and the heads of the parity files do not.
// The lists of parity files are what lies in them; the export may be newer in
// names, attributes and ends, which cost no parity.
func (b *rebuilding) addExport(ctx context.Context) error {
	f, err := os.Open(b.exportPath)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the export: %w", err)
	}
	defer f.Close()
	for e, err := range catalog.ReadExport(ctx, f) {
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			b.rep.Note("the export %s is not whole, and only what could be read of it is used: %v", b.exportPath, err)
			break
		}
		if err := b.addExported(ctx, e); err != nil {
			return err
		}
		if err := b.save(ctx, false); err != nil {
			return err
		}
	}
	return b.save(ctx, true)
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
		b.rep.Note("the export and the parity files disagree on %q; the parity files are believed", e.Name)
		return nil
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

// exitOf is the exit status of a summary as a number.
func exitOf(s report.Summary) int { return int(report.ExitOf(s)) }

// syncFolder makes the names in a folder durable, where the platform can.
func syncFolder(folder *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return folder.Sync()
}

// hashWhole reads a file of a store to its end.
func hashWhole(ctx context.Context, s store.Store, name string, algorithms []hashsets.Algorithm) (hashsets.HashSet, error) {
	hasher, err := hashsets.NewHasher(algorithms, 0)
	if err != nil {
		return hashsets.HashSet{}, err
	}
	reader, err := s.Open(ctx, name, store.Access{})
	if err != nil {
		return hashsets.HashSet{}, err
	}
	defer reader.Close()
	entry, err := reader.Entry()
	if err != nil {
		return hashsets.HashSet{}, err
	}
	block := make([]byte, tileBytes)
	for off := int64(0); off < entry.Identity.Size; {
		if err := ctx.Err(); err != nil {
			return hashsets.HashSet{}, err
		}
		p := block[:min(tileBytes, entry.Identity.Size-off)]
		if err := readFull(reader, p, off, name); err != nil {
			return hashsets.HashSet{}, err
		}
		hasher.Write(p)
		off += int64(len(p))
	}
	return hasher.HashSet(), nil
}
