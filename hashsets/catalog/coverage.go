package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bitmend/hashsets"
)

// Depth says how a blob was verified.
type Depth uint8

// The depths of a verification.
const (
	Light          Depth = 1 // name, size and what the store reports
	DeepBuffered   Depth = 2 // every byte, possibly from the page cache
	DeepDirect     Depth = 3 // every byte, past the page cache
	ByConstruction Depth = 4 // read when it was recorded or written by repair and read back
)

// Coverage says when a blob was last verified in one store, and in what state
// the store held it then.
type Coverage struct {
	Store      string
	Name       string
	Generation int64
	Identity   hashsets.Identity
	VerifiedAt time.Time
	Depth      Depth
	Run        int64
	BlobID     int64 // the number that stands for the name, from a walk; 0 to have it looked up
}

const (
	// As walks join them to records.
	coverageColumns = `c.key IS NOT NULL, c.generation, c.verified_at, c.depth, c.run, c.state, c.row_check`

	putCoverage = `REPLACE INTO coverage (key, generation, verified_at, depth, run, state, row_check) VALUES (?, ?, ?, ?, ?, ?, ?)`
)

// coverageKey is one number, not two, because SQLite replaces a row with such a
// key in place, in half the time.
func coverageKey(store, blob int64) int64 { return store<<40 + blob }

// PutCoverage says that a blob was verified. It is ErrNotRecorded for a name
// that never was recorded.
func (tx *Tx) PutCoverage(c Coverage) error {
	if err := tx.putCoverage(&c); err != nil {
		return fmt.Errorf("noting that %q was verified in %q: %w", c.Name, c.Store, err)
	}
	return nil
}

func (tx *Tx) putCoverage(c *Coverage) error {
	if err := validTime(c.VerifiedAt); err != nil {
		return err
	}
	store, err := tx.store(c.Store)
	if err != nil {
		return err
	}
	blob := c.BlobID
	if blob == 0 {
		if blob, err = tx.blob(c.Name); err != nil {
			return err
		}
	}
	if blob == 0 {
		return ErrNotRecorded
	}
	s := tx.conn.prepared(putCoverage).argInt(coverageKey(store, blob))
	s.row("coverage")
	s.putInt(c.Generation)
	s.putTime(c.VerifiedAt)
	s.putInt(int64(c.Depth))
	s.putInt(c.Run)
	putIdentity(s, &c.Identity)
	s.check.text(c.Store)
	s.check.text(c.Name)
	s.putCheck()
	return s.run()
}

// takeSeen reads the columns of coverageColumns.
func takeSeen(s *statement, store, name string) (*Coverage, error) {
	if s.peekInt() == 0 {
		return nil, nil
	}
	s.row("coverage")
	seen := &Coverage{Store: store, Name: name}
	seen.Generation = s.takeInt()
	seen.VerifiedAt = s.takeTime()
	seen.Depth = Depth(s.takeInt())
	seen.Run = s.takeInt()
	unpacked := takeIdentity(s, &seen.Identity)
	s.check.text(store)
	s.check.text(name)
	if _, err := s.takeCheck(); err != nil {
		return nil, damage(err)
	}
	if unpacked != nil {
		return nil, damage(unpacked)
	}
	return seen, nil
}

// Coverage returns the coverage of name in store, or ErrNotRecorded.
func (c *Catalog) Coverage(ctx context.Context, store, name string) (Coverage, error) {
	return lookUp(ctx, c, name, func(r *conn) (Coverage, error) { return r.coverage(store, name) })
}

// Coverage is as Catalog.Coverage, within the transaction.
func (tx *Tx) Coverage(store, name string) (Coverage, error) {
	c, err := tx.conn.coverage(store, name)
	return c, about(name, err)
}

func (c *conn) coverage(store, name string) (Coverage, error) {
	id, err := c.storeID(store)
	if err != nil {
		return Coverage{}, err
	}
	s := c.prepared(`SELECT ` + coverageColumns + ` FROM blob b JOIN coverage c ON c.key = ? + b.id WHERE b.name = ?`).
		argInt(coverageKey(id, 0)).argName(name)
	if !s.next() {
		if err := s.end(); err != nil {
			return Coverage{}, err
		}
		return Coverage{}, ErrNotRecorded
	}
	seen, err := takeSeen(s, store, name)
	if err := errors.Join(err, s.end()); err != nil {
		return Coverage{}, err
	}
	return *seen, nil
}

// dropCoverage forgets the coverage of a blob in all stores.
func (tx *Tx) dropCoverage(blob int64) error {
	return tx.conn.prepared(`DELETE FROM coverage WHERE key IN (SELECT (id << 40) + ? FROM store)`).argInt(blob).run()
}
