package parity

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"

	"github.com/cespare/xxhash/v2"
)

// A list is a stream of entries, each after its length in four bytes, cut into
// chunks of a fixed size, the last of which is shorter. A chunk tells where the
// first entry that begins in it stands, so that reading goes on after a
// damaged one.
const (
	chunkSize    = 64 << 10
	chunkHead    = 16
	chunkPayload = chunkSize - chunkHead
	noEntry      = math.MaxUint32 // in place of the first entry of a chunk in which none begins
)

// listLength is how long the list is whose entries take so many bytes with
// their lengths.
func listLength(payload int64) int64 { return payload + ceilDiv(payload, chunkPayload)*chunkHead }

// listWriter cuts entries into chunks.
type listWriter struct {
	emit    func(chunk []byte) error // chunk is valid during the call
	binder  binder
	chunk   []byte // the chunk in work, with room for its head
	first   uint32
	number  int
	entries int64
	payload int64 // bytes so far, of all chunks
	entry   []byte
}

func newListWriter(b binder, emit func([]byte) error) *listWriter {
	return &listWriter{
		emit:   emit,
		binder: b,
		chunk:  make([]byte, chunkHead, chunkSize),
		first:  noEntry,
	}
}

func (w *listWriter) add(e *Listed) error {
	w.entry = appendEntry(append(w.entry[:0], 0, 0, 0, 0), e)
	if len(w.entry) > maxEntry {
		return fmt.Errorf("what is recorded of %v takes %d bytes, a list takes at most %d of one blob", e, len(w.entry), maxEntry)
	}
	binary.LittleEndian.PutUint32(w.entry, uint32(len(w.entry)-4))
	w.entries++
	w.payload += int64(len(w.entry))
	if w.first == noEntry {
		w.first = uint32(len(w.chunk) - chunkHead)
	}
	for rest := w.entry; len(rest) > 0; {
		n := min(len(rest), chunkSize-len(w.chunk))
		w.chunk = append(w.chunk, rest[:n]...)
		rest = rest[n:]
		if len(w.chunk) == chunkSize {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush emits the chunk in work if there is anything in it.
func (w *listWriter) flush() error {
	if len(w.chunk) == chunkHead {
		return nil
	}
	le := binary.LittleEndian
	le.PutUint32(w.chunk, uint32(len(w.chunk)-chunkHead))
	le.PutUint32(w.chunk[4:], w.first)
	le.PutUint64(w.chunk[8:], w.binder.of(partList, w.number, w.chunk[:8], w.chunk[chunkHead:]))
	err := w.emit(w.chunk)
	w.chunk, w.first = w.chunk[:chunkHead], noEntry
	w.number++
	return err
}

// checkChunk returns the payload of a chunk as it was read, and where the
// first entry begins in it (noEntry: nowhere).
func (b *binder) checkChunk(number int, chunk []byte) (payload []byte, first uint32, ok bool) {
	if len(chunk) <= chunkHead {
		return nil, 0, false
	}
	le := binary.LittleEndian
	payload, first = chunk[chunkHead:], le.Uint32(chunk[4:])
	ok = int64(le.Uint32(chunk)) == int64(len(payload)) &&
		(first == noEntry || int64(first) < int64(len(payload))) &&
		le.Uint64(chunk[8:]) == b.of(partList, number, chunk[:8], payload)
	return payload, first, ok
}

// List yields what lies in the band, by column and offset. For each part of
// the list that is damaged it yields ErrDamaged once and goes on behind it:
// the entries there are lost. Other errors end it.
func (f *File) List(ctx context.Context) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		chunk := make([]byte, min(chunkSize, f.head.listLength))
		var entries []byte // read, and not yet taken apart
		inStep := false    // whether entries begins with an entry
		sums := f.binder() // of its own, so that lists may be read at the same time
		chunks := int(ceilDiv(f.head.listLength, chunkSize))
		for number := range chunks {
			if err := ctx.Err(); err != nil {
				yield(Listed{}, f.failed("reading the list", err))
				return
			}
			at := f.parts.list + int64(number)*chunkSize
			p := chunk[:min(int64(len(chunk)), f.parts.tail-at)]
			if at >= f.size {
				yield(Listed{}, f.damaged("its list is cut off at chunk %d of %d", number, chunks))
				return
			}
			if err := f.read(p, at); err != nil && !isDamage(err) {
				yield(Listed{}, err)
				return
			} else if payload, first, ok := sums.checkChunk(number, p); err != nil || !ok {
				inStep = false
				if !yield(Listed{}, f.damaged("chunk %d of its list fails its sum", number)) {
					return
				}
			} else if inStep {
				entries = append(entries, payload...)
			} else if first != noEntry {
				entries, inStep = append(entries[:0], payload[first:]...), true
			}
			if inStep {
				if entries, inStep = f.yieldEntries(entries, yield); entries == nil {
					return
				}
			}
		}
		if inStep && len(entries) > 0 {
			yield(Listed{}, f.damaged("its list ends in an entry"))
		}
	}
}

// ListSum returns the XXH64 of the list: the files of a band that carry one
// carry the same. ErrDamaged when any part of it is damaged.
func (f *File) ListSum(ctx context.Context) (uint64, error) {
	chunk := make([]byte, min(chunkSize, f.head.listLength))
	all, sums := xxhash.New(), f.binder()
	for number := range int(ceilDiv(f.head.listLength, chunkSize)) {
		if err := ctx.Err(); err != nil {
			return 0, f.failed("reading the list", err)
		}
		at := f.parts.list + int64(number)*chunkSize
		p := chunk[:min(int64(len(chunk)), f.parts.tail-at)]
		if err := f.read(p, at); err != nil {
			return 0, err
		}
		payload, _, ok := sums.checkChunk(number, p)
		if !ok {
			return 0, f.damaged("chunk %d of its list fails its sum", number)
		}
		all.Write(payload)
	}
	return all.Sum64(), nil
}

// yieldEntries yields the entries that are complete in b and returns the rest,
// nil when the caller wants no more, and whether an entry begins there.
func (f *File) yieldEntries(b []byte, yield func(Listed, error) bool) (rest []byte, inStep bool) {
	buffer := b
	for len(b) >= 4 {
		length := int64(binary.LittleEndian.Uint32(b))
		if length > maxEntry {
			if !yield(Listed{}, f.damaged("an entry of its list claims %d bytes", length)) {
				return nil, false
			}
			return buffer[:0], false
		}
		if int64(len(b)) < 4+length {
			break
		}
		e, err := decodeEntry(b[4 : 4+length])
		if err == nil {
			err = f.head.holds(&e)
		}
		if err != nil {
			e, err = Listed{}, f.damaged("its list: %w", err)
		}
		if !yield(e, err) {
			return nil, false
		}
		b = b[4+length:]
	}
	return buffer[:copy(buffer, b)], true
}

// holds tells whether an entry lies in the band.
func (h *head) holds(e *Listed) error {
	from := h.id.Number * h.geometry.BandSize()
	to := from + int64(h.stripes)*h.geometry.ShardSize
	if e.Column < 0 || e.Column >= h.geometry.Data || e.Offset < from || e.Length < 0 || e.Offset > to || e.Length > to-e.Offset {
		return fmt.Errorf("%v lies outside %v", e, h.id)
	}
	return nil
}
