package vault_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bitmend/scrub/vault"
)

// To open a FIFO waits for whoever has its other end, and no signal ends that.
func TestNothingWaitsForAFIFOInTheVault(t *testing.T) {
	for _, name := range []string{vault.ConfigFile, "lock", "catalog.db", "catalog.db-epoch", "catalog.db-journal", "catalog.db-wal"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(tempDir(t), "vault")
			if err := vault.Init(t.Context(), dir, vault.DefaultConfig(primary(tempDir(t)))); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			v, err := vault.Open(t.Context(), dir, "test")
			if err == nil {
				closed(t, v)
			}
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
				t.Errorf("error %v, want one that names %s", err, path)
			}
		})
	}
}
