package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"bitmend/hashsets"
)

// A Record is what is known of one generation of a blob (or of a directory's
// attributes, kind Directory).
type Record struct {
	Name       string
	Generation int64 // 1, 2, 3 …
	RecordedAt time.Time
	Kind       hashsets.Kind
	Identity   hashsets.Identity // in the primary store, when it was recorded
	Attributes hashsets.Attributes
	Target     string // of a Link
	Hashes     hashsets.HashSet
	Damage     error // ErrDamaged with a reason when the record fails its check; the fields are then clues, not facts
}

// Known is a current record with its coverage in one store.
type Known struct {
	Record
	Seen *Coverage // nil when it was never verified there
	// SeenDamage is ErrDamaged with a reason when there is coverage and it
	// fails its check; Seen is then nil.
	SeenDamage error
	BlobID     int64 // the number that stands for the name; 0 when no walk told it
}

// CoverageIn begins the coverage of the record in a store: what was verified
// there, and nothing yet of when and how. It is put faster than one that is
// made otherwise, since the walk has told where it goes.
func (k *Known) CoverageIn(store string) Coverage {
	return Coverage{Store: store, Name: k.Name, Generation: k.Generation, BlobID: k.BlobID}
}

// Query bounds a walk over current records.
type Query struct {
	Store string // join the coverage in this store; "" for none
	From  string // first name, included; "" for the beginning
	To    string // first name after the range; "" for the end
}

const (
	contentColumns = `recorded_at, kind, state, attributes, target, size, digests, shard_size, shard_sums, row_check`
	contentValues  = `?, ?, ?, ?, ?, ?, ?, ?, ?, ?`

	// A new name. The blob's ID is given by SQLite, in the order of insertion.
	insertBlob = `INSERT INTO blob (name, generation, ` + contentColumns + `) VALUES (?, ?, ` + contentValues + `)
		ON CONFLICT (name) DO NOTHING`
	replaceBlob    = `REPLACE INTO blob (id, name, generation, ` + contentColumns + `) VALUES (?, ?, ?, ` + contentValues + `)`
	replaceHistory = `REPLACE INTO history (blob, generation, ended_at, ` + contentColumns + `) VALUES (?, ?, ?, ` + contentValues + `)`
	deleteHistory  = `DELETE FROM history WHERE blob = ? AND generation = ? RETURNING row_check`

	selectBlob    = `SELECT id, name, generation, ` + contentColumns + ` FROM blob WHERE name = ?`
	selectHistory = `SELECT generation, ended_at, ` + contentColumns + ` FROM history WHERE blob = ? ORDER BY generation DESC`

	selectEnded = `SELECT generation, ended_at, ` + contentColumns + ` FROM history WHERE blob = ? AND generation = ?`

	recordColumns = `b.name, b.generation, b.recorded_at, b.kind, b.state, b.attributes, b.target, b.size, b.digests,
		b.shard_size, b.shard_sums, b.row_check`
)

// putBlob binds a record as a row of blob, but for its check.
func putBlob(s *statement, r *Record) {
	s.row("blob")
	s.putName(r.Name)
	s.putInt(r.Generation)
	putContent(s, r)
}

// takeBlobRow reads what putBlob wrote, with the check: it is errRowCheck or
// errPacked when the row is damaged.
func takeBlobRow(s *statement) (r Record, check int64, err error) {
	s.row("blob")
	r.Name = s.takeName()
	r.Generation = s.takeInt()
	unpacked := takeContent(s, &r)
	check, err = s.takeCheck()
	if err == nil {
		err = unpacked
	}
	r.Damage = damage(err)
	return r, check, err
}

// takeHistoryRow reads a row of history; the name of its blob is bound.
func takeHistoryRow(s *statement, name string) (r Record, endedAt time.Time, check int64, err error) {
	s.row("history")
	r.Name = name
	r.Generation = s.takeInt()
	endedAt = s.takeTime()
	unpacked := takeContent(s, &r)
	s.check.text(name)
	check, err = s.takeCheck()
	if err == nil {
		err = unpacked
	}
	r.Damage = damage(err)
	return r, endedAt, check, err
}

