package repair

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"bitmend/hashsets"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// The files of one quarantine folder, which is named by the receipt.
const (
	keptBytes   = "original"      // the bytes, or the text of a link's target
	keptSidecar = "original.json" // what they were
)

// sidecar describes a damaged original beside its bytes.
type sidecar struct {
	Version int    `json:"version"`
	Receipt string `json:"receipt"`
	Store   string `json:"store"`
	named
	Kind       string            `json:"kind"`
	Verdict    finding.Verdict   `json:"verdict"`
	Diagnosis  finding.Diagnosis `json:"diagnosis,omitempty"`
	Generation int64             `json:"generation"`
	KeptAt     time.Time         `json:"kept_at"`
	Identity   *identity         `json:"identity"`
	Attributes *attributes       `json:"attributes,omitempty"`
	Unreadable []store.Range     `json:"unreadable,omitempty"` // bytes that the medium did not deliver; zero in the copy
	SHA256     string            `json:"sha256,omitempty"`     // of the copy, as hex
}

// quarantine keeps copies of damaged originals, one folder per repair.
type quarantine struct{ dir string }

func (r *run) quarantine() quarantine { return quarantine{r.vault.QuarantineDir()} }

// open opens the bytes that a copy holds.
func (q quarantine) open(id string) (*os.File, error) {
	return openPlain(filepath.Join(q.folder(id), keptBytes))
}

func (q quarantine) folder(id string) string { return filepath.Join(q.dir, id) }

// holds tells whether a copy is complete and as it was when it was kept.
func (q quarantine) holds(id string) bool {
	side, err := readSidecar(q.dir, id)
	if err != nil {
		return false
	}
	f, err := q.open(id)
	if err != nil {
		return false
	}
	defer f.Close()
	sum, err := sumOf(f)
	return err == nil && sum == side.SHA256
}

// keep copies what stands under the name of side into the folder of its
// receipt, and makes the copy durable. What an interrupted try left is
// overwritten; a try that fails leaves nothing. ErrChanged says that what
// stands there is not what was seen.
func (q quarantine) keep(ctx context.Context, from store.Store, seen store.Entry, side sidecar) (err error) {
	folder := q.folder(side.Receipt)
	defer func() {
		if err != nil {
			err = errors.Join(err, q.drop(side.Receipt))
		}
	}()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make quarantine folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(folder, keptBytes), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep the damaged original: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()

	switch seen.Kind {
	case hashsets.Link:
		target, err := from.ReadLink(ctx, seen.Name)
		if err != nil {
			return fmt.Errorf("keep the damaged link: %w", err)
		}
		if _, err := f.WriteString(target); err != nil {
			return fmt.Errorf("keep the damaged link: %w", err)
		}
	default:
		side.Unreadable, err = copyReadable(ctx, f, from, seen)
		if err != nil {
			return fmt.Errorf("keep the damaged original of %q: %w", seen.Name, err)
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("keep the damaged original of %q: %w", seen.Name, err)
	}
	if side.SHA256, err = sumOf(f); err != nil {
		return fmt.Errorf("keep the damaged original of %q: %w", seen.Name, err)
	}
	side.Version, side.Kind, side.Identity = 1, kindText(seen.Kind), identityOf(&seen.Identity)
	text, err := json.MarshalIndent(side, "", " ")
	if err != nil {
		return fmt.Errorf("describe the damaged original: %w", err)
	}
	if err := writeDurably(filepath.Join(folder, keptSidecar), append(text, '\n')); err != nil {
		return fmt.Errorf("describe the damaged original: %w", err)
	}
	return syncDir(q.dir)
}

// sumOf returns the SHA-256 of a file, so that a copy that is damaged in its
// turn is known as one.
func sumOf(f *os.File) (string, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, math.MaxInt64)); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// dropUnlessWhole removes a copy that was never completed.
func (q quarantine) dropUnlessWhole(id string) error {
	if _, err := os.Lstat(filepath.Join(q.folder(id), keptSidecar)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return q.drop(id)
}

// drop removes the copy of an original that still stands in its place.
func (q quarantine) drop(id string) error {
	if err := os.RemoveAll(q.folder(id)); err != nil {
		return fmt.Errorf("remove the copy of an original that was left in place: %w", err)
	}
	if err := syncDir(q.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// copyReadable copies all that the medium delivers, and returns what it did
// not.
func copyReadable(ctx context.Context, to *os.File, from store.Store, seen store.Entry) ([]store.Range, error) {
	if clone(ctx, to, from, seen) == nil {
		return nil, nil
	}
	reader, err := from.Open(ctx, seen.Name, store.Access{Whole: true, Size: seen.Identity.Size})
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	if opened := reader.Opened(); !stands(&seen.Identity, &opened) {
		return nil, fmt.Errorf("it is not what was looked at: %w", store.ErrChanged)
	}
	size := seen.Identity.Size
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
		n, err := reader.ReadAt(piece, offset)
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

// A cloner is a Store that can share the blocks of a blob with a file of the
// vault, where the file system knows how.
type cloner interface {
	Clone(ctx context.Context, name string, to *os.File) error
}

// clone makes to a copy that shares its blocks with the blob, or fails without
// harm.
func clone(ctx context.Context, to *os.File, from store.Store, seen store.Entry) error {
	c, ok := from.(cloner)
	if !ok {
		return store.ErrUnsupported
	}
	return c.Clone(ctx, seen.Name, to)
}
