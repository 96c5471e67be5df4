package catalog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
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

// An exporter writes lines, blocks and digests.
type exporter struct {
	w          io.Writer
	encoder    *zstd.Encoder
	whole      hash.Hash // of all lines
	block      []byte    // lines that are not written yet
	lines      int       // in the block
	compressed []byte
	counted    trailerLine
}

func newExporter(w io.Writer) (*exporter, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(512<<10), zstd.WithLowerEncoderMem(true))
	return &exporter{w: w, encoder: encoder, whole: sha256.New()}, err
}

func (x *exporter) header(h headerLine) error {
	if err := x.line(h); err != nil {
		return err
	}
	return x.flush()
}

func (x *exporter) record(e *Exported) error {
	if err := x.line(lineOf(e)); err != nil {
		return fmt.Errorf("%q: %w", e.Name, err)
	}
	x.lines++
	x.counted.Places += len(e.Places)
	if e.Current {
		x.counted.Records++
	} else {
		x.counted.Ended++
	}
	if len(x.block) >= exportBlock {
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
	return x.flush()
}

// line adds a line to the block.
func (x *exporter) line(v any) error {
	buffer := bytes.NewBuffer(x.block)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false) // so that grep finds names as they are
	err := encoder.Encode(v)
	x.block = buffer.Bytes()
	return err
}

func (x *exporter) endBlock() error {
	x.counted.Blocks++
	sum := sha256.Sum256(x.block)
	err := x.line(blockLine{Block: x.counted.Blocks, Lines: x.lines, SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		return err
	}
	x.lines = 0
	return x.flush()
}

// flush writes the lines so far as one frame.
func (x *exporter) flush() error {
	x.whole.Write(x.block)
	x.compressed = x.encoder.EncodeAll(x.block, x.compressed[:0])
	x.block = x.block[:0]
	_, err := x.w.Write(x.compressed)
	return err
}