// putContent binds the columns that blob and history have in common, but for
// the check.
func putContent(s *statement, r *Record) {
	s.putTime(r.RecordedAt)
	s.putInt(int64(r.Kind))
	putIdentity(s, &r.Identity)
	var err error
	s.scratch, err = appendAttributes(s.scratch[:0], &r.Attributes)
	s.note(err)
	s.putBlob(s.scratch)
	s.putName(r.Target)
	putHashes(s, &r.Hashes)
}

func takeContent(s *statement, r *Record) error {
	r.RecordedAt = s.takeTime()
	r.Kind = hashsets.Kind(s.takeInt())
	state := takeIdentity(s, &r.Identity)
	attributes := unpackAttributes(s.takeRaw(), &r.Attributes)
	r.Target = s.takeName()
	return errors.Join(state, attributes, takeHashes(s, &r.Hashes))
}

func putIdentity(s *statement, id *hashsets.Identity) {
	s.scratch = appendIdentity(s.scratch[:0], id)
	s.putBlob(s.scratch)
}

func takeIdentity(s *statement, id *hashsets.Identity) error {
	return unpackIdentity(s.takeRaw(), id)
}

func putHashes(s *statement, h *hashsets.HashSet) {
	s.putInt(h.Size)
	var err error
	s.scratch, err = appendDigests(s.scratch[:0], h.Digests)
	s.note(err)
	s.putBlob(s.scratch)
	s.putInt(h.ShardSize)
	packed := appendShardSums(s.scratch[:0], h.ShardSums)
	s.putBlob(packed)
	if cap(packed) < longColumn {
		s.scratch = packed
	}
}

func takeHashes(s *statement, h *hashsets.HashSet) error {
	h.Size = s.takeInt()
	var digests, sums error
	h.Digests, digests = unpackDigests(s.takeRaw())
	h.ShardSize = s.takeInt()
	h.ShardSums, sums = unpackShardSums(s.takeRaw())
	return errors.Join(digests, sums)
}

// Records yields current records in the order of their names as bytes, as they
// were when the walk began. A damaged record is yielded with its Damage. When
// a walk over all names ends, what it read is held against the tally of
// records, and a difference is yielded as ErrDamaged: a record vanished.
func (c *Catalog) Records(ctx context.Context, q Query) iter.Seq2[Known, error] {
	return func(yield func(Known, error) bool) {
		stopped := false
		err := c.walk(ctx, func(r *conn) error {
			var err error
			stopped, err = r.walkRecords(q, yield)
			return err
		})
		if err != nil && !stopped {
			yield(Known{}, fmt.Errorf("reading the records: %w", c.explain(err)))
		}
	}
}

// walkRecords returns true when yield asked for no more.
func (c *conn) walkRecords(q Query, yield func(Known, error) bool) (stopped bool, err error) {
	store, err := c.storeID(q.Store)
	if err != nil {
		return false, err
	}
	sql := `SELECT b.id, ` + recordColumns + `, ` + coverageColumns + ` FROM blob b
		LEFT JOIN coverage c ON c.key = ? + b.id
		WHERE b.generation > 0 AND b.name >= ?`
	if q.To != "" {
		sql += ` AND b.name < ?`
	}
	s := c.prepared(sql + ` ORDER BY b.name`).argInt(coverageKey(store, 0)).argName(q.From)
	if q.To != "" {
		s.argName(q.To)
	}
	var walked tally
	for s.next() {
		k := Known{BlobID: s.peekInt()}
		var check int64
		k.Record, check, _ = takeBlobRow(s)
		walked.add(check)
		k.Seen, k.SeenDamage = takeSeen(s, q.Store, k.Name)
		if !yield(k, nil) {
			return true, nil
		}
	}
	if err := s.end(); err != nil {
		return false, err
	}
	if q.From == "" && q.To == "" {
		return false, c.compare(current, walked)
	}
	return false, nil
}

