package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Update runs f in one transaction: all of it is durable when Update returns
// nil, none of it otherwise. One Update runs at a time; f reads through tx
// what it wrote.
func (c *Catalog) Update(ctx context.Context, f func(tx *Tx) error) error {
	select {
	case <-c.writing:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { c.writing <- struct{}{} }()
	switch {
	case c.readOnly:
		return fmt.Errorf("the catalog %q is open for reading only", c.path)
	case c.writer == nil:
		return errClosed
	}
	epoch, err := c.transact(ctx, f)
	if err != nil {
		return c.explain(cause(ctx, err))
	}
	c.mark.commit(epoch)
	return nil
}

// transact returns the epoch that it committed.
func (c *Catalog) transact(ctx context.Context, f func(tx *Tx) error) (epoch int64, err error) {
	w := c.writer
	w.db.SetInterrupt(ctx)
	defer w.db.SetInterrupt(context.Background())
	if err := w.exec(`BEGIN IMMEDIATE`); err != nil {
		return 0, err
	}
	// Runs after a panic of f as well, and does nothing after the commit.
	defer func() { err = errors.Join(err, w.rollback()) }()

	tx := &Tx{conn: w, stores: make(map[string]int64)}
	if err := f(tx); err != nil {
		return 0, err
	}
	if err := tx.flushTallies(); err != nil {
		return 0, err
	}
	m, err := readMeta(w)
	if err != nil {
		return 0, err
	}
	m.epoch++
	if err := writeMeta(w, m); err != nil {
		return 0, err
	}
	return m.epoch, w.exec(`COMMIT`)
}

// Tx writes. It is valid inside the function given to Update, for one
// goroutine at a time.
type Tx struct {
	conn    *conn
	tallies [tallyCount]tally // what this transaction adds
	stores  map[string]int64  // IDs, by name
	ids     blobIDs
}

// blob returns the number of name; 0 when there is none.
func (tx *Tx) blob(name string) (int64, error) { return tx.ids.of(tx.conn, name) }

// addBlob returns the number of name, giving it one when there is none.
func (tx *Tx) addBlob(name string) (int64, error) {
	id, err := tx.blob(name)
	if err != nil || id != 0 {
		return id, err
	}
	s := tx.conn.prepared(insertBlob)
	putBlob(s, &Record{Name: name})
	s.putCheck()
	if err := s.run(); err != nil {
		return 0, fmt.Errorf("adding the name %q: %w", name, err)
	}
	id = tx.conn.db.LastInsertRowID()
	tx.ids.remember(name, id)
	return id, nil
}

// store returns the number of a store, giving it one when there is none.
func (tx *Tx) store(name string) (int64, error) {
	if id := tx.stores[name]; id != 0 {
		return id, nil
	}
	id, err := tx.conn.storeID(name)
	if err != nil {
		return 0, err
	}
	if id == 0 {
		s := tx.conn.prepared(`INSERT INTO store (name, row_check) VALUES (?, ?)`)
		s.row("store")
		s.putText(name)
		s.putCheck()
		if err := s.run(); err != nil {
			return 0, fmt.Errorf("adding the store %q: %w", name, err)
		}
		id = tx.conn.db.LastInsertRowID()
	}
	tx.stores[name] = id
	return id, nil
}

// storeID returns 0 when nothing is known of that store.
func (c *conn) storeID(name string) (id int64, err error) {
	s := c.prepared(`SELECT id FROM store WHERE name = ?`).arg(name)
	if s.next() {
		id = s.peekInt()
	}
	return id, s.end()
}

// PutSetting remembers a value.
func (tx *Tx) PutSetting(key, value string) error {
	_, err := tx.replace(settings, `SELECT row_check FROM setting WHERE name = ?`, []any{key}, func() (int64, error) {
		s := tx.conn.prepared(`REPLACE INTO setting (name, value, row_check) VALUES (?, ?, ?)`)
		s.row("setting")
		s.putText(key)
		s.putText(value)
		return s.putCheck(), s.run()
	})
	if err != nil {
		return fmt.Errorf("remembering %q: %w", key, err)
	}
	return nil
}

// Setting returns a value that the vault remembers, such as a store's volume;
// "" when it was never set.
func (c *Catalog) Setting(ctx context.Context, key string) (value string, err error) {
	err = c.read(ctx, func(r *conn) error {
		s := r.prepared(`SELECT name, value, row_check FROM setting WHERE name = ?`).arg(key)
		if s.next() {
			s.row("setting")
			s.takeText()
			value = s.takeText()
			if _, err := s.takeCheck(); err != nil {
				value = ""
				return errors.Join(err, s.end())
			}
		}
		return s.end()
	})
	if err != nil {
		return "", fmt.Errorf("looking up the setting %q: %w", key, c.explain(err))
	}
	return value, nil
}

// validTime refuses what nanoseconds in 64 bits cannot hold, years before 1678
// and after 2262.
func validTime(t time.Time) error {
	if !t.IsZero() && !time.Unix(0, t.UnixNano()).Equal(t) {
		return fmt.Errorf("the time %v cannot be stored", t)
	}
	return nil
}
