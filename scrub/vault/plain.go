package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// errNotPlain is what a vault is refused with in which something else stands in
// the place of a file: to open a FIFO waits for its other end, for ever.
var errNotPlain = errors.New("is not a plain file")

// requirePlain looks at the files of a vault that every run opens, before it
// does. Links to plain files are followed.
func requirePlain(dir string) error {
	for _, name := range []string{ConfigFile, lockFile, catalogFile, catalogFile + "-epoch", catalogFile + "-journal", catalogFile + "-wal"} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeSocket|os.ModeDevice) != 0 {
			return fmt.Errorf("%s %w (%s): nothing was opened; find out who put it there, and move it away", path, errNotPlain, info.Mode().Type())
		}
	}
	return nil
}
