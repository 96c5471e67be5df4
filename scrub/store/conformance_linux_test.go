//go:build !portable

package store_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"bitmend/scrub/store/storetest"
)

func TestADirectoryKeepsItsPromisesOnOldKernels(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		d := open(t, t.TempDir())
		must(t, d.WithoutOpenat2())
		return subject(d, d)
	})
}

func TestADirectoryInMemoryKeepsItsPromises(t *testing.T) {
	const shared = "/dev/shm"
	var st unix.Statfs_t
	if err := unix.Statfs(shared, &st); err != nil || st.Type != unix.TMPFS_MAGIC {
		t.Skip("there is no file system in memory here")
	}
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		root, err := os.MkdirTemp(shared, "bitmend-")
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { must(t, os.RemoveAll(root)) })
		d := open(t, root)
		return subject(d, d)
	})
}
