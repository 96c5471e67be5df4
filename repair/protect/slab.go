package protect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"golang.org/x/sync/errgroup"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
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

	pieces []piece // what lies in it, by item
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
func (u *unit) encode(ctx context.Context) error {
	if err := u.announce(ctx); err != nil {
		return err
	}
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

// cut finds what lies in the slab.
func (s *slab) cut() {
	s.pieces = s.pieces[:0]
	first, last := s.bands[0], s.bands[len(s.bands)-1]
	for i := range s.items {
		if s.items[i].leader != int32(i) || s.items[i].out || s.needsNothing(int32(i)) {
			continue
		}
		for _, x := range s.extentsOf(int32(i)) {
			for band, part := range s.geometry.Bands(x) {
				if band >= first && band <= last {
					s.pieces = append(s.pieces, piece{int32(i), band, part})
				}
			}
		}
	}
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
		return parity.NewBandWriter(u.geometry, id, stripes)
	}
	w := u.spare[n-1]
	u.spare = u.spare[:n-1]
	return w, w.Reset(id, stripes)
}

func (s *slab) fill(ctx context.Context) error {
	s.free()
	s.writers = make(map[int64]*parity.BandWriter)
	for _, band := range s.bands {
		id := parity.BandID{Set: s.set.ID, Number: band, Version: s.version}
		w, err := s.writerFor(id, max(1, s.stripesOf(band, s.layout.Tops())))
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
	s.cut()
	err := inOrder(ctx, s.opts.Workers, s.newHand, s.tasks(), func(ctx context.Context, h *hand, do chore) (struct{}, error) {
		return struct{}{}, do(ctx, h)
	}, func(struct{}) error { return nil })
	if err != nil {
		return err
	}
	return s.settle()
}

// chore is work that one worker does on its own.
type chore func(ctx context.Context, h *hand) error

// tasks cuts the pieces of the slab into work.
func (s *slab) tasks() iter.Seq2[chore, error] {
	return func(yield func(chore, error) bool) {
		for n := 0; n < len(s.pieces); {
			first := n
			i := s.pieces[n].item
			for n < len(s.pieces) && s.pieces[n].item == i {
				n++
			}
			of := s.pieces[first:n]
			if s.fitsTile(of) {
				n = s.batchTo(first, n)
				batch := s.pieces[first:n]
				if !yield(func(ctx context.Context, h *hand) error { return s.addBatch(ctx, h, batch) }, nil) {
					return
				}
				continue
			}
			if s.items[i].outcome == nowhere && length(of) == s.items[i].size {
				if !yield(func(ctx context.Context, h *hand) error { return s.addWhole(ctx, h, of) }, nil) {
					return
				}
				continue
			}
			// It goes on in another slab, or is known: its parts can be added
			// side by side, and its content is read by itself, once.
			if s.items[i].outcome == nowhere && !yield(func(ctx context.Context, h *hand) error { return s.digest(ctx, h, i) }, nil) {
				return
			}
			for n := range of {
				if !yield(func(ctx context.Context, h *hand) error { return s.addPart(ctx, h, of[n]) }, nil) {
					return
				}
			}
		}
	}
}

func length(of []piece) int64 {
	total := int64(0)
	for _, p := range of {
		total += p.Length
	}
	return total
}

// needsNothing tells whether an item has no bytes and is known.
func (s *slab) needsNothing(i int32) bool {
	return s.items[i].size == 0 && s.items[i].outcome != nowhere
}

// fitsTile tells whether an item lies in one piece that is read at once.
func (s *slab) fitsTile(of []piece) bool {
	return len(of) == 1 && of[0].Length == s.items[of[0].item].size && of[0].Length <= s.tileSize()
}

// batchTo returns the end of the pieces that fit into one tile, from first on.
func (s *slab) batchTo(first, n int) int {
	begin := s.pieces[first]
	end := begin.Offset + begin.Length
	for ; n < len(s.pieces) && n-first < batchBlobs; n++ {
		p := s.pieces[n]
		alone := n+1 == len(s.pieces) || s.pieces[n+1].item != p.item
		if !alone || !s.fitsTile(s.pieces[n:n+1]) || p.band != begin.band || p.Column != begin.Column ||
			p.Offset < end || p.Offset+p.Length-begin.Offset > s.tileSize() {
			break
		}
		end = p.Offset + p.Length
	}
	return n
}

// addBatch reads small blobs that lie behind each other in a column, and adds
// them at once. Nothing of a blob that changes meanwhile is added.
func (s *slab) addBatch(ctx context.Context, h *hand, batch []piece) error {
	begin, last := batch[0], batch[len(batch)-1]
	tile := h.tile[:last.Offset+last.Length-begin.Offset]
	clear(tile)
	read := int64(0)
	for _, p := range batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		into := tile[p.Offset-begin.Offset:][:p.Length]
		err := s.readSmall(ctx, h, p.item, into)
		read += p.Length
		if err != nil {
			clear(into)
			if !s.blamesBlob(ctx, err) {
				return err
			}
			if err := s.leaveOutUnadded(p.item, err); err != nil {
				return err
			}
		}
	}
	s.readFromStore(read)
	return s.writers[begin.band].Add(begin.Column, s.inBand(begin.Extent), tile)
}

