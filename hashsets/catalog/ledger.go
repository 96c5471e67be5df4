package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Run is one execution of a verb.
type Run struct {
	ID       int64
	Verb     string
	Started  time.Time
	Finished time.Time // zero while it runs or when it was killed
	Exit     int
	Summary  []byte // JSON
}

// Gate is a condition under which bitmend refuses to write.
type Gate struct {
	ID          int64
	Name        string // "mass-damage"
	Store       string
	OpenedAt    time.Time
	Reason      string    // one sentence with the evidence
	Level       int64     // how many blobs, when it opened
	ClearedAt   time.Time // zero while it is open
	ClearReason string
}

// Receipt is the durable record of one repair.
type Receipt struct {
	ID      string
	Store   string
	Name    string
	At      time.Time
	Outcome string
	Detail  []byte // JSON: before, sources, after, proofs
}

const (
	runColumns     = `id, verb, started, finished, exit, summary, row_check`
	gateColumns    = `id, name, store, opened_at, reason, level, cleared_at, clear_reason, row_check`
	receiptColumns = `id, store, name, at, outcome, detail, row_check`
)

// StartRun returns the new run's ID.
func (tx *Tx) StartRun(verb string, at time.Time) (int64, error) {
	id, err := tx.nextID(`SELECT coalesce(max(id), 0) + 1 FROM run`)
	if err == nil {
		err = tx.putRun(Run{ID: id, Verb: verb, Started: at})
	}
	if err != nil {
		return 0, fmt.Errorf("starting a run of %s: %w", verb, err)
	}
	return id, nil
}

// FinishRun records how a run ended. Verb and Started are as StartRun got
// them, whatever r says.
func (tx *Tx) FinishRun(r Run) error {
	if err := tx.finishRun(r); err != nil {
		return fmt.Errorf("finishing run %d: %w", r.ID, err)
	}
	return nil
}

func (tx *Tx) finishRun(r Run) error {
	s := tx.conn.prepared(`SELECT ` + runColumns + ` FROM run WHERE id = ?`).argInt(r.ID)
	if !s.next() {
		return errors.Join(s.end(), ErrNotRecorded)
	}
	started, _, err := takeRun(s)
	if err := errors.Join(err, s.end()); err != nil {
		return err
	}
	r.Verb, r.Started = started.Verb, started.Started
	return tx.putRun(r)
}

