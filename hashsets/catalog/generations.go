package catalog

import (
	"errors"
	"fmt"
	"time"
)

// PutRecord adds a generation, or replaces the same one. The highest
// generation of a name is the current one, also after it vanished: recording
// it again brings it back. Fastest in the order of names.
func (tx *Tx) PutRecord(r Record) error {
	if err := tx.putRecord(&r); err != nil {
		return fmt.Errorf("recording %q, generation %d: %w", r.Name, r.Generation, err)
	}
	return nil
}

func (tx *Tx) putRecord(r *Record) error {
	if r.Name == "" || r.Generation < 1 {
		return errors.New("a record needs a name and a generation from 1 on")
	}
	if err := validTime(r.RecordedAt); err != nil {
		return err
	}
	// Nearly all records are of new names: try that first, unless the record is
	// so large that a try costs more than a look.
	if 8*len(r.Hashes.ShardSums) >= longColumn {
		if id, err := tx.blob(r.Name); err != nil {
			return err
		} else if id != 0 {
			return tx.putGeneration(r)
		}
	}
	s := tx.conn.prepared(insertBlob)
	putBlob(s, r)
	check := s.putCheck()
	if err := s.run(); err != nil {
		return err
	}
	if tx.conn.db.Changes() == 1 {
		tx.tallies[current].add(check)
		tx.ids.remember(r.Name, tx.conn.db.LastInsertRowID())
		return nil
	}
	return tx.putGeneration(r)
}

// putGeneration adds a record to a name that is known.
func (tx *Tx) putGeneration(r *Record) error {
	now, id, check, err := tx.conn.blobRow(r.Name)
	if err != nil {
		return err
	}
	newest := now.Generation
	if newest == 0 {
		if newest, err = tx.newestEnded(id); err != nil {
			return err
		}
	}
	if r.Generation < newest {
		return tx.putHistory(id, r, r.RecordedAt)
	}
	switch now.Generation {
	case 0: // nothing is current
	case r.Generation:
		tx.tallies[current].remove(check)
	default:
		if err := tx.end(id, &now, check, r.RecordedAt); err != nil {
			return err
		}
	}
	if err := tx.dropHistory(id, r.Generation); err != nil {
		return err
	}
	return tx.putCurrent(id, r)
}

func (tx *Tx) putCurrent(id int64, r *Record) error {
	s := tx.conn.prepared(replaceBlob).arg(id)
	putBlob(s, r)
	check := s.putCheck()
	if r.Generation > 0 {
		tx.tallies[current].add(check)
	}
	return s.run()
}

// end moves the current record, which must be sound, into history. What takes
// its place is the caller's to say.
func (tx *Tx) end(id int64, now *Record, check int64, at time.Time) error {
	if now.Damage != nil {
		return now.Damage
	}
	tx.tallies[current].remove(check)
	return tx.putHistory(id, now, at)
}

func (tx *Tx) putHistory(id int64, r *Record, endedAt time.Time) error {
	if err := tx.dropHistory(id, r.Generation); err != nil {
		return err
	}
	s, check := tx.bindHistory(id, r, endedAt)
	tx.tallies[history].add(check)
	return s.run()
}

// bindHistory makes the statement that puts an ended record in the place of
// the same generation, if it is there, with the check that its row will have.
func (tx *Tx) bindHistory(id int64, r *Record, endedAt time.Time) (s *statement, check int64) {
	s = tx.conn.prepared(replaceHistory).arg(id)
	s.row("history")
	s.putInt(r.Generation)
	s.putTime(endedAt)
	putContent(s, r)
	s.check.text(r.Name)
	return s, s.putCheck()
}

func (tx *Tx) dropHistory(id, generation int64) error {
	return tx.remove(history, deleteHistory, id, generation)
}

// newestEnded returns the highest generation in the history of a blob; 0 when
// there is none.
func (tx *Tx) newestEnded(id int64) (generation int64, err error) {
	s := tx.conn.prepared(`SELECT coalesce(max(generation), 0) FROM history WHERE blob = ?`).arg(id)
	if s.next() {
		generation = s.peekInt()
	}
	return generation, s.end()
}

// Vanish ends the current record of name: it stays as history and is not
// current any more. Its coverage goes; its places stay until DropPlaces, for
// the parity files still hold it. It is ErrNotRecorded when nothing is current.
func (tx *Tx) Vanish(name string, at time.Time) error {
	if _, err := tx.vanish(name, at); err != nil {
		return fmt.Errorf("ending the record of %q: %w", name, err)
	}
	return nil
}

// vanish returns the record that it ended.
func (tx *Tx) vanish(name string, at time.Time) (Record, error) {
	now, id, check, err := tx.conn.blobRow(name)
	if err != nil {
		return Record{}, err
	}
	if now.Generation == 0 && now.Damage == nil {
		return Record{}, ErrNotRecorded
	}
	if err := validTime(at); err != nil {
		return Record{}, err
	}
	if err := tx.end(id, &now, check, at); err != nil {
		return Record{}, err
	}
	if err := tx.putCurrent(id, &Record{Name: name}); err != nil {
		return Record{}, err
	}
	return now, tx.dropCoverage(id)
}

// Rename gives the record and the places of from to the name to, where the
// same content was found. It becomes the next generation of to, recorded at
// at; from keeps the record as history, without places. What was known of
// from's coverage goes: no store was seen to hold to.
func (tx *Tx) Rename(from, to string, at time.Time) error {
	if err := tx.rename(from, to, at); err != nil {
		return fmt.Errorf("renaming %q to %q: %w", from, to, err)
	}
	return nil
}

func (tx *Tx) rename(from, to string, at time.Time) error {
	if from == to {
		return errors.New("both names are the same")
	}
	r, err := tx.vanish(from, at)
	if err != nil {
		return err
	}
	generation := r.Generation
	newest, err := tx.newestOf(to)
	if err != nil {
		return err
	}
	r.Name, r.Generation, r.RecordedAt = to, newest+1, at
	if err := tx.putRecord(&r); err != nil {
		return err
	}
	return tx.movePlaces(from, generation, to, r.Generation)
}

// newestOf returns the highest generation that name ever had; 0 for none.
func (tx *Tx) newestOf(name string) (int64, error) {
	r, id, _, err := tx.conn.blobRow(name)
	switch {
	case errors.Is(err, ErrNotRecorded):
		return 0, nil
	case err != nil:
		return 0, err
	case r.Damage != nil:
		return 0, r.Damage
	}
	ended, err := tx.newestEnded(id)
	return max(r.Generation, ended), err
}
