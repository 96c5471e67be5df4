package stripe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
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
