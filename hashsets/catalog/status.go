package catalog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
	Oldest   time.Time // the longest ago that one of them was; zero when none was
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
	// Without GROUP BY, for which SQLite would sort a million rows in memory.
	s := c.prepared(`SELECT coalesce(min(verified_at), 0), coalesce(max(verified_at), 0), count(*),
		count(*) FILTER (WHERE depth = 1), count(*) FILTER (WHERE depth = 2),
		count(*) FILTER (WHERE depth = 3), count(*) FILTER (WHERE depth = 4)
		FROM coverage JOIN blob ON blob.id = coverage.key & 0xffffffffff AND blob.generation > 0 AND blob.kind <> 3
		WHERE coverage.key BETWEEN ? AND ?`).argInt(coverageKey(id, 0)).argInt(coverageKey(id+1, 0) - 1)
	if s.next() {
		f.Oldest, f.Newest, f.Verified = instant(s.peekInt()), instant(s.peekInt()), s.peekInt()
		for depth := Light; depth <= ByConstruction; depth++ {
			if n := s.peekInt(); n > 0 {
				f.Depths[depth] = n
			}
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

func (c *conn) countFindings() ([]FindingCount, error) {
	counts := make(map[[2]string]*FindingCount)
	rows := int64(0)
	s := c.prepared(`SELECT store, verdict, lost <> '' FROM finding`)
	for s.next() {
		key := [2]string{s.peekName(), s.peekName()}
		n := counts[key]
		if n == nil {
			n = &FindingCount{Store: key[0], Verdict: key[1]}
			counts[key] = n
		}
		n.Count++
		n.Lost += s.peekInt()
		rows++
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	var sorted []FindingCount
	for _, n := range counts {
		sorted = append(sorted, *n)
	}
	slices.SortFunc(sorted, func(a, b FindingCount) int {
		return cmp.Or(cmp.Compare(a.Store, b.Store), cmp.Compare(a.Verdict, b.Verdict))
	})
	return sorted, c.confirm(findings, rows)
}
