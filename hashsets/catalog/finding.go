package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"bitmend/hashsets"
)

// Finding is what scrub said of a blob that is not intact; it stays until the
// blob is verified intact again, or is acknowledged.
type Finding struct {
	Store      string
	Name       string
	Verdict    string
	Generation int64             // of the record it was held against; 0 when unrecorded
	Identity   hashsets.Identity // of the damaged thing that was judged; zero when missing
	Detail     []byte            // JSON: diagnosis, ranges, evidence; the catalog does not look inside
	FirstSeen  time.Time
	LastSeen   time.Time
	Run        int64
	Lost       string // why it cannot be rebuilt, once repair has found so; "" otherwise
}

const findingColumns = `store, name, verdict, generation, state, detail, first_seen, last_seen, run, lost, row_check`

// PutFinding adds a finding, or renews the one of the same store and name
// (FirstSeen is kept, and Lost while the verdict and generation are the same).
func (tx *Tx) PutFinding(f Finding) error {
	if err := tx.putFinding(f); err != nil {
		return fmt.Errorf("keeping the finding on %q in %q: %w", f.Name, f.Store, err)
	}
	return nil
}

func (tx *Tx) putFinding(f Finding) error {
	if err := errors.Join(validTime(f.FirstSeen), validTime(f.LastSeen)); err != nil {
		return err
	}
	before, check, err := tx.conn.finding(f.Store, f.Name)
	switch {
	case errors.Is(err, ErrNotRecorded):
	case err != nil:
		return err
	default:
		f.FirstSeen = before.FirstSeen
		if f.Lost == "" && before.Verdict == f.Verdict && before.Generation == f.Generation {
			f.Lost = before.Lost
		}
		tx.tallies[findings].remove(check)
	}
	s := tx.conn.prepared(`REPLACE INTO finding (` + findingColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	s.row("finding")
	s.putText(f.Store)
	s.putName(f.Name)
	s.putText(f.Verdict)
	s.putInt(f.Generation)
	putIdentity(s, &f.Identity)
	s.putJSON(f.Detail)
	s.putTime(f.FirstSeen)
	s.putTime(f.LastSeen)
	s.putInt(f.Run)
	s.putText(f.Lost)
	tx.tallies[findings].add(s.putCheck())
	return s.run()
}

func takeFinding(s *statement) (f Finding, check int64, err error) {
	s.row("finding")
	f.Store = s.takeText()
	f.Name = s.takeName()
	f.Verdict = s.takeText()
	f.Generation = s.takeInt()
	unpacked := takeIdentity(s, &f.Identity)
	f.Detail = s.takeJSON()
	f.FirstSeen = s.takeTime()
	f.LastSeen = s.takeTime()
	f.Run = s.takeInt()
	f.Lost = s.takeText()
	check, err = s.takeCheck()
	if err == nil {
		err = unpacked
	}
	if err != nil {
		return Finding{}, check, fmt.Errorf("the finding on %q in %q: %w", f.Name, f.Store, err)
	}
	return f, check, nil
}

func (c *conn) finding(store, name string) (f Finding, check int64, err error) {
	s := c.prepared(`SELECT ` + findingColumns + ` FROM finding WHERE store = ? AND name = ?`).arg(store).argName(name)
	if s.next() {
		f, check, err = takeFinding(s)
	} else {
		err = ErrNotRecorded
	}
	return f, check, errors.Join(s.end(), err)
}

// DropFinding forgets the finding of a blob that is intact again. It is no
// error when there is none.
func (tx *Tx) DropFinding(store, name string) error {
	err := tx.remove(findings, `DELETE FROM finding WHERE store = ? AND name = ? RETURNING row_check`, store, []byte(name))
	if err != nil {
		return fmt.Errorf("dropping the finding on %q in %q: %w", name, store, err)
	}
	return nil
}

// Finding returns the finding of a blob in a store, or ErrNotRecorded.
func (c *Catalog) Finding(ctx context.Context, store, name string) (Finding, error) {
	return lookUp(ctx, c, name, func(r *conn) (Finding, error) {
		f, _, err := r.finding(store, name)
		return f, err
	})
}

// Findings yields findings by store and name; store "" means all. A complete
// walk over all stores that misses one ends with ErrDamaged.
func (c *Catalog) Findings(ctx context.Context, store string) iter.Seq2[Finding, error] {
	sql, args := `SELECT `+findingColumns+` FROM finding ORDER BY store, name`, []any(nil)
	if store != "" {
		sql, args = `SELECT `+findingColumns+` FROM finding WHERE store = ? ORDER BY name`, []any{store}
	}
	return rows(ctx, c, "the findings", query{sql: sql, args: args, of: findings, complete: store == ""}, takeFinding)
}