func (s *slab) inBand(x parity.Extent) int64 { return x.Offset % s.geometry.BandSize() }

// readSmall reads all of a blob into p. Its content is then known.
func (s *slab) readSmall(ctx context.Context, h *hand, i int32, p []byte) error {
	a, err := s.assigned.at(s.items[i].at)
	if err != nil {
		return err
	}
	blob, err := s.source.Open(ctx, a.one.entry.Name, store.Access{})
	if err != nil {
		return err
	}
	defer blob.Close()
	if err := readFull(blob, p, 0, a.one.entry.Name); err != nil {
		return err
	}
	if s.items[i].outcome != nowhere {
		return s.verify(i, p, 0, a.one.entry.Name)
	}
	hasher, err := h.hasherFor(s.vault.Config.Algorithms, s.geometry.ShardSize)
	if err != nil {
		return err
	}
	hasher.Write(p)
	return s.learn(i, a, blob, hasher)
}

// learn looks at a blob whose last byte was read and keeps what is known of
// its content.
func (s *slab) learn(i int32, a assigned, blob store.Reader, hasher *hashsets.Hasher) error {
	got, err := seen(blob, a.one.entry)
	if err != nil {
		return err
	}
	got.hashes = hasher.HashSet()
	return s.known(i, s.record(a.one, a.generation, got))
}

// verify holds the bytes at offset of a known blob to their shard sums. offset
// is at a shard's border.
func (s *slab) verify(i int32, p []byte, offset int64, name string) error {
	r, err := s.outcomes.at(s.items[i].outcome)
	if err != nil {
		return err
	}
	return verifyShards(&r.Hashes, p, offset, name)
}

func verifyShards(h *hashsets.HashSet, p []byte, offset int64, name string) error {
	for done := int64(0); done < int64(len(p)); done += h.ShardSize {
		shard := (offset + done) / h.ShardSize
		part := p[done:min(done+h.ShardSize, int64(len(p)))]
		if shard >= int64(len(h.ShardSums)) || hashsets.ShardSum(part) != h.ShardSums[shard] {
			return fmt.Errorf("read %q: shard %d is not what it was: %w", name, shard, errBusy)
		}
	}
	return nil
}

// addWhole reads a blob of which all lies in the slab once: for its digests,
// its shard sums and its parity.
func (s *slab) addWhole(ctx context.Context, h *hand, of []piece) error {
	i := of[0].item
	a, err := s.assigned.at(s.items[i].at)
	if err != nil {
		return err
	}
	err = s.addWholeOf(ctx, h, of, a)
	if err != nil && s.blamesBlob(ctx, err) {
		return s.leaveOut(i, err)
	}
	return err
}

