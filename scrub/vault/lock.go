package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// LockedError says that another run holds the vault's lock. What is not known
// of it is zero: it may have just begun, or be on a host whose files cannot be
// read while they are locked.
type LockedError struct {
	Dir   string // the vault
	Verb  string
	PID   int
	Host  string
	Since time.Time
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("the vault %s is locked by another run; wait for it to end", e.Dir)
	}
	return fmt.Sprintf("the vault %s is locked by %q (process %d on %s) since %s; wait for it to end, or end it",
		e.Dir, "bitmend "+e.Verb, e.PID, e.Host, e.Since.Local().Format(time.DateTime))
}

// lock is held by one run at a time. The kernel lets go of it when its holder
// dies, however that happens; what stands in the file is for people and is no
// lock by itself.
type lock struct{ file *flock.Flock }

// takeLock takes the lock of the vault in dir, or returns a LockedError.
func takeLock(dir, path, verb string) (*lock, error) {
	file := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR))
	taken, err := file.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the vault %s: %w", dir, err)
	}
	if !taken {
		holder := readHolder(path)
		holder.Dir = dir
		return nil, holder
	}
	l := &lock{file: file}
	if err := l.sign(verb); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the vault %s: %w", dir, err), l.release())
	}
	return l, nil
}

// sign writes who holds the lock.
func (l *lock) sign(verb string) error {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	text := fmt.Sprintf("verb %s\npid %d\nhost %s\nsince %s\n", verb, os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	return os.WriteFile(l.file.Path(), []byte(text), 0o600)
}

// release empties the file and lets go of the lock.
func (l *lock) release() error {
	err := os.Truncate(l.file.Path(), 0)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.file.Unlock())
}

// readHolder reads what sign wrote, as far as it is there.
func readHolder(path string) *LockedError {
	holder := &LockedError{}
	text, err := os.ReadFile(path)
	if err != nil {
		return holder
	}
	for line := range strings.Lines(string(text)) {
		word, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch word {
		case "verb":
			holder.Verb = value
		case "pid":
			holder.PID, _ = strconv.Atoi(value)
		case "host":
			holder.Host = value
		case "since":
			holder.Since, _ = time.Parse(time.RFC3339, value)
		}
	}
	return holder
}
