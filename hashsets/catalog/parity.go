package catalog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"bitmend/hashsets"
)

// Set is a parity set.
type Set struct {
	ID         int64
	Data       int   // k, data columns
	Parity     int   // m, parity columns
	ShardSize  int64 // bytes
	ColumnSize int64 // bytes
	Stripes    int   // per band
	Code       string
	Tops       []int64 // bytes in use of each data column
}

// Band is the version of a band that is in force.
type Band struct {
	Set     int64
	Number  int64
	Version int64
	Files   []ParityFile // by parity column
}

// ParityFile is one file of a band, as it was written.
type ParityFile struct {
	Index  int    // parity column
	Name   string // below the parity folder
	Hashes hashsets.HashSet
}

const (
	setColumns  = `id, data, parity, shard_size, column_size, stripes, code, tops, row_check`
	bandColumns = `parity_set, number, version, files, row_check`
	fileColumns = `parity_set, band, idx, version, name, size, digests, shard_size, shard_sums, row_check`
)

// PutSet adds or replaces a set; ID 0 takes the next free one, returned.
func (tx *Tx) PutSet(s Set) (int64, error) {
	var err error
	if s.ID == 0 {
		s.ID, err = tx.nextID(`SELECT coalesce(max(id), 0) + 1 FROM parity_set`)
	}
	if err == nil {
		err = tx.putSet(s)
	}
	if err != nil {
		return 0, fmt.Errorf("keeping set %d: %w", s.ID, err)
	}
	return s.ID, nil
}

