//go:build !portable

package store_test

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// nobody is a user whom permissions bind.
const nobody = 65534

// asOrdinaryUser calls do as a user whom permissions bind: root tries files as
// another user would, on a thread that ends afterwards.
func asOrdinaryUser(t *testing.T, do func()) {
	t.Helper()
	if os.Getuid() != 0 {
		do()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread goes with the goroutine
		unix.SetfsgidRetGid(nobody)
		unix.SetfsuidRetUid(nobody)
		do()
	}()
	<-done
}

// ordinaryDir is a temporary directory that the ordinary user owns.
func ordinaryDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if os.Getuid() == 0 {
		for path := dir; path != "/" && path != os.TempDir(); path = parentOf(path) {
			must(t, os.Chmod(path, 0o755))
		}
		must(t, os.Chown(dir, nobody, nobody))
	}
	return dir
}

// needsRoot skips what only root can set up.
func needsRoot(t *testing.T, why string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skipf("needs root: %s", why)
	}
}
