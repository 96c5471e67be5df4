package repair

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// chunkSize is how much is read or written at a time, in bytes: large enough
// that the disk streams, small enough that many workers fit in memory.
const chunkSize = 1 << 20

// errMismatch is wrapped when bytes are not those of the hash set.
var errMismatch = errors.New("does not match what is recorded")

// verify reads size bytes and holds them against every digest and every shard
// sum of want. errMismatch names what differs; other errors are of reading.
func (r *run) verify(ctx context.Context, from io.ReaderAt, want *hashsets.HashSet) error {
	hasher, err := hashsets.NewHasher(want.Algorithms(), want.ShardSize)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	hasher.Expect(want.Size)
	if err := r.hash(ctx, hasher, from, want.Size); err != nil {
		return err
	}
	got := hasher.Take()
	if bad := want.Mismatches(&got); len(bad) > 0 {
		return fmt.Errorf("%s digest %w", bad[0], errMismatch)
	}
	if len(want.Matches(&got)) == 0 {
		return fmt.Errorf("no digest is recorded: %w", errMismatch)
	}
	if bad := want.BadShards(&got); len(bad) > 0 {
		return fmt.Errorf("sum of shard %d %w", bad[0], errMismatch)
	}
	return nil
}

// hash feeds size bytes to the hasher.
func (r *run) hash(ctx context.Context, hasher *hashsets.Hasher, from io.ReaderAt, size int64) error {
	buffer := r.buffers.get()
	defer r.buffers.put(buffer)
	for offset := int64(0); offset < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		piece := buffer[:min(int64(len(buffer)), size-offset)]
		n, err := from.ReadAt(piece, offset)
		r.count(int64(n), 0)
		if n < len(piece) {
			if err == nil || errors.Is(err, io.EOF) {
				return fmt.Errorf("it ends at byte %d: %w", offset+int64(n), errMismatch)
			}
			return err
		}
		hasher.Write(piece)
		offset += int64(n)
	}
	return nil
}

// intact tells whether what stands under name in s is the file of want. An
// error is of reading; it says nothing of the blob.
func (r *run) intact(ctx context.Context, s store.Store, seen store.Entry, want *hashsets.HashSet) (bool, error) {
	if seen.Kind != hashsets.File || seen.Identity.Size != want.Size {
		return false, nil
	}
	reader, err := s.Open(ctx, seen.Name, store.Access{Direct: true, Whole: true, Size: want.Size})
	if err != nil {
		return false, err
	}
	defer reader.Close()
	err = r.verify(ctx, reader, want)
	if errors.Is(err, errMismatch) {
		return false, nil
	}
	return err == nil, err
}
