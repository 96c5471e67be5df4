package protect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"bitmend/hashsets/catalog"
)

// inlineSums is how many shard sums stay with the record that they are of.
const inlineSums = 1024

// An outcome is what became known of the content of an item: a record. The
// shard sums of a large blob, of which each band that it lies in wants a few,
// are in a file by themselves.
type outcome struct {
	record catalog.Record
	apart  stretch // of record's shard sums; none when the record has them itself
}

// A stretch is some of the sums in a file.
type stretch struct{ from, count int64 }

func (e *encoder) outcome(o outcome) {
	e.record(o.record)
	e.int(o.apart.from)
	e.int(o.apart.count)
}

func (d *decoder) outcome() outcome {
	return outcome{record: d.record(), apart: stretch{d.int(), d.int()}}
}

// An outcomes keeps what became known of the items of a unit.
type outcomes struct {
	records *spool[outcome]
	sums    *sumFile
}

func newOutcomes(dir string) (*outcomes, error) {
	records, err := newSpool(dir, (*encoder).outcome, (*decoder).outcome)
	if err != nil {
		return nil, err
	}
	sums, err := newSumFile(dir)
	if err != nil {
		return nil, errors.Join(err, records.Close())
	}
	return &outcomes{records, sums}, nil
}

// Close closes and removes the files.
func (o *outcomes) Close() error { return errors.Join(o.records.Close(), o.sums.Close()) }

// add keeps a record and returns its position.
func (o *outcomes) add(r catalog.Record) (int64, error) {
	out := outcome{record: r}
	if len(r.Hashes.ShardSums) > inlineSums {
		var err error
		if out.apart, err = o.sums.add(r.Hashes.ShardSums); err != nil {
			return 0, err
		}
		out.record.Hashes.ShardSums = nil
	}
	return o.records.add(out)
}

// at returns what was added at a position.
func (o *outcomes) at(position int64) (outcome, error) { return o.records.at(position) }

// sumsOf returns the sums of the shards [first, after); fewer, when the blob
// does not have them all.
func (o *outcomes) sumsOf(out *outcome, first, after int64) ([]uint64, error) {
	if out.apart.count == 0 {
		return between(out.record.Hashes.ShardSums, first, after), nil
	}
	after = min(after, out.apart.count)
	first = min(first, after)
	return o.sums.read(stretch{out.apart.from + first, after - first})
}

// between returns the sums [first, after), as far as there are so many.
func between(sums []uint64, first, after int64) []uint64 {
	after = min(after, int64(len(sums)))
	return sums[min(first, after):after]
}

// whole returns a record with all of its sums.
func (o *outcomes) whole(out outcome) (catalog.Record, error) {
	if out.apart.count == 0 {
		return out.record, nil
	}
	sums, err := o.sums.read(out.apart)
	out.record.Hashes.ShardSums = sums
	return out.record, err
}

// A sumFile is a scratch file of shard sums. Its methods may be called from
// many goroutines.
type sumFile struct {
	file *os.File

	mu    sync.Mutex
	count int64 // of sums in it, those included that are being written
}

// sumsAtOnce is how many sums are written, and read, at a time.
const sumsAtOnce = 8192

// newSumFile makes one in the folder dir. Close removes it.
func newSumFile(dir string) (*sumFile, error) {
	f, err := os.CreateTemp(dir, "sums-*")
	if err != nil {
		return nil, fmt.Errorf("make a scratch file: %w", err)
	}
	return &sumFile{file: f}, nil
}

// Close closes and removes the file.
func (f *sumFile) Close() error { return errors.Join(f.file.Close(), os.Remove(f.file.Name())) }

// add appends sums and returns where they are.
func (f *sumFile) add(sums []uint64) (stretch, error) {
	f.mu.Lock()
	at := stretch{f.count, int64(len(sums))}
	f.count += at.count
	f.mu.Unlock()
	buffer := make([]byte, 0, 8*min(len(sums), sumsAtOnce))
	offset := 8 * at.from
	for piece := range slices.Chunk(sums, sumsAtOnce) {
		buffer = buffer[:0]
		for _, sum := range piece {
			buffer = binary.LittleEndian.AppendUint64(buffer, sum)
		}
		if _, err := f.file.WriteAt(buffer, offset); err != nil {
			return at, fmt.Errorf("write a scratch file: %w", err)
		}
		offset += int64(len(buffer))
	}
	return at, nil
}

// read returns the sums of a stretch.
func (f *sumFile) read(s stretch) ([]uint64, error) {
	sums := make([]uint64, s.count)
	buffer := make([]byte, 8*min(len(sums), sumsAtOnce))
	offset := 8 * s.from
	for piece := range slices.Chunk(sums, sumsAtOnce) {
		packed := buffer[:8*len(piece)]
		if n, err := f.file.ReadAt(packed, offset); n < len(packed) {
			if errors.Is(err, io.EOF) {
				err = errScratch
			}
			return nil, fmt.Errorf("read a scratch file: %w", err)
		}
		for i := range piece {
			piece[i] = binary.LittleEndian.Uint64(packed[8*i:])
		}
		offset += int64(len(packed))
	}
	return sums, nil
}
