package catalog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
)

// An export holds all hash sets as lines of JSON, compressed with zstd, for
// the day when no bitmend is at hand:
//
//	zstd -dc hashsets.jsonl.zst | grep '"name":"2024/a.raw"'
//
// The first line is a header, the last one a trailer. Between them stand the
// records of all generations, sorted by the bytes of their names and then by
// generation, in blocks; each block ends with a line that has its digest, and
// is a zstd frame of its own, so that damage to one leaves the others
// readable. exportline.go has the fields.
const (
	exportFormat  = "bitmend hash sets"
	exportVersion = 1
	exportBlock   = 256 << 10 // bytes of lines, beyond which a block ends
)

// Exported is one line of an export: a record with its places.
type Exported struct {
	Record
	Current bool
	EndedAt time.Time // when it was superseded or vanished; zero while it is current
	Places  []Place
}

// Export writes all records, ended ones included, with their places. It stops
// with ErrDamaged, rather than export it, at anything that fails its check; w
// then holds no whole export, which ReadExport notices.
func (c *Catalog) Export(ctx context.Context, w io.Writer) error {
	x, err := newExporter(w)
	if err == nil {
		err = c.walk(ctx, func(r *conn) error { return r.export(ctx, x) })
	}
	if err != nil {
		return fmt.Errorf("exporting the catalog: %w", c.explain(err))
	}
	return nil
}

func (c *conn) export(ctx context.Context, x *exporter) error {
	m, err := readMeta(c)
	if err != nil {
		return err
	}
	if err := x.header(headerLine{Format: exportFormat, Version: exportVersion, Catalog: m.id, Epoch: m.epoch}); err != nil {
		return err
	}
	var walked [tallyCount]tally
	s := c.prepared(`SELECT id, name, generation, ` + contentColumns + ` FROM blob ORDER BY name`)
	for s.next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		id := s.peekInt()
		r, check, err := takeBlobRow(s)
		if err != nil {
			return fmt.Errorf("%q: %w", r.Name, err)
		}
		all, err := c.ended(id, r.Name, &walked[history])
		if err != nil {
			return err
		}
		if r.Generation > 0 {
			walked[current].add(check)
			all = append(all, Exported{Record: r, Current: true})
		}
		if err := c.addPlaces(id, all, &walked[places]); err != nil {
			return err
		}
		for i := range all {
			if err := x.record(&all[i]); err != nil {
				return err
			}
		}
	}
	if err := s.end(); err != nil {
		return err
	}
	for _, t := range []tallied{current, history, places} {
		if err := c.compare(t, walked[t]); err != nil {
			return err
		}
	}
	return x.trailer()
}

// ended returns the history of a blob by generation.
func (c *conn) ended(id int64, name string, walked *tally) (all []Exported, err error) {
	s := c.prepared(`SELECT generation, ended_at, ` + contentColumns + ` FROM history WHERE blob = ? ORDER BY generation`).argInt(id)
	for s.next() {
		r, endedAt, check, err := takeHistoryRow(s, name)
		if err != nil {
			return nil, fmt.Errorf("%q, generation %d: %w", name, r.Generation, err)
		}
		walked.add(check)
		all = append(all, Exported{Record: r, EndedAt: endedAt})
	}
	return all, s.end()
}

// addPlaces gives the places of a blob to the generations that they are of.
// A place of a generation that has no record is left out.
func (c *conn) addPlaces(id int64, all []Exported, walked *tally) error {
	s := c.prepared(`SELECT ` + placeColumns + ` FROM place p JOIN blob b ON b.id = p.blob WHERE p.blob = ?
		ORDER BY p.generation, p.blob_offset`).argInt(id)
	for s.next() {
		p, check, err := takePlace(s)
		if err != nil {
			return err
		}
		walked.add(check)
		for i := range all {
			if all[i].Generation == p.Generation {
				all[i].Places = append(all[i].Places, p)
			}
		}
	}
	return s.end()
}

