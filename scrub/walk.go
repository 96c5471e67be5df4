package scrub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/store"
)

// A pair is one name with what is recorded of it and what the store has under
// it. At least one of the two is there.
type pair struct {
	known    *catalog.Known
	entry    *store.Entry
	unlisted bool  // nobody has looked at it: without an entry it may be there
	skim     bool  // it is only looked at: the run may not fetch all there is
	granted  int64 // bytes that the budget allows to be read; without one it has no meaning

	acquired int64 // of the memory for shard sums; the ledger gives it back
	vanished bool  // nothing is recorded of it now, and known is what was before; in a lagged store
}

// isAbsent tells whether a listing of the store has no such name.
func (p pair) isAbsent() bool { return p.entry == nil && !p.unlisted }

func (p pair) name() string {
	if p.known != nil {
		return p.known.Name
	}
	return p.entry.Name
}

// pairs walks the catalog and the listing of a store side by side, in the
// order of names, and yields each name once that lies in the range of the
// selection. Neither is held in memory. unseen leaves files that are recorded to
// be looked at by whoever opens them.
func pairs(ctx context.Context, c *catalog.Catalog, s store.Store, names Names, unseen bool) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		nextRecord, stopRecords := iter.Pull2(c.Records(ctx, catalog.Query{Store: s.Name(), From: names.from, To: names.to}))
		defer stopRecords()
		nextEntry, stopEntries := iter.Pull2(s.List(ctx, store.ListOptions{From: names.from, To: names.to, Unseen: unseen}))
		defer stopEntries()

		known, err, moreRecords := nextRecord()
		if err != nil {
			yield(pair{}, fmt.Errorf("read the catalog: %w", err))
			return
		}
		entry, err, moreEntries := nextEntry()
		if err != nil {
			yield(pair{}, fmt.Errorf("list store %q: %w", s.Name(), err))
			return
		}
		for moreRecords || moreEntries {
			order := 0
			switch {
			case !moreRecords:
				order = 1
			case !moreEntries:
				order = -1
			default:
				order = cmp.Compare(known.Name, entry.Name)
			}
			var p pair
			if order <= 0 {
				k := known
				p.known = &k
			}
			if order >= 0 {
				e := entry
				p.entry = &e
			}
			if there := p.meet(ctx, s); there && !yield(p, nil) {
				return
			}
			if order <= 0 {
				if known, err, moreRecords = nextRecord(); err != nil {
					yield(pair{}, fmt.Errorf("read the catalog: %w", err))
					return
				}
			}
			if order >= 0 {
				if entry, err, moreEntries = nextEntry(); err != nil {
					yield(pair{}, fmt.Errorf("list store %q: %w", s.Name(), err))
					return
				}
			}
		}
	}
}

// meet sorts out a file at which nobody has looked. One that is recorded will be
// opened and needs no look before; another one is looked at now. It is false
// when that has gone meanwhile.
func (p *pair) meet(ctx context.Context, s store.Store) bool {
	if p.entry == nil || !p.entry.Unseen || p.entry.Err != nil {
		return true
	}
	if p.known != nil && p.known.Kind == hashsets.File {
		p.entry, p.unlisted = nil, true
		return true
	}
	entry, err := s.Stat(ctx, p.entry.Name)
	switch {
	case err == nil:
		p.entry = &entry
	case errors.Is(err, store.ErrNotFound):
		p.entry = nil
	default:
		p.entry = &store.Entry{Name: p.entry.Name, Err: err}
	}
	return p.known != nil || p.entry != nil
}

// A shadow remembers directories that could not be listed: what is recorded
// below them is neither missing nor intact. Names come in order, but the names
// below a directory do not follow it at once, so the shadows are a list.
type shadow struct {
	directories []store.Entry
}

func (s *shadow) add(e store.Entry) { s.directories = append(s.directories, e) }

// over returns why the name could not be looked at, or nil.
func (s *shadow) over(name string) error {
	for _, d := range s.directories {
		if strings.HasPrefix(name, d.Name) && len(name) > len(d.Name) && name[len(d.Name)] == '/' {
			return d.Err
		}
	}
	return nil
}

// isDirectory tells whether a pair is about a directory and nothing else.
func (p pair) isDirectory() bool {
	return (p.known == nil || p.known.Kind == hashsets.Directory) &&
		(p.entry == nil || p.entry.Kind == hashsets.Directory)
}
