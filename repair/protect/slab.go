package protect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"golang.org/x/sync/errgroup"

	"bitmend/repair/parity"
	"bitmend/scrub/report"
)

// bandsWritten is how many bands are written at once.
const bandsWritten = 2

// slabBytes bounds the accumulators of the bands that are encoded together.
const slabBytes = 128 << 20

// A slab is some bands of a unit that are encoded together, so that a blob
// which lies in no other is read once for everything.
type slab struct {
	*unit
	bands   []int64 // in order
	writers map[int64]*parity.BandWriter
	seen    int  // of unit.left, when it was encoded last
	done    bool // it was encoded and written

	claims []claim // what was added of blobs that go on in another slab
}

// A piece is a part of an item in one band.
type piece struct {
	item int32
	band int64
	parity.Extent
}

// encode encodes all bands of the unit that change and publishes them under
// their new version. When a blob turns out to have changed, the slabs that it
// was added to are encoded once more without it.
func (u *unit) encode(ctx context.Context) (err error) {
	if err := u.announce(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.freeEncoders()) }()
	slabs := u.slabs()
	for again := true; again; {
		again = false
		for _, s := range slabs {
			if s.done && !s.stale() {
				continue
			}
			again = true
			if s.done {
				if err := s.withdraw(ctx); err != nil {
					return err
				}
			}
			if err := s.encode(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *unit) slabs() []*slab {
	bands := u.touchedBands()
	full := int64(u.geometry.Parity) * u.geometry.BandSize()
	most := int(max(1, u.opts.slab/full))
	var slabs []*slab
	for part := range slices.Chunk(bands, most) {
		s := &slab{unit: u, bands: part}
		slabs = append(slabs, s)
	}
	return slabs
}

// cut appends what of an item is to be added to the slab.
func (s *slab) cut(pieces []piece, i int32) []piece {
	if s.items[i].leader != i || s.items[i].out || s.needsNothing(i) {
		return pieces
	}
	first, last := s.bands[0], s.bands[len(s.bands)-1]
	for _, x := range s.extentsOf(i) {
		for band, part := range s.geometry.Bands(x) {
			if band >= first && band <= last {
				pieces = append(pieces, piece{i, band, part})
			}
		}
	}
	return pieces
}

// stale tells whether something that was added to the slab was left out later.
func (s *slab) stale() bool {
	for _, i := range s.left[s.seen:] {
		for _, x := range s.extentsOf(i) {
			for band := range s.geometry.Bands(x) {
				if slices.Contains(s.bands, band) {
					return true
				}
			}
		}
	}
	return false
}

// encode fills the accumulators, until nothing has to be left out of them any
// more, and writes the bands.
func (s *slab) encode(ctx context.Context) error {
	for {
		s.seen = len(s.left)
		if err := s.fill(ctx); err != nil {
			return err
		}
		if !s.stale() {
			break
		}
	}
	s.done = true
	// Most of the time of writing is waiting for the disk to be done.
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(bandsWritten)
	for _, band := range s.bands {
		group.Go(func() error { return s.write(ctx, band) })
	}
	err := group.Wait()
	s.free()
	return err
}

// free gives the accumulators to the next slab.
func (s *slab) free() {
	for _, w := range s.writers {
		s.spare = append(s.spare, w)
	}
	s.writers = nil
}

// writerFor returns empty accumulators, of an earlier band where there are any.
func (u *unit) writerFor(id parity.BandID, stripes int) (*parity.BandWriter, error) {
	n := len(u.spare)
	if n == 0 {
		w, err := parity.NewBandWriter(u.geometry, id, stripes)
		if err == nil {
			u.encoders = append(u.encoders, w)
		}
		return w, err
	}
	w := u.spare[n-1]
	u.spare = u.spare[:n-1]
	return w, w.Reset(id, stripes)
}

// stripesWritten is how many stripes a band gets.
func (s *slab) stripesWritten(band int64) int {
	return max(1, s.stripesOf(band, s.layout.Tops()))
}

// freeEncoders gives the memory of all accumulators back, once all bands are
// written: the commit needs memory too.
func (u *unit) freeEncoders() error {
	var errs []error
	for _, w := range u.encoders {
		errs = append(errs, w.Free())
	}
	u.encoders, u.spare = nil, nil
	return errors.Join(errs...)
}

func (s *slab) fill(ctx context.Context) error {
	s.free()
	s.writers = make(map[int64]*parity.BandWriter)
	for _, band := range s.bands {
		id := parity.BandID{Set: s.set.ID, Number: band, Version: s.version}
		w, err := s.writerFor(id, s.stripesWritten(band))
		if err != nil {
			return err
		}
		s.writers[band] = w
		if inForce, ok := s.unit.bands[band]; ok {
			if err := s.base(ctx, w, inForce); err != nil {
				return fmt.Errorf("start from band %d of set %d: %w", band, s.set.ID, err)
			}
		}
	}
	err := inOrder(ctx, s.opts.Workers, s.newHand, s.tasks(), func(ctx context.Context, h *hand, do chore) (struct{}, error) {
		return struct{}{}, do(ctx, h)
	}, func(struct{}) error { return nil })
	if err != nil {
		return err
	}
	return s.settle()
}

// write stages a band, reads it back and publishes it.
func (s *slab) write(ctx context.Context, number int64) error {
	list, err := s.listing(ctx, number)
	if err != nil {
		return fmt.Errorf("list what lies in band %d of set %d: %w", number, s.set.ID, err)
	}
	defer list.Close()
	if err := s.step(Write); err != nil {
		return err
	}
	staged, err := s.writers[number].Write(ctx, s.home, listed(list))
	if err != nil {
		return fmt.Errorf("write band %d of set %d: %w", number, s.set.ID, err)
	}
	for _, f := range staged.Files {
		s.count(func(sum *report.Summary) { sum.BytesWritten += f.Hashes.Size })
	}
	if err := s.step(Publish); err != nil {
		return errors.Join(err, staged.Discard(context.WithoutCancel(ctx)))
	}
	if err := staged.Publish(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[number] = staged
	return nil
}

func listed(list *spool[parity.Listed]) iter.Seq2[parity.Listed, error] {
	return func(yield func(parity.Listed, error) bool) {
		for l, err := range list.all() {
			if !yield(l.value, err) || err != nil {
				return
			}
		}
	}
}

// withdraw makes room for a further version of the slab's bands: the one that
// was written is of no use any more.
func (s *slab) withdraw(ctx context.Context) error {
	for _, band := range s.bands {
		if staged := s.written[band]; staged != nil {
			for _, f := range staged.Files {
				s.obsolete = append(s.obsolete, f.Name)
			}
		}
	}
	return s.announce(ctx)
}

// withdrawAll removes what the unit published, which will not be put in force.
func (u *unit) withdrawAll(ctx context.Context) error {
	names := u.obsolete
	for _, staged := range u.written {
		for _, f := range staged.Files {
			names = append(names, f.Name)
		}
	}
	return u.remove(ctx, names)
}
