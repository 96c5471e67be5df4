package parity

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// Check reads the whole file and returns the ranges whose sums fail, none when
// it is intact. Bytes that are missing at the end, or too many there, are such
// a range.
func (f *File) Check(ctx context.Context) ([]store.Range, error) {
	c := &checker{f: f, ctx: ctx, sums: f.binder(), block: make([]byte, max(f.Geometry.ShardSize, chunkSize))}
	at := f.parts
	encoded := f.head.encode()

	c.same(0, encoded)
	c.zero(int64(len(encoded)), at.sums[0])
	c.table(0)
	c.zero(at.sums[0]+at.sumsLength, at.shards)
	for stripe := range f.Stripes {
		c.shard(stripe)
	}
	c.table(1)
	for number := range int(ceilDiv(f.head.listLength, chunkSize)) {
		if from := at.list + int64(number)*chunkSize; from >= f.size {
			c.bad(from, at.tail)
			break
		}
		c.chunk(number)
	}
	c.same(at.tail, encoded)
	c.same(at.tail+int64(len(encoded)), f.head.locator())
	if f.size > at.size {
		c.bad(at.size, f.size)
	}
	if c.err != nil {
		return nil, c.err
	}
	return c.ranges, nil
}

// Is tells whether the file is, to its last byte, the one of which that was
// recorded. One that passes the sums in it may still be of another vault, or
// of another history of this one.
func (f *File) Is(ctx context.Context, recorded *hashsets.HashSet) (bool, error) {
	algorithms := recorded.Algorithms()
	if slices.Contains(algorithms, hashsets.XXH64) {
		algorithms = []hashsets.Algorithm{hashsets.XXH64} // this is about mistakes, and costs least
	}
	if f.size != recorded.Size || len(algorithms) == 0 {
		return false, nil
	}
	hasher, err := hashsets.NewHasher(algorithms, 0)
	if err != nil {
		return false, f.failed("hashing it", err)
	}
	block := make([]byte, min(f.size, writeBlock))
	for at := int64(0); at < f.size; at += int64(len(block)) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		block = block[:min(int64(len(block)), f.size-at)]
		if err := f.read(block, at); isDamage(err) {
			return false, nil
		} else if err != nil {
			return false, err
		}
		hasher.Write(block)
	}
	is := hasher.HashSet()
	for _, a := range algorithms {
		want, _ := recorded.Digest(a)
		if got, _ := is.Digest(a); !bytes.Equal(got, want) {
			return false, nil
		}
	}
	return true, nil
}

// checker collects the damaged ranges of a file, in order. After an error that
// is no damage it does nothing.
type checker struct {
	f      *File
	ctx    context.Context
	sums   binder
	block  []byte
	ranges []store.Range
	err    error
}

func (c *checker) bad(from, to int64) {
	c.ranges = appendRange(c.ranges, store.Range{Offset: from, Length: to - from})
}

// part reads [from, to) and marks it as bad unless it is intact.
func (c *checker) part(from, to int64, intact func(p []byte) bool) {
	if c.err == nil && c.ctx.Err() != nil {
		c.err = c.f.failed("checking it", c.ctx.Err())
	}
	if c.err != nil || from == to {
		return
	}
	p := c.block[:to-from]
	if err := c.f.read(p, from); err != nil && !isDamage(err) {
		c.err = err
	} else if err != nil || !intact(p) {
		c.bad(from, to)
	}
}

func (c *checker) same(from int64, want []byte) {
	c.part(from, from+int64(len(want)), func(p []byte) bool { return bytes.Equal(p, want) })
}

func (c *checker) zero(from, to int64) {
	c.part(from, to, func(p []byte) bool {
		return !slices.ContainsFunc(p, func(b byte) bool { return b != 0 })
	})
}

func (c *checker) table(position int) {
	from := c.f.parts.sums[position]
	c.part(from, from+c.f.parts.sumsLength, func(p []byte) bool {
		own := len(p) - 8
		return binary.LittleEndian.Uint64(p[own:]) == c.sums.of(partSums, position, p[:own])
	})
}

func (c *checker) shard(stripe int) {
	size := c.f.Geometry.ShardSize
	from := c.f.parts.shards + int64(stripe)*size
	c.part(from, from+size, func(p []byte) bool { return c.f.sumOK(&c.sums, stripe, p) })
}

func (c *checker) chunk(number int) {
	from := c.f.parts.list + int64(number)*chunkSize
	c.part(from, min(from+chunkSize, c.f.parts.tail), func(p []byte) bool {
		_, _, ok := c.sums.checkChunk(number, p)
		return ok
	})
}
