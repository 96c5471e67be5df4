package parity

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"time"

	"bitmend/hashsets"
	"bitmend/scrub/store"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"
)

// listCopies is how many of the m files carry the list, where there are so
// many.
const listCopies = 2

// writeBlock is how much is written and read back at a time; a multiple of
// store.BlockSize.
const writeBlock = 1 << 20

// StagedBand is a version of a band that was written and verified and is not
// yet visible.
type StagedBand struct {
	ID     BandID
	Files  []WrittenFile
	staged []store.Staged
}

// WrittenFile is a parity file as it was read back.
type WrittenFile struct {
	Index  int // parity column
	Name   string
	Hashes hashsets.HashSet // xxh64 and sha256
}

// Write stages the m parity files in home, seals them, reads them back and
// checks them; Publish makes them visible. list yields the band's contents by
// column and offset; it is walked more than once. After an error nothing stays
// staged.
func (w *BandWriter) Write(ctx context.Context, home store.Writable, list iter.Seq2[Listed, error]) (*StagedBand, error) {
	if list == nil {
		list = func(func(Listed, error) bool) {}
	}
	payload, entries, err := w.measure(ctx, list)
	if err != nil {
		return nil, err
	}
	b := &StagedBand{ID: w.id}
	if err := w.stage(ctx, home, b, payload, entries, list); err != nil {
		return nil, errors.Join(err, b.Discard(context.WithoutCancel(ctx)))
	}
	return b, nil
}

// measure walks the list to know its length, which the head gives, and holds
// its entries to the band.
func (w *BandWriter) measure(ctx context.Context, list iter.Seq2[Listed, error]) (payload, entries int64, err error) {
	lw := newListWriter(binder{}, func([]byte) error { return ctx.Err() })
	before := Extent{Column: -1}
	h := w.head(0)
	for e, err := range list {
		if err == nil {
			err = h.holds(&e)
		}
		if err == nil && (e.Column < before.Column || e.Column == before.Column && e.Offset < before.Offset) {
			err = fmt.Errorf("%v comes after column %d, offset %d", &e, before.Column, before.Offset)
		}
		if err == nil {
			err = lw.add(&e)
		}
		if err != nil {
			return 0, 0, fmt.Errorf("listing %v: %w", w.id, err)
		}
		before = e.Extent
	}
	return lw.payload, lw.entries, nil
}

func (w *BandWriter) head(index int) *head {
	return &head{id: w.id, geometry: w.geometry, index: index, stripes: w.stripes, row: w.rows[index]}
}

