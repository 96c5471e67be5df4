package verify

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"sync/atomic"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
)

// ahead is how many items may be done before the one that is told of next.
const ahead = 1024

// inOrder does items 0 to n-1, several at a time, and tells of them in order.
// begin makes the work of one goroutine.
func inOrder[T any](ctx context.Context, n, workers int, begin func() func(i int) T, tell func(T) error) error {
	type done struct {
		index int
		value T
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	results := make(chan done)
	tokens := make(chan struct{}, ahead)
	var next atomic.Int64
	var working sync.WaitGroup
	for range min(workers, n) {
		working.Go(func() {
			work := begin()
			for {
				select {
				case tokens <- struct{}{}:
				case <-ctx.Done():
					return
				}
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				select {
				case results <- done{i, work(i)}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	go func() { // it ends when the workers have, and those end with ctx or the items
		working.Wait()
		close(results)
	}()
	waiting := map[int]T{}
	told := 0
	var failed error
	for d := range results {
		waiting[d.index] = d.value
		for failed == nil {
			value, ready := waiting[told]
			if !ready {
				break
			}
			delete(waiting, told)
			told++
			<-tokens
			if failed = tell(value); failed != nil {
				stop()
			}
		}
	}
	if failed != nil {
		return failed
	}
	return ctx.Err()
}

// hashPool computes checksums of one file after the other. Its hashes and its
// buffer are used again.
type hashPool struct {
	hashes map[hashsets.Algorithm]hash.Hash // nil for what cannot be computed
	buffer []byte
	feeds  []hash.Hash
}

func newHashPool() *hashPool {
	return &hashPool{hashes: map[hashsets.Algorithm]hash.Hash{}, buffer: make([]byte, readSize)}
}

// sums computes all checksums in one read, those that cannot be computed left
// out, and returns how many bytes were read. Nothing is read for none.
func (p *hashPool) sums(ctx context.Context, in io.Reader, algorithms []hashsets.Algorithm) (map[hashsets.Algorithm][]byte, int64, error) {
	p.feeds = p.feeds[:0]
	for _, a := range algorithms {
		h, made := p.hashes[a]
		if !made {
			h = manifest.NewHash(a)
			p.hashes[a] = h
		}
		if h != nil {
			h.Reset()
			p.feeds = append(p.feeds, h)
		}
	}
	n, err := p.feed(ctx, in)
	if err != nil {
		return nil, n, err
	}
	sums := make(map[hashsets.Algorithm][]byte, len(algorithms))
	for _, a := range algorithms {
		if h := p.hashes[a]; h != nil {
			sums[a] = h.Sum(nil)
		}
	}
	return sums, n, nil
}

func (p *hashPool) feed(ctx context.Context, in io.Reader) (read int64, err error) {
	for len(p.feeds) > 0 {
		if err := ctx.Err(); err != nil {
			return read, err
		}
		n, err := in.Read(p.buffer)
		read += int64(n)
		for _, h := range p.feeds {
			h.Write(p.buffer[:n]) // a hash.Hash never returns an error
		}
		switch {
		case errors.Is(err, io.EOF):
			return read, nil
		case err != nil:
			return read, fmt.Errorf("reading after %d bytes: %w", read, err)
		}
	}
	return 0, nil
}
