package catalog_test

import (
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
)

// tampered makes a populated catalog that a program which knows page checksums
// then changed: what a fault in memory does too.
func tampered(t *testing.T, sql string) *catalog.Catalog {
	t.Helper()
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	populate(t, path)
	db, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(sql); err != nil {
		t.Fatal(err)
	}
	if db.TotalChanges() == 0 {
		t.Fatalf("%s changed nothing", sql)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// last is the error that a walk ends with.
func last[T any](seq func(func(T, error) bool)) (err error) {
	for _, err = range seq {
	}
	return err
}

func TestRowsThatVanishAreMissed(t *testing.T) {
	fixtures.Sequential(t)
	for sql, ask := range map[string]func(*catalog.Catalog) error{
		`DELETE FROM blob WHERE name = x'` + hexName("dir 2/blob 20") + `'`: func(c *catalog.Catalog) error {
			if _, err := c.Totals(t.Context()); !errors.Is(err, catalog.ErrDamaged) {
				t.Errorf("Totals: %v", err)
			}
			if err := c.Export(t.Context(), io.Discard); !errors.Is(err, catalog.ErrDamaged) {
				t.Errorf("Export: %v", err)
			}
			return last(c.Records(t.Context(), catalog.Query{}))
		},
		`DELETE FROM finding WHERE name = x'` + hexName("dir 2/blob 20") + `'`: func(c *catalog.Catalog) error {
			if _, err := c.CountFindings(t.Context()); !errors.Is(err, catalog.ErrDamaged) {
				t.Errorf("CountFindings: %v", err)
			}
			return last(c.Findings(t.Context(), ""))
		},
		`DELETE FROM gate WHERE cleared_at = 0`: func(c *catalog.Catalog) error {
			_, err := c.Gates(t.Context(), false)
			return err
		},
		`DELETE FROM receipt WHERE id = 'r4'`: func(c *catalog.Catalog) error { return last(c.Receipts(t.Context())) },
		`DELETE FROM parity_set`: func(c *catalog.Catalog) error {
			_, err := c.Sets(t.Context())
			return err
		},
		`DELETE FROM band WHERE number = 1`:              func(c *catalog.Catalog) error { return last(c.Bands(t.Context(), 0)) },
		`DELETE FROM parity_file WHERE idx = 1`:          func(c *catalog.Catalog) error { return last(c.Bands(t.Context(), 1)) },
		`UPDATE parity_file SET version = 6`:             func(c *catalog.Catalog) error { return last(c.Bands(t.Context(), 1)) },
		`DELETE FROM tally WHERE of = 'record'`:          func(c *catalog.Catalog) error { return last(c.Records(t.Context(), catalog.Query{})) },
		`UPDATE tally SET rows = rows + 1`:               func(c *catalog.Catalog) error { return last(c.Records(t.Context(), catalog.Query{})) },
		`DELETE FROM place WHERE col = 1`:                nil,
		`DELETE FROM history`:                            nil,
		`DELETE FROM setting`:                            nil,
		`DELETE FROM run`:                                nil,
		`DELETE FROM blob WHERE generation = 0`:          nil,
		`UPDATE place SET blob = blob + 1 WHERE col = 1`: nil,
	} {
		c := tampered(t, sql)
		if ask != nil {
			if err := ask(c); !errors.Is(err, catalog.ErrDamaged) {
				t.Errorf("%s: %v", sql, err)
			}
		}
		problems, err := c.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(problems) == 0 {
			t.Errorf("%s: Check found nothing", sql)
		}
		for _, p := range problems {
			if !errors.Is(p, catalog.ErrDamaged) {
				t.Errorf("%s: Check found %v", sql, p)
			}
		}
	}
}

func TestChangedRowIsADamagedRecordAmongSoundOnes(t *testing.T) {
	fixtures.Sequential(t)
	where := ` WHERE name = x'` + hexName("dir 2/blob 20") + `'`
	for _, sql := range []string{
		`UPDATE blob SET size = size + 1` + where,
		`UPDATE blob SET generation = 9` + where,
		`UPDATE blob SET digests = zeroblob(length(digests))` + where,
		`UPDATE blob SET digests = x'05'` + where,
		`UPDATE blob SET state = x''` + where,
		`UPDATE blob SET attributes = substr(attributes, 1, 19)` + where,
		`UPDATE blob SET shard_sums = x'01'` + where,
		`UPDATE blob SET row_check = row_check + 1` + where,
		`UPDATE blob SET target = 'x'` + where,
		`UPDATE blob SET name = x'` + hexName("dir 2/blob 2!") + `'` + where,
	} {
		c := tampered(t, sql)
		damaged, sound := 0, 0
		for k, err := range c.Records(t.Context(), catalog.Query{To: "dir 3"}) {
			switch {
			case err != nil:
				t.Errorf("%s: %v", sql, err)
			case k.Damage != nil:
				damaged++
				if !errors.Is(k.Damage, catalog.ErrDamaged) {
					t.Errorf("%s: %v", sql, k.Damage)
				}
			default:
				sound++
			}
		}
		if damaged != 1 || sound != 38 {
			t.Errorf("%s: %d damaged and %d sound records", sql, damaged, sound)
		}
		if problems, err := c.Check(t.Context()); err != nil || len(problems) == 0 {
			t.Errorf("%s: Check found %v %v", sql, problems, err)
		}
		err := c.Update(t.Context(), func(tx *catalog.Tx) error {
			return errors.Join(tx.Vanish("dir 2/blob 20", day(9)), tx.Vanish("dir 2/blob 2!", day(9)))
		})
		if err == nil {
			t.Errorf("%s: a damaged record went into history as if it were sound", sql)
		}
	}
}

func TestDamagedCoverageIsNeverVerifiedAndSaysSo(t *testing.T) {
	c := tampered(t, `UPDATE coverage SET verified_at = verified_at + 1 WHERE key & 0xffffffffff = (SELECT id FROM blob WHERE name = x'`+hexName("dir 2/blob 20")+`')`)
	for k, err := range c.Records(t.Context(), catalog.Query{Store: "dr"}) {
		if err != nil || k.Damage != nil {
			t.Fatal(k.Name, err, k.Damage)
		}
		if bad := k.Name == "dir 2/blob 20"; bad != (k.SeenDamage != nil) || bad && k.Seen != nil {
			t.Errorf("%s: %v %v", k.Name, k.Seen, k.SeenDamage)
		}
	}
	if _, err := c.Coverage(t.Context(), "dr", "dir 2/blob 20"); !errors.Is(err, catalog.ErrDamaged) {
		t.Error(err)
	}
}

func TestChangedRowsOfOtherTablesAreErrors(t *testing.T) {
	fixtures.Sequential(t)
	for sql, ask := range map[string]func(*catalog.Catalog) error{
		`UPDATE finding SET verdict = 'intact'`:        func(c *catalog.Catalog) error { return last(c.Findings(t.Context(), "primary")) },
		`UPDATE gate SET cleared_at = 5`:               func(c *catalog.Catalog) error { _, err := c.Gates(t.Context(), false); return err },
		`UPDATE run SET exit = 0`:                      func(c *catalog.Catalog) error { _, err := c.Runs(t.Context(), 1); return err },
		`UPDATE receipt SET outcome = 'lost'`:          func(c *catalog.Catalog) error { return last(c.Receipts(t.Context())) },
		`UPDATE parity_set SET data = 5`:               func(c *catalog.Catalog) error { _, err := c.Sets(t.Context()); return err },
		`UPDATE band SET version = 8`:                  func(c *catalog.Catalog) error { return last(c.Bands(t.Context(), 1)) },
		`UPDATE parity_file SET name = 'x'`:            func(c *catalog.Catalog) error { return last(c.Bands(t.Context(), 1)) },
		`UPDATE place SET length = length - 1`:         func(c *catalog.Catalog) error { return last(c.PlacesIn(t.Context(), 1, 2, 0, 1<<40)) },
		`UPDATE place SET generation = generation + 1`: func(c *catalog.Catalog) error { _, err := c.PlacesOf(t.Context(), "dir 2/blob 38", 2); return err },
		`UPDATE setting SET value = 'fs 18'`:           func(c *catalog.Catalog) error { _, err := c.Setting(t.Context(), "volume of primary"); return err },
		`UPDATE history SET ended_at = 5`:              func(c *catalog.Catalog) error { return damageOf(t, c, "dir 0/blob 15") },
		`UPDATE history SET blob = -blob WHERE blob = (SELECT id FROM blob WHERE name = x'` + hexName("dir 0/blob 15") + `')`: nil,
	} {
		c := tampered(t, sql)
		if ask != nil {
			if err := ask(c); !errors.Is(err, catalog.ErrDamaged) {
				t.Errorf("%s: %v", sql, err)
			}
		}
		if problems, err := c.Check(t.Context()); err != nil || len(problems) == 0 {
			t.Errorf("%s: Check found %v %v", sql, problems, err)
		}
	}
}

// damageOf is the damage of the oldest generation of name.
func damageOf(t *testing.T, c *catalog.Catalog, name string) error {
	t.Helper()
	all, err := c.Generations(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return all[len(all)-1].Damage
}

func hexName(name string) string { return hex.EncodeToString([]byte(name)) }
