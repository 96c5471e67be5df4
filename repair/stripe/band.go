package stripe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/store"
)

// A Band is a band in force that is open for reading its stripes. Its methods
// may be called from many goroutines; ascending stripes are fastest.
type Band struct {
	ID  catalog.Band
	Set catalog.Set

	gatherer *Gatherer
	geometry parity.Geometry
	base     int64 // of the band in its columns, bytes
	gone     func(name string, generation int64) bool
	files    []*parity.File // by parity column; nil when it cannot be used
	inForce  []inForce      // by parity column
	withheld error          // why a parity file could not be asked for, or nil
	readers  *readers
	read     atomic.Int64

	mu     sync.Mutex
	recent *catalog.Recent // who lies in the windows
	window *window
	width  int // of the next window, in stripes
}

// OpenBand opens a band. Places of which gone tells true are known to be
// given up: Fill does not look for their bytes and does not miss them. gone
// may be nil.
func (g *Gatherer) OpenBand(ctx context.Context, band catalog.Band, gone func(name string, generation int64) bool) (*Band, error) {
	set, err := g.setOf(ctx, band.Set)
	if err != nil {
		return nil, err
	}
	b := &Band{
		ID: band, Set: set, gatherer: g,
		geometry: GeometryOf(set),
		base:     band.Number * int64(set.Stripes) * set.ShardSize,
		gone:     gone,
		files:    make([]*parity.File, set.Parity),
		inForce:  make([]inForce, set.Parity),
		readers:  newReaders(g.Stores),
		recent:   g.Catalog.Recent(),
		width:    firstWindow,
	}
	for _, f := range band.Files {
		if err := b.openFile(ctx, f); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}

// openFile opens a parity file, unless it is damaged, lost, or another than
// the one in force.
func (b *Band) openFile(ctx context.Context, f catalog.ParityFile) error {
	if f.Index < 0 || f.Index >= len(b.files) {
		return nil
	}
	file, err := parity.OpenFile(ctx, b.gatherer.Home, f.Name)
	if err != nil {
		if errors.Is(err, parity.ErrDamaged) || errors.Is(err, parity.ErrFormat) {
			return nil
		}
		if withheld(err) {
			b.withheld = fmt.Errorf("open parity file %s: %w", f.Name, err)
		}
		return hostError(ctx, err)
	}
	want := parity.BandID{Set: b.ID.Set, Number: b.ID.Number, Version: b.ID.Version}
	if file.ID != want || file.Geometry != b.geometry || file.Index != f.Index {
		return file.Close()
	}
	b.files[f.Index] = file
	return nil
}

// Close closes the parity files and the blobs.
func (b *Band) Close() error {
	b.readers.close()
	var errs []error
	for _, f := range b.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// BytesRead returns how many bytes were read from stores and parity files.
func (b *Band) BytesRead() int64 { return b.read.Load() }

// Files returns the open parity files by parity column; nil in the place of
// one that cannot be used. They are closed with the band.
func (b *Band) Files() []*parity.File { return b.files }

// Parity reads the parity shards of stripe n into shards, and tells whether
// all of them may be taken over into a new version of the band: they passed
// their checks, and the files are the very ones that are recorded. Data that
// are rebuilt have sums of their own to pass, and parity that is taken over has
// none: a file of another history would be recorded as whole.
func (b *Band) Parity(ctx context.Context, n int, shards [][]byte) (bool, error) {
	for j := range b.files {
		if ok, err := b.isInForce(ctx, j); !ok || err != nil {
			return false, err
		}
		ok, err := b.parityShard(ctx, j, n, shards[j])
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// inForce says, once it was asked, whether the file of a parity column is the
// one that is recorded.
type inForce struct {
	mu    sync.Mutex
	known bool
	is    bool
}

func (b *Band) isInForce(ctx context.Context, column int) (bool, error) {
	f := &b.inForce[column]
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known {
		return f.is, nil
	}
	for _, recorded := range b.ID.Files {
		if recorded.Index != column || b.files[column] == nil {
			continue
		}
		is, err := b.files[column].Is(ctx, &recorded.Hashes)
		if err != nil {
			return false, hostError(ctx, err)
		}
		b.read.Add(recorded.Hashes.Size)
		f.is = is
	}
	f.known = true
	return f.is, nil
}

func (b *Band) parityShard(ctx context.Context, column, n int, p []byte) (bool, error) {
	f := b.files[column]
	if f == nil || n >= f.Stripes {
		return false, nil
	}
	b.read.Add(int64(len(p)))
	err := f.Shard(n, p)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, parity.ErrDamaged) {
		return false, nil
	}
	return false, hostError(ctx, err)
}

// Fill is Gatherer.Fill for stripe n of the band. The bytes of places that are
// gone are zero in s afterwards and not marked as erased.
func (b *Band) Fill(ctx context.Context, n int, s *parity.Stripe, withParity bool) error {
	w, err := b.windowFor(ctx, n)
	if err != nil {
		return err
	}
	f := filling{band: b, window: w, stripe: n, into: s, withParity: withParity, withheld: b.withheld}
	losses, err := f.run(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range losses {
		if n := len(errs); n == 0 || errs[n-1].Error() != l.why.Error() { // many small blobs have one reason
			errs = append(errs, l.why)
		}
	}
	return errors.Join(errs...)
}

// A filling is the work on one stripe.
type filling struct {
	band       *Band
	window     *window
	stripe     int
	into       *parity.Stripe
	withParity bool
	targets    []target // what is wanted of this stripe; nil when everything is

	erased   []content // what must be rebuilt
	gone     []content
	withheld error // why bytes of the stripe could not be asked for, or nil
}

// A content is what lies at one place, under all of its names.
type content struct {
	piece
	names []piece
}

// A loss is a content that could not be rebuilt.
type loss struct {
	content
	why error
}

// run fills the stripe and returns what is still erased.
func (f *filling) run(ctx context.Context) ([]loss, error) {
	f.into.Reset()
	pieces := f.window.stripe(f.stripe)
	for len(pieces) > 0 {
		n := 1
		for n < len(pieces) && pieces[n].samePlace(pieces[0]) {
			n++
		}
		c := content{piece: pieces[0], names: pieces[:n]}
		pieces = pieces[n:]
		if err := f.bring(ctx, c); err != nil {
			return nil, err
		}
	}
	if len(f.erased) > 0 || f.withParity {
		if err := f.bringParity(ctx); err != nil {
			return nil, err
		}
	}
	losses := f.rebuild()
	for _, c := range f.gone {
		clear(f.shard(c.piece))
	}
	return losses, nil
}

func (f *filling) shard(p piece) []byte { return f.into.Shards[p.column][p.at : p.at+p.length] }

// bring reads one content from the stores, or marks it as erased.
func (f *filling) bring(ctx context.Context, c content) error {
	live := f.live(c)
	if len(live) == 0 {
		f.erase(c.piece)
		f.gone = append(f.gone, c)
		return nil
	}
	c.piece = live[0]
	if f.targets != nil && !f.wanted(c.piece) {
		if !f.needed(c.piece) {
			f.erase(c.piece)
			return nil
		}
	}
	found, err := f.read(ctx, f.withoutTargets(live))
	if err != nil || found {
		return err
	}
	f.erase(c.piece)
	if f.targets == nil || f.wanted(c.piece) {
		f.erased = append(f.erased, c)
	}
	return nil
}

// live returns the names of a content that are not gone.
func (f *filling) live(c content) []piece {
	if f.band.gone == nil {
		return c.names
	}
	var live []piece
	for _, p := range c.names {
		if id := f.window.blobs[p.blob]; !f.band.gone(id.name, id.generation) {
			live = append(live, p)
		}
	}
	return live
}

// needed tells whether a piece can help to rebuild what is wanted: only where
// it overlaps with it in the shards.
func (f *filling) needed(p piece) bool {
	for _, t := range f.targets {
		if p.at < t.at+t.length && t.at < p.at+p.length {
			return true
		}
	}
	return false
}

func (f *filling) wanted(p piece) bool {
	for _, t := range f.targets {
		if t.column == int(p.column) && t.at == p.at && t.length == p.length {
			return true
		}
	}
	return false
}

// withoutTargets leaves out the names under which the bytes are known to be
// damaged.
func (f *filling) withoutTargets(names []piece) []piece {
	if f.targets == nil {
		return names
	}
	var others []piece
	for _, p := range names {
		id := f.window.blobs[p.blob]
		damaged := false
		for _, t := range f.targets {
			damaged = damaged || t.blob == id && t.shard == int(p.shard)
		}
		if !damaged {
			others = append(others, p)
		}
	}
	return others
}

// read brings the bytes of a content from the first store that has them as
// they were recorded.
func (f *filling) read(ctx context.Context, names []piece) (bool, error) {
	var refused error
	for from := range f.band.readers.stores {
		for _, p := range names {
			if !p.known {
				continue
			}
			bytes := f.shard(p)
			offset := int64(p.shard) * f.band.Set.ShardSize
			absent, err := f.band.readers.readAt(ctx, from, f.window.blobs[p.blob].name, bytes, offset)
			if err != nil {
				return false, f.reading(from, p, err)
			}
			if absent != nil {
				if withheld(absent) && refused == nil {
					refused = f.reading(from, p, absent)
				}
				continue
			}
			f.band.read.Add(p.length)
			if hashsets.ShardSum(bytes) == p.sum {
				return true, nil
			}
		}
	}
	if f.withheld == nil {
		f.withheld = refused
	}
	return false, nil
}

// reading says what was being read when err came.
func (f *filling) reading(from int, p piece, err error) error {
	return fmt.Errorf("read %q in store %q: %w", f.window.blobs[p.blob].name, f.band.readers.stores[from].Name(), err)
}

func (f *filling) erase(p piece) {
	clear(f.shard(p))
	f.into.Erase(int(p.column), store.Range{Offset: p.at, Length: p.length})
}

// bringParity reads as many parity shards as there can be erasures; all of
// them with withParity.
func (f *filling) bringParity(ctx context.Context) error {
	k, m := f.band.Set.Data, f.band.Set.Parity
	want := 0
	for column := range k {
		if len(f.into.Erased[column]) > 0 {
			want++
		}
	}
	if f.withParity {
		want = m
	}
	whole := store.Range{Length: f.band.Set.ShardSize}
	for j := range m {
		good := false
		if want > 0 {
			var err error
			if good, err = f.band.parityShard(ctx, j, f.stripe, f.into.Shards[k+j]); err != nil {
				return fmt.Errorf("read parity of band %d of set %d: %w", f.band.ID.Number, f.band.ID.Set, err)
			}
		}
		if good {
			want--
		} else {
			f.into.Erase(k+j, whole)
		}
	}
	return nil
}

// rebuild rebuilds what is erased and believes only what matches its sum.
func (f *filling) rebuild() []loss {
	if len(f.erased) == 0 {
		return nil
	}
	var columns []int
	for _, c := range f.erased {
		if n := len(columns); n == 0 || columns[n-1] != int(c.column) {
			columns = append(columns, int(c.column))
		}
	}
	beyond := beyondErrors(f.band.geometry.Rebuild(f.into, columns))
	var losses []loss
	for _, c := range f.erased {
		if why := f.prove(c, beyond); why != nil {
			f.into.Erase(int(c.column), store.Range{Offset: c.at, Length: c.length})
			if f.withheld != nil {
				why = &Withheld{Loss: why, Cause: f.withheld}
			}
			losses = append(losses, loss{c, why})
		}
	}
	return losses
}

// prove returns why a content is not rebuilt, or nil.
func (f *filling) prove(c content, beyond []error) error {
	for _, err := range beyond {
		var b *parity.BeyondError
		if !errors.As(err, &b) {
			return err
		}
		if b.Range.Offset < c.at+c.length && c.at < b.Range.Offset+b.Range.Length {
			return &Loss{
				Set: f.band.Set.ID, Band: f.band.ID.Number, Stripe: int(f.band.ID.Number)*f.band.Set.Stripes + f.stripe,
				Range: store.Range{Offset: c.at, Length: c.length}, Bad: b.Bad, Bears: b.Bears,
			}
		}
	}
	for _, p := range c.names {
		if p.known && hashsets.ShardSum(f.shard(p)) == p.sum {
			return nil
		}
	}
	return fmt.Errorf("shard %d of %q, in stripe %d of set %d: %w", c.shard, f.window.blobs[c.blob].name,
		int(f.band.ID.Number)*f.band.Set.Stripes+f.stripe, f.band.Set.ID, ErrUnproven)
}

// beyondErrors takes joined errors apart.
func beyondErrors(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
