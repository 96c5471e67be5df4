// Package coverage tells how lately each blob of a store was looked at: the
// order in which bounded scrubs take blobs, which of them are overdue, and when
// all will have been read at the present rate.
//
// It reads the catalog alone, one blob at a time, and never a store.
package coverage

import (
	"context"
	"fmt"
	"iter"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/vault"
)

// An Item is a recorded file or link and when it was last looked at in one
// store.
type Item struct {
	catalog.Known
	// Looked is when the current generation was last verified or found not to
	// be intact; zero when it never was. Trouble counts, so that a thousand
	// blobs that stay damaged are not read first every night and all others
	// never; what it is stays red as a finding.
	Looked time.Time
}

// Walk yields the files and links that are recorded and expected in a store, in
// the order of their names. Neither they nor the findings are held in memory.
func Walk(ctx context.Context, c *catalog.Catalog, cfg vault.StoreConfig, now time.Time) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		nextFinding, stop := iter.Pull2(c.Findings(ctx, cfg.Name))
		defer stop()
		f, err, more := nextFinding()
		for known, recordErr := range c.Records(ctx, catalog.Query{Store: cfg.Name}) {
			for err == nil && more && f.Name < known.Name {
				f, err, more = nextFinding()
			}
			switch {
			case recordErr != nil:
				yield(Item{}, fmt.Errorf("read the catalog: %w", recordErr))
				return
			case err != nil:
				yield(Item{}, fmt.Errorf("look through earlier findings: %w", err))
				return
			case known.Kind == hashsets.Directory:
				continue
			}
			item := Item{Known: known, Looked: verified(known, cfg.Role, now)}
			if more && f.Name == known.Name && f.Generation == known.Generation && f.LastSeen.After(item.Looked) && !f.LastSeen.After(now) {
				item.Looked = f.LastSeen
			}
			if item.Looked.IsZero() && cfg.Lag > 0 && now.Sub(known.RecordedAt) < cfg.Lag {
				continue // it is not there yet
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// verified is when the current generation was last verified in the store; in a
// lagged one, when the generation was that it held. A time to come was written by a clock that was wrong: it says nothing, or the
// blob would not be read until then.
func verified(known catalog.Known, role vault.Role, now time.Time) time.Time {
	seen := known.Seen
	if seen == nil || seen.Generation != known.Generation && role != vault.Lagged || seen.Depth == catalog.Light || seen.VerifiedAt.After(now) {
		return time.Time{}
	}
	return seen.VerifiedAt
}

// Overdue tells whether the promise that every blob is looked at within maxAge
// is broken for the item. A blob that was never looked at in the store has
// waited since it was recorded. Without a promise nothing is overdue.
func (i *Item) Overdue(maxAge time.Duration, now time.Time) bool {
	since := i.Looked
	if since.IsZero() {
		since = i.RecordedAt
	}
	return maxAge > 0 && now.Sub(since) > maxAge
}

// A Survey is the coverage of one store, or of several added up.
type Survey struct {
	Blobs   int64
	Bytes   int64
	Never   int64     // never looked at
	Oldest  time.Time // when the blob that has waited longest was looked at; zero when none ever was
	Newest  time.Time
	Overdue Backlog
}

// A Backlog is what should have been read by now.
type Backlog struct{ Blobs, Bytes int64 }

// Add counts one blob.
func (s *Survey) Add(i *Item, maxAge time.Duration, now time.Time) {
	s.Blobs++
	s.Bytes += i.Hashes.Size
	if i.Overdue(maxAge, now) {
		s.Overdue.Blobs++
		s.Overdue.Bytes += i.Hashes.Size
	}
	if i.Looked.IsZero() {
		s.Never++
		return
	}
	if s.Oldest.IsZero() || i.Looked.Before(s.Oldest) {
		s.Oldest = i.Looked
	}
	if i.Looked.After(s.Newest) {
		s.Newest = i.Looked
	}
}

// Look surveys one store.
func Look(ctx context.Context, c *catalog.Catalog, cfg vault.StoreConfig, maxAge time.Duration, now time.Time) (Survey, error) {
	var s Survey
	for item, err := range Walk(ctx, c, cfg, now) {
		if err != nil {
			return Survey{}, err
		}
		s.Add(&item, maxAge, now)
	}
	return s, nil
}
