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
	"time"

	"bitmend/scrub/store"
)

// ErrTarget is wrapped when a restore is refused its target.
var ErrTarget = errors.New("cannot be restored to")

// unfinishedMark stands in the target as long as a restore is not complete. It
// is named as temporary files are, so that no listing takes it for a blob.
const unfinishedMark = ".bitmend-restore.tmp"

// A restoreMark says what is being restored into a directory.
type restoreMark struct {
	Version int       `json:"version"`
	Vault   string    `json:"vault"`
	Said    string    `json:"said"`
	At      time.Time `json:"at"`
	Only    []string  `json:"only,omitempty"`

	path string
}

// openTarget makes the target, or finds in it a restore to go on with.
func (s *restoring) openTarget(ctx context.Context) (restoreMark, error) {
	to, err := filepath.Abs(s.asked.To)
	if err != nil {
		return restoreMark{}, fmt.Errorf("find the target: %w", err)
	}
	if err := s.vault.CheckOutside(to); err != nil {
		return restoreMark{}, fmt.Errorf("%s %w: %w", to, ErrTarget, err)
	}
	mark := restoreMark{Version: 1, Vault: s.vault.Dir, Said: s.asked.Said, At: s.asked.At, Only: s.asked.Only, path: filepath.Join(to, unfinishedMark)}
	held, err := os.ReadDir(to)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return mark, fmt.Errorf("%s %w: %w", to, ErrTarget, err)
	}
	held = slices.DeleteFunc(held, func(e fs.DirEntry) bool { return e.Name() == unfinishedMark+partialSuffix }) // of a run that was killed as it began
	if len(held) > 0 {
		if mark, err = s.goOn(mark); err != nil {
			return mark, fmt.Errorf("%s %w: %w", to, ErrTarget, err)
		}
	} else if err := mark.make(to); err != nil {
		return mark, err
	}
	directory, err := store.OpenDirectory(restoreStore, to)
	if err != nil {
		return mark, err
	}
	if _, err := directory.Probe(ctx); err != nil {
		return mark, err
	}
	directory.HoldTo(s.vault.Hold())
	s.target = directory
	if s.asked.Target != nil {
		s.target = s.asked.Target(directory)
	}
	return mark, nil
}

func (m restoreMark) make(to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("make the target: %w", err)
	}
	text, err := json.Marshal(m)
	if err == nil {
		err = writeDurably(m.path, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("mark the target as unfinished: %w", err)
	}
	return nil
}

// remove says that the restore is complete.
func (m restoreMark) remove() error {
	if err := os.Remove(m.path); err != nil {
		return fmt.Errorf("mark the target as complete: %w", err)
	}
	return syncDir(filepath.Dir(m.path))
}

// goOn returns the mark of the restore that is unfinished in the target. The
// time is the one that was meant when it began.
func (s *restoring) goOn(asked restoreMark) (restoreMark, error) {
	text, err := os.ReadFile(asked.path)
	if errors.Is(err, fs.ErrNotExist) {
		return asked, errors.New("it holds files, and a restore goes to a new place: name a directory that is missing or empty")
	}
	if err != nil {
		return asked, err
	}
	there := restoreMark{path: asked.path}
	if err := json.Unmarshal(text, &there); err != nil || there.Version != 1 {
		return asked, fmt.Errorf("its mark %s cannot be read: name another directory", unfinishedMark)
	}
	if there.Vault != asked.Vault || there.Said != asked.Said || !slices.Equal(there.Only, asked.Only) {
		return asked, fmt.Errorf("another restore is unfinished there: of the vault %s, --at %s, with %d globs; give the same, or name another directory",
			there.Vault, there.Said, len(there.Only))
	}
	s.asked.At = there.At
	s.rep.Note("going on with the restore of %s that is unfinished there", there.At.UTC().Format(time.RFC3339))
	return there, nil
}
