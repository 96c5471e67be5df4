package repair

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

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
func (q quarantine) holds(ctx context.Context, id string) bool {
	side, err := readSidecar(q.dir, id)
	if err != nil {
		return false
	}
	f, err := q.open(id)
	if err != nil {
		return false
	}
	defer f.Close()
	sum, err := sumOf(ctx, f)
	return err == nil && hex.EncodeToString(sum) == side.SHA256
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

	sum, unreadable, err := copyOriginal(ctx, f, from, seen)
	if err != nil {
		return fmt.Errorf("keep the damaged original of %q: %w", seen.Name, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("keep the damaged original of %q: %w", seen.Name, err)
	}
	side.Version, side.Kind, side.Identity = 1, kindText(seen.Kind), identityOf(&seen.Identity)
	side.SHA256, side.Unreadable = hex.EncodeToString(sum), unreadable
	text, err := json.MarshalIndent(side, "", " ")
	if err != nil {
		return fmt.Errorf("describe the damaged original: %w", err)
	}
	if err := writeDurably(filepath.Join(folder, keptSidecar), append(text, '\n')); err != nil {
		return fmt.Errorf("describe the damaged original: %w", err)
	}
	return syncDir(q.dir)
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