func (s *slab) addWholeOf(ctx context.Context, h *hand, of []piece, a assigned) error {
	blob, err := s.source.Open(ctx, a.one.entry.Name, store.Access{})
	if err != nil {
		return err
	}
	defer blob.Close()
	hasher, err := h.hasherFor(s.vault.Config.Algorithms, s.geometry.ShardSize)
	if err != nil {
		return err
	}
	slices.SortFunc(of, func(p, q piece) int { return cmp.Compare(p.BlobOffset, q.BlobOffset) })
	for _, p := range of {
		err := h.each(ctx, blob, a.one.entry, p.BlobOffset, p.BlobOffset+p.Length, func(off int64, b []byte) error {
			hasher.Write(b)
			return s.writers[p.band].Add(p.Column, s.inBand(p.Extent)+off-p.BlobOffset, b)
		})
		if err != nil {
			return err
		}
	}
	return s.learn(of[0].item, a, blob, hasher)
}

// digest reads a blob for its digests and shard sums alone.
func (s *slab) digest(ctx context.Context, h *hand, i int32) error {
	a, err := s.assigned.at(s.items[i].at)
	if err != nil {
		return err
	}
	got, err := h.hashOnce(ctx, a.one.entry, s.vault.Config.Algorithms, s.geometry.ShardSize, store.Access{})
	if err != nil {
		if s.blamesBlob(ctx, err) {
			return s.leaveOut(i, err)
		}
		return err
	}
	return s.known(i, s.record(a.one, a.generation, got))
}

// addPart adds a piece of a blob whose content is known, or is being read by
// itself.
func (s *slab) addPart(ctx context.Context, h *hand, p piece) error {
	a, err := s.assigned.at(s.items[p.item].at)
	if err != nil {
		return err
	}
	sums, err := s.addPartOf(ctx, h, p, a.one.entry)
	if err == nil {
		s.mu.Lock()
		s.claims = append(s.claims, claim{p, sums})
		s.mu.Unlock()
		return nil
	}
	if s.blamesBlob(ctx, err) {
		return s.leaveOut(p.item, err)
	}
	return err
}

// A claim is the shard sums of a piece that was added. They must be what the
// item's hash set has.
type claim struct {
	piece
	sums []uint64
}

func (s *slab) addPartOf(ctx context.Context, h *hand, p piece, entry store.Entry) ([]uint64, error) {
	blob, err := s.source.Open(ctx, entry.Name, store.Access{})
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	size := s.geometry.ShardSize
	sums := make([]uint64, 0, hashsets.Shards(p.Length, size))
	err = h.each(ctx, blob, entry, p.BlobOffset, p.BlobOffset+p.Length, func(off int64, b []byte) error {
		for done := int64(0); done < int64(len(b)); done += size {
			sums = append(sums, hashsets.ShardSum(b[done:min(done+size, int64(len(b)))]))
		}
		return s.writers[p.band].Add(p.Column, s.inBand(p.Extent)+off-p.BlobOffset, b)
	})
	return sums, err
}

// settle holds what was added of blobs to their hash sets.
func (s *slab) settle() error {
	claims := s.claims
	s.claims = nil
	slices.SortFunc(claims, func(c, d claim) int { return cmp.Compare(c.item, d.item) })
	var known catalog.Record
	var of int32
	for _, c := range claims {
		if s.items[c.item].out {
			continue
		}
		if known.Name == "" || of != c.item {
			r, err := s.outcomes.at(s.items[c.item].outcome)
			if err != nil {
				return err
			}
			known, of = r, c.item
		}
		first := c.BlobOffset / s.geometry.ShardSize
		after := first + int64(len(c.sums))
		if after > int64(len(known.Hashes.ShardSums)) || !slices.Equal(known.Hashes.ShardSums[first:after], c.sums) {
			if err := s.leaveOut(c.item, fmt.Errorf("read %q: %w", known.Name, errBusy)); err != nil {
				return err
			}
		}
	}
	return nil
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
