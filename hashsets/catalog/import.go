package catalog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"bitmend/hashsets"
)

// Errors of reading an export.
var (
	ErrExportDamaged = errors.New("export is damaged") // a line, a block or the whole fails its check
	ErrExportNewer   = errors.New("export is newer")   // written in a later version of the format
	ErrNotExport     = errors.New("not an export")     // some other file
)

const (
	exportMemory   = 64 << 20  // bytes that the decoder may take for a frame's window
	longestLine    = 512 << 20 // bytes: the shard sums of a blob of 2 TiB
	longestTrailer = 4 << 10
)

// ReadExport yields the records of an export in its order. A record is yielded
// after the digest of its block was verified; an error after some records
// means that those were right and that more are lost. Only when the walk ends
// without an error is the export whole.
func ReadExport(ctx context.Context, r io.Reader) iter.Seq2[Exported, error] {
	return func(yield func(Exported, error) bool) {
		stopped, err := readExport(ctx, r, func(e Exported) bool { return yield(e, nil) })
		if err != nil && !stopped {
			yield(Exported{}, fmt.Errorf("reading the export: %w", err))
		}
	}
}

// An ExportHeader says which state of which catalog an export is of.
type ExportHeader struct {
	Catalog string // its ID
	Epoch   int64  // how many updates it had seen
}

// ReadExportHeader reads the first line of an export, and nothing behind its
// frame: that the rest is whole, ReadExport knows.
func ReadExportHeader(r io.Reader) (ExportHeader, error) {
	decoder, err := newExportDecoder(r)
	if err != nil {
		return ExportHeader{}, err
	}
	defer decoder.Close()
	h, err := newImporter(decoder).header()
	return ExportHeader{Catalog: h.Catalog, Epoch: h.Epoch}, err
}

func newExportDecoder(r io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(exportMemory), zstd.WithDecoderLowmem(true))
}

// readExport returns true when yield asked for no more.
func readExport(ctx context.Context, r io.Reader, yield func(Exported) bool) (stopped bool, err error) {
	decoder, err := newExportDecoder(r)
	if err != nil {
		return false, err
	}
	defer decoder.Close()
	x := newImporter(decoder)
	if _, err := x.header(); err != nil {
		return false, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		records, done, err := x.nextBlock()
		if err != nil || done {
			return false, err
		}
		for _, e := range records {
			if !yield(e) {
				return true, nil
			}
		}
	}
}

// An importer verifies what an exporter wrote.
type importer struct {
	lines   *bufio.Reader
	whole   hash.Hash // of all lines before the present one
	block   hash.Hash // of the block's lines before the present one
	counted trailerLine
	last    Exported // the one before, for the order
}

func newImporter(lines io.Reader) *importer {
	return &importer{lines: bufio.NewReaderSize(lines, 64<<10), whole: sha256.New(), block: sha256.New()}
}

func (x *importer) header() (h headerLine, err error) {
	text, err := x.line(longestTrailer)
	if err != nil {
		return h, fmt.Errorf("%w: %w", ErrNotExport, err)
	}
	if err := json.Unmarshal(text, &h); err != nil || h.Format != exportFormat {
		return h, ErrNotExport
	}
	if h.Version > exportVersion {
		return h, fmt.Errorf("%w: version %d, this bitmend reads %d", ErrExportNewer, h.Version, exportVersion)
	}
	if err := parseStrictly(text, &h); err != nil || h.Version < 1 {
		return h, errors.Join(fmt.Errorf("%w: its header", ErrExportDamaged), err)
	}
	x.whole.Write(text)
	return h, nil
}

// nextBlock returns the records of the next block, verified; done after the
// trailer, which is verified too.
func (x *importer) nextBlock() (records []Exported, done bool, err error) {
	x.block.Reset()
	for {
		text, long, err := x.anyLine()
		if err != nil {
			return nil, false, fmt.Errorf("%w: after %d blocks: %w", ErrExportDamaged, x.counted.Blocks, err)
		}
		switch {
		case bytes.HasPrefix(text, []byte(`{"block":`)):
			err = x.endBlock(text, len(records))
			if err == nil {
				x.count(records)
				return records, false, nil
			}
		case bytes.HasPrefix(text, []byte(`{"end":`)) && len(records) == 0:
			err = x.trailer(text)
			if err == nil {
				return nil, true, nil
			}
		default:
			var e Exported
			if long != nil {
				e, err = long.record()
			} else {
				e, err = parseLine(text)
			}
			if err == nil {
				err = x.inOrder(&e)
			}
			records = append(records, e)
		}
		if err != nil {
			return nil, false, fmt.Errorf("%w: after %d blocks: %w", ErrExportDamaged, x.counted.Blocks, err)
		}
		if long == nil {
			x.block.Write(text)
			x.whole.Write(text)
		}
	}
}

