package protect

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/repair/stripe"
)

// An encoding is the work on parity in one run.
type encoding struct {
	*run
	decided  *decided
	gatherer *stripe.Gatherer
	wish     parity.Wish
	overhead float64
	history  bool

	sets  []catalog.Set
	ends  map[int64]*ending // by set: what is given up in it
	keys  map[blobID]struct{}
	given *spool[givenUp]

	unplaced *spool[string] // names that are recorded and lie in no set
	again    []decision     // what was busy and is tried once more

	highestSet  int64    // of which there is a parity file
	kept        bool     // places that were given up had to stay
	distrusted  bool     // nothing of the parity in force is taken over
	quarantined []string // parity files to be kept before they are removed
	mu          sync.Mutex
}

// A givenUp is a generation of a blob whose places in a set are to be dropped.
type givenUp struct {
	set        int64
	name       string
	generation int64
}

func (e *encoder) givenUp(g givenUp) {
	e.int(g.set)
	e.text(g.name)
	e.int(g.generation)
}

func (d *decoder) givenUp() givenUp {
	return givenUp{set: d.int(), name: d.text(), generation: d.int()}
}

// An ending is what is given up in one set: the stripes by band that must be
// encoded anew, and the bands where that failed.
type ending struct {
	stripes map[int64]*touched
	held    map[int64]bool // bands in which nothing could be given up, because a neighbour is lost
}

// touched are the stripes of a band.
type touched [parity.BandStripes / 64]uint64

func (t *touched) add(n int64)    { t[n/64] |= 1 << (n % 64) }
func (t *touched) has(n int) bool { return t != nil && t[n/64]&(1<<(n%64)) != 0 }

// A blobID stands for a generation of a blob where a million of them are
// remembered. Two that were the same would take one of them out of the parity,
// so that it is made by a cryptographic hash: fast ones collide for short names
// whose difference is that of their seeds.
type blobID [16]byte

func blobIDOf(name string, generation int64) (id blobID) {
	text := make([]byte, 0, 128)
	text = binary.BigEndian.AppendUint64(text, uint64(generation))
	sum := sha256.Sum256(append(text, name...))
	copy(id[:], sum[:])
	return id
}

func (r *run) parityOff() bool {
	return r.vault.Config.Overhead == 0 && (r.vault.Config.Data == 0 || r.vault.Config.Parity == 0)
}

