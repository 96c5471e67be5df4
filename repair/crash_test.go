//go:build unix

package repair_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bitmend/fixtures"
	"bitmend/repair"
	"bitmend/repair/protect"
	"bitmend/scrub/vault"
)

// The test binary runs itself as a program that repairs the vault named by
// crashVault and kills itself at the announcement numbered by crashAt.
const (
	crashVault = "BITMEND_TEST_CRASH_VAULT"
	crashAt    = "BITMEND_TEST_CRASH_AT"
	// crashDo names what the program does instead, without killing itself, and
	// crashWith an argument of that.
	crashDo   = "BITMEND_TEST_CRASH_DO"
	crashWith = "BITMEND_TEST_CRASH_WITH"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashVault); dir != "" {
		var err error
		if do := os.Getenv(crashDo); do != "" {
			err = doAlone(do, dir, os.Getenv(crashWith))
		} else {
			var at int
			if at, err = strconv.Atoi(os.Getenv(crashAt)); err == nil {
				err = repairUntilKilled(dir, at)
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// doAlone does one thing in the vault in dir, one blob at a time.
func doAlone(do, dir, with string) (err error) {
	ctx := context.Background()
	v, err := vault.Open(ctx, dir, do)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	opts := repair.Options{Workers: 1}
	switch do {
	case "repair":
		_, err = repair.Run(ctx, v, opts, &heard{})
	case "protect":
		_, err = protect.Run(ctx, v, protect.Options{Workers: 1}, &heard{})
	case "reseed":
		_, err = repair.Reseed(ctx, v, with, opts, &heard{})
	case "restore":
		_, err = repair.Restore(ctx, v, repair.RestoreOptions{At: hour(1).Add(time.Minute), Said: "1", To: with, Workers: 1}, &heard{})
	case "put back":
		_, _, err = repair.PutBack(ctx, v, with, true, opts, &heard{})
	case "prune":
		now, parseErr := time.Parse(time.RFC3339Nano, with)
		_, err = repair.PruneQuarantine(ctx, v, now)
		err = errors.Join(parseErr, err)
	default:
		err = fmt.Errorf("nobody knows how to do %q", do)
	}
	return err
}

// repairUntilKilled repairs the vault in dir and ends as kill -9 ends a
// process when the announcement numbered at comes, counted from 1.
func repairUntilKilled(dir string, at int) (err error) {
	v, err := vault.Open(context.Background(), dir, "repair")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	count := 0
	_, err = repair.Run(context.Background(), v, repair.Options{
		Workers: 1,
		OnStep: func(s repair.Step) {
			count++
			if count == at {
				fmt.Printf("%s done=%v\n", s.Point, s.Done)
				os.Stdout.Sync()
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // the signal comes at any instant now
			}
		},
	}, &heard{})
	return err
}

// crash repairs w's vault in a process that is killed at an announcement. It
// tells where, and whether the process was killed at all.
func (w *world) crash(at int) (where string, killed bool) {
	w.t.Helper()
	self, err := os.Executable()
	w.must(err)
	child := exec.CommandContext(w.t.Context(), self)
	child.Env = append(os.Environ(), crashVault+"="+w.vaultDir(), crashAt+"="+strconv.Itoa(at))
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, err := child.Output()
	if err == nil {
		return "", false
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
		w.t.Fatalf("the repairing process failed: %v: %s", err, stderr.String())
	}
	return strings.TrimSpace(string(out)), true
}

// A crashCase is one damaged blob in a store whose replica is whole.
type crashCase struct {
	name string
	blob string
	over func(t *testing.T) *world // nil is a world with a replica
	make func(w *world)            // fills the stores
	harm func(w *world)            // damages the primary
	// state tells what stands in the place: "damaged", "repaired" or what else.
	state func(w *world) string
	kept  func(w *world) []byte // what the quarantine must hold; nil for nothing
}

func crashCases() []crashCase {
	good := content(1, 3*shard+77)
	bad := bytes.Clone(good)
	bad[shard+9] ^= 4
	fileState := func(w *world) string {
		now, err := os.ReadFile(w.path("primary", "d/blob"))
		switch {
		case errors.Is(err, os.ErrNotExist):
			return "missing"
		case err != nil:
			return err.Error()
		case bytes.Equal(now, good):
			return "repaired"
		case bytes.Equal(now, bad):
			return "damaged"
		}
		return fmt.Sprintf("%d other bytes", len(now))
	}
	flip := func(w *world) {
		w.harm("primary", fixtures.Fault{Harm: fixtures.FlipBit, Path: "d/blob", Offset: shard + 9, Length: 1, Bit: 2})
	}
	return []crashCase{
		{
			name: "replace", blob: "d/blob",
			make: func(w *world) {
				w.everywhere("d/blob", good)
				w.must(os.Chmod(w.path("primary", "d/blob"), 0o440))
			},
			harm: flip, state: fileState,
			kept: func(*world) []byte { return bad },
		},
		{
			name: "replace from parity", blob: "d/blob",
			over: func(t *testing.T) *world { return newParityWorld(t, 4, 1) },
			make: func(w *world) { w.everywhere("d/blob", good); w.fill(4) },
			harm: flip, state: fileState,
			kept: func(*world) []byte { return bad },
		},
		{
			name: "missing", blob: "d/blob",
			make:  func(w *world) { w.everywhere("d/blob", good); w.everywhere("d/other", nil) },
			harm:  func(w *world) { w.must(os.Remove(w.path("primary", "d/blob"))) },
			state: missingIsDamaged(fileState),
		},
		{
			name: "hard link", blob: "d/blob",
			make: func(w *world) {
				w.everywhere("d/blob", good)
				for _, s := range w.names {
					w.must(os.Link(w.path(s, "d/blob"), w.path(s, "second")))
				}
			},
			harm: flip,
			state: func(w *world) string {
				if !bytes.Equal(w.read("primary", "d/blob"), w.read("primary", "second")) {
					return "the names differ"
				}
				return fileState(w)
			},
			kept: func(*world) []byte { return bad },
		},
		{
			name: "link", blob: "link",
			make: func(w *world) {
				w.everywhere("blob", good)
				for _, s := range w.names {
					w.must(os.Symlink("blob", w.path(s, "link")))
				}
			},
			harm: func(w *world) {
				w.relink("primary", "link", "wrong")
			},
			state: func(w *world) string {
				target, err := os.Readlink(w.path("primary", "link"))
				w.must(err)
				return map[string]string{"blob": "repaired", "wrong": "damaged"}[target]
			},
			kept: func(*world) []byte { return []byte("wrong") },
		},
		{
			name: "link instead of a file", blob: "d/blob",
			make: func(w *world) { w.everywhere("d/blob", good) },
			harm: func(w *world) {
				w.relink("primary", "d/blob", "nowhere")
			},
			state: func(w *world) string {
				if target, err := os.Readlink(w.path("primary", "d/blob")); err == nil && target == "nowhere" {
					return "damaged"
				}
				return fileState(w)
			},
			kept: func(*world) []byte { return []byte("nowhere") },
		},
		{
			name: "directory", blob: "e",
			make: func(w *world) {
				w.everywhere("blob", good)
				for _, s := range w.names {
					w.must(os.Mkdir(w.path(s, "e"), 0o2711))
				}
			},
			harm: func(w *world) { w.must(os.Remove(w.path("primary", "e"))) },
			state: func(w *world) string {
				if _, err := os.Stat(w.path("primary", "e")); err != nil {
					return "damaged"
				}
				return "repaired"
			},
		},
	}
}

func missingIsDamaged(state func(*world) string) func(*world) string {
	return func(w *world) string {
		if s := state(w); s != "missing" {
			return s
		}
		return "damaged"
	}
}

func TestKillingARepairAtAnyStepLeavesTheOriginalOrTheReplacement(t *testing.T) {
	fixtures.Sequential(t)
	for _, c := range crashCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // they wait for the disk
			points := 0
			for at := 1; ; at++ {
				if !killAt(t, c, func(w *world) (string, bool) { return w.crash(at) }) {
					break
				}
				points++
			}
			if points < 6 {
				t.Errorf("only %d points: the steps are not announced", points)
			}
			t.Logf("killed at %d points", points)
		})
	}
}

