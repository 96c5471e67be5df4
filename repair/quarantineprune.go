package repair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/vault"
)

// A Pruned is what a prune of the quarantine did.
type Pruned struct {
	Gone  []Kept // that were removed
	Freed int64  // bytes
	Left  int64  // bytes that the quarantine takes still
	Over  bool   // it takes more than it should, and nothing more may go
	Why   string // nothing was removed at all; "" otherwise
}

// prunedOutcome is the outcome of a receipt that says that a copy went.
const prunedOutcome = "pruned"

// prunedID is the ID of the receipt that says that a copy went.
func prunedID(id string) string { return id + "-" + prunedOutcome }

// goneDetail is what such a receipt says.
type goneDetail struct {
	Quarantine string    `json:"quarantine"`
	Size       int64     `json:"size"`
	KeptAt     time.Time `json:"kept_at"`
	Why        string    `json:"why"`
}

// PruneQuarantine removes the oldest copies while all of them together take more
// than the configuration allows: none before its time, and none whose bytes no
// proof covers. Each is recorded in the catalog before it goes.
func PruneQuarantine(ctx context.Context, v *vault.Vault, now time.Time) (Pruned, error) {
	q, err := viewQuarantine(ctx, v)
	if err != nil {
		return Pruned{}, err
	}
	if err := q.finishPruning(); err != nil {
		return Pruned{}, err
	}
	all, err := q.all(ctx)
	if err != nil {
		return Pruned{}, err
	}
	var done Pruned
	for _, k := range all {
		done.Left += k.Size
	}
	limits := v.Config.Quarantine
	if done.Left <= limits.MaxSize {
		return done, nil
	}
	jumped, err := clockJumped(ctx, v, now, limits.KeepFor)
	if err != nil {
		return done, err
	}
	if jumped {
		done.Over, done.Why = true, "the last run was so long ago that the clock may be wrong: check it, and run this again after another verb"
		return done, nil
	}
	for _, k := range all {
		if done.Left <= limits.MaxSize {
			break
		}
		if !k.MayGo || now.Sub(k.At) < limits.KeepFor {
			continue
		}
		if err := q.remove(ctx, k, k.Why, now); err != nil {
			return done, err
		}
		done.Gone = append(done.Gone, k)
		done.Freed += k.Size
		done.Left -= k.Size
	}
	done.Over = done.Left > limits.MaxSize
	return done, nil
}

// clockJumped tells whether the last run was so long ago that everything would
// be old enough to go.
func clockJumped(ctx context.Context, v *vault.Vault, now time.Time, keepFor time.Duration) (bool, error) {
	runs, err := v.Catalog.Runs(ctx, 1)
	if err != nil {
		return false, fmt.Errorf("look up the last run: %w", err)
	}
	return len(runs) > 0 && now.Sub(runs[0].Started) > keepFor, nil
}

// Errors of taking one copy out of the quarantine.
var (
	ErrNotKept  = errors.New("is not in the quarantine")
	ErrTooYoung = errors.New("is kept for longer by the configuration")
)

// DiscardKept removes one copy for a reason that a person gives, though no proof
// covers it; not before its time.
func DiscardKept(ctx context.Context, v *vault.Vault, id, reason string, now time.Time) (Kept, error) {
	q, err := viewQuarantine(ctx, v)
	if err != nil {
		return Kept{}, err
	}
	k, err := q.named(ctx, id)
	if err != nil {
		return Kept{}, err
	}
	if _, err := os.Stat(journal{v.JournalDir()}.path(k.ID)); err == nil {
		return k, fmt.Errorf("%s is of a repair that is not finished: run repair first", k.ID)
	}
	jumped, err := clockJumped(ctx, v, now, v.Config.Quarantine.KeepFor)
	if err != nil {
		return k, err
	}
	if jumped || now.Sub(k.At) < v.Config.Quarantine.KeepFor {
		return k, fmt.Errorf("%s %w, until %s", k.ID, ErrTooYoung, k.At.Add(v.Config.Quarantine.KeepFor).Format(time.RFC3339))
	}
	return k, q.remove(ctx, k, reason, now)
}

// named returns the copy with an ID, or with the one ID that begins so.
func (q *quarantineView) named(ctx context.Context, id string) (Kept, error) {
	all, err := q.all(ctx)
	if err != nil {
		return Kept{}, err
	}
	var found []Kept
	for _, k := range all {
		if k.ID == id {
			return k, nil
		}
		if id != "" && len(k.ID) > len(id) && k.ID[:len(id)] == id {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 0:
		return Kept{}, fmt.Errorf("%q %w", id, ErrNotKept)
	case 1:
		return found[0], nil
	}
	return Kept{}, fmt.Errorf("%q %w: %d IDs begin so", id, ErrNotKept, len(found))
}

// remove records that a copy goes, and removes it.
func (q *quarantineView) remove(ctx context.Context, k Kept, why string, now time.Time) error {
	text, err := json.Marshal(goneDetail{Quarantine: k.ID, Size: k.Size, KeptAt: k.At, Why: why})
	if err != nil {
		return fmt.Errorf("record that %s goes: %w", k.ID, err)
	}
	receipt := catalog.Receipt{ID: prunedID(k.ID), Store: k.Store, Name: k.Blob, At: now, Outcome: prunedOutcome, Detail: text}
	if err := q.vault.Catalog.Update(ctx, func(tx *catalog.Tx) error { return tx.PutReceipt(receipt) }); err != nil {
		return fmt.Errorf("record that %s goes: %w", k.ID, err)
	}
	return q.erase(k.ID)
}

// erase removes the bytes first and their description last, so that what a kill
// leaves can still be told.
func (q *quarantineView) erase(id string) error {
	path := filepath.Join(q.vault.QuarantineDir(), filepath.FromSlash(id))
	remaining := []string{path}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		remaining = []string{filepath.Join(path, keptBytes), filepath.Join(path, keptSidecar), path}
	}
	for _, p := range remaining {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s from the quarantine: %w", id, err)
		}
	}
	return syncDir(filepath.Dir(path))
}

// finishPruning erases what an interrupted prune recorded and did not remove to
// the end. A copy whose bytes are whole still is judged anew instead.
func (q *quarantineView) finishPruning() error {
	folders, err := os.ReadDir(q.vault.QuarantineDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the quarantine: %w", err)
	}
	for _, folder := range folders {
		_, err := os.Lstat(filepath.Join(q.vault.QuarantineDir(), folder.Name(), keptBytes))
		if folder.Name() == keptParity || !errors.Is(err, fs.ErrNotExist) || q.receipts[prunedID(folder.Name())] == "" {
			continue
		}
		if err := q.erase(folder.Name()); err != nil {
			return err
		}
	}
	return nil
}
