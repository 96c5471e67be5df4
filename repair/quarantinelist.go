package repair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// keptParity is the folder of the quarantine that has damaged parity files,
// each under the time and its name.
const keptParity = "parity"

// A Kept is what the quarantine holds of one damaged original.
type Kept struct {
	ID         string // of the receipt and of the folder
	Store      string
	Blob       string
	Kind       hashsets.Kind
	Verdict    finding.Verdict
	Diagnosis  finding.Diagnosis
	Generation int64
	At         time.Time
	Size       int64  // bytes that it takes
	Receipt    bool   // whether the catalog has the receipt of its repair
	MayGo      bool   // whether a proof covers its bytes
	Why        string // it may go, or not, in a sentence
	Trouble    string // why what was kept cannot be told; "" when it can

	side *sidecar // nil for a parity file and where there is trouble
}

// A quarantineView knows what is in a quarantine and what covers it.
type quarantineView struct {
	vault    *vault.Vault
	findings map[[2]string]bool // by store and name
	receipts map[string]string  // outcomes, by ID
}

// ListQuarantine returns what the quarantine holds, oldest first.
func ListQuarantine(ctx context.Context, v *vault.Vault) ([]Kept, error) {
	q, err := viewQuarantine(ctx, v)
	if err != nil {
		return nil, err
	}
	return q.all(ctx)
}

func viewQuarantine(ctx context.Context, v *vault.Vault) (*quarantineView, error) {
	q := &quarantineView{vault: v, findings: make(map[[2]string]bool), receipts: make(map[string]string)}
	for f, err := range v.Catalog.Findings(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("read findings: %w", err)
		}
		q.findings[[2]string{f.Store, f.Name}] = true
	}
	for r, err := range v.Catalog.Receipts(ctx) {
		if err != nil {
			return nil, fmt.Errorf("read receipts: %w", err)
		}
		q.receipts[r.ID] = r.Outcome
	}
	return q, nil
}

func (q *quarantineView) all(ctx context.Context) ([]Kept, error) {
	folders, err := os.ReadDir(q.vault.QuarantineDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	var all []Kept
	for _, folder := range folders {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if folder.Name() == keptParity {
			files, err := q.parityFiles()
			if err != nil {
				return nil, err
			}
			all = append(all, files...)
			continue
		}
		k, err := q.one(ctx, folder)
		if err != nil {
			return nil, err
		}
		if k != nil {
			all = append(all, *k)
		}
	}
	slices.SortFunc(all, func(a, b Kept) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}

// one looks at one folder of the quarantine; nil when a prune that was
// interrupted has taken its bytes already.
func (q *quarantineView) one(ctx context.Context, folder fs.DirEntry) (*Kept, error) {
	id := folder.Name()
	k := &Kept{ID: id}
	if info, err := folder.Info(); err == nil {
		k.At = info.ModTime().UTC()
	}
	info, err := os.Lstat(filepath.Join(q.vault.QuarantineDir(), id, keptBytes))
	if errors.Is(err, fs.ErrNotExist) && q.receipts[prunedID(id)] != "" {
		return nil, nil
	}
	if err != nil {
		k.Trouble = fmt.Sprintf("its bytes cannot be looked at: %v", err)
		k.Why = k.Trouble
		return k, nil
	}
	k.Size, k.At = info.Size(), info.ModTime().UTC()
	side, err := readSidecar(q.vault.QuarantineDir(), id)
	if err != nil {
		k.Trouble = fmt.Sprintf("nothing says what it is: %v", err)
		k.Why = k.Trouble
		return k, nil
	}
	k.side = side
	k.Store, k.Blob, k.Verdict, k.Diagnosis = side.Store, side.name(), side.Verdict, side.Diagnosis
	k.Generation, k.At, k.Kind = side.Generation, side.KeptAt.UTC(), hashsets.File
	if side.Kind == hashsets.Link.String() {
		k.Kind = hashsets.Link
	}
	k.Receipt = q.receipts[id] != ""
	k.MayGo, k.Why, err = q.covered(ctx, k)
	return k, err
}

func readSidecar(dir, id string) (*sidecar, error) {
	text, err := readPlain(filepath.Join(dir, id, keptSidecar))
	if err != nil {
		return nil, err
	}
	var side sidecar
	if err := json.Unmarshal(text, &side); err != nil {
		return nil, err
	}
	if side.Version != 1 || side.Receipt != id {
		return nil, fmt.Errorf("its description is that of %q, version %d", side.Receipt, side.Version)
	}
	return &side, nil
}

// covered tells whether the bytes of a copy may go since a proof covers them:
// what was wrong with them was damage, their repair has a receipt, and the
// content that they should have had is verified in a store to this day, or its
// generation is not kept any more.
func (q *quarantineView) covered(ctx context.Context, k *Kept) (bool, string, error) {
	switch {
	case !k.Verdict.Damaged():
		return false, "it was no damage, and these may be the only bytes of what somebody wrote", nil
	case q.receipts[k.ID] != string(report.Repaired):
		return false, "no receipt says that it was repaired", nil
	}
	if _, err := os.Stat(journal{q.vault.JournalDir()}.path(k.ID)); err == nil {
		return false, "its repair is not finished", nil
	}
	if _, err := q.vault.Catalog.Generation(ctx, k.Blob, k.Generation); errors.Is(err, catalog.ErrNotRecorded) {
		return true, "its generation is not kept any more", nil
	} else if err != nil {
		return false, "", fmt.Errorf("look up the record of %q: %w", k.Blob, err)
	}
	for _, s := range q.vault.Config.Stores {
		seen, err := q.vault.Catalog.Coverage(ctx, s.Name, k.Blob)
		if errors.Is(err, catalog.ErrNotRecorded) || errors.Is(err, catalog.ErrDamaged) {
			continue
		}
		if err != nil {
			return false, "", fmt.Errorf("look up when %q was verified: %w", k.Blob, err)
		}
		whole := seen.Depth != catalog.Light && seen.Generation == k.Generation && !seen.VerifiedAt.Before(k.At)
		if whole && !q.findings[[2]string{s.Name, k.Blob}] {
			return true, fmt.Sprintf("its recorded content is verified in store %q since", s.Name), nil
		}
	}
	return false, "no store is known to hold its recorded content, and some of it may be here alone", nil
}

// parityFiles lists the damaged parity files. They were made by bitmend, and
// were encoded anew before they went out of force. What else somebody put
// beside them stays there.
func (q *quarantineView) parityFiles() ([]Kept, error) {
	files, err := os.ReadDir(filepath.Join(q.vault.QuarantineDir(), keptParity))
	if err != nil {
		return nil, fmt.Errorf("read the damaged parity files: %w", err)
	}
	var all []Kept
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return nil, fmt.Errorf("read the damaged parity files: %w", err)
		}
		k := Kept{ID: keptParity + "/" + f.Name(), Size: info.Size(), At: info.ModTime().UTC()}
		if at, name, ok := parity.ParseKeptName(f.Name()); ok && info.Mode().IsRegular() {
			k.Store, k.Blob, k.Kind, k.At = finding.ParityStore, name, hashsets.File, at
			k.Verdict, k.MayGo, k.Why = finding.Corrupt, true, "it was encoded anew from proven data"
		} else {
			k.Trouble = "it is no parity file that bitmend put aside"
			k.Why = k.Trouble
		}
		all = append(all, k)
	}
	return all, nil
}