// killAt makes the case anew, lets crash repair it, which may be killed, and lets
// a second run complete it. It tells whether the first one was killed.
func killAt(t *testing.T, c crashCase, crash func(w *world) (where string, killed bool)) bool {
	over := c.over
	if over == nil {
		over = func(t *testing.T) *world { return newWorld(t, "primary", "dr") }
	}
	w := over(t)
	c.make(w)
	w.protect()
	before := w.snapshot("primary")
	c.harm(w)
	w.scrub()

	where, killed := crash(w)

	switch now := c.state(w); {
	case !killed && now != "repaired":
		t.Errorf("after a whole run the blob is %s", now)
	case now == "repaired":
		w.quarantineHas(c, where)
	case now != "damaged":
		t.Errorf("killed at %s the blob is neither the original nor the replacement: %s", where, now)
	}
	if !killed {
		return false
	}

	w.repair(repair.Options{})

	if now := c.state(w); now != "repaired" {
		t.Errorf("killed at %s, the next run left the blob %s", where, now)
	}
	w.same(before, "primary")
	w.quarantineHas(c, where)
	w.hasReceipt(c.blob)
	w.tidy()
	if left := w.findings(); len(left) > 0 {
		t.Errorf("killed at %s, findings are left: %+v", where, left)
	}
	if t.Failed() {
		t.FailNow()
	}
	return true
}

// quarantineHas fails unless the quarantine holds the damaged original.
func (w *world) quarantineHas(c crashCase, where string) {
	w.t.Helper()
	if c.kept == nil {
		return
	}
	copies, err := filepath.Glob(filepath.Join(w.vaultDir(), "quarantine", "*", "original"))
	w.must(err)
	for _, path := range copies {
		kept, err := os.ReadFile(path)
		w.must(err)
		if bytes.Equal(kept, c.kept(w)) {
			return
		}
	}
	w.t.Errorf("killed at %s, the quarantine (%d copies) does not hold the original", where, len(copies))
}

// hasReceipt fails unless exactly one receipt is that of the blob.
func (w *world) hasReceipt(blob string) {
	w.t.Helper()
	count := 0
	w.with(func(v *vault.Vault) {
		for r, err := range v.Catalog.Receipts(w.t.Context()) {
			w.must(err)
			if r.Name == blob {
				count++
			}
		}
	})
	if count != 1 {
		w.t.Errorf("%d receipts of %q", count, blob)
	}
}

// relink puts a link with another target in the place of a blob, with the
// blob's time.
func (w *world) relink(storeName, blob, target string) {
	w.t.Helper()
	path := w.path(storeName, blob)
	info, err := os.Lstat(path)
	w.must(err)
	w.must(os.Remove(path))
	w.must(os.Symlink(target, path))
	at := unix.NsecToTimespec(info.ModTime().UnixNano())
	w.must(unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW))
}
