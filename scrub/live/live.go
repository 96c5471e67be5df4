// Package live tells how far a run is to who did not start it: a small file in
// the vault that is written anew while the run goes on, and a line on demand.
//
// The file is a hint. Who holds the vault's lock is told by the lock alone, and
// a file that a killed run left behind says nothing.
package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// file is the name of the state in a vault.
const file = "running.json"

// writeEvery is how often the state is written at most, and stillEvery how
// often when nothing changes, as a sign of life.
const (
	writeEvery = time.Second
	stillEvery = 10 * time.Second
)

// A State is how far a running run is.
type State struct {
	PID      int             `json:"pid"`
	Started  time.Time       `json:"started"`
	Updated  time.Time       `json:"updated"`
	Progress report.Progress `json:"progress"`
	Lines    []string        `json:"lines"` // the same for people
}

// A Watch is a Reporter that passes everything on and keeps what it hears of
// progress.
type Watch struct {
	report.Reporter
	path string

	mu    sync.Mutex
	state State
	track report.Track
	heard bool // something that is not written yet

	over    chan struct{}
	writing sync.WaitGroup
	failed  bool // the state could not be written, and that was said
}

// Begin watches the run that holds the lock of the vault, until End.
func Begin(v *vault.Vault, rep report.Reporter) *Watch {
	w := &Watch{
		Reporter: rep, path: filepath.Join(v.Dir, file), over: make(chan struct{}),
		state: State{PID: os.Getpid(), Started: time.Now().UTC()},
	}
	w.write()
	w.writing.Go(w.keepWritten)
	return w
}

// Progress takes it down and passes it on.
func (w *Watch) Progress(p report.Progress) {
	w.mu.Lock()
	w.track.Update(p)
	w.state.Progress, w.heard = p, true
	w.mu.Unlock()
	w.Reporter.Progress(p)
}

// Line is how far the run is, in a line.
func (w *Watch) Line() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Progress.Verb == "" {
		return "nothing was read yet"
	}
	return w.track.Line() + "  after " + report.TimeText(time.Since(w.state.Started))
}

// End takes the state away. It comes before the vault lets go of its lock.
func (w *Watch) End() {
	close(w.over)
	w.writing.Wait()
	os.Remove(w.path) // left behind it says nothing
}

func (w *Watch) keepWritten() {
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-w.over:
			return
		case now := <-ticker.C:
			w.mu.Lock()
			due := w.heard || now.Sub(w.state.Updated) >= stillEvery
			w.mu.Unlock()
			if due {
				w.write()
			}
		}
	}
}

// write writes the state so that who reads it finds all of it. It need not
// outlive a power failure, as the run does not. A run goes on without.
func (w *Watch) write() {
	w.mu.Lock()
	w.state.Updated, w.heard = time.Now().UTC(), false
	if w.state.Progress.Verb != "" {
		w.state.Lines = w.track.Lines()
	}
	text, err := json.Marshal(w.state)
	w.mu.Unlock()
	unfinished := w.path + ".unfinished"
	if err == nil {
		err = os.WriteFile(unfinished, text, 0o600)
	}
	if err == nil {
		err = os.Rename(unfinished, w.path)
	}
	if err != nil && !w.failed {
		w.failed = true
		w.Reporter.Note("how far the run is cannot be kept for status --live: %v", err)
	}
}

// Read returns the state of the run that goes on in the vault, and who holds its
// lock; holder is nil when no run does. The state is nil when that run tells
// nothing of itself, or has not yet.
func Read(dir string) (state *State, holder *vault.LockedError, err error) {
	holder, err = vault.Holder(dir)
	if err != nil || holder == nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, holder, nil
	}
	if err != nil {
		return nil, holder, fmt.Errorf("read how far the run is: %w", err)
	}
	s := &State{}
	if err := json.Unmarshal(text, s); err != nil || holder.PID != 0 && s.PID != holder.PID || s.Updated.Before(holder.Since) {
		return nil, holder, nil // of a run that was killed
	}
	return s, holder, nil
}
