// Package diagnose names the kind of damage that a blob has, from its bytes
// and from what is recorded, and gives the evidence. A kind is named where it
// is proven by sums, or where the bytes bear its mark; the evidence says which.
// What is neither is unknown.
//
// It does not judge whether a blob is damaged, and repairs nothing.
package diagnose

import (
	"context"
	"fmt"
	"io"

	"bitmend/hashsets"
	"bitmend/scrub/finding"
)

// A Case is all that is known of one damaged blob.
type Case struct {
	Name     string           // of the blob: what its ending promises is a witness
	Recorded hashsets.HashSet // what it should be
	Computed hashsets.HashSet // of the bytes that Damaged delivers, with shards of the same size
	Damaged  io.ReaderAt

	// Good delivers the recorded bytes, from a replica or an older copy; nil
	// when there is none. A shard of it is believed when it matches its recorded
	// sum, and everything when no sums are recorded.
	Good io.ReaderAt

	// Earlier are the generations before the recorded one, newest first.
	Earlier []Generation

	// Elsewhere looks shard sums up among those recorded of other blobs, for
	// content that landed in the wrong place; nil when that cannot be done.
	Elsewhere func(sums []uint64) map[uint64]Where

	// FlipSearches is in how many shards a single flipped bit may be searched
	// for where no good bytes show it. One search in 64 KiB takes about 0.3
	// seconds of processor time; it grows with the square of the shard size.
	FlipSearches int
}

// Generation is an earlier generation of the blob.
type Generation struct {
	Number int64
	Hashes hashsets.HashSet
}

// Where is a shard of a blob.
type Where struct {
	Blob       string
	Generation int64
	Shard      int // 0 is the blob's first
}

// A Diagnosis is the kind of damage and the observations that it follows from,
// each a sentence.
type Diagnosis struct {
	Kind     finding.Diagnosis
	Evidence []string
}

// lookedAt is how many of the damaged shards are read: half of them the first,
// half the last. It bounds the time for a blob of any size.
const lookedAt = 256

// Look names the kind of damage. It reads a shard at a time and holds about
// four of them in memory. The error is of ctx or of reading Damaged; an error
// in reading Good only means that there is nothing to compare with.
func Look(ctx context.Context, c Case) (Diagnosis, error) {
	l := newLook(ctx, c)
	for _, hypothesis := range []func() (Diagnosis, error){
		l.staleAsAWhole,
		l.lfsPointer,
		l.rewritten,
		l.shorter,
		l.longer,
		l.shifted,
	} {
		d, err := hypothesis()
		if err != nil || d.Kind != "" {
			return d, err
		}
	}
	return l.byShards()
}

// look is one Case being looked at.
type look struct {
	Case
	ctx       context.Context
	shardSize int64
	hasSums   bool  // both hash sets have shard sums on the same grid
	bad       []int // recorded shards that are damaged, in order
	damaged   []byte
	good      []byte
	noGood    bool // Good failed to deliver
}

func newLook(ctx context.Context, c Case) *look {
	l := &look{Case: c, ctx: ctx, shardSize: c.Recorded.ShardSize}
	l.hasSums = c.Recorded.ShardSums != nil && c.Recorded.ShardSize == c.Computed.ShardSize
	if !l.hasSums {
		l.shardSize = hashsets.DefaultShardSize
		l.bad = make([]int, hashsets.Shards(c.Recorded.Size, l.shardSize))
		for i := range l.bad {
			l.bad[i] = i
		}
		return l
	}
	l.bad = c.Recorded.BadShards(&c.Computed)
	return l
}

// span is where recorded shard i lies.
func (l *look) span(i int) (offset, length int64) {
	offset = int64(i) * l.shardSize
	return offset, min(l.shardSize, l.Recorded.Size-offset)
}

// read reads damaged bytes into memory that the next read uses again. What is
// beyond the end is left out.
func (l *look) read(offset, length int64) ([]byte, error) {
	length = min(length, l.Computed.Size-offset)
	if length <= 0 {
		return nil, l.ctx.Err()
	}
	l.damaged = grown(l.damaged, length)
	return l.damaged, l.fill(l.damaged, offset)
}

func (l *look) fill(p []byte, offset int64) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	n, err := l.Damaged.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("looking at the damage at byte %d: %w", offset+int64(n), err)
}

// readGood reads recorded bytes from the good copy; nil when it has none that
// can be believed.
func (l *look) readGood(offset, length int64) []byte {
	if l.Good == nil || l.noGood || length <= 0 {
		return nil
	}
	l.good = grown(l.good, length)
	if n, _ := l.Good.ReadAt(l.good, offset); int64(n) < length {
		l.noGood = true
		return nil
	}
	return l.good
}

// goodShard is readGood for a whole shard, which is believed when its sum is
// the recorded one.
func (l *look) goodShard(i int) []byte {
	offset, length := l.span(i)
	p := l.readGood(offset, length)
	if p != nil && l.hasSums && hashsets.ShardSum(p) != l.Recorded.ShardSums[i] {
		return nil
	}
	return p
}

func grown(p []byte, length int64) []byte {
	if int64(cap(p)) < length {
		return make([]byte, length)
	}
	return p[:length]
}

// looked returns the damaged shards that are read.
func (l *look) looked() []int {
	if len(l.bad) <= lookedAt {
		return l.bad
	}
	first := l.bad[:lookedAt/2]
	last := l.bad[len(l.bad)-lookedAt/2:]
	return append(append([]int{}, first...), last...)
}

// undiagnosed is what a hypothesis returns that does not hold.
func undiagnosed() (Diagnosis, error) { return Diagnosis{}, nil }

func diagnosed(kind finding.Diagnosis, evidence ...string) (Diagnosis, error) {
	return Diagnosis{Kind: kind, Evidence: evidence}, nil
}

// staleAsAWhole finds the content of an earlier generation.
func (l *look) staleAsAWhole() (Diagnosis, error) {
	for _, e := range l.Earlier {
		same := len(e.Hashes.Matches(&l.Computed)) > 0 && len(e.Hashes.Mismatches(&l.Computed)) == 0
		if same && e.Hashes.Size == l.Computed.Size {
			return diagnosed(finding.StaleContent, fmt.Sprintf("all of its %s are those of generation %d", bytesText(l.Computed.Size), e.Number))
		}
	}
	return undiagnosed()
}