// An exporter writes lines, blocks and digests. Nothing of a line's length is
// held in memory but the record itself.
type exporter struct {
	w       io.Writer
	encoder *zstd.Encoder // of the frame in work
	whole   hash.Hash     // of all lines
	block   hash.Hash     // of the block's lines
	length  int           // of them, in bytes
	lines   int           // their number
	buffer  bytes.Buffer
	counted trailerLine
}

func newExporter(w io.Writer) (*exporter, error) {
	encoder, err := zstd.NewWriter(w, zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(512<<10), zstd.WithLowerEncoderMem(true))
	return &exporter{w: w, encoder: encoder, whole: sha256.New(), block: sha256.New()}, err
}

func (x *exporter) header(h headerLine) error {
	if err := x.line(h); err != nil {
		return err
	}
	return x.endFrame()
}

func (x *exporter) record(e *Exported) error {
	line := lineOf(e)
	var err error
	if sums := e.Hashes.ShardSums; len(sums) < manySums {
		line.ShardSums = appendShardSums(nil, sums)
		err = x.line(line)
	} else {
		err = x.longLine(&line, sums)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", e.Name, err)
	}
	x.lines++
	x.counted.Places += len(e.Places)
	if e.Current {
		x.counted.Records++
	} else {
		x.counted.Ended++
	}
	if x.length >= exportBlock {
		return x.endBlock()
	}
	return nil
}

func (x *exporter) trailer() error {
	if x.lines > 0 {
		if err := x.endBlock(); err != nil {
			return err
		}
	}
	x.counted.End = exportFormat
	x.counted.SHA256 = hex.EncodeToString(x.whole.Sum(nil))
	if err := x.line(x.counted); err != nil {
		return err
	}
	return x.endFrame()
}

// line adds a line to the block.
func (x *exporter) line(v any) error {
	text, err := x.json(v)
	if err != nil {
		return err
	}
	return x.write(text)
}

// json returns a value as JSON with a newline. It is valid until the next call.
func (x *exporter) json(v any) ([]byte, error) {
	x.buffer.Reset()
	encoder := json.NewEncoder(&x.buffer)
	encoder.SetEscapeHTML(false) // so that grep finds names as they are
	err := encoder.Encode(v)
	return x.buffer.Bytes(), err
}

// manySums is how many shard sums a record has from which on they are written
// piece by piece, and this is how many go at once.
const manySums = 4096

// longLine is line for a record of many shard sums, which line lacks.
func (x *exporter) longLine(line *recordLine, sums []uint64) error {
	head, err := x.json(line.recordHead)
	if err != nil {
		return err
	}
	head = bytes.TrimSuffix(head, []byte("}\n"))
	if err := x.write(append(head, `,"shard_sums":"`...)); err != nil {
		return err
	}
	var packed, text []byte
	for piece := range slices.Chunk(sums, manySums) {
		packed = appendShardSums(packed[:0], piece)
		text = hex.AppendEncode(text[:0], packed)
		if err := x.write(text); err != nil {
			return err
		}
	}
	tail, err := x.json(line.recordTail)
	if err != nil {
		return err
	}
	return errors.Join(x.write([]byte(`",`)), x.write(bytes.TrimPrefix(tail, []byte("{"))))
}

func (x *exporter) write(p []byte) error {
	x.whole.Write(p)
	x.block.Write(p)
	x.length += len(p)
	_, err := x.encoder.Write(p)
	return err
}

func (x *exporter) endBlock() error {
	x.counted.Blocks++
	err := x.line(blockLine{Block: x.counted.Blocks, Lines: x.lines, SHA256: hex.EncodeToString(x.block.Sum(nil))})
	if err != nil {
		return err
	}
	return x.endFrame()
}

// endFrame ends the frame in work and begins another, and a block with it.
func (x *exporter) endFrame() error {
	err := x.encoder.Close()
	x.encoder.Reset(x.w)
	x.block.Reset()
	x.length, x.lines = 0, 0
	return err
}
