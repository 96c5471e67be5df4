package protect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"bitmend/hashsets"
	"bitmend/repair/parity"
	"bitmend/scrub/store"
)

// chore is work that one worker does on its own.
type chore func(ctx context.Context, h *hand) error

// tasks cuts what lies in the slab into work, item by item.
func (s *slab) tasks() iter.Seq2[chore, error] {
	return func(yield func(chore, error) bool) {
		var of, batch []piece
		addBatch := func() bool {
			full := batch
			batch = nil
			return len(full) == 0 || yield(func(ctx context.Context, h *hand) error { return s.addBatch(ctx, h, full) }, nil)
		}
		for n := range s.items {
			of = s.cut(of[:0], int32(n))
			if s.fitsTile(of) {
				if !s.joins(batch, of[0]) && !addBatch() {
					return
				}
				batch = append(batch, of[0])
				continue
			}
			if len(of) > 0 && !(addBatch() && s.large(slices.Clone(of), yield)) {
				return
			}
		}
		addBatch()
	}
}

// large yields the work on the pieces of an item that is not read at once.
func (s *slab) large(of []piece, yield func(chore, error) bool) bool {
	i := of[0].item
	if s.items[i].outcome == nowhere && length(of) == s.items[i].size {
		return yield(func(ctx context.Context, h *hand) error { return s.addWhole(ctx, h, of) }, nil)
	}
	// It goes on in another slab, or is known: its parts can be added side by
	// side, and its content is read by itself, once.
	if s.items[i].outcome == nowhere && !yield(func(ctx context.Context, h *hand) error { return s.digest(ctx, h, i) }, nil) {
		return false
	}
	for n := range of {
		if !yield(func(ctx context.Context, h *hand) error { return s.addPart(ctx, h, of[n]) }, nil) {
			return false
		}
	}
	return true
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

// joins tells whether a small blob lies behind those of a batch and in one tile
// with them.
func (s *slab) joins(batch []piece, p piece) bool {
	if len(batch) == 0 || len(batch) == batchBlobs {
		return false
	}
	begin, last := batch[0], batch[len(batch)-1]
	return p.band == begin.band && p.Column == begin.Column && p.Offset >= last.Offset+last.Length &&
		p.Offset+p.Length-begin.Offset <= s.tileSize()
}

// goesOnWithout tells whether the unit is encoded without a blob after an error
// of reading it. What was recorded before does not lose its parity because the
// run may not fetch more.
func (s *slab) goesOnWithout(ctx context.Context, a assigned, err error) bool {
	return s.blamesBlob(ctx, err) || !a.recorded && errors.Is(err, store.ErrAllowance)
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
			if a, missing := s.assigned.at(s.items[p.item].at); missing != nil || !s.goesOnWithout(ctx, a, err) {
				return errors.Join(err, missing)
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
	blob, err := s.source.Open(ctx, a.one.entry.Name, store.Access{Whole: true, Size: int64(len(p))})
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
	got.hashes = hasher.Take()
	return s.known(i, s.record(a.one, a.generation, got))
}

// verify holds the bytes at offset of a known blob to their shard sums. offset
// is at a shard's border.
func (s *slab) verify(i int32, p []byte, offset int64, name string) error {
	known, err := s.outcomes.at(s.items[i].outcome)
	if err != nil {
		return err
	}
	size := s.geometry.ShardSize
	first := offset / size
	sums, err := s.outcomes.sumsOf(&known, first, first+int64(hashsets.Shards(int64(len(p)), size)))
	if err != nil {
		return err
	}
	shard := 0
	for part := range slices.Chunk(p, int(size)) {
		if shard >= len(sums) || hashsets.ShardSum(part) != sums[shard] {
			return fmt.Errorf("read %q: shard %d is not what it was: %w", name, first+int64(shard), errBusy)
		}
		shard++
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
	if err != nil && s.goesOnWithout(ctx, a, err) {
		return s.leaveOut(i, err)
	}
	return err
}

func (s *slab) addWholeOf(ctx context.Context, h *hand, of []piece, a assigned) error {
	blob, err := s.source.Open(ctx, a.one.entry.Name, store.Access{Whole: true, Size: a.one.entry.Identity.Size})
	if err != nil {
		return err
	}
	defer blob.Close()
	hasher, err := h.hasherFor(s.vault.Config.Algorithms, s.geometry.ShardSize)
	if err != nil {
		return err
	}
	hasher.Expect(a.one.entry.Identity.Size)
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
		if s.goesOnWithout(ctx, a, err) {
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
	if s.goesOnWithout(ctx, a, err) {
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
	for _, c := range claims {
		if s.items[c.item].out {
			continue
		}
		known, err := s.outcomes.at(s.items[c.item].outcome)
		if err != nil {
			return err
		}
		first := c.BlobOffset / s.geometry.ShardSize
		sums, err := s.outcomes.sumsOf(&known, first, first+int64(len(c.sums)))
		if err != nil {
			return err
		}
		if !slices.Equal(sums, c.sums) {
			if err := s.leaveOut(c.item, fmt.Errorf("read %q: %w", known.record.Name, errBusy)); err != nil {
				return err
			}
		}
	}
	return nil
}
