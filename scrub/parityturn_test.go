package scrub_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub"
)

// newParity is a bench with so many parity files of one band each, all damaged.
func newParity(t *testing.T, files int) *bench {
	t.Helper()
	b := newAges(t, 1)
	b.vault.Config.Overhead = 0.1
	b.must(b.vault.Catalog.Update(t.Context(), func(tx *catalog.Tx) error {
		set, err := tx.PutSet(catalog.Set{Data: 1, Parity: 1, ShardSize: shard, ColumnSize: 1 << 30, Stripes: 16, Code: "test"})
		if err != nil {
			return err
		}
		for i := range files {
			content := bytes.Repeat([]byte{byte(i + 1)}, 50_000)
			hasher, err := hashsets.NewHasher([]hashsets.Algorithm{hashsets.XXH64}, shard)
			if err != nil {
				return err
			}
			hasher.Write(content)
			content[77] ^= 1
			name := fmt.Sprintf("%d/%d.p0", set, i)
			at := filepath.Join(b.vault.Dir, "parity", name)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(at, content, 0o644); err != nil {
				return err
			}
			band := catalog.Band{Set: set, Number: int64(i), Version: 1, Files: []catalog.ParityFile{{Name: name, Hashes: hasher.HashSet()}}}
			if err := tx.PutBand(band); err != nil {
				return err
			}
		}
		return nil
	}))
	return b
}

// Bounded runs read parity files in turns: each goes on where the one before
// stopped, and no run reads one twice.
func TestParityFilesAreReadInTurns(t *testing.T) {
	b := newParity(t, 5)
	var read []string
	for night := range 6 {
		at := noon.Add(time.Duration(night) * 24 * time.Hour)
		got := b.scrub(scrub.Options{Bounds: scrub.Bounds{Percent: 30}, Now: func() time.Time { return at }})
		var names []string
		for _, f := range got.findings {
			names = append(names, filepath.Base(f.Blob)[:1])
		}
		slices.Sort(names)
		read = append(read, fmt.Sprint(names))
		if got.summary.Parity.Files != int64(len(names)) || got.summary.Exit&4 == 0 {
			t.Errorf("night %d: %+v", night, got.summary)
		}
	}
	if fmt.Sprint(read) != "[[0 1] [2 3] [0 4] [1 2] [3 4] [0 1]]" {
		t.Errorf("read each night: %v", read)
	}
	if got := b.scrub(scrub.Options{Bounds: scrub.Bounds{Percent: 100}}); got.summary.Parity.Files != 5 {
		t.Errorf("a run that may read all reads %d", got.summary.Parity.Files)
	}
	if got := b.scrub(scrub.Options{}); got.summary.Parity.Files != 5 {
		t.Errorf("a run without bounds reads %d", got.summary.Parity.Files)
	}
}

func TestOverdueParityFilesAreCounted(t *testing.T) {
	const day = 24 * time.Hour
	b := newParity(t, 5)
	b.vault.Config.MaxAge = 10 * day
	overdue := func(bounds scrub.Bounds, days int) int64 {
		return b.scrub(scrub.Options{Bounds: bounds, Now: func() time.Time { return noon.Add(time.Duration(days) * day) }}).summary.Overdue
	}
	some := scrub.Bounds{Percent: 30}
	for i, c := range []struct {
		bounds scrub.Bounds
		days   int
		want   int64
	}{
		{scrub.Bounds{}, 0, 0},
		{some, 5, 0},
		{some, 11, 1}, // 0 to 3 were read, 4 was not for eleven days
		{some, 12, 0}, // 4 and 0 were
		{some, 40, 5}, // 1 and 2 now, but of what this turn read nothing is known except that it began long ago
	} {
		if got := overdue(c.bounds, c.days); got != c.want {
			t.Errorf("run %d: %d overdue, want %d", i, got, c.want)
		}
	}
}
