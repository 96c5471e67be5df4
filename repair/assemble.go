package repair

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// begin writes the journal entry and makes the temporary file.
func (r *run) begin(ctx context.Context, j *job) error {
	if err := r.dirs.prepare(ctx, r, j.target, j.record.Name); err != nil {
		return err
	}
	if err := r.step(j.entry, Journalled, func() error { return r.journal.put(j.entry) }); err != nil {
		return err
	}
	return r.step(j.entry, StagedFile, func() error {
		staged, err := j.target.Stage(ctx, j.record.Name, j.entry.ID)
		if err != nil {
			return fmt.Errorf("make a temporary file for %q: %w", j.record.Name, err)
		}
		j.staged = r.staged.add(j.target, j.record.Name, j.entry.ID, staged)
		return nil
	})
}

// assemble fills the temporary file from every source but the stripes. What is
// still missing is in j.missing. An error is of the host or of the target
// store: a source that fails is one that has nothing.
func (r *run) assemble(ctx context.Context, j *job) error {
	if j.seen != nil && j.seen.Kind == hashsets.File {
		if err := r.fillFromTarget(ctx, j); err != nil {
			return err
		}
	}
	j.entry.Rewritten = j.missing.ranges(&j.record.Hashes)
	if j.record.Hashes.ShardSize == 0 {
		j.entry.Rewritten = []store.Range{{Offset: 0, Length: j.record.Hashes.Size}}
	}
	if r.readWell(j) {
		whole, err := r.isRecorded(ctx, j)
		if err != nil {
			return err
		}
		if whole {
			return r.foundIntact(ctx, j, *j.seen)
		}
	}
	for _, from := range r.peers(j.planned.Store) {
		if j.complete() {
			break
		}
		if err := r.fillFrom(ctx, j, from, j.record.Name); err != nil {
			return err
		}
	}
	if err := r.nothingSpread(ctx, j); err != nil {
		return err
	}
	if j.complete() {
		return nil
	}
	if err := r.fillFromVersions(ctx, j); err != nil {
		return err
	}
	if err := r.fillFromElsewhere(ctx, j); err != nil {
		return err
	}
	return r.fillFromQuarantine(ctx, j)
}

