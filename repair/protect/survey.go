package protect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// task says what the survey leaves to be decided of a name.
type task uint8

const (
	appeared task = 1 // nothing is recorded under the name
	differs  task = 2 // it is recorded, and the store holds it in another state
	vanished task = 3 // it is recorded, and the store does not have it
)

// A matter is a name about which something must be decided.
type matter struct {
	task       task
	entry      store.Entry       // of a vanished one: what is recorded
	known      hashsets.Identity // the state in which the store was last known to hold what is recorded
	kind       hashsets.Kind     // recorded
	generation int64             // recorded; 0 when nothing is
	verdict    finding.Verdict   // of an open finding; "" when there is none
	unverified bool              // nobody has ever seen what is recorded in the store; of a vanished one
}

func (e *encoder) matter(c matter) {
	e.uint(uint64(c.task))
	e.entry(c.entry)
	e.identity(c.known)
	e.uint(uint64(c.kind))
	e.int(c.generation)
	e.text(string(c.verdict))
	e.bool(c.unverified)
}

func (d *decoder) matter() matter {
	return matter{
		task: task(d.uint()), entry: d.entry(), known: d.identity(), kind: hashsets.Kind(d.uint()),
		generation: d.int(), verdict: finding.Verdict(d.text()), unverified: d.bool(),
	}
}

// surveyed is what the survey of the store found.
type surveyed struct {
	*spool[matter]
	recorded int64     // blobs that are recorded
	bytes    int64     // of the blobs that the store has
	settled  time.Time // when no further write of what is to be read can hide behind its time
	losses   []sighted // vanished files, in the order of their keys once all are known
	proven   []bool    // by their numbers: the content under the new name is what is recorded
}

// survey walks the listing of the store and the catalog side by side, in the
// order of names, and writes down every name that is not as it was.
func (r *run) survey(ctx context.Context) (_ *surveyed, err error) {
	spool, err := newSpool(r.vault.ScratchDir(), (*encoder).matter, (*decoder).matter)
	if err != nil {
		return nil, err
	}
	s := &surveyed{spool: spool}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	entries := newCursor(r.source.List(ctx, store.ListOptions{}), func(e store.Entry) string { return e.Name })
	defer entries.stop()
	records := newCursor(r.catalog.Records(ctx, catalog.Query{Store: r.source.Name()}), func(k catalog.Known) string { return k.Name })
	defer records.stop()
	findings := newCursor(r.catalog.Findings(ctx, r.source.Name()), func(f catalog.Finding) string { return f.Name })
	defer findings.stop()

	var dark shadow
	for {
		if err := errors.Join(entries.err, records.err, findings.err); err != nil {
			return nil, err
		}
		if !entries.more && !records.more {
			return s, nil
		}
		name := records.name
		if !records.more || entries.more && entries.name < name {
			name = entries.name
		}
		for findings.more && findings.name < name {
			findings.next()
		}
		var verdict finding.Verdict
		if findings.more && findings.name == name {
			verdict = finding.Verdict(findings.value.Verdict)
		}
		var entry *store.Entry
		var known *catalog.Known
		if entries.more && entries.name == name {
			e := entries.value
			entry = &e
			entries.next()
		}
		if records.more && records.name == name {
			k := records.value
			known = &k
			records.next()
		}
		if err := r.look(s, &dark, entry, known, verdict); err != nil {
			return nil, err
		}
	}
}

