package catalog

import (
	"context"
	"fmt"
)

// DamagedHistory returns the ended records that fail their checks; what they
// say are clues, not facts.
func (c *Catalog) DamagedHistory(ctx context.Context) (damaged []Exported, err error) {
	err = c.walk(ctx, func(r *conn) error {
		rows, _, err := r.damagedHistory()
		for _, row := range rows {
			damaged = append(damaged, row.Exported)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for damaged records of earlier generations: %w", c.explain(err))
	}
	return damaged, nil
}

// HealHistory puts copies in the place of the ended records that fail their
// checks, and returns those that it healed and those that are left. A copy is
// believed only if it is what was recorded: as the check of the row says or,
// where that is damaged itself, the tally of all rows.
func (tx *Tx) HealHistory(copies []Exported) (healed, left []Exported, err error) {
	rows, sound, err := tx.conn.damagedHistory()
	if err != nil {
		return nil, nil, fmt.Errorf("healing records of earlier generations: %w", err)
	}
	var doubtful []Exported // copies for rows whose check proves none
	for _, row := range rows {
		proven, candidate, err := tx.healRow(row, copies)
		if err != nil {
			return nil, nil, fmt.Errorf("healing the record of %q, generation %d: %w", row.Name, row.Generation, err)
		}
		if proven {
			sound.add(row.check)
			healed = append(healed, row.Exported)
			continue
		}
		left = append(left, row.Exported)
		if candidate != nil {
			doubtful = append(doubtful, *candidate)
		}
	}
	if len(left) == 0 {
		return healed, nil, nil
	}
	fits, err := tx.fitTally(doubtful, sound)
	if err != nil || !fits {
		return healed, left, err
	}
	return append(healed, left...), nil, nil
}

// healRow writes the copy that the check of a damaged row proves. Where there
// is none it returns the first copy of that generation, if any.
func (tx *Tx) healRow(row damagedRow, copies []Exported) (proven bool, candidate *Exported, err error) {
	for i := range copies {
		e := &copies[i]
		if e.Name != row.Name || e.Generation != row.Generation {
			continue
		}
		s, check := tx.bindHistory(row.id, &e.Record, e.EndedAt)
		if check == row.check {
			return true, e, s.run() // the tally has counted it as it was
		}
		if candidate == nil {
			candidate = e
		}
	}
	return false, candidate, nil
}

// fitTally writes copies if the tally proves that with them all rows are what
// they were.
func (tx *Tx) fitTally(copies []Exported, sound tally) (bool, error) {
	recorded, err := tx.conn.tally(history)
	if err != nil {
		return false, err
	}
	for i := range copies {
		_, check := tx.bindHistory(0, &copies[i].Record, copies[i].EndedAt)
		sound.add(check)
	}
	if sound != recorded {
		return false, nil
	}
	for i := range copies {
		id, err := tx.blob(copies[i].Name)
		if err != nil {
			return false, err
		}
		s, _ := tx.bindHistory(id, &copies[i].Record, copies[i].EndedAt)
		if err := s.run(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// A damagedRow is a row of history that fails its check.
type damagedRow struct {
	Exported
	id    int64 // of its blob
	check int64 // as it is recorded
}

// damagedHistory reads all rows of history, and counts those that are sound.
func (c *conn) damagedHistory() (damaged []damagedRow, sound tally, err error) {
	s := c.prepared(`SELECT h.blob, coalesce(b.name, x''), h.generation, h.ended_at, h.recorded_at, h.kind, h.state, h.attributes,
		h.target, h.size, h.digests, h.shard_size, h.shard_sums, h.row_check FROM history h LEFT JOIN blob b ON b.id = h.blob`)
	for s.next() {
		id, name := s.peekInt(), s.peekName()
		r, endedAt, check, err := takeHistoryRow(s, name)
		if err == nil {
			sound.add(check)
			continue
		}
		damaged = append(damaged, damagedRow{Exported{Record: r, EndedAt: endedAt}, id, check})
	}
	return damaged, sound, s.end()
}
