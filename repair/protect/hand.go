package protect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// tileBytes is about how much is read and encoded at once.
const tileBytes = 1 << 20

// errBusy is why a blob that changed while it was being read is left out.
var errBusy = errors.New("it changed while it was being read")

// A hand is what one worker works with: a buffer and a hasher.
type hand struct {
	run    *run
	buffer *store.Buffer
	tile   []byte // of the buffer
	hasher *hashsets.Hasher
	algos  []hashsets.Algorithm
	shard  int64
}

// tileSize is how much is read and encoded at once: whole shards.
func (r *run) tileSize() int64 {
	shard := r.vault.Config.ShardSize
	return max(1, tileBytes/shard) * shard
}

func (r *run) newHand() *hand {
	b := store.NewBuffer(int(r.tileSize()))
	return &hand{run: r, buffer: b, tile: b.Bytes()}
}

// Close gives the buffer back.
func (h *hand) Close() error { return h.buffer.Free() }

// hasherFor returns an empty hasher.
func (h *hand) hasherFor(algorithms []hashsets.Algorithm, shardSize int64) (*hashsets.Hasher, error) {
	if h.hasher == nil || h.shard != shardSize || !slices.Equal(h.algos, algorithms) {
		hasher, err := hashsets.NewHasher(algorithms, shardSize)
		if err != nil {
			return nil, err
		}
		h.hasher, h.algos, h.shard = hasher, algorithms, shardSize
	}
	h.hasher.Reset()
	return h.hasher, nil
}

// reading is what reading a blob to its end gave.
type reading struct {
	after      store.Entry
	attributes hashsets.Attributes
	hashes     hashsets.HashSet
}

// hash reads a blob to its end, and once more if it changed meanwhile. The
// state that was read is in the answer: it may be newer than the entry.
func (h *hand) hash(ctx context.Context, entry store.Entry, algorithms []hashsets.Algorithm, shardSize int64, access store.Access) (reading, error) {
	got, err := h.hashOnce(ctx, entry, algorithms, shardSize, access)
	if !errors.Is(err, errBusy) {
		return got, err
	}
	now, err := h.run.source.Stat(ctx, entry.Name)
	if err != nil {
		return reading{}, err
	}
	if now.Kind != hashsets.File {
		return reading{}, fmt.Errorf("read %q: %w", entry.Name, errBusy)
	}
	return h.hashOnce(ctx, now, algorithms, shardSize, access)
}

func (h *hand) hashOnce(ctx context.Context, entry store.Entry, algorithms []hashsets.Algorithm, shardSize int64, access store.Access) (reading, error) {
	hasher, err := h.hasherFor(algorithms, shardSize)
	if err != nil {
		return reading{}, err
	}
	hasher.Expect(entry.Identity.Size)
	access.Whole, access.Size = true, entry.Identity.Size
	blob, err := h.run.source.Open(ctx, entry.Name, access)
	if err != nil {
		return reading{}, err
	}
	defer blob.Close()
	err = h.each(ctx, blob, entry, 0, entry.Identity.Size, func(_ int64, p []byte) error {
		_, err := hasher.Write(p)
		return err
	})
	if err != nil {
		return reading{}, err
	}
	got, err := seen(blob, entry)
	got.hashes = hasher.Take()
	return got, err
}

// each reads bytes [from, to) of a blob a tile at a time.
func (h *hand) each(ctx context.Context, blob store.Reader, entry store.Entry, from, to int64, f func(off int64, p []byte) error) error {
	for off := from; off < to; {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := h.tile[:min(int64(len(h.tile)), to-off)]
		if err := readFull(blob, p, off, entry.Name); err != nil {
			return err
		}
		h.run.readFromStore(int64(len(p)))
		if err := f(off, p); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}

// readFull reads all of p. A blob that ends before is busy: the listing said
// that it is longer.
func readFull(blob store.Reader, p []byte, off int64, name string) error {
	n, err := blob.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read %q: %w", name, errBusy)
	}
	return err
}

// seen looks at an open blob after its last byte was read.
func seen(blob store.Reader, entry store.Entry) (reading, error) {
	after, err := blob.Entry()
	if err != nil {
		return reading{}, err
	}
	if after.Identity != entry.Identity {
		return reading{}, fmt.Errorf("read %q: %w", entry.Name, errBusy)
	}
	after.Name = entry.Name
	attributes, err := blob.Attributes()
	return reading{after: after, attributes: attributes}, err
}

// inOrder carries out work on each item of a sequence, several at once, each
// worker with a tool of its own, and hands the results over in the order of
// the items. It ends with the first error.
func inOrder[T, R, W any](ctx context.Context, workers int, tool func() W, items iter.Seq2[T, error],
	work func(context.Context, W, T) (R, error), out func(R) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type job struct {
		item   T
		result R
		err    error
		done   chan struct{}
	}
	jobs := make(chan *job, workers)
	ordered := make(chan *job, 16*workers)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			w := tool()
			if c, ok := any(w).(io.Closer); ok {
				defer c.Close()
			}
			for j := range jobs {
				if j.err = ctx.Err(); j.err == nil {
					j.result, j.err = work(ctx, w, j.item)
				}
				close(j.done)
			}
		})
	}
	all.Go(func() {
		defer close(ordered)
		defer close(jobs)
		for item, err := range items {
			j := &job{item: item, err: err, done: make(chan struct{})}
			select {
			case ordered <- j:
			case <-ctx.Done():
				return
			}
			if err != nil {
				close(j.done)
				return
			}
			jobs <- j
		}
	})
	var failed error
	for j := range ordered {
		<-j.done
		if failed != nil {
			continue
		}
		if failed = j.err; failed == nil {
			failed = out(j.result)
		}
		if failed != nil {
			cancel()
		}
	}
	all.Wait()
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}