func (x *importer) count(records []Exported) {
	for i := range records {
		x.counted.Places += len(records[i].Places)
		if records[i].Current {
			x.counted.Records++
		} else {
			x.counted.Ended++
		}
	}
}

// inOrder holds a record against the one before: sorted, and at most one
// current one of each name, the newest.
func (x *importer) inOrder(e *Exported) error {
	order := strings.Compare(x.last.Name, e.Name)
	if order > 0 || order == 0 && (x.last.Generation >= e.Generation || x.last.Current) {
		return fmt.Errorf("%q, generation %d, is out of order", e.Name, e.Generation)
	}
	x.last = Exported{Record: Record{Name: e.Name, Generation: e.Generation}, Current: e.Current}
	return nil
}

func (x *importer) endBlock(text []byte, lines int) error {
	var b blockLine
	if err := parseStrictly(text, &b); err != nil {
		return err
	}
	x.counted.Blocks++
	want := blockLine{Block: x.counted.Blocks, Lines: lines, SHA256: hex.EncodeToString(x.block.Sum(nil))}
	if b != want {
		return fmt.Errorf("block %d fails its check", want.Block)
	}
	x.whole.Write(text)
	return nil
}

func (x *importer) trailer(text []byte) error {
	var t trailerLine
	if err := parseStrictly(text, &t); err != nil {
		return err
	}
	x.counted.End = exportFormat
	x.counted.SHA256 = hex.EncodeToString(x.whole.Sum(nil))
	if t != x.counted {
		return errors.New("its trailer does not match")
	}
	if _, err := x.lines.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("something follows its trailer"), err)
	}
	return nil
}

// line reads a line with its newline, which has no more bytes than longest.
func (x *importer) line(longest int) ([]byte, error) {
	var text []byte
	err := x.pieces(longest, func(piece []byte) error {
		text = append(text, piece...)
		return nil
	})
	return text, err
}

// anyLine reads a line with its newline. Where it is so long that its text
// should not be in memory as a whole it is a record's, and is in the digests
// already.
func (x *importer) anyLine() (text []byte, long *longLine, err error) {
	err = x.pieces(longestLine, func(piece []byte) error {
		if long == nil && piece[len(piece)-1] == '\n' {
			text = append(text, piece...)
			return nil
		}
		if long == nil {
			long = new(longLine)
		}
		x.block.Write(piece)
		x.whole.Write(piece)
		return long.take(piece)
	})
	return text, long, err
}

// pieces reads a line in pieces, which are valid during the call.
func (x *importer) pieces(longest int, take func([]byte) error) error {
	for length := 0; ; {
		piece, err := x.lines.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		switch {
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil && !full:
			return err
		}
		if length += len(piece); length > longest {
			return fmt.Errorf("a line is longer than %d bytes", longest)
		}
		if err := take(piece); err != nil || !full {
			return err
		}
	}
}

// parseStrictly refuses fields that it does not know and anything after.
func parseStrictly(text []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one value on the line")
	}
	return nil
}

func kindNamed(name string) (hashsets.Kind, error) {
	for _, k := range []hashsets.Kind{hashsets.File, hashsets.Link, hashsets.Directory} {
		if k.String() == name {
			return k, nil
		}
	}
	return 0, fmt.Errorf("unknown kind %q", name)
}

func sortedDigests(digests map[string]hexed) []hashsets.Digest {
	var sorted []hashsets.Digest
	for _, name := range slices.Sorted(maps.Keys(digests)) {
		sorted = append(sorted, hashsets.Digest{Algorithm: hashsets.Algorithm(name), Sum: digests[name]})
	}
	return sorted
}

// Import puts all records of an export and their places into a catalog that
// has no records yet, in one transaction: all of them, or none when the export
// is damaged.
func (c *Catalog) Import(ctx context.Context, r io.Reader) error {
	err := c.Update(ctx, func(tx *Tx) error { return tx.importFrom(ctx, r) })
	if err != nil {
		return fmt.Errorf("importing into the catalog: %w", err)
	}
	return nil
}

func (tx *Tx) importFrom(ctx context.Context, r io.Reader) error {
	for _, t := range []tallied{current, history, places} {
		if recorded, err := tx.conn.tally(t); err != nil || recorded.rows > 0 {
			return errors.Join(err, errors.New("it has records already"))
		}
	}
	for e, err := range ReadExport(ctx, r) {
		if err == nil {
			err = tx.putExported(&e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) putExported(e *Exported) error {
	id, err := tx.addBlob(e.Name)
	switch {
	case err != nil:
	case e.Current:
		err = tx.putCurrent(id, &e.Record)
	default:
		err = tx.putHistory(id, &e.Record, e.EndedAt)
	}
	for i := range e.Places {
		if err == nil {
			err = tx.putPlace(&e.Places[i])
		}
	}
	if err != nil {
		return fmt.Errorf("%q, generation %d: %w", e.Name, e.Generation, err)
	}
	return nil
}
