package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
type lock struct {
	file      *flock.Flock
	abandoned *LockedError // who held it before and died; nil when that run ended as it should
}

// waitEvery is how often a run that waits for the lock tries to take it.
const waitEvery = 250 * time.Millisecond

// A LockOption says what happens when another run holds the lock.
type LockOption func(*locking)

type locking struct{ wait func(*LockedError) }

// Wait has a run wait until the lock is free, for as long as its context
// lasts. told is called once with who holds it, when there is need to wait.
func Wait(told func(holder *LockedError)) LockOption {
	return func(l *locking) { l.wait = told }
}

// takeLock takes the lock of the vault in dir, or returns a LockedError. A lock
// whose holder died is taken over.
func takeLock(ctx context.Context, dir, path, verb string, opts ...LockOption) (*lock, error) {
	var how locking
	for _, o := range opts {
		o(&how)
	}
	file := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR))
	taken, err := tryLock(ctx, file)
	if err == nil && !taken {
		holder := readHolder(path)
		holder.Dir = dir
		if how.wait == nil {
			return nil, holder
		}
		how.wait(holder)
		taken, err = file.TryLockContext(ctx, waitEvery)
	}
	if err == nil && !taken {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("locking the vault %s: %w", dir, err)
	}
	l := &lock{file: file}
	if before := readHolder(path); before.PID != 0 {
		before.Dir = dir
		l.abandoned = before
	}
	if err := l.sign(verb); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the vault %s: %w", dir, err), l.release())
	}
	return l, nil
}

// glance is for how long somebody who only looks who holds the lock may keep a
// run from taking it, and with a wide margin.
const glance = 200 * time.Millisecond

// tryLock takes the lock when nobody holds it. One who looks whether somebody
// does is let go first.
func tryLock(ctx context.Context, file *flock.Flock) (bool, error) {
	taken, err := file.TryLock()
	if err != nil || taken {
		return taken, err
	}
	limited, stop := context.WithTimeout(ctx, glance)
	defer stop()
	taken, err = file.TryLockContext(limited, glance/20)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return taken, err
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

// Holder returns who holds the lock of the vault in dir; nil when nobody does,
// whatever stands in the file.
func Holder(dir string) (*LockedError, error) {
	if _, err := LoadConfig(dir); errors.Is(err, ErrNoVault) {
		return nil, err
	}
	path := filepath.Join(dir, lockFile)
	if !exists(path) {
		return nil, nil
	}
	file := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := file.TryRLock()
	if err == nil && free {
		return nil, file.Unlock()
	}
	if err != nil {
		return nil, fmt.Errorf("looking who holds the vault %s: %w", dir, err)
	}
	holder := readHolder(path)
	holder.Dir = dir
	return holder, file.Close()
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