// look writes one name down unless it is as it was.
func (r *run) look(s *surveyed, dark *shadow, entry *store.Entry, known *catalog.Known, verdict finding.Verdict) error {
	if known != nil && known.Kind != hashsets.Directory {
		s.recorded++
	}
	if entry != nil && entry.Err != nil {
		dark.add(entry.Name)
		r.blobs(1)
		r.unreadable(entry.Name, entry.Kind, entry.Err)
		return nil
	}
	if entry != nil && entry.Kind == 0 {
		r.count(func(sum *report.Summary) { sum.Skipped++ })
		entry = nil
	}
	if entry == nil {
		if known == nil || dark.over(known.Name) {
			return nil
		}
		return s.lost(known, verdict)
	}
	if entry.Kind != hashsets.Directory {
		r.blobs(1)
		s.bytes += entry.Identity.Size
	}
	if known == nil {
		s.saw(entry)
		_, err := s.add(matter{task: appeared, entry: *entry, verdict: verdict})
		return err
	}
	was := heldAs(known)
	if known.Damage == nil && known.Kind == entry.Kind && sameState(was, entry.Identity) && !partial(&known.Record) {
		if entry.Kind != hashsets.Directory {
			r.count(func(sum *report.Summary) { sum.Unchanged++ })
		}
		return nil
	}
	s.saw(entry)
	_, err := s.add(matter{
		task: differs, entry: *entry, known: was, kind: known.Kind, generation: known.Generation, verdict: verdict,
	})
	return err
}

// lost writes down a name that the store does not have any more.
func (s *surveyed) lost(known *catalog.Known, verdict finding.Verdict) error {
	was := heldAs(known)
	at, err := s.add(matter{
		task:  vanished,
		entry: store.Entry{Name: known.Name, Kind: known.Kind, Identity: known.Identity},
		known: was, kind: known.Kind, generation: known.Generation, verdict: verdict, unverified: known.Seen == nil,
	})
	if err == nil && known.Kind == hashsets.File && known.Damage == nil {
		s.sight(was, at)
	}
	return err
}

func (r *run) blobs(n int64) { r.count(func(s *report.Summary) { s.Blobs += n }) }

// heldAs is the state in which the store was last known to hold what is
// recorded.
func heldAs(k *catalog.Known) hashsets.Identity {
	if k.Seen != nil && k.Seen.Generation == k.Generation {
		return k.Seen.Identity
	}
	return k.Identity
}

// partial tells whether a record came from a list, which had no shard sums: its
// blob cannot have parity until it was read.
func partial(r *catalog.Record) bool {
	return r.Kind == hashsets.File && r.Hashes.ShardSize == 0
}

// sameState tells whether nobody wrote the blob in between. The number of the
// device is left out: it may be another after the machine was started anew.
func sameState(a, b hashsets.Identity) bool {
	a.Device, b.Device = 0, 0
	return a == b
}

// unreadable reports a name whose bytes or attributes the store does not
// deliver. What is recorded of it stays as it is.
func (r *run) unreadable(name string, kind hashsets.Kind, why error) {
	r.found(finding.Finding{
		Store: r.source.Name(), Blob: name, Verdict: finding.Unreadable, Kind: kind, Reason: why.Error(),
	})
}

// A shadow remembers directories that could not be listed: what is recorded
// below them is neither vanished nor changed. The names below a directory do
// not follow it at once, so that the shadows are a list.
type shadow struct{ directories []string }

func (s *shadow) add(name string) { s.directories = append(s.directories, name) }

func (s *shadow) over(name string) bool {
	for _, d := range s.directories {
		if name == d || strings.HasPrefix(name, d) && name[len(d)] == '/' {
			return true
		}
	}
	return false
}

// A cursor stands on one value of a sequence that is ordered by names.
type cursor[T any] struct {
	value T
	name  string
	more  bool
	err   error
	pull  func() (T, error, bool)
	stop  func()
	of    func(T) string
}

func newCursor[T any](seq iter.Seq2[T, error], of func(T) string) *cursor[T] {
	c := &cursor[T]{of: of}
	c.pull, c.stop = iter.Pull2(seq)
	c.next()
	return c
}

func (c *cursor[T]) next() {
	before := c.name
	value, err, more := c.pull()
	c.value, c.err, c.more = value, err, more && err == nil
	if !c.more {
		return
	}
	c.name = c.of(value)
	if cmp.Compare(c.name, before) < 0 {
		c.err, c.more = fmt.Errorf("%q comes after %q: names are out of order", c.name, before), false
	}
}