func (r *run) openEncoding(ctx context.Context, d *decided) (*encoding, error) {
	c := r.vault.Config
	e := &encoding{
		run: r, decided: d, gatherer: r.gatherer(ctx), overhead: c.Overhead,
		wish: parity.Wish{Overhead: c.Overhead, Data: c.Data, Parity: c.Parity, ShardSize: c.ShardSize, ColumnSize: c.ColumnSize},
		ends: make(map[int64]*ending), keys: make(map[blobID]struct{}),
	}
	if e.overhead == 0 && c.Data > 0 {
		e.overhead = float64(c.Parity) / float64(c.Data)
	}
	var err error
	if e.given, err = newSpool(r.vault.ScratchDir(), (*encoder).givenUp, (*decoder).givenUp); err != nil {
		return nil, err
	}
	if e.unplaced, err = newSpool(r.vault.ScratchDir(), (*encoder).text, (*decoder).text); err != nil {
		return nil, errors.Join(err, e.given.Close())
	}
	if e.history, err = r.hasHistory(ctx); err == nil {
		e.sets, err = r.catalog.Sets(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (e *encoding) close() error { return errors.Join(e.given.Close(), e.unplaced.Close()) }

// giveUp notes that a generation of a blob is not in the store any more. Its
// places count as erased until their stripes are encoded anew.
func (e *encoding) giveUp(ctx context.Context, name string, generation int64) error {
	if e.parityOff() {
		return nil
	}
	places, err := e.catalog.PlacesOf(ctx, name, generation)
	if err != nil {
		return fmt.Errorf("look up where %q lies: %w", name, err)
	}
	for i, p := range places {
		if i == 0 {
			if _, err := e.given.add(givenUp{p.Set, name, generation}); err != nil {
				return err
			}
			e.keys[blobIDOf(name, generation)] = struct{}{}
		}
		if err := e.touch(p); err != nil {
			return err
		}
	}
	return nil
}

// touch notes the stripes of a place.
func (e *encoding) touch(p catalog.Place) error {
	set, ok := e.setByID(p.Set)
	if !ok {
		return fmt.Errorf("%q lies in parity set %d: %w", p.Name, p.Set, catalog.ErrNotRecorded)
	}
	g := stripe.GeometryOf(set)
	end := e.endingOf(p.Set)
	extent := parity.Extent{Column: p.Column, Offset: p.Offset, Length: p.Length, BlobOffset: p.BlobOffset}
	for band, part := range g.Bands(extent) {
		t := end.stripes[band]
		if t == nil {
			t = new(touched)
			end.stripes[band] = t
		}
		for at := part.Offset; at < part.Offset+part.Length; at += g.ShardSize {
			t.add(at/g.ShardSize - band*parity.BandStripes)
		}
	}
	return nil
}

func (e *encoding) endingOf(set int64) *ending {
	end := e.ends[set]
	if end == nil {
		end = &ending{stripes: make(map[int64]*touched), held: make(map[int64]bool)}
		e.ends[set] = end
	}
	return end
}

// gone tells whether a place is given up.
func (e *encoding) gone(name string, generation int64) bool {
	_, ok := e.keys[blobIDOf(name, generation)]
	return ok
}

func (e *encoding) setByID(id int64) (catalog.Set, bool) {
	i := slices.IndexFunc(e.sets, func(s catalog.Set) bool { return s.ID == id })
	if i < 0 {
		return catalog.Set{}, false
	}
	return e.sets[i], true
}

// errLaidAnew is why a small set stays as it is: something in it does not read
// as it is recorded, so that its blobs cannot be laid out anew.
var errLaidAnew = errors.New("a small parity set cannot be laid out anew")

// prepare clears up after an earlier run and, if there is something to do,
// notes in the catalog that it began.
func (e *encoding) prepare(ctx context.Context) error {
	if e.parityOff() {
		return nil
	}
	if err := e.tidy(ctx); err != nil {
		return fmt.Errorf("clear up after an earlier run: %w", err)
	}
	if err := e.unfinished(ctx); err != nil {
		return err
	}
	if e.idle() {
		return nil
	}
	return e.begin(ctx)
}

// idle tells whether parity is as it should be.
func (e *encoding) idle() bool {
	return e.decided.count == 0 && len(e.ends) == 0 && e.unplaced.count == 0
}

// all brings parity to what was decided.
func (e *encoding) all(ctx context.Context) error {
	if e.idle() {
		return nil
	}
	small := e.smallSets()
	if !e.affordsAnew(small) {
		small = nil
	}
	err := e.place(ctx, small, e.newcomers(ctx))
	if errors.Is(err, errLaidAnew) {
		e.rep.Note("%v; it stays until scrub and repair have put that right", err)
		err = e.place(ctx, nil, e.newcomers(ctx))
	}
	if err != nil {
		return err
	}
	if err := e.tryAgain(ctx); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(e.ends)) {
		err := e.endIn(ctx, id)
		if errors.Is(err, errNoBase) {
			e.cannotRenew(id, err)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return e.concluded(ctx)
}

// A newcomer is a blob that is to be placed.
type newcomer struct {
	one        decision
	generation int64           // that its content will be; 0 until that is known
	record     *catalog.Record // of one whose content is recorded already
	placed     bool            // it lies in a set that is laid out anew
	same       bool            // it is another name of the one before it
}

// newcomers yields the new content that was decided to be recorded, and what
// is recorded and lies in no set.
func (e *encoding) newcomers(ctx context.Context) iter.Seq2[newcomer, error] {
	return func(yield func(newcomer, error) bool) {
		for one, err := range e.decided.all() {
			if err == nil && one.value.action != renew {
				continue
			}
			if !yield(newcomer{one: one.value}, err) || err != nil {
				return
			}
		}
		for name, err := range e.unplaced.all() {
			var record catalog.Record
			if err == nil {
				record, err = e.catalog.Current(ctx, name.value)
			}
			if errors.Is(err, catalog.ErrNotRecorded) {
				continue
			}
			if !yield(newcomer{record: &record}, err) || err != nil {
				return
			}
		}
	}
}

// tryAgain places once more what was busy.
func (e *encoding) tryAgain(ctx context.Context) error {
	busy := e.again
	e.again = nil
	var ready []decision
	for _, one := range busy {
		now, err := e.source.Stat(ctx, one.entry.Name)
		switch {
		case err != nil && !e.blamesBlob(ctx, err):
			return err
		case err != nil:
			e.leftOut(one, err)
		case now.Kind != hashsets.File:
			e.leftOut(one, errBusy)
		default:
			one.entry = now
			ready = append(ready, one)
		}
	}
	if len(ready) == 0 {
		return nil
	}
	err := e.place(ctx, nil, func(yield func(newcomer, error) bool) {
		for _, one := range ready {
			if !yield(newcomer{one: one}, nil) {
				return
			}
		}
	})
	for _, one := range e.again {
		e.leftOut(one, errBusy)
	}
	e.again = nil
	return err
}