// Current returns the current record of name, or ErrNotRecorded.
func (c *Catalog) Current(ctx context.Context, name string) (Record, error) {
	return lookUp(ctx, c, name, func(r *conn) (Record, error) { return r.current(name) })
}

// Current is as Catalog.Current, within the transaction.
func (tx *Tx) Current(name string) (Record, error) {
	r, err := tx.conn.current(name)
	return r, about(name, err)
}

// Generations returns the records of name, newest first; ErrNotRecorded when
// there are none.
func (c *Catalog) Generations(ctx context.Context, name string) ([]Record, error) {
	return lookUp(ctx, c, name, func(r *conn) ([]Record, error) { return r.generations(name) })
}

// History yields the records of name, newest first, and none when there are
// none. Only one of them is in memory, however many a large blob has.
func (c *Catalog) History(ctx context.Context, name string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		stopped := false
		err := c.walk(ctx, func(r *conn) (err error) {
			stopped, err = r.history(name, yield)
			return err
		})
		if err != nil && !stopped {
			yield(Record{}, about(name, c.explain(err)))
		}
	}
}

// Generations is as Catalog.Generations, within the transaction.
func (tx *Tx) Generations(name string) ([]Record, error) {
	all, err := tx.conn.generations(name)
	return all, about(name, err)
}

// Generation returns one generation of name, or ErrNotRecorded.
func (c *Catalog) Generation(ctx context.Context, name string, generation int64) (Record, error) {
	return lookUp(ctx, c, name, func(r *conn) (Record, error) { return r.generation(name, generation) })
}

// lookUp reads something of one blob.
func lookUp[T any](ctx context.Context, c *Catalog, name string, f func(*conn) (T, error)) (found T, err error) {
	err = c.read(ctx, func(r *conn) error {
		found, err = f(r)
		return err
	})
	return found, about(name, c.explain(err))
}

func about(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("looking up %q: %w", name, err)
}

func (c *conn) current(name string) (Record, error) {
	r, _, _, err := c.blobRow(name)
	if err == nil && r.Generation == 0 && r.Damage == nil {
		return Record{}, ErrNotRecorded
	}
	return r, err
}

// blobRow returns the row of name in blob: its ID, the current record, if the
// generation is not 0, and the check. It is ErrNotRecorded when there is none.
func (c *conn) blobRow(name string) (r Record, id, check int64, err error) {
	s := c.prepared(selectBlob).argName(name)
	if !s.next() {
		if err := s.end(); err != nil {
			return Record{}, 0, 0, err
		}
		return Record{}, 0, 0, ErrNotRecorded
	}
	id = s.peekInt()
	r, check, _ = takeBlobRow(s)
	return r, id, check, s.end()
}

func (c *conn) generation(name string, generation int64) (Record, error) {
	r, id, _, err := c.blobRow(name)
	if err != nil || generation > 0 && r.Generation == generation {
		return r, err
	}
	s := c.prepared(selectEnded).arg(id).arg(generation)
	if !s.next() {
		return Record{}, cmp.Or(s.end(), ErrNotRecorded)
	}
	r, _, _, _ = takeHistoryRow(s, name)
	return r, s.end()
}

func (c *conn) generations(name string) ([]Record, error) {
	var all []Record
	_, err := c.history(name, func(r Record, _ error) bool {
		all = append(all, r)
		return true
	})
	if err == nil && len(all) == 0 {
		err = ErrNotRecorded
	}
	return all, err
}

// history returns true when yield asked for no more.
func (c *conn) history(name string, yield func(Record, error) bool) (stopped bool, err error) {
	r, id, _, err := c.blobRow(name)
	if errors.Is(err, ErrNotRecorded) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if (r.Generation > 0 || r.Damage != nil) && !yield(r, nil) {
		return true, nil
	}
	s := c.prepared(selectHistory).arg(id)
	for s.next() {
		old, _, _, _ := takeHistoryRow(s, name)
		if !yield(old, nil) {
			return true, nil
		}
	}
	return false, s.end()
}
