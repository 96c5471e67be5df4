package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// A CarriedOver says what CarryOver took along.
type CarriedOver struct {
	Findings, OpenGates int
	// Missed says why there may have been more; nil when everything came along.
	Missed []error
}

// carriedAtOnce is how many rows are carried over in one transaction.
const carriedAtOnce = 4096

// CarryOver copies to a catalog that was made anew what nothing else says:
// findings, gates, runs, receipts, and the settings that keep selects. The
// catalog at path may be damaged: each row that passes its own check is taken,
// from both ends of a table where the middle cannot be read. The error is of
// writing, or the context's; what could not be read is in Missed.
func (c *Catalog) CarryOver(ctx context.Context, path string, keep func(setting string) bool) (CarriedOver, error) {
	x := &carrying{to: c, keep: keep}
	err := x.from(ctx, path)
	if err == nil {
		err = x.save(ctx, true)
	}
	if err != nil {
		return x.done, fmt.Errorf("carrying over what the catalog %q says: %w", path, err)
	}
	return x.done, nil
}

type carrying struct {
	to      *Catalog
	keep    func(string) bool
	pending []func(*Tx) error
	done    CarriedOver
}

func (x *carrying) missed(what string, err error) {
	x.done.Missed = append(x.done.Missed, fmt.Errorf("%s: %w", what, err))
}

// from reads the old catalog. What is wrong with it is no error.
func (x *carrying) from(ctx context.Context, path string) error {
	if err := inspect(path); err != nil {
		x.missed("the file", err)
		if errors.Is(err, ErrNoCatalog) || errors.Is(err, ErrNotOurs) {
			return nil
		}
	}
	name, err := uri(path)
	if err != nil {
		return err
	}
	old, err := connectVerified(ctx, name, sqlite3.OPEN_READWRITE, readerPragmas)
	if err != nil {
		x.missed("the file", err)
		return ctx.Err()
	}
	defer old.close() // nothing was written, so that nothing can fail to be
	old.db.SetInterrupt(ctx)
	if err := admitted(old, path); err != nil {
		x.missed("its state", err)
	}
	for _, table := range x.tables() {
		if err := x.take(ctx, old, table); err != nil {
			return err
		}
	}
	return nil
}

// admitted says why an old catalog is not the newest state of itself, or never
// held anything.
func admitted(old *conn, path string) error {
	m, err := readMeta(old)
	if err != nil {
		return err
	}
	mark, err := readEpoch(path)
	if err != nil {
		return err
	}
	if err := mark.admits(m); err != nil {
		return err
	}
	recorded, err := old.tally(current)
	if err != nil {
		return err
	}
	ended, err := old.tally(history)
	if err == nil && recorded.rows+ended.rows == 0 {
		err = errors.New("nothing was ever recorded in it")
	}
	return err
}

// A carriedTable is a table that is carried over in the order of a key.
type carriedTable struct {
	of      tallied
	columns string
	key     string
	row     func(*statement) (put func(*Tx) error, key string, check int64, err error)
}

func (x *carrying) tables() []carriedTable {
	return []carriedTable{
		{findings, findingColumns, "store, name", func(s *statement) (func(*Tx) error, string, int64, error) {
			f, check, err := takeFinding(s)
			return func(tx *Tx) error { x.done.Findings++; return tx.PutFinding(f) }, f.Store + "\x00" + f.Name, check, err
		}},
		{gates, gateColumns, "id", func(s *statement) (func(*Tx) error, string, int64, error) {
			g, check, err := takeGate(s)
			return func(tx *Tx) error {
				if g.ClearedAt.IsZero() {
					x.done.OpenGates++
				}
				return tx.putGate(g)
			}, numberKey(g.ID), check, err
		}},
		{runs, runColumns, "id", func(s *statement) (func(*Tx) error, string, int64, error) {
			r, check, err := takeRun(s)
			return func(tx *Tx) error { return tx.putRun(r) }, numberKey(r.ID), check, err
		}},
		{receipts, receiptColumns, "id", func(s *statement) (func(*Tx) error, string, int64, error) {
			r, check, err := takeReceipt(s)
			return func(tx *Tx) error { return tx.PutReceipt(r) }, r.ID, check, err
		}},
		{settings, "name, value, row_check", "name", func(s *statement) (func(*Tx) error, string, int64, error) {
			s.row("setting")
			name, value := s.takeText(), s.takeText()
			check, err := s.takeCheck()
			return func(tx *Tx) error {
				if !x.keep(name) {
					return nil
				}
				return tx.PutSetting(name, value)
			}, name, check, err
		}},
	}
}

// numberKey sorts as text like the number, which is not negative.
func numberKey(n int64) string { return fmt.Sprintf("%020d", n) }

// take carries over the rows of one table: from its beginning, and then, where
// that did not come to the end, from its end down to there.
func (x *carrying) take(ctx context.Context, old *conn, table carriedTable) error {
	var walked tally
	last := ""
	s := old.prepared(`SELECT ` + table.columns + ` FROM ` + table.of.String() + ` ORDER BY ` + table.key)
	err := x.rows(ctx, s, table, func(key string, check int64) bool {
		walked.add(check)
		last = key
		return true
	})
	if ctx.Err() != nil || isWriting(err) {
		return errors.Join(ctx.Err(), err)
	}
	if err == nil {
		err = old.compare(table.of, walked)
	}
	if err == nil {
		return nil
	}
	x.missed("the table "+table.of.String(), err)
	down := strings.ReplaceAll(table.key, ",", " DESC,") + " DESC"
	s = old.prepared(`SELECT ` + table.columns + ` FROM ` + table.of.String() + ` ORDER BY ` + down)
	err = x.rows(ctx, s, table, func(key string, _ int64) bool { return key > last })
	if ctx.Err() != nil || isWriting(err) {
		return errors.Join(ctx.Err(), err)
	}
	return nil
}

// rows carries over the rows that s yields and that pass their checks, as long
// as more says so. It returns the first reason why a row is missing.
func (x *carrying) rows(ctx context.Context, s *statement, table carriedTable, more func(key string, check int64) bool) (missed error) {
	for s.next() {
		put, key, check, err := table.row(s)
		if err != nil {
			missed = errors.Join(missed, err)
			continue
		}
		if !more(key, check) {
			break
		}
		x.pending = append(x.pending, put)
		if err := x.save(ctx, false); err != nil {
			return errors.Join(err, s.end())
		}
	}
	return errors.Join(missed, s.end())
}

// errWriting is wrapped when a row could not be written.
var errWriting = errors.New("writing the new catalog")

func isWriting(err error) bool { return errors.Is(err, errWriting) }

func (x *carrying) save(ctx context.Context, all bool) error {
	if len(x.pending) == 0 || !all && len(x.pending) < carriedAtOnce {
		return nil
	}
	err := x.to.Update(ctx, func(tx *Tx) error {
		for _, put := range x.pending {
			if err := put(tx); err != nil {
				return err
			}
		}
		return nil
	})
	x.pending = x.pending[:0]
	if err != nil {
		return fmt.Errorf("%w: %w", errWriting, err)
	}
	return nil
}