func (tx *Tx) putRun(r Run) error {
	if err := errors.Join(validTime(r.Started), validTime(r.Finished)); err != nil {
		return err
	}
	_, err := tx.replace(runs, `SELECT row_check FROM run WHERE id = ?`, []any{r.ID}, func() (int64, error) {
		s := tx.conn.prepared(`REPLACE INTO run (` + runColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?)`)
		s.row("run")
		s.putInt(r.ID)
		s.putText(r.Verb)
		s.putTime(r.Started)
		s.putTime(r.Finished)
		s.putInt(int64(r.Exit))
		s.putJSON(r.Summary)
		return s.putCheck(), s.run()
	})
	return err
}

func takeRun(s *statement) (r Run, check int64, err error) {
	s.row("run")
	r.ID = s.takeInt()
	r.Verb = s.takeText()
	r.Started = s.takeTime()
	r.Finished = s.takeTime()
	r.Exit = int(s.takeInt())
	r.Summary = s.takeJSON()
	check, err = s.takeCheck()
	if err != nil {
		return Run{}, check, fmt.Errorf("run %d: %w", r.ID, err)
	}
	return r, check, nil
}

// Runs returns the newest runs first, at most limit; 0 means all.
func (c *Catalog) Runs(ctx context.Context, limit int) ([]Run, error) {
	q := query{sql: `SELECT ` + runColumns + ` FROM run ORDER BY id DESC`, of: runs, complete: limit <= 0}
	if limit > 0 {
		q.sql += ` LIMIT ?`
		q.args = []any{int64(limit)}
	}
	return collect(rows(ctx, c, "the runs", q, takeRun))
}

// RunsOf yields the runs of a verb, the newest first.
func (c *Catalog) RunsOf(ctx context.Context, verb string) iter.Seq2[Run, error] {
	q := query{sql: `SELECT ` + runColumns + ` FROM run WHERE verb = ? ORDER BY id DESC`, args: []any{verb}, of: runs}
	return rows(ctx, c, "the runs", q, takeRun)
}

// OpenGate opens a gate, or returns the ID of the same one that is open
// already. Two gates are the same when their name and store are.
func (tx *Tx) OpenGate(g Gate) (int64, error) {
	id, err := tx.openGate(g)
	if err != nil {
		return 0, fmt.Errorf("opening the gate %s of %q: %w", g.Name, g.Store, err)
	}
	return id, nil
}

func (tx *Tx) openGate(g Gate) (int64, error) {
	s := tx.conn.prepared(`SELECT ` + gateColumns + ` FROM gate WHERE name = ? AND store = ? AND cleared_at = 0`).arg(g.Name).arg(g.Store)
	if s.next() {
		open, _, err := takeGate(s)
		return open.ID, errors.Join(err, s.end())
	}
	if err := s.end(); err != nil {
		return 0, err
	}
	var err error
	if g.ID, err = tx.nextID(`SELECT coalesce(max(id), 0) + 1 FROM gate`); err != nil {
		return 0, err
	}
	g.ClearedAt, g.ClearReason = time.Time{}, ""
	return g.ID, tx.putGate(g)
}

// ClearGate closes a gate for a reason. It is ErrNotRecorded when there is no
// such gate, and an error when it is closed already.
func (tx *Tx) ClearGate(id int64, reason string, at time.Time) error {
	if err := tx.clearGate(id, reason, at); err != nil {
		return fmt.Errorf("clearing gate %d: %w", id, err)
	}
	return nil
}

func (tx *Tx) clearGate(id int64, reason string, at time.Time) error {
	if at.IsZero() {
		return errors.New("a gate is cleared at some time")
	}
	s := tx.conn.prepared(`SELECT ` + gateColumns + ` FROM gate WHERE id = ?`).argInt(id)
	if !s.next() {
		return errors.Join(s.end(), ErrNotRecorded)
	}
	g, _, err := takeGate(s)
	if err := errors.Join(err, s.end()); err != nil {
		return err
	}
	if !g.ClearedAt.IsZero() {
		return fmt.Errorf("it was cleared at %s already", g.ClearedAt.Format(time.RFC3339))
	}
	g.ClearedAt, g.ClearReason = at, reason
	return tx.putGate(g)
}

func (tx *Tx) putGate(g Gate) error {
	if err := errors.Join(validTime(g.OpenedAt), validTime(g.ClearedAt)); err != nil {
		return err
	}
	_, err := tx.replace(gates, `SELECT row_check FROM gate WHERE id = ?`, []any{g.ID}, func() (int64, error) {
		s := tx.conn.prepared(`REPLACE INTO gate (` + gateColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
		s.row("gate")
		s.putInt(g.ID)
		s.putText(g.Name)
		s.putText(g.Store)
		s.putTime(g.OpenedAt)
		s.putText(g.Reason)
		s.putInt(g.Level)
		s.putTime(g.ClearedAt)
		s.putText(g.ClearReason)
		return s.putCheck(), s.run()
	})
	return err
}

func takeGate(s *statement) (g Gate, check int64, err error) {
	s.row("gate")
	g.ID = s.takeInt()
	g.Name = s.takeText()
	g.Store = s.takeText()
	g.OpenedAt = s.takeTime()
	g.Reason = s.takeText()
	g.Level = s.takeInt()
	g.ClearedAt = s.takeTime()
	g.ClearReason = s.takeText()
	check, err = s.takeCheck()
	if err != nil {
		return Gate{}, check, fmt.Errorf("gate %d: %w", g.ID, err)
	}
	return g, check, nil
}

// Gates returns gates by ID, open ones only unless all. A gate that vanished
// from the file is ErrDamaged, never a closed gate.
func (c *Catalog) Gates(ctx context.Context, all bool) ([]Gate, error) {
	q := query{sql: `SELECT ` + gateColumns + ` FROM gate ORDER BY id`, of: gates, complete: true}
	found, err := collect(rows(ctx, c, "the gates", q, takeGate))
	if err != nil || all {
		return found, err
	}
	var open []Gate
	for _, g := range found {
		if g.ClearedAt.IsZero() {
			open = append(open, g)
		}
	}
	return open, nil
}

// PutReceipt records a repair.
func (tx *Tx) PutReceipt(r Receipt) error {
	err := validTime(r.At)
	if err == nil {
		_, err = tx.replace(receipts, `SELECT row_check FROM receipt WHERE id = ?`, []any{r.ID}, func() (int64, error) {
			s := tx.conn.prepared(`REPLACE INTO receipt (` + receiptColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?)`)
			s.row("receipt")
			s.putText(r.ID)
			s.putText(r.Store)
			s.putName(r.Name)
			s.putTime(r.At)
			s.putText(r.Outcome)
			s.putJSON(r.Detail)
			return s.putCheck(), s.run()
		})
	}
	if err != nil {
		return fmt.Errorf("keeping the receipt %s: %w", r.ID, err)
	}
	return nil
}

func takeReceipt(s *statement) (r Receipt, check int64, err error) {
	s.row("receipt")
	r.ID = s.takeText()
	r.Store = s.takeText()
	r.Name = s.takeName()
	r.At = s.takeTime()
	r.Outcome = s.takeText()
	r.Detail = s.takeJSON()
	check, err = s.takeCheck()
	if err != nil {
		return Receipt{}, check, fmt.Errorf("receipt %s: %w", r.ID, err)
	}
	return r, check, nil
}

// Receipts yields receipts, newest first.
func (c *Catalog) Receipts(ctx context.Context) iter.Seq2[Receipt, error] {
	q := query{sql: `SELECT ` + receiptColumns + ` FROM receipt ORDER BY at DESC, id DESC`, of: receipts, complete: true}
	return rows(ctx, c, "the receipts", q, takeReceipt)
}

func (tx *Tx) nextID(sql string) (id int64, err error) {
	s := tx.conn.prepared(sql)
	if s.next() {
		id = s.peekInt()
	}
	return id, s.end()
}
