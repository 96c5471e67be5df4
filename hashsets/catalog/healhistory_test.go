package catalog_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
)

// exported is what an export of the populated catalog has.
func exported(t *testing.T) (all []catalog.Exported, ended int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	populate(t, path)
	c, err := catalog.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var text bytes.Buffer
	if err := c.Export(t.Context(), &text); err != nil {
		t.Fatal(err)
	}
	for e, err := range catalog.ReadExport(t.Context(), &text) {
		if err != nil {
			t.Fatal(err)
		}
		if !e.Current {
			ended++
		}
		all = append(all, e)
	}
	return all, ended
}

func TestDamagedHistoryIsHealedByWhatWasRecorded(t *testing.T) {
	fixtures.Sequential(t)
	const of = ` WHERE generation = 1 AND blob = (SELECT id FROM blob WHERE name = x'`
	one := of + hexName("dir 2/blob 20") + `')`
	other := of + hexName("dir 1/blob 25") + `')`
	copies, ended := exported(t)
	type healing struct{ damaged, healed, left int }
	for sql, want := range map[string]healing{
		`UPDATE history SET size = size + 1` + one:                                             {1, 1, 0},
		`UPDATE history SET ended_at = ended_at + 1` + one:                                     {1, 1, 0},
		`UPDATE history SET digests = x'05'` + one:                                             {1, 1, 0},
		`UPDATE history SET state = x''` + one:                                                 {1, 1, 0},
		`UPDATE history SET shard_sums = zeroblob(16)`:                                         {ended, ended, 0},
		`UPDATE history SET row_check = row_check + 1` + one:                                   {1, 1, 0},
		`UPDATE history SET row_check = 0`:                                                     {ended, ended, 0},
		`UPDATE history SET generation = 7` + one:                                              {1, 0, 1},
		`UPDATE history SET row_check = 0` + one + `; UPDATE history SET size = 3` + other:     {2, 2, 0},
		`UPDATE history SET generation = 7` + one + `; UPDATE history SET size = 3` + other:    {2, 1, 1},
		`UPDATE history SET generation = 7` + one + `; UPDATE history SET row_check=3` + other: {2, 0, 2},
		`UPDATE history SET row_check = 0` + one + `; DELETE FROM history` + other:             {1, 0, 1}, // the tally proves nothing
	} {
		c := tampered(t, sql)
		damaged, err := c.DamagedHistory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var healed, left []catalog.Exported
		update(t, c, func(tx *catalog.Tx) (err error) {
			healed, left, err = tx.HealHistory(copies)
			return err
		})
		if got := (healing{len(damaged), len(healed), len(left)}); got != want {
			t.Errorf("%s: %+v, want %+v", sql, got, want)
		}
		if want.left > 0 {
			continue
		}
		if problems, err := c.Check(t.Context()); err != nil || len(problems) > 0 {
			t.Errorf("%s: healed, Check found %v %v", sql, problems, err)
		}
		for _, e := range copies {
			if r, err := c.Generation(t.Context(), e.Name, e.Generation); err != nil || cmp.Diff(e.Record, r) != "" {
				t.Errorf("%s: healed, %q is %+v, %v", sql, e.Name, r, err)
			}
		}
	}
}

// A copy that says something else than what was recorded heals nothing.
func TestWhatWasNotRecordedHealsNoHistory(t *testing.T) {
	copies, _ := exported(t)
	for i := range copies {
		copies[i].Hashes.Digests[0].Sum[0] ^= 1
	}
	for _, sql := range []string{`UPDATE history SET size = size + 1`, `UPDATE history SET row_check = row_check + 1`} {
		c := tampered(t, sql)
		update(t, c, func(tx *catalog.Tx) error {
			healed, left, err := tx.HealHistory(copies)
			if len(healed) > 0 || len(left) == 0 {
				t.Errorf("%s: %d were healed and %d are left", sql, len(healed), len(left))
			}
			return err
		})
		damaged, err := c.DamagedHistory(t.Context())
		if err != nil || len(damaged) == 0 {
			t.Errorf("%s: afterwards %d are damaged, %v", sql, len(damaged), err)
		}
	}
}
