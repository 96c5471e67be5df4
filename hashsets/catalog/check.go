package catalog

import (
	"context"
	"errors"
	"fmt"
)

// Check reads the whole catalog and returns what fails its checks, each with a
// reason that wraps ErrDamaged: pages, and what SQLite finds between them;
// rows; and tallies, when rows vanished. It returns an error of its own only
// when it could not look.
func (c *Catalog) Check(ctx context.Context) ([]error, error) {
	var found []error
	err := c.walk(ctx, func(r *conn) error {
		for _, look := range []func(context.Context, *conn) ([]error, error){checkPages, checkRows} {
			more, err := look(ctx, r)
			found = append(found, more...)
			if err != nil {
				return err
			}
		}
		return nil
	})
	for i, damage := range found {
		found[i] = c.explain(damage)
	}
	if err != nil {
		return found, fmt.Errorf("checking the catalog %q: %w", c.path, err)
	}
	return found, nil
}

// checkPages has SQLite read every page and follow every pointer.
func checkPages(ctx context.Context, r *conn) (found []error, err error) {
	s := r.prepared(`PRAGMA integrity_check(1000)`)
	for s.next() {
		if text := s.peekName(); text != "ok" {
			found = append(found, fmt.Errorf("%w: %s", ErrDamaged, text))
		}
	}
	return sortOut(ctx, found, s.end())
}

// sortOut adds err to what was found when it tells of damage, and returns it
// when it tells that nothing could be looked at.
func sortOut(ctx context.Context, found []error, err error) ([]error, error) {
	if err == nil {
		return found, nil
	}
	if err := cause(ctx, err); !isDamage(err) {
		return found, err
	}
	return append(found, err), nil
}

// A rowsOfTable reads all rows of one table, each with its check.
type rowsOfTable struct {
	sql  string
	take func(*statement) (of tallied, check int64, err error)
}

// allRows reads every table but meta and tally, which their own use checks.
var allRows = [...]rowsOfTable{
	{`SELECT name, generation, ` + contentColumns + ` FROM blob ORDER BY name`, func(s *statement) (tallied, int64, error) {
		r, check, err := takeBlobRow(s)
		if err == nil && r.Generation == 0 {
			return untallied, 0, nil
		}
		return current, check, named("the record of", r.Name, err)
	}},
	{`SELECT coalesce(b.name, x''), h.generation, h.ended_at, h.recorded_at, h.kind, h.state, h.attributes, h.target, h.size,
		h.digests, h.shard_size, h.shard_sums, h.row_check FROM history h LEFT JOIN blob b ON b.id = h.blob`,
		func(s *statement) (tallied, int64, error) {
			name := s.peekName()
			_, _, check, err := takeHistoryRow(s, name)
			return history, check, named("an ended record of", name, err)
		}},
	{`SELECT coalesce(s.name, ''), coalesce(b.name, x''), ` + coverageColumns + ` FROM coverage c
		LEFT JOIN store s ON s.id = c.key >> 40 LEFT JOIN blob b ON b.id = c.key & 0xffffffffff`,
		func(s *statement) (tallied, int64, error) {
			store, name := s.peekName(), s.peekName()
			_, err := takeSeen(s, store, name)
			return untallied, 0, named("the coverage in "+store+" of", name, err)
		}},
	{`SELECT name, row_check FROM store`, func(s *statement) (tallied, int64, error) {
		s.row("store")
		name := s.takeText()
		_, err := s.takeCheck()
		return untallied, 0, named("the store", name, err)
	}},
	{`SELECT name, value, row_check FROM setting`, func(s *statement) (tallied, int64, error) {
		s.row("setting")
		name := s.takeText()
		s.takeText()
		check, err := s.takeCheck()
		return settings, check, named("the setting", name, err)
	}},
	{`SELECT ` + findingColumns + ` FROM finding`, only(findings, takeFinding)},
	{`SELECT ` + runColumns + ` FROM run`, only(runs, takeRun)},
	{`SELECT ` + gateColumns + ` FROM gate`, only(gates, takeGate)},
	{`SELECT ` + receiptColumns + ` FROM receipt`, only(receipts, takeReceipt)},
	{`SELECT ` + setColumns + ` FROM parity_set`, only(sets, takeSet)},
	{`SELECT ` + bandColumns + ` FROM band`, only(bands, takeBand)},
	{`SELECT ` + fileColumns + ` FROM parity_file`, only(files, func(s *statement) (ParityFile, int64, error) {
		f, _, check, err := takeFile(s)
		return f, check, err
	})},
	{`SELECT coalesce(b.name, x''), p.parity_set, p.col, p.offset, p.generation, p.blob_offset, p.length, p.row_check
		FROM place p LEFT JOIN blob b ON b.id = p.blob`, only(places, takePlace)},
}

// untallied marks rows that no tally counts.
const untallied = tallyCount

func only[T any](of tallied, take func(*statement) (T, int64, error)) func(*statement) (tallied, int64, error) {
	return func(s *statement) (tallied, int64, error) {
		_, check, err := take(s)
		return of, check, err
	}
}

func named(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %q: %w", what, name, err)
}

// checkRows reads every row of every table.
func checkRows(ctx context.Context, r *conn) (found []error, err error) {
	var walked [tallyCount + 1]tally
	for _, table := range allRows {
		s := r.prepared(table.sql)
		for s.next() {
			of, check, err := table.take(s)
			walked[of].add(check)
			if err != nil {
				found = append(found, err)
			}
		}
		if found, err = sortOut(ctx, found, s.end()); err != nil {
			return found, err
		}
	}
	for t := range tallyCount {
		if found, err = sortOut(ctx, found, r.compare(t, walked[t])); err != nil {
			return found, err
		}
	}
	_, err = readMeta(r)
	return sortOut(ctx, found, err)
}

// confirm holds what SQLite counted against the tally.
func (c *conn) confirm(t tallied, rows int64) error {
	recorded, err := c.tally(t)
	if err == nil && recorded.rows != rows {
		err = fmt.Errorf("%w: %d rows of %s were counted, and %d are recorded in its tally", ErrDamaged, rows, t, recorded.rows)
	}
	return err
}

// damage makes ErrDamaged of what is wrong with one row.
func damage(err error) error {
	if err == nil || errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
