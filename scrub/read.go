package scrub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// chunkSize is the length of one read, in bytes: a multiple of the shard size
// in use whenever that is at most this long.
const chunkSize = 2 << 20

// remoteChunk is chunkSize for a store behind a network: its readers are many,
// and the parts that it asks for ahead are the large ones.
const remoteChunk = 256 << 10

// A reader reads blobs of one store one after the other and hashes them. It
// belongs to one goroutine.
type reader struct {
	store  store.Store
	memory *store.Buffer
	buffer []byte        // of memory
	second *store.Buffer // for reading ahead; nil until it is needed
	remote bool          // the store itself asks for what comes next
	meter  *storeMeter   // is told what is read
	opened store.Reader  // the blob to be read next, when it is open already; nil otherwise

	counted meteredReader // of the blob in work

	hashers
}

// hashers keeps a hasher for each combination of algorithms and shard size
// that records in a catalog have; it is nearly always one.
type hashers struct {
	last  *hashsets.Hasher
	algos []hashsets.Algorithm
	shard int64
}

// forRecord returns a hasher for what the hash set records, ready to write to.
func (h *hashers) forRecord(recorded *hashsets.HashSet) (*hashsets.Hasher, error) {
	if h.last == nil || h.shard != recorded.ShardSize || !sameAlgorithms(h.algos, recorded.Digests) {
		hasher, err := hashsets.NewHasher(recorded.Algorithms(), recorded.ShardSize)
		if err != nil {
			return nil, err
		}
		h.last, h.algos, h.shard = hasher, recorded.Algorithms(), recorded.ShardSize
	}
	h.last.Reset()
	return h.last, nil
}

func sameAlgorithms(algorithms []hashsets.Algorithm, digests []hashsets.Digest) bool {
	if len(algorithms) != len(digests) {
		return false
	}
	for i, d := range digests {
		if algorithms[i] != d.Algorithm {
			return false
		}
	}
	return true
}

// readout is what one reading of a blob gave.
type readout struct {
	computed *hashsets.HashSet // of all bytes; what is recorded when that is the same; nil when some could not be read
	bytes    int64             // read
	after    store.Entry       // the open blob, looked at after its last byte
	direct   bool              // read past the page cache
	begun    time.Time         // when an earlier run read its first byte; zero when this one did
	err      error             // why it could not be opened or read to its end
}

// read reads the blob from its first byte to its last and computes the hash
// set that is recorded of it. size is what the listing said; a blob that grew
// meanwhile is read to its new end.
func (r *reader) read(ctx context.Context, name string, size int64, recorded *hashsets.HashSet, access store.Access, c *course) readout {
	hasher, err := r.forRecord(recorded)
	if err != nil {
		return readout{err: fmt.Errorf("check %q: %w", name, err)}
	}
	access.Size, access.From = size, c.start(hasher)
	blob, err := r.open(ctx, name, access)
	if err != nil {
		return readout{err: err}
	}
	defer blob.Close()
	hasher.Expect(size)
	r.counted = meteredReader{blob, r.meter}
	out := r.readAll(ctx, &r.counted, access.From, size, hasher, c)
	if out.err == nil {
		out.computed, out.direct = recorded, blob.Direct()
		if !hasher.Matches(recorded) {
			computed := hasher.Take()
			out.computed = &computed
		}
	}
	if out.err == nil && c != nil && c.resumed {
		out.direct, out.begun = out.direct && c.one.Direct, c.one.Begun
	}
	return out
}

// open opens a blob, or takes it where that has been done.
func (r *reader) open(ctx context.Context, name string, access store.Access) (blob store.Reader, err error) {
	if blob, r.opened = r.opened, nil; blob != nil {
		return blob, nil
	}
	return r.store.Open(ctx, name, access)
}

// closeOpened closes a blob that was opened and then not read.
func (r *reader) closeOpened() {
	if r.opened != nil {
		r.opened.Close()
		r.opened = nil
	}
}

// readAll feeds every byte of an open blob to the hasher, but for those before
// from, which it was fed in an earlier run.
func (r *reader) readAll(ctx context.Context, blob store.Reader, from, size int64, hasher *hashsets.Hasher, c *course) (out readout) {
	if size-from >= aheadFrom && !r.remote {
		out.bytes, out.err = r.readAhead(ctx, blob, from, size, hasher, c)
		if out.err != nil {
			return out
		}
	}
	for {
		if out.err = c.at(ctx, hasher, blob.Direct()); out.err != nil {
			return out
		}
		at := from + out.bytes
		n, err := blob.ReadAt(r.next(size-at), at)
		hasher.Write(r.buffer[:n])
		out.bytes += int64(n)
		at += int64(n)
		if err == nil && at < size {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			out.err = err
			return out
		}
		if out.after, out.err = blob.Entry(); out.err != nil {
			return out
		}
		if out.after.Identity.Size <= at || n == 0 {
			return out
		}
		size = out.after.Identity.Size
	}
}

// next returns the part of the buffer to read into when left bytes are
// expected.
func (r *reader) next(left int64) []byte {
	if left >= int64(len(r.buffer)) || left <= 0 {
		return r.buffer
	}
	return r.buffer[:left]
}
