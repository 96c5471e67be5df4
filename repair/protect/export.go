package protect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"bitmend/hashsets"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// exportName is what an export is called, in a vault's folder for it and in
// mirrors.
const exportName = "catalog.jsonl.zst"

// ExportPath is where a run that changed the catalog of a vault leaves its
// export, absolute.
func ExportPath(v *vault.Vault) string { return filepath.Join(v.Dir, "export", exportName) }

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