func (tx *Tx) putSet(set Set) error {
	_, err := tx.replace(sets, `SELECT row_check FROM parity_set WHERE id = ?`, []any{set.ID}, func() (int64, error) {
		s := tx.conn.prepared(`REPLACE INTO parity_set (` + setColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
		s.row("parity_set")
		s.putInt(set.ID)
		s.putInt(int64(set.Data))
		s.putInt(int64(set.Parity))
		s.putInt(set.ShardSize)
		s.putInt(set.ColumnSize)
		s.putInt(int64(set.Stripes))
		s.putText(set.Code)
		s.scratch = s.scratch[:0]
		for _, top := range set.Tops {
			s.scratch = binary.BigEndian.AppendUint64(s.scratch, uint64(top))
		}
		s.putBlob(s.scratch)
		return s.putCheck(), s.run()
	})
	return err
}

func takeSet(s *statement) (set Set, check int64, err error) {
	s.row("parity_set")
	set.ID = s.takeInt()
	set.Data = int(s.takeInt())
	set.Parity = int(s.takeInt())
	set.ShardSize = s.takeInt()
	set.ColumnSize = s.takeInt()
	set.Stripes = int(s.takeInt())
	set.Code = s.takeText()
	tops := s.takeRaw()
	for i := 0; i+8 <= len(tops); i += 8 {
		set.Tops = append(set.Tops, int64(binary.BigEndian.Uint64(tops[i:])))
	}
	check, err = s.takeCheck()
	if err != nil {
		return Set{}, check, fmt.Errorf("set %d: %w", set.ID, err)
	}
	return set, check, nil
}

// Sets returns the parity sets by ID.
func (c *Catalog) Sets(ctx context.Context) ([]Set, error) {
	q := query{sql: `SELECT ` + setColumns + ` FROM parity_set ORDER BY id`, of: sets, complete: true}
	return collect(rows(ctx, c, "the sets", q, takeSet))
}

// PutBand puts a version of a band in force in place of the one before.
func (tx *Tx) PutBand(b Band) error {
	if err := tx.putBand(b); err != nil {
		return fmt.Errorf("keeping band %d of set %d: %w", b.Number, b.Set, err)
	}
	return nil
}

func (tx *Tx) putBand(b Band) error {
	if err := tx.dropBand(b.Set, b.Number); err != nil {
		return err
	}
	s := tx.conn.prepared(`INSERT INTO band (` + bandColumns + `) VALUES (?, ?, ?, ?, ?)`)
	s.row("band")
	s.putInt(b.Set)
	s.putInt(b.Number)
	s.putInt(b.Version)
	s.putInt(int64(len(b.Files)))
	tx.tallies[bands].add(s.putCheck())
	if err := s.run(); err != nil {
		return err
	}
	for _, f := range b.Files {
		s := tx.conn.prepared(`INSERT INTO parity_file (` + fileColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
		s.row("parity_file")
		s.putInt(b.Set)
		s.putInt(b.Number)
		s.putInt(int64(f.Index))
		s.putInt(b.Version)
		s.putText(f.Name)
		putHashes(s, &f.Hashes)
		tx.tallies[files].add(s.putCheck())
		if err := s.run(); err != nil {
			return fmt.Errorf("file %q: %w", f.Name, err)
		}
	}
	return nil
}

// DropBand forgets a band whose places are all gone.
func (tx *Tx) DropBand(set, number int64) error {
	if err := tx.dropBand(set, number); err != nil {
		return fmt.Errorf("dropping band %d of set %d: %w", number, set, err)
	}
	return nil
}

func (tx *Tx) dropBand(set, number int64) error {
	return errors.Join(
		tx.remove(files, `DELETE FROM parity_file WHERE parity_set = ? AND band = ? RETURNING row_check`, set, number),
		tx.remove(bands, `DELETE FROM band WHERE parity_set = ? AND number = ? RETURNING row_check`, set, number))
}

// A bandRow is a band whose files are still to be read.
type bandRow struct {
	Band
	files int64 // how many there are
}

func takeBand(s *statement) (b bandRow, check int64, err error) {
	s.row("band")
	b.Set = s.takeInt()
	b.Number = s.takeInt()
	b.Version = s.takeInt()
	b.files = s.takeInt()
	check, err = s.takeCheck()
	if err != nil {
		return bandRow{}, check, fmt.Errorf("band %d of set %d: %w", b.Number, b.Set, err)
	}
	return b, check, nil
}

// takeFile returns also the version of the band that the file belongs to.
func takeFile(s *statement) (f ParityFile, version, check int64, err error) {
	s.row("parity_file")
	set, band := s.takeInt(), s.takeInt()
	f.Index = int(s.takeInt())
	version = s.takeInt()
	f.Name = s.takeText()
	unpacked := takeHashes(s, &f.Hashes)
	check, err = s.takeCheck()
	if err == nil {
		err = unpacked
	}
	if err != nil {
		return ParityFile{}, 0, check, fmt.Errorf("file %q of band %d of set %d: %w", f.Name, band, set, err)
	}
	return f, version, check, nil
}

// withFiles reads the files of a band.
func (c *conn) withFiles(row bandRow) (Band, error) {
	b := row.Band
	s := c.prepared(`SELECT ` + fileColumns + ` FROM parity_file WHERE parity_set = ? AND band = ? ORDER BY idx`).argInt(b.Set).argInt(b.Number)
	for s.next() {
		f, version, _, err := takeFile(s)
		if err == nil && version != b.Version {
			err = fmt.Errorf("%w: file %q of band %d of set %d belongs to version %d, and %d is in force",
				ErrDamaged, f.Name, b.Number, b.Set, version, b.Version)
		}
		if err != nil {
			return Band{}, errors.Join(err, s.end())
		}
		b.Files = append(b.Files, f)
	}
	if err := s.end(); err != nil {
		return Band{}, err
	}
	if int64(len(b.Files)) != row.files {
		return Band{}, fmt.Errorf("%w: band %d of set %d has %d files, and %d of them are left",
			ErrDamaged, b.Number, b.Set, row.files, len(b.Files))
	}
	return b, nil
}

// Bands yields the bands in force by set and number; set 0 means all.
func (c *Catalog) Bands(ctx context.Context, set int64) iter.Seq2[Band, error] {
	q := query{sql: `SELECT ` + bandColumns + ` FROM band ORDER BY parity_set, number`, of: bands, complete: set == 0}
	if set != 0 {
		q.sql = `SELECT ` + bandColumns + ` FROM band WHERE parity_set = ? ORDER BY number`
		q.args = []any{set}
	}
	return rows(ctx, c, "the bands", q, func(s *statement) (Band, int64, error) {
		row, check, err := takeBand(s)
		if err != nil {
			return Band{}, check, err
		}
		b, err := s.conn.withFiles(row)
		return b, check, err
	})
}
