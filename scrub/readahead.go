package scrub

import (
	"context"
	"errors"
	"io"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// aheadFrom is the size in bytes from which on a blob is read ahead: one chunk
// is read while the one before is hashed, so that a single large blob takes as
// long as the slower of the two and not as both.
const aheadFrom = 4 * chunkSize

// A chunk is what one read gave.
type chunk struct {
	buffer []byte
	n      int
	err    error
}

// readAhead feeds whole chunks of the blob to the hasher, from an offset up to
// the last whole one before size, and returns how many bytes it fed. A blob that ends before
// is no error: the caller meets its end again.
func (r *reader) readAhead(ctx context.Context, blob store.Reader, from, size int64, hasher *hashsets.Hasher, c *course) (int64, error) {
	if r.second == nil {
		r.second = store.NewBuffer(chunkSize)
	}
	free := make(chan []byte, 2)
	free <- r.buffer[:chunkSize]
	free <- r.second.Bytes()
	read := make(chan chunk)
	stop := make(chan struct{})
	go func() {
		defer close(read)
		for offset := from; offset+chunkSize <= size; offset += chunkSize {
			var buffer []byte
			select {
			case buffer = <-free: // the hasher is done with it
			case <-stop:
				return // it has stopped, and gives none back
			}
			n, err := blob.ReadAt(buffer, offset)
			select {
			case read <- chunk{buffer, n, err}:
			case <-stop:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	fed, err := feed(hasher, read, free, func() error { return c.at(ctx, hasher, blob.Direct()) })
	close(stop)
	for range read { // wait for the goroutine: it reads from the open blob
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return fed, err
}

// feed hashes chunks as they come, and asks after each whether to go on.
func feed(hasher *hashsets.Hasher, read <-chan chunk, free chan<- []byte, goOn func() error) (fed int64, err error) {
	for c := range read {
		hasher.Write(c.buffer[:c.n])
		fed += int64(c.n)
		if c.err != nil {
			return fed, c.err
		}
		if err := goOn(); err != nil {
			return fed, err
		}
		free <- c.buffer
	}
	return fed, nil
}
