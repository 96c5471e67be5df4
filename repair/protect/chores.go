package protect

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/store"
)

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
