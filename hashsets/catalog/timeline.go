package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Past is a record as it was in force at some time.
type Past struct {
	Record
	Current bool // it is in force still
}

// Span bounds a walk by names.
type Span struct {
	From string // first name, included; "" for the beginning
	To   string // first name after the span; "" for the end
}

// RecordsAt yields the records that were in force at a time, in the order of
// their names as bytes: for each name the newest generation that was recorded
// by then, unless it had vanished by then. A damaged record is yielded with its
// Damage when it may have been in force.
func (c *Catalog) RecordsAt(ctx context.Context, at time.Time, span Span) iter.Seq2[Past, error] {
	return func(yield func(Past, error) bool) {
		stopped := false
		err := c.walk(ctx, func(r *conn) (err error) {
			stopped, err = r.walkRecordsAt(at, span, yield)
			return err
		})
		if err != nil && !stopped {
			yield(Past{}, fmt.Errorf("reading the records of %s: %w", at.UTC().Format(time.RFC3339), c.explain(err)))
		}
	}
}

func (c *conn) walkRecordsAt(at time.Time, span Span, yield func(Past, error) bool) (stopped bool, err error) {
	sql := `SELECT id, name, generation, ` + contentColumns + ` FROM blob WHERE name >= ?`
	if span.To != "" {
		sql += ` AND name < ?`
	}
	s := c.prepared(sql + ` ORDER BY name`).argName(span.From)
	if span.To != "" {
		s.argName(span.To)
	}
	for s.next() {
		id := s.peekInt()
		r, _, _ := takeBlobRow(s)
		then, ok := Past{Record: r, Current: true}, r.Generation > 0 || r.Damage != nil
		if !ok || r.Damage == nil && r.RecordedAt.After(at) {
			if then, ok, err = c.endedAt(id, r.Name, at); err != nil {
				return false, err
			}
		}
		if ok && !yield(then, nil) {
			return true, nil
		}
	}
	return false, s.end()
}

// endedAt returns the ended generation of a blob that was in force at a time.
// The newest one that was recorded by then decides, so that a clock that was
// set back between two runs does not bring an older one to life.
func (c *conn) endedAt(id int64, name string, at time.Time) (then Past, ok bool, err error) {
	s := c.prepared(selectHistory).arg(id)
	found := false
	for s.next() {
		r, ended, _, _ := takeHistoryRow(s, name)
		if !found && (r.Damage != nil || !r.RecordedAt.After(at)) {
			found = true
			vanished := r.Damage == nil && !ended.After(at)
			then, ok = Past{Record: r}, !vanished
		}
	}
	return then, ok, s.end()
}

// PutEnded adds a generation that ended at a time, below the newest one of its
// name.
func (tx *Tx) PutEnded(r Record, endedAt time.Time) error {
	err := errors.Join(validTime(r.RecordedAt), validTime(endedAt))
	if err == nil && (r.Name == "" || r.Generation < 1) {
		err = errors.New("a record needs a name and a generation from 1 on")
	}
	var id int64
	if err == nil {
		id, err = tx.addBlob(r.Name)
	}
	if err == nil {
		err = tx.putHistory(id, &r, endedAt)
	}
	if err != nil {
		return fmt.Errorf("recording %q, generation %d, which ended: %w", r.Name, r.Generation, err)
	}
	return nil
}

// Retention says how long ended generations are kept. One goes when it is
// beyond both bounds.
type Retention struct {
	Generations int       // so many ended generations of a blob that is recorded still are kept
	Since       time.Time // what ended at this time or later is kept
}

// PruneHistory forgets ended generations that the retention does not keep. It
// looks at so many names, those after a mark, and returns how many generations
// it forgot and the mark to go on from: 0 begins, and 0 says that it came to
// the end. It never forgets a current record, nor one that has places, for the
// stripes still hold its bytes and need its shard sums. A damaged record is
// kept: what it was is not known.
func (tx *Tx) PruneHistory(keep Retention, after int64, names int) (forgotten, last int64, err error) {
	ended, last, err := tx.conn.prunable(keep, after, names)
	for _, g := range ended {
		if err == nil {
			err = tx.dropHistory(g.id, g.generation)
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("forgetting ended generations: %w", err)
	}
	return int64(len(ended)), last, nil
}

// endedGeneration names a row of history.
type endedGeneration struct{ id, generation int64 }

func (c *conn) prunable(keep Retention, after int64, names int) (ended []endedGeneration, last int64, err error) {
	s := c.prepared(`SELECT b.id, b.name, b.generation FROM (SELECT DISTINCT blob FROM history WHERE blob > ? ORDER BY blob LIMIT ?) h
		JOIN blob b ON b.id = h.blob ORDER BY b.id`).argInt(after).arg(names)
	type known struct {
		id         int64
		name       string
		generation int64
	}
	var all []known
	for s.next() {
		all = append(all, known{s.peekInt(), s.peekName(), s.peekInt()})
	}
	if err := s.end(); err != nil {
		return nil, 0, err
	}
	for _, k := range all {
		counted := 0
		s := c.prepared(selectHistory).arg(k.id)
		for s.next() {
			r, at, _, _ := takeHistoryRow(s, k.name)
			counted++
			kept := r.Damage != nil || !at.Before(keep.Since) || k.generation > 0 && counted <= keep.Generations
			if !kept {
				ended = append(ended, endedGeneration{k.id, r.Generation})
			}
		}
		if err := s.end(); err != nil {
			return nil, 0, err
		}
	}
	if len(all) == names {
		last = all[len(all)-1].id
	}
	ended, err = c.withoutPlaces(ended)
	return ended, last, err
}

func (c *conn) withoutPlaces(all []endedGeneration) (free []endedGeneration, err error) {
	for _, g := range all {
		s := c.prepared(`SELECT count(*) FROM place WHERE blob = ? AND generation = ?`).argInt(g.id).argInt(g.generation)
		held := s.next() && s.peekInt() > 0
		if err := s.end(); err != nil {
			return nil, err
		}
		if !held {
			free = append(free, g)
		}
	}
	return free, nil
}
