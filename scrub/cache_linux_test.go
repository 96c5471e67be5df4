package scrub_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// dropCache drops a file from the page cache.
func dropCache(t *testing.T, at string) bool {
	t.Helper()
	f, err := os.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) == nil
}
