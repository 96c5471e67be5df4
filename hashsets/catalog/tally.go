package catalog

import (
	"errors"
	"fmt"
)

// A tally is how many rows a table has and the sum of their checks modulo
// 2^64. A row that vanished, or that came back from an older state of a page,
// is missed by it.
type tally struct {
	rows int64
	sum  uint64
}

func (t *tally) add(check int64)    { t.rows++; t.sum += uint64(check) }
func (t *tally) remove(check int64) { t.rows--; t.sum -= uint64(check) }

// tallied is a table with a tally.
type tallied int

const (
	current tallied = iota // of blob, the rows with a record
	history
	findings
	runs
	gates
	receipts
	sets
	bands
	files
	places
	settings
	tallyCount
)

// String is the name under which schema.sql keeps it.
func (t tallied) String() string {
	return [tallyCount]string{"record", "history", "finding", "run", "gate", "receipt",
		"parity_set", "band", "parity_file", "place", "setting"}[t]
}

// replace removes from the tally the row that find finds, if any, and adds the
// one that write writes. It returns whether there was one before.
func (tx *Tx) replace(t tallied, find string, key []any, write func() (check int64, err error)) (replaced bool, err error) {
	old, replaced, err := tx.rowCheck(find, key...)
	if err != nil {
		return false, err
	}
	check, err := write()
	if err != nil {
		return false, err
	}
	if replaced {
		tx.tallies[t].remove(old)
	}
	tx.tallies[t].add(check)
	return replaced, nil
}

// rowCheck returns the recorded check of the one row that find finds.
func (tx *Tx) rowCheck(find string, key ...any) (check int64, found bool, err error) {
	s := tx.conn.prepared(find)
	for _, k := range key {
		s.arg(k)
	}
	if found = s.next(); found {
		check = s.peekInt()
	}
	return check, found, s.end()
}

// remove executes a DELETE … RETURNING row_check and takes the rows out of the
// tally.
func (tx *Tx) remove(t tallied, sql string, key ...any) error {
	s := tx.conn.prepared(sql)
	for _, k := range key {
		s.arg(k)
	}
	for s.next() {
		tx.tallies[t].remove(s.peekInt())
	}
	return s.end()
}

// flushTallies adds what the transaction changed to the tallies in the file.
func (tx *Tx) flushTallies() error {
	for t := range tallyCount {
		if tx.tallies[t] == (tally{}) {
			continue
		}
		recorded, err := tx.conn.tally(t)
		if err != nil {
			return err
		}
		s := tx.conn.prepared(`REPLACE INTO tally (of, rows, sum, row_check) VALUES (?, ?, ?, ?)`)
		s.row("tally")
		s.putText(t.String())
		s.putInt(recorded.rows + tx.tallies[t].rows)
		s.putInt(int64(recorded.sum + tx.tallies[t].sum))
		s.putCheck()
		if err := s.run(); err != nil {
			return fmt.Errorf("keeping the tally of %s: %w", t, err)
		}
	}
	return nil
}

// tally returns the recorded tally of a table.
func (c *conn) tally(t tallied) (recorded tally, err error) {
	s := c.prepared(`SELECT of, rows, sum, row_check FROM tally WHERE of = ?`).arg(t.String())
	if s.next() {
		s.row("tally")
		s.takeText()
		recorded = tally{rows: s.takeInt(), sum: uint64(s.takeInt())}
		if _, err := s.takeCheck(); err != nil {
			return tally{}, errors.Join(fmt.Errorf("the tally of %s: %w", t, err), s.end())
		}
	}
	return recorded, s.end()
}

// compare holds the rows of a complete walk against the recorded tally.
func (c *conn) compare(t tallied, walked tally) error {
	recorded, err := c.tally(t)
	if err != nil {
		return err
	}
	if recorded != walked {
		return fmt.Errorf("%w: %d rows of %s were read, and %d other ones are recorded in its tally",
			ErrDamaged, walked.rows, t, recorded.rows)
	}
	return nil
}
