package catalog

import (
	"context"
	"fmt"
	"time"
)

// Totals are counted in the catalog, for gates and reports.
type Totals struct {
	Blobs       int64 // current records but directories
	Bytes       int64
	Directories int64
}

// Totals counts current records.
func (c *Catalog) Totals(ctx context.Context) (t Totals, err error) {
	err = c.read(ctx, func(r *conn) error {
		t, err = r.totals()
		return err
	})
	if err != nil {
		return Totals{}, fmt.Errorf("counting the records: %w", c.explain(err))
	}
	return t, nil
}

func (c *conn) totals() (t Totals, err error) {
	s := c.prepared(`SELECT count(*) FILTER (WHERE kind <> 3), coalesce(sum(size) FILTER (WHERE kind <> 3), 0),
		count(*) FILTER (WHERE kind = 3) FROM blob WHERE generation > 0`)
	if s.next() {
		t = Totals{Blobs: s.peekInt(), Bytes: s.peekInt(), Directories: s.peekInt()}
	}
	if err := s.end(); err != nil {
		return Totals{}, err
	}
	return t, c.confirm(current, t.Blobs+t.Directories)
}

// Freshness says how lately the current records were verified in one store.
// Directories are not counted.
type Freshness struct {
	Store    string
	Verified int64     // blobs that were verified there at least once
	Never    int64     // blobs that never were
	Oldest   time.Time // when the longest unverified one was; zero when none was
	Newest   time.Time
	Depths   map[Depth]int64 // how the blobs were verified last
}

// Freshness says how lately the current records were verified in store.
func (c *Catalog) Freshness(ctx context.Context, store string) (f Freshness, err error) {
	err = c.read(ctx, func(r *conn) error {
		f, err = r.freshness(store)
		return err
	})
	if err != nil {
		return Freshness{}, fmt.Errorf("looking up when %q was verified: %w", store, c.explain(err))
	}
	return f, nil
}

func (c *conn) freshness(store string) (Freshness, error) {
	f := Freshness{Store: store, Depths: make(map[Depth]int64)}
	totals, err := c.totals()
	if err != nil {
		return f, err
	}
	id, err := c.storeID(store)
	if err != nil {
		return f, err
	}
	s := c.prepared(`SELECT depth, count(*), min(verified_at), max(verified_at)
		FROM coverage JOIN blob ON blob.id = coverage.key & 0xffffffffff AND blob.generation > 0 AND blob.kind <> 3
		WHERE coverage.key BETWEEN ? AND ? GROUP BY depth`).argInt(coverageKey(id, 0)).argInt(coverageKey(id+1, 0) - 1)
	for s.next() {
		depth, count := Depth(s.peekInt()), s.peekInt()
		oldest, newest := instant(s.peekInt()), instant(s.peekInt())
		f.Depths[depth] = count
		f.Verified += count
		if f.Oldest.IsZero() || oldest.Before(f.Oldest) {
			f.Oldest = oldest
		}
		if newest.After(f.Newest) {
			f.Newest = newest
		}
	}
	f.Never = totals.Blobs - f.Verified
	return f, s.end()
}

// FindingCount is how many findings of one verdict there are in one store.
type FindingCount struct {
	Store   string
	Verdict string
	Count   int64
	Lost    int64 // those that cannot be rebuilt
}

// CountFindings counts findings by store and verdict, in that order.
func (c *Catalog) CountFindings(ctx context.Context) (counts []FindingCount, err error) {
	err = c.read(ctx, func(r *conn) error {
		counts, err = r.countFindings()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting the findings: %w", c.explain(err))
	}
	return counts, nil
}

func (c *conn) countFindings() (counts []FindingCount, err error) {
	s := c.prepared(`SELECT store, verdict, count(*), count(*) FILTER (WHERE lost <> '') FROM finding
		GROUP BY store, verdict ORDER BY store, verdict`)
	rows := int64(0)
	for s.next() {
		n := FindingCount{Store: s.peekName(), Verdict: s.peekName(), Count: s.peekInt(), Lost: s.peekInt()}
		counts = append(counts, n)
		rows += n.Count
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	return counts, c.confirm(findings, rows)
}
