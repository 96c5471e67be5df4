package catalog

import (
	"path/filepath"
	"testing"
	"time"

	"bitmend/hashsets"
)

// SQLite's memory never shrinks: a connection that a large record has made
// grow is not kept for the next lookup, and others are.
func TestAConnectionThatGrewIsNotKept(t *testing.T) {
	c, err := Create(t.Context(), filepath.Join(t.TempDir(), "catalog.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	small := Record{Name: "small", Generation: 1, RecordedAt: time.Unix(1, 0), Kind: hashsets.File}
	large := small
	large.Name, large.Hashes.ShardSums = "large", make([]uint64, grownFrom/8)
	if err := c.Update(t.Context(), func(tx *Tx) error {
		for _, r := range []Record{small, large} {
			if err := tx.PutRecord(r); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		name string
		idle int
	}{{"small", 1}, {"large", 0}, {"small", 1}} {
		if _, err := c.Current(t.Context(), want.name); err != nil {
			t.Fatal(err)
		}
		if got := len(c.readers.idle); got != want.idle {
			t.Errorf("after %s %d connections are kept, want %d", want.name, got, want.idle)
		}
	}
}