// stage writes the files one after the other, since list need not bear to be
// walked twice at a time; then it makes them durable and reads them back side
// by side.
func (w *BandWriter) stage(ctx context.Context, home store.Writable, b *StagedBand, payload, entries int64, list iter.Seq2[Listed, error]) error {
	heads := make([]*head, w.geometry.Parity)
	for j := range heads {
		heads[j] = w.head(j)
		if j < listCopies {
			heads[j].listLength, heads[j].listEntries = listLength(payload), entries
		}
	}
	blocks := newBlocks(min(len(heads), fullParity), heads[0].parts().size)
	defer blocks.memory.Free()
	meant := make([]uint64, len(heads))
	for j, h := range heads {
		name := FileName(w.id, j)
		staged, err := home.Stage(ctx, name, stageID(w.id, j))
		if err != nil {
			return fmt.Errorf("staging parity file %s in %s: %w", name, home.Name(), err)
		}
		b.staged = append(b.staged, staged)
		b.Files = append(b.Files, WrittenFile{Index: j, Name: name})
		if meant[j], err = w.writeFile(ctx, staged, h, list, blocks); err != nil {
			return fmt.Errorf("writing parity file %s in %s: %w", name, home.Name(), err)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for j, h := range heads {
		group.Go(func() (err error) {
			if b.Files[j].Hashes, err = seal(ctx, b.staged[j], h.parts().size, meant[j], blocks); err != nil {
				return fmt.Errorf("verifying parity file %s in %s: %w", b.Files[j].Name, home.Name(), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// Blocks are memory to write files from, and to read them back into.
type blocks struct {
	memory *store.Buffer
	idle   chan []byte
}

// newBlocks returns n of them for files of at most size bytes, each a whole
// number of store.BlockSize.
func newBlocks(n int, size int64) *blocks {
	length := int(min(writeBlock, ceilDiv(size, store.BlockSize)*store.BlockSize))
	b := &blocks{store.NewBuffer(n * length), make(chan []byte, n)}
	for block := range slices.Chunk(b.memory.Bytes(), length) {
		b.idle <- block
	}
	return b
}

// stageID is unique to the file, since a folder may hold the replacements of
// many; it is the same in each run, so that what a crash left is overwritten.
func stageID(id BandID, index int) string {
	return fmt.Sprintf("parity-%d-%d-%d-%d", id.Set, id.Number, id.Version, index)
}

// writeFile writes one parity file from its beginning to its end and returns
// the XXH64 of all of it.
func (w *BandWriter) writeFile(ctx context.Context, to io.WriterAt, h *head, list iter.Seq2[Listed, error], blocks *blocks) (uint64, error) {
	at := h.parts()
	block := <-blocks.idle
	defer func() { blocks.idle <- block }()
	f := &sequential{ctx: ctx, to: to, block: block[:0]}
	encoded := h.encode()
	sums := binder{id: h.id, index: h.index}
	table := w.shardSums(h, &sums)

	f.write(encoded)
	f.pad(at.sums[0])
	f.write(sumTable(table, 0, &sums))
	f.pad(at.shards)
	f.write(w.parity[h.index])
	f.write(sumTable(table, 1, &sums))
	if h.listLength > 0 {
		lw := newListWriter(sums, func(chunk []byte) error { f.write(chunk); return f.err })
		for e, err := range list {
			if err == nil {
				err = lw.add(&e)
			}
			if err != nil {
				return 0, fmt.Errorf("its list: %w", err)
			}
		}
		if err := lw.flush(); err != nil {
			return 0, err
		}
		if listLength(lw.payload) != h.listLength || lw.entries != h.listEntries {
			return 0, errors.New("the list changed while it was being written")
		}
	}
	f.write(encoded)
	f.write(h.locator())
	f.flush()
	if f.err == nil && f.at != at.size {
		f.err = fmt.Errorf("%d bytes were written of %d", f.at, at.size)
	}
	return f.sum.Sum64(), f.err
}

// shardSums returns the sums of the parity shards, eight bytes each.
func (w *BandWriter) shardSums(h *head, sums *binder) []byte {
	size := w.geometry.ShardSize
	table := make([]byte, 0, 8*(w.stripes+1))
	for stripe := range w.stripes {
		at := int64(stripe) * size
		table = binary.LittleEndian.AppendUint64(table, sums.of(partShard, stripe, w.parity[h.index][at:at+size]))
	}
	return table
}

// sumTable is a copy of the table of sums with its own sum behind it.
func sumTable(table []byte, position int, sums *binder) []byte {
	return binary.LittleEndian.AppendUint64(table[:len(table):len(table)], sums.of(partSums, position, table))
}

// sequential writes a file in order, in large blocks, and sums it. After an
// error it does nothing.
type sequential struct {
	ctx   context.Context
	to    io.WriterAt
	block []byte // not yet written
	at    int64  // bytes written
	sum   xxhash.Digest
	err   error
	begun bool
}

func (s *sequential) write(p []byte) {
	if !s.begun {
		s.sum.Reset()
		s.begun = true
	}
	s.sum.Write(p)
	if len(p) >= writeBlock { // parity shards are not copied
		s.flush()
		s.writeOut(p)
		return
	}
	if len(s.block)+len(p) > cap(s.block) {
		s.flush()
	}
	s.block = append(s.block, p...)
}

// pad writes zeros up to offset.
func (s *sequential) pad(offset int64) { s.write(make([]byte, offset-s.at-int64(len(s.block)))) }

func (s *sequential) flush() {
	s.writeOut(s.block)
	s.block = s.block[:0]
}

func (s *sequential) writeOut(p []byte) {
	for len(p) > 0 && s.err == nil {
		if s.err = s.ctx.Err(); s.err != nil {
			return
		}
		n := min(len(p), writeBlock)
		_, s.err = s.to.WriteAt(p[:n], s.at)
		s.at += int64(n)
		p = p[n:]
	}
}

// seal makes a staged file durable, reads it back and returns its hash set,
// given that its XXH64 is the one that was meant to be written.
func seal(ctx context.Context, staged store.Staged, size int64, meant uint64, blocks *blocks) (hashsets.HashSet, error) {
	if err := staged.Seal(ctx, size, ownAttributes()); err != nil {
		return hashsets.HashSet{}, err
	}
	hasher, err := hashsets.NewHasher([]hashsets.Algorithm{hashsets.XXH64, hashsets.SHA256}, 0)
	if err != nil {
		return hashsets.HashSet{}, err
	}
	block := <-blocks.idle
	defer func() { blocks.idle <- block }()
	for at := int64(0); at < size; {
		if err := ctx.Err(); err != nil {
			return hashsets.HashSet{}, err
		}
		p := block[:min(int64(len(block)), size-at)]
		n, err := staged.ReadAt(p, at)
		if n < len(p) {
			return hashsets.HashSet{}, fmt.Errorf("reading back at %d: %w", at+int64(n), err)
		}
		hasher.Write(p)
		at += int64(n)
	}
	hashes := hasher.HashSet()
	if sum, _ := hashes.Digest(hashsets.XXH64); binary.BigEndian.Uint64(sum) != meant {
		return hashsets.HashSet{}, errors.New("what was read back is not what was written")
	}
	return hashes, nil
}

// ownAttributes are those of a file that this process makes for itself. Parity
// tells of the data, so others must not read it.
func ownAttributes() hashsets.Attributes {
	return hashsets.Attributes{
		Mode:    0o600,
		UID:     uint32(os.Geteuid()),
		GID:     uint32(os.Getegid()),
		ModTime: time.Now().UnixNano(),
	}
}

// Publish renames the files to their names. After an error some may be
// visible; they are of a version that nothing refers to yet.
func (b *StagedBand) Publish(ctx context.Context) error {
	for j, staged := range b.staged {
		if _, err := staged.Publish(ctx, nil); err != nil {
			return fmt.Errorf("publishing parity file %s: %w", b.Files[j].Name, err)
		}
	}
	return b.close()
}

// Discard removes them, unless they were published.
func (b *StagedBand) Discard(ctx context.Context) error {
	var errs []error
	for j, staged := range b.staged {
		if err := staged.Discard(ctx); err != nil {
			errs = append(errs, fmt.Errorf("discarding parity file %s: %w", b.Files[j].Name, err))
		}
	}
	return errors.Join(append(errs, b.close())...)
}

func (b *StagedBand) close() error {
	var errs []error
	for _, staged := range b.staged {
		errs = append(errs, staged.Close())
	}
	b.staged = nil
	return errors.Join(errs...)
}
