package protect_test

import (
	"testing"

	"bitmend/scrub/vault"
)

// Every file of a new vault is recorded as it is, and what is lost of it is
// given back by its stripes.
func TestProtectNewVault(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *vault.Config)
	}{
		{"default columns", nil},
		{"two columns of parity", func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 6, 2, 0.34 }},
		{"large shards", func(c *vault.Config) { c.ShardSize = 64 << 10 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.change)
			w.populate(random(1), "a", 60, 300<<10)
			s := w.protect()
			if s.New != int64(len(w.files)) || s.Changed != 0 || s.Unchanged != 0 || s.Vanished != 0 {
				t.Errorf("%d files are recorded as %+v", len(w.files), s)
			}
			w.checkRecorded()
			again := w.protect()
			if again.Unchanged != int64(len(w.files)) || again.BytesRead != 0 || again.BytesWritten != 0 {
				t.Errorf("a second run with nothing to do: %+v", again)
			}
			if n := w.checkRebuild(w.names()); n != len(w.files) {
				t.Errorf("%d of %d files can be rebuilt after they were lost", n, len(w.files))
			}
			touched := w.protect() // taking files away and putting them back changed their inode-change times
			if touched.Unchanged != int64(len(w.files)) || touched.BytesRead != touched.Bytes || touched.BytesWritten != 0 {
				t.Errorf("a third run that finds the same content in another state: %+v", touched)
			}
		})
	}
}
