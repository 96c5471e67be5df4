package repair

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// errNotPlain is what a file of the vault is refused with that is none.
var errNotPlain = errors.New("not a plain file")

// openPlain opens a file in the vault's quarantine or journal for reading, and
// nothing that would keep the run waiting, such as a FIFO that somebody put in
// its place.
func openPlain(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: %w", path, errNotPlain)
	}
	return os.Open(path)
}

// readPlain reads such a file whole.
func readPlain(path string) ([]byte, error) {
	f, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
