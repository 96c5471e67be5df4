package catalog

import (
	"context"
	"fmt"
	"iter"
)

// A query yields rows of one table.
type query struct {
	sql      string
	args     []any
	of       tallied
	complete bool // it yields all rows, so that the tally must agree
}

// rows walks over the rows of a query. A row that fails its check ends the
// walk with ErrDamaged, for its fields may be wrong and its fellows vanished.
func rows[T any](ctx context.Context, c *Catalog, what string, q query, take func(*statement) (T, int64, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		stopped := false
		err := c.walk(ctx, func(r *conn) (err error) {
			stopped, err = walkRows(ctx, r, q, take, yield)
			return err
		})
		if err != nil && !stopped {
			var none T
			yield(none, fmt.Errorf("reading %s: %w", what, c.explain(err)))
		}
	}
}

// walkRows returns true when yield asked for no more.
func walkRows[T any](ctx context.Context, r *conn, q query, take func(*statement) (T, int64, error), yield func(T, error) bool) (stopped bool, err error) {
	s := r.prepared(q.sql)
	for _, a := range q.args {
		s.arg(a)
	}
	var walked tally
	for s.next() {
		row, check, err := take(s)
		if err != nil {
			return false, err
		}
		walked.add(check)
		if !yield(row, nil) {
			return true, nil
		}
	}
	if err := s.end(); err != nil {
		return false, err
	}
	if q.complete {
		return false, r.compare(q.of, walked)
	}
	return false, nil
}

// collect gathers a short walk.
func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for row, err := range seq {
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, nil
}
