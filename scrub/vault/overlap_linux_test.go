package vault_test

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bitmend/scrub/vault"
)

// The same file system in two places has two paths and one inode.
func TestAVaultInItsStoreThatIsMountedTwiceIsRefused(t *testing.T) {
	top := tempDir(t)
	tree, again := folder(t, top, "photos"), folder(t, top, "again")
	if err := syscall.Mount(tree, again, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("mounting needs a right that this user has not: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(again, 0); err != nil {
			t.Error(err)
		}
	})
	err := vault.Init(context.Background(), filepath.Join(again, "sub", "vault"), vault.DefaultConfig(primary(tree)))
	if err == nil || !strings.Contains(err.Error(), "is inside of store") {
		t.Errorf("the error is %v", err)
	}
}
