package repair

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// A cloner is a store.Reader that can share the blocks of its blob with a file
// of the vault, where both are in a file system that knows how.
type cloner interface {
	CloneTo(file *os.File) error
}

// copyOriginal copies what stands under the name of seen, and returns the
// SHA-256 of the copy and what the medium did not deliver. ErrChanged says that
// it is not what was seen, or was written meanwhile.
func copyOriginal(ctx context.Context, to *os.File, from store.Store, seen store.Entry) (sum []byte, unreadable []store.Range, err error) {
	if seen.Kind == hashsets.Link {
		sum, err = copyLink(ctx, to, from, seen)
		return sum, nil, err
	}
	reader, err := from.Open(ctx, seen.Name, store.Access{Whole: true, Size: seen.Identity.Size})
	if err != nil {
		return nil, nil, err
	}
	defer reader.Close()
	if err := unchanged(seen, reader.Opened()); err != nil {
		return nil, nil, err
	}
	if sum, err = cloneWhole(ctx, to, reader); err != nil {
		if unreadable, err = copyReadable(ctx, to, reader, seen.Identity.Size); err != nil {
			return nil, nil, err
		}
		if sum, err = sumOf(ctx, to); err != nil {
			return nil, nil, err
		}
	}
	now, err := reader.Entry()
	if err != nil {
		return nil, nil, err
	}
	return sum, unreadable, unchanged(seen, now)
}

// unchanged is ErrChanged when a blob is not what was seen.
func unchanged(seen, now store.Entry) error {
	if !stands(&seen.Identity, &now) {
		return fmt.Errorf("it is not what was looked at: %w", store.ErrChanged)
	}
	return nil
}

func copyLink(ctx context.Context, to *os.File, from store.Store, seen store.Entry) (sum []byte, err error) {
	target, err := from.ReadLink(ctx, seen.Name)
	if err != nil {
		return nil, err
	}
	now, err := from.Stat(ctx, seen.Name)
	if err != nil {
		return nil, err
	}
	if err := unchanged(seen, now); err != nil {
		return nil, err
	}
	if _, err := to.WriteString(target); err != nil {
		return nil, err
	}
	return sumOf(ctx, to)
}

// cloneWhole makes to a copy that shares its blocks with the blob. It fails
// where a medium does not deliver all of them, since a clone has the same bad
// places.
func cloneWhole(ctx context.Context, to *os.File, reader store.Reader) (sum []byte, err error) {
	c, able := reader.(cloner)
	if !able {
		return nil, store.ErrUnsupported
	}
	if err := c.CloneTo(to); err != nil {
		return nil, err
	}
	return sumOf(ctx, to)
}

// copyReadable copies all that the medium delivers, and returns what it did
// not.
func copyReadable(ctx context.Context, to *os.File, from io.ReaderAt, size int64) ([]store.Range, error) {
	if err := to.Truncate(0); err != nil { // of a clone with bad places
		return nil, err
	}
	if err := to.Truncate(size); err != nil {
		return nil, err
	}
	var unreadable []store.Range
	buffer := make([]byte, chunkSize)
	for offset := int64(0); offset < size; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		piece := buffer[:min(int64(len(buffer)), size-offset)]
		n, err := from.ReadAt(piece, offset)
		if _, writeErr := to.WriteAt(piece[:n], offset); writeErr != nil {
			return nil, writeErr
		}
		offset += int64(n)
		switch {
		case n == len(piece):
		case errors.Is(err, store.ErrMedium):
			// Step over one block and go on behind it.
			hole := min(store.BlockSize-offset%store.BlockSize, size-offset)
			unreadable = appendRange(unreadable, store.Range{Offset: offset, Length: hole})
			offset += hole
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("it ends at byte %d: %w", offset, store.ErrChanged)
		default:
			return nil, err
		}
	}
	return unreadable, nil
}

// appendRange adds r behind ranges, joining the two where they touch.
func appendRange(ranges []store.Range, r store.Range) []store.Range {
	if n := len(ranges); n > 0 && ranges[n-1].Offset+ranges[n-1].Length == r.Offset {
		ranges[n-1].Length += r.Length
		return ranges
	}
	return append(ranges, r)
}

// sumOf returns the SHA-256 of a file, so that a copy that is damaged in its
// turn is known as one.
func sumOf(ctx context.Context, f *os.File) ([]byte, error) {
	sum, from := sha256.New(), io.NewSectionReader(f, 0, math.MaxInt64)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		switch _, err := io.CopyN(sum, from, chunkSize); {
		case errors.Is(err, io.EOF):
			return sum.Sum(nil), nil
		case err != nil:
			return nil, err
		}
	}
}
