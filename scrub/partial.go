package scrub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/store"
)

// errPaused says that the budget was spent within a large blob, of which so
// much is read as was kept. It says nothing of the blob.
var errPaused = errors.New("the run is over before the blob was read to its end")

// Bounds of what is kept of blobs that were not read to their end.
const (
	keepEvery    = 30 * time.Second    // how often, while one is read
	mostPartials = 64                  // in a store; the oldest go first
	partialsLast = 30 * 24 * time.Hour // what was read longer ago is read anew
)

// A partial is how far a large blob was read: what its hashes had become. It
// holds for one state of the blob alone.
type partial struct {
	Blob       []byte            `json:"blob"`
	Generation int64             `json:"generation"`
	Identity   hashsets.Identity `json:"identity"`
	Begun      time.Time         `json:"begun"`  // when its first byte was read: no later is it verified
	Direct     bool              `json:"direct"` // all so far was read past the page cache
	State      json.RawMessage   `json:"state"`  // of the hasher
}

// partials are the blobs of a store that were begun and not read to their end.
// They are kept in the catalog, so that a run that is killed loses little. Its
// methods may be called from many goroutines; the nil partials keep nothing.
type partials struct {
	catalog *catalog.Catalog
	setting string
	now     func() time.Time
	since   time.Time // what was begun before counts for nothing

	mu     sync.Mutex
	byBlob map[string]partial
}

// newPartials reads what the catalog keeps of a store. What cannot be read
// costs reading the blobs anew and nothing else.
func newPartials(ctx context.Context, c *catalog.Catalog, name string, since time.Time, now func() time.Time) (*partials, error) {
	p := &partials{catalog: c, setting: "scrub/partial/" + name, now: now, since: since, byBlob: map[string]partial{}}
	text, err := c.Setting(ctx, p.setting)
	if err != nil {
		return nil, fmt.Errorf("look up which blobs were begun: %w", err)
	}
	var kept []partial
	if json.Unmarshal([]byte(text), &kept) == nil {
		for _, one := range kept {
			p.byBlob[string(one.Blob)] = one
		}
	}
	return p, nil
}

// openPartials has the examiners of a store go on with large blobs. A pass
// takes up only what it has begun itself.
func (l *ledger) openPartials(ctx context.Context, name string) (err error) {
	if l.opts.Light || l.partials[name] != nil {
		return nil
	}
	var since time.Time
	if l.pass != nil {
		since = l.pass.Begun
	}
	l.partials[name], err = newPartials(ctx, l.catalog, name, since, l.now)
	return err
}

// of returns how far the blob was read in the state that it is in now; nil
// when it was not begun since it was last verified.
func (p *partials) of(known *catalog.Known, entry *store.Entry) *partial {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	one, begun := p.byBlob[known.Name]
	switch {
	case !begun, one.Generation != known.Generation, one.Identity != entry.Identity:
		return nil
	case one.Begun.Before(p.since), one.Begun.After(p.now()), p.now().Sub(one.Begun) > partialsLast:
		return nil
	case known.Seen != nil && !known.Seen.VerifiedAt.Before(one.Begun):
		return nil // it was read to its end since
	}
	return &one
}

// keep keeps how far a blob was read.
func (p *partials) keep(ctx context.Context, one partial) error {
	p.mu.Lock()
	p.byBlob[string(one.Blob)] = one
	all := make([]partial, 0, len(p.byBlob))
	for _, kept := range p.byBlob {
		all = append(all, kept)
	}
	slices.SortFunc(all, func(a, b partial) int { return b.Begun.Compare(a.Begun) })
	for _, old := range all[min(len(all), mostPartials):] {
		delete(p.byBlob, string(old.Blob))
	}
	text, err := json.Marshal(all[:min(len(all), mostPartials)])
	p.mu.Unlock()
	if err == nil {
		err = p.catalog.Update(context.WithoutCancel(ctx), func(tx *catalog.Tx) error { return tx.PutSetting(p.setting, string(text)) })
	}
	if err != nil {
		return fmt.Errorf("keep how far %q was read: %w", one.Blob, err)
	}
	return nil
}

// drop forgets a blob that was read to its end. The catalog follows when the
// next one is kept: until then the coverage tells that this one is over.
func (p *partials) drop(blob string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byBlob, blob)
}

// A course is the reading of one large blob, which may be stopped and gone on
// with. The nil course goes from the first byte to the last.
type course struct {
	partials *partials
	budget   *budget
	granted  int64 // bytes that may be read now
	expected []uint64
	one      partial
	resumed  bool

	from  int64     // where this reading began
	saved time.Time // when it was last kept
}

// courseOf returns the course of a blob; nil for one that is not worth keeping.
func (x *examiner) courseOf(p pair, entry *store.Entry) *course {
	if x.partials == nil || p.known == nil || entry.Identity.Size < resumeFrom {
		return nil
	}
	c := &course{partials: x.partials, budget: x.budget, granted: p.granted, expected: p.known.Hashes.ShardSums, saved: x.partials.now()}
	if one := x.partials.of(p.known, entry); one != nil {
		c.one, c.resumed = *one, true
		return c
	}
	c.one = partial{Blob: []byte(p.known.Name), Generation: p.known.Generation, Identity: entry.Identity, Begun: c.saved, Direct: true}
	return c
}

// start gives the hasher what was kept and returns from where to read on.
func (c *course) start(hasher *hashsets.Hasher) int64 {
	if c == nil || !c.resumed {
		return 0
	}
	if err := hasher.Resume(c.one.State, c.expected); err != nil || hasher.Size()%store.BlockSize != 0 {
		hasher.Reset()
		c.resumed, c.one.Begun, c.one.Direct = false, c.saved, true
		return 0
	}
	c.from = hasher.Size()
	return c.from
}

// at is called when all bytes before an offset are hashed. It keeps how far
// that is from time to time, and is errPaused when the budget is spent.
func (c *course) at(ctx context.Context, hasher *hashsets.Hasher, direct bool) error {
	if c == nil {
		return ctx.Err()
	}
	if hasher.Size()%store.BlockSize != 0 || hasher.Size() >= c.one.Identity.Size {
		return ctx.Err() // near its end
	}
	var end error
	switch {
	case ctx.Err() != nil:
		end = ctx.Err()
	case c.budget.late():
		end = errPaused
	case c.budget != nil && hasher.Size()-c.from >= c.granted:
		end = errPaused
	case c.partials.now().Sub(c.saved) < keepEvery:
		return nil
	}
	state, err := hasher.State(c.expected)
	if err != nil {
		if errors.Is(end, errPaused) && !c.budget.late() {
			return nil // it could only be begun anew: read on
		}
		return end
	}
	c.one.State, c.one.Direct = state, c.one.Direct && direct
	c.saved = c.partials.now()
	return errors.Join(end, c.partials.keep(ctx, c.one))
}
