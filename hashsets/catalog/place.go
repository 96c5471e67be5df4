package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Place is where (a part of) a blob's generation lies in a set. A blob of no
// bytes, a link and a directory have a place of no length, so that each record
// is in the list of some band.
type Place struct {
	Set        int64
	Column     int
	Offset     int64 // in the column, bytes
	Length     int64
	Name       string
	Generation int64
	BlobOffset int64 // of the place's first byte in the blob; a multiple of the shard size
}

const placeColumns = `b.name, p.parity_set, p.col, p.offset, p.generation, p.blob_offset, p.length, p.row_check`

// PutPlace adds a place. The record need not be there yet.
func (tx *Tx) PutPlace(p Place) error {
	if err := tx.putPlace(&p); err != nil {
		return fmt.Errorf("keeping the place of %q in set %d, column %d, at %d: %w", p.Name, p.Set, p.Column, p.Offset, err)
	}
	return nil
}

func (tx *Tx) putPlace(p *Place) error {
	if p.Name == "" || p.Offset < 0 || p.Length < 0 || p.Column < 0 {
		return errors.New("a place needs a name, and a column, offset and length from 0 on")
	}
	blob, err := tx.addBlob(p.Name)
	if err != nil {
		return err
	}
	s := tx.conn.prepared(`INSERT INTO place (blob, parity_set, col, offset, generation, blob_offset, length, row_check)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`).argInt(blob)
	s.row("place")
	s.putInt(p.Set)
	s.putInt(int64(p.Column))
	s.putInt(p.Offset)
	s.putInt(p.Generation)
	s.putInt(p.BlobOffset)
	s.putInt(p.Length)
	s.check.text(p.Name)
	tx.tallies[places].add(s.putCheck())
	return s.run()
}

func takePlace(s *statement) (p Place, check int64, err error) {
	s.row("place")
	p.Name = s.peekName()
	p.Set = s.takeInt()
	p.Column = int(s.takeInt())
	p.Offset = s.takeInt()
	p.Generation = s.takeInt()
	p.BlobOffset = s.takeInt()
	p.Length = s.takeInt()
	s.check.text(p.Name)
	check, err = s.takeCheck()
	if err != nil {
		return Place{}, check, fmt.Errorf("a place of %q in set %d, column %d, at %d: %w", p.Name, p.Set, p.Column, p.Offset, err)
	}
	return p, check, nil
}

// DropPlaces forgets the places of one generation of a blob.
func (tx *Tx) DropPlaces(name string, generation int64) error {
	id, err := tx.blob(name)
	if err == nil && id != 0 {
		err = tx.remove(places, `DELETE FROM place WHERE blob = ? AND generation = ? RETURNING row_check`, id, generation)
	}
	if err != nil {
		return fmt.Errorf("dropping the places of %q, generation %d: %w", name, generation, err)
	}
	return nil
}

func (tx *Tx) movePlaces(from string, generation int64, to string, newGeneration int64) error {
	moved, err := tx.conn.placesOf(from, generation)
	if err != nil {
		return err
	}
	if err := tx.DropPlaces(from, generation); err != nil {
		return err
	}
	for _, p := range moved {
		p.Name, p.Generation = to, newGeneration
		if err := tx.putPlace(&p); err != nil {
			return err
		}
	}
	return nil
}

// PlacesOf returns the places of one generation of a blob, by BlobOffset; none
// when it has none.
func (c *Catalog) PlacesOf(ctx context.Context, name string, generation int64) ([]Place, error) {
	return lookUp(ctx, c, name, func(r *conn) ([]Place, error) { return r.placesOf(name, generation) })
}

// PlacesOf is as Catalog.PlacesOf, within the transaction.
func (tx *Tx) PlacesOf(name string, generation int64) ([]Place, error) {
	all, err := tx.conn.placesOf(name, generation)
	return all, about(name, err)
}

func (c *conn) placesOf(name string, generation int64) (all []Place, err error) {
	s := c.prepared(`SELECT ` + placeColumns + ` FROM blob b JOIN place p ON p.blob = b.id
		WHERE b.name = ? AND p.generation = ? ORDER BY p.blob_offset`).argName(name).argInt(generation)
	for s.next() {
		p, _, err := takePlace(s)
		if err != nil {
			return nil, errors.Join(err, s.end())
		}
		all = append(all, p)
	}
	return all, s.end()
}

// PlacesIn yields the places of set that touch column bytes [from, to), by
// column and offset. column -1 means all.
//
// A place of no length lies at its offset: it is yielded when from <= offset <
// to, and the last range of a column, whose to is the set's ColumnSize, has
// those at its very end too. So each is in exactly one band.
func (c *Catalog) PlacesIn(ctx context.Context, set int64, column int, from, to int64) iter.Seq2[Place, error] {
	return func(yield func(Place, error) bool) {
		stopped := false
		err := c.walk(ctx, func(r *conn) (err error) {
			first, last := column, column
			if column < 0 {
				if first, last, err = r.columns(set); err != nil {
					return err
				}
			}
			for column := first; column <= last && !stopped && err == nil; column++ {
				stopped, err = walkRows(ctx, r, placesIn(set, column, from, to), takePlace, yield)
			}
			return err
		})
		if err != nil && !stopped {
			yield(Place{}, fmt.Errorf("reading the places of set %d: %w", set, c.explain(err)))
		}
	}
}

// columns returns the first and the last column of a set that has places; the
// last one is below the first when there are none.
func (c *conn) columns(set int64) (first, last int, err error) {
	s := c.prepared(`SELECT coalesce(min(col), 0), coalesce(max(col), -1) FROM place WHERE parity_set = ?`).argInt(set)
	if s.next() {
		first, last = int(s.peekInt()), int(s.peekInt())
	}
	return first, last, s.end()
}

// placesIn is fast because places of one column do not overlap: of those that
// begin before the range, only the last one can reach into it.
func placesIn(set int64, column int, from, to int64) query {
	return query{of: places, args: []any{set, int64(column), from, to}, sql: `SELECT ` + placeColumns + `
		FROM place p JOIN blob b ON b.id = p.blob
		WHERE p.parity_set = ?1 AND p.col = ?2
		AND p.offset >= coalesce((SELECT max(offset) FROM place WHERE parity_set = ?1 AND col = ?2 AND offset < ?3 AND length > 0), ?3)
		AND p.offset <= ?4
		AND iif(p.length > 0, p.offset < ?4 AND p.offset + p.length > ?3, p.offset >= ?3 AND (p.offset < ?4
			OR ?4 = (SELECT column_size FROM parity_set WHERE id = ?1)))
		ORDER BY p.offset, p.blob_offset`}
}
