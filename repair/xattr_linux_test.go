package repair_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// setXattr gives a file an extended attribute, where its file system has them.
func setXattr(t *testing.T, path, name string, value []byte) {
	t.Helper()
	err := unix.Setxattr(path, name, value, 0)
	if err != nil && !errors.Is(err, unix.ENOTSUP) {
		t.Fatal(err)
	}
}