// fillFromTarget takes what is good of what stands in the place. One that comes
// over a network is kept before, for that takes all of its bytes: what is good
// of it is in the copy then, and is not fetched again. One that may have to wait
// for its stripes is not, so that copies do not pile up on the vault's disk.
func (r *run) fillFromTarget(ctx context.Context, j *job) error {
	_, remote := j.target.(store.Remote)
	early := remote && !j.stays() && j.planned.fromCopy()
	if j.kept || early && r.keep(ctx, j, *j.seen) == nil { // it is tried again before the placing
		return r.fillFromKept(ctx, j)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.fillFrom(ctx, j, peer{FromReread, j.planned.Store, j.target}, j.record.Name)
}

func (r *run) fillFromKept(ctx context.Context, j *job) error {
	f, err := r.quarantine().open(j.entry.ID)
	if err != nil {
		return fmt.Errorf("read what was kept of %q: %w", j.record.Name, err)
	}
	defer f.Close()
	return r.fill(ctx, j, FromReread, f)
}

// fillFromElsewhere asks the donors for the content under other names.
func (r *run) fillFromElsewhere(ctx context.Context, j *job) error {
	for _, d := range r.donors {
		if j.complete() {
			return nil
		}
		names, err := d.candidates(ctx, j.record.Name, j.record.Hashes.Size)
		if err != nil {
			return err
		}
		for _, name := range names {
			if j.complete() {
				return nil
			}
			if err := r.fillFrom(ctx, j, peer{FromDonor, d.from.URL(), d.from}, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) fillFromQuarantine(ctx context.Context, j *job) error {
	for _, id := range r.kept.of(j.record.Name) {
		if j.complete() {
			return nil
		}
		f, err := r.kept.open(id)
		if err != nil {
			continue // a copy that cannot be read is no source
		}
		err = r.fill(ctx, j, FromQuarantine, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// complete tells whether every byte of the replacement is in its place.
func (j *job) complete() bool {
	return j.record.Hashes.Size == 0 || j.whole || j.record.Hashes.ShardSize != 0 && len(j.missing) == 0
}

// readWell tells whether the target delivered every recorded shard this time.
func (r *run) readWell(j *job) bool {
	return j.seen != nil && j.record.Hashes.Size > 0 && j.complete() && j.seen.Identity.Size == j.record.Hashes.Size
}

// fillFrom takes what is missing from the file name in a store.
func (r *run) fillFrom(ctx context.Context, j *job, from peer, name string) error {
	whole := j.missing.count() == len(j.record.Hashes.ShardSums)
	reader, err := from.from.Open(ctx, name, store.Access{Direct: true, Whole: whole, Size: j.record.Hashes.Size})
	if err != nil {
		// A source that cannot be opened has nothing; but whether it would have
		// had something is known only where the blob is not there or damaged.
		if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrNotABlob) && !errors.Is(err, store.ErrMedium) {
			j.unknown = err
		}
		return ctx.Err()
	}
	defer reader.Close()
	if from.kind == FromReplica {
		return r.compareCopy(ctx, j, from, reader)
	}
	return r.fill(ctx, j, from.kind, reader)
}

// fill takes from a source every missing shard that matches its recorded sum,
// or, where no shard sums are recorded, the whole blob if it matches.
func (r *run) fill(ctx context.Context, j *job, kind SourceKind, from io.ReaderAt) error {
	if j.record.Hashes.ShardSize == 0 {
		return r.fillWhole(ctx, j, kind, from)
	}
	h := &j.record.Hashes
	perChunk := max(1, int(chunkSize/h.ShardSize))
	buffer := r.buffers.get()
	defer r.buffers.put(buffer)
	if int64(len(buffer)) < h.ShardSize {
		buffer = make([]byte, h.ShardSize)
	}
	var still shardSet
	for _, run := range j.missing {
		for first := run.from; first < run.to; first += perChunk {
			if err := ctx.Err(); err != nil {
				return err
			}
			chunk := shardRun{first, min(first+perChunk, run.to)}
			if err := r.fillChunk(j, kind, from, chunk, buffer, &still); err != nil {
				return err
			}
		}
	}
	j.missing = still
	return nil
}

// fillChunk takes the shards of one chunk, and adds to still what it cannot.
func (r *run) fillChunk(j *job, kind SourceKind, from io.ReaderAt, chunk shardRun, buffer []byte, still *shardSet) error {
	h := &j.record.Hashes
	start, _ := h.ShardRange(chunk.from)
	last, length := h.ShardRange(chunk.to - 1)
	piece := buffer[:last+length-start]
	n, err := from.ReadAt(piece, start)
	r.count(int64(n), 0)
	have := int64(n)
	if !tellsOfBytes(err) {
		j.unknown = err // what it would have delivered, nobody knows
	}
	for i := chunk.from; i < chunk.to; i++ {
		offset, length := h.ShardRange(i)
		shard := piece[offset-start:][:length]
		if offset-start+length > have {
			if err == nil || errors.Is(err, io.EOF) || !r.readAlone(from, shard, offset) {
				still.add(i)
				continue
			}
		}
		if sum := hashsets.ShardSum(shard); sum != h.ShardSums[i] {
			j.likeness.note(kind, h, i, sum)
			still.add(i)
			continue
		}
		if err := r.write(j, shard, offset); err != nil {
			return err
		}
		if kind != FromReread || j.sought.has(i) {
			j.sources[kind]++
		}
	}
	return nil
}

// tellsOfBytes tells whether the end of a read says something of the source's
// bytes: that they came, that there are no more, or that the medium lost them.
// Any other error is of the host, or of the way to the store.
func tellsOfBytes(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, store.ErrMedium) || errors.Is(err, store.ErrNotFound)
}

// readAlone reads one shard behind a place that the medium did not deliver.
func (r *run) readAlone(from io.ReaderAt, shard []byte, offset int64) bool {
	n, _ := from.ReadAt(shard, offset)
	r.count(int64(n), 0)
	return n == len(shard)
}

// fillWhole takes the whole blob, if every digest matches.
func (r *run) fillWhole(ctx context.Context, j *job, kind SourceKind, from io.ReaderAt) error {
	err := r.verify(ctx, from, &j.record.Hashes)
	if err != nil {
		if !errors.Is(err, errMismatch) && !tellsOfBytes(err) {
			j.unknown = err
		}
		return ctx.Err() // it is not the whole blob, or cannot be read: no source
	}
	buffer := r.buffers.get()
	defer r.buffers.put(buffer)
	for offset := int64(0); offset < j.record.Hashes.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		piece := buffer[:min(int64(len(buffer)), j.record.Hashes.Size-offset)]
		n, err := from.ReadAt(piece, offset)
		r.count(int64(n), 0)
		if n < len(piece) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("read %q again: %w", j.record.Name, err)
		}
		if err := r.write(j, piece, offset); err != nil {
			return err
		}
		offset += int64(n)
	}
	j.whole = true
	j.sources[kind]++
	return nil
}

// write puts bytes into the temporary file.
func (r *run) write(j *job, p []byte, offset int64) error {
	err := j.staged.writeAt(p, offset)
	if err != nil {
		return fmt.Errorf("write the replacement of %q: %w", j.record.Name, err)
	}
	r.count(0, int64(len(p)))
	return nil
}
