package vault_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"bitmend/scrub/vault"
)

func TestOneRunAtATime(t *testing.T) {
	ctx, tree := context.Background(), folder(t, tempDir(t), "photos")
	v, _, err := vault.OpenOrInit(ctx, tree, "protect")
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	_, err = vault.Open(ctx, v.Dir, "scrub")
	var locked *vault.LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("the second run: %v, want a LockedError", err)
	}
	host, _ := os.Hostname()
	if locked.Verb != "protect" || locked.PID != os.Getpid() || locked.Host != host || locked.Dir != v.Dir {
		t.Errorf("the holder is %+v", locked)
	}
	if age := before.Sub(locked.Since); age < -time.Second || age > time.Minute {
		t.Errorf("it is held since %v, which is not now", locked.Since)
	}
	for _, want := range []string{"bitmend protect", host, locked.Since.Local().Format(time.DateTime)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q says nothing of %q", err, want)
		}
	}
	beside, err := vault.OpenReadOnly(ctx, v.Dir)
	if err != nil {
		t.Fatalf("reading beside a run: %v", err)
	}
	closed(t, beside)
	closed(t, v)
	closed(t, v) // again, which does nothing
	if v, err = vault.Open(ctx, v.Dir, "scrub"); err != nil {
		t.Fatalf("after the first run ended: %v", err)
	}
	closed(t, v)
}

// TestMain lets the test be a second process that holds a lock until it is
// killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("BITMEND_TEST_HOLD"); dir != "" {
		v, err := vault.OpenLocked(context.Background(), dir, "protect")
		if err != nil {
			os.Exit(3)
		}
		os.Stdout.WriteString("held\n")
		io.Copy(io.Discard, os.Stdin) // until the test kills it, or ends; a select of nothing is a deadlock where there is no cgo
		v.Close()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestAKilledRunLetsGoOfTheLock(t *testing.T) {
	ctx, tree := context.Background(), folder(t, tempDir(t), "photos")
	if err := vault.InitTree(ctx, tree); err != nil {
		t.Fatal(err)
	}
	dir := tree + ".bitmend"
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), "BITMEND_TEST_HOLD="+dir)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	var locked *vault.LockedError
	if _, err := vault.Open(ctx, dir, "scrub"); !errors.As(err, &locked) || locked.PID != holder.Process.Pid {
		t.Errorf("while it runs: %v, want that process %d holds the lock", err, holder.Process.Pid)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	holder.Wait()
	text, err := os.ReadFile(filepath.Join(dir, "lock"))
	if err != nil || !strings.Contains(string(text), "pid ") {
		t.Fatalf("the killed run left %q, %v; this test wants its text to be stale", text, err)
	}
	v, err := vault.Open(ctx, dir, "scrub")
	if err != nil {
		t.Fatalf("after it was killed: %v", err)
	}
	if before := v.Abandoned(); before == nil || before.PID != holder.Process.Pid || before.Dir != dir {
		t.Errorf("the run that died is told as %+v, want process %d", before, holder.Process.Pid)
	}
	closed(t, v)
	if v, err = vault.Open(ctx, dir, "scrub"); err != nil || v.Abandoned() != nil {
		t.Errorf("%v; after a run that ended: %+v", err, v.Abandoned())
	}
	closed(t, v)
}

func TestWaitingForTheLock(t *testing.T) {
	tree := folder(t, tempDir(t), "photos")
	if err := vault.InitTree(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	first, err := vault.OpenTree(t.Context(), tree, "protect")
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	wait := vault.Wait(func(holder *vault.LockedError) {
		if told++; holder.Verb != "protect" || holder.PID != os.Getpid() {
			t.Errorf("the holder is told as %+v", holder)
		}
		go first.Close()
	})
	second, err := vault.Open(t.Context(), tree+".bitmend", "scrub", wait)
	if err != nil || told != 1 {
		t.Fatalf("%v, told %d times", err, told)
	}
	if second.Abandoned() != nil {
		t.Errorf("a run that ended is said to have died: %v", second.Abandoned())
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = vault.Open(ctx, tree+".bitmend", "scrub", vault.Wait(func(*vault.LockedError) { cancel() }))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("waiting that is cancelled: %v", err)
	}
	closed(t, second)
}

func TestManyFirstUsesMakeOneVault(t *testing.T) {
	ctx, tree := context.Background(), folder(t, tempDir(t), "photos")
	var mu sync.Mutex
	var wg sync.WaitGroup
	madeBy := 0
	for range 8 {
		wg.Go(func() {
			v, made, err := vault.OpenOrInit(ctx, tree, "protect")
			var locked *vault.LockedError
			if err != nil && !errors.As(err, &locked) {
				t.Errorf("the error is %v, want none or a LockedError", err)
			}
			if err == nil {
				closed(t, v)
			}
			mu.Lock()
			defer mu.Unlock()
			if made {
				madeBy++
			}
		})
	}
	wg.Wait()
	if madeBy > 1 {
		t.Errorf("the vault was made %d times", madeBy)
	}
	v, made, err := vault.OpenOrInit(ctx, tree, "protect")
	if err != nil || made {
		t.Fatalf("afterwards made is %v, error %v", made, err)
	}
	closed(t, v)
}

// Who looks who holds the vault does not keep a run from it.
func TestLookingWhoHoldsTheVault(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Holder(tree + ".bitmend"); !errors.Is(err, vault.ErrNoVault) {
		t.Errorf("of no vault: %v", err)
	}
	if err := vault.InitTree(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	look := func() *vault.LockedError {
		t.Helper()
		holder, err := vault.Holder(tree + ".bitmend")
		if err != nil {
			t.Error(err)
		}
		return holder
	}
	for range 3 {
		looking := flock.New(filepath.Join(tree+".bitmend", "lock"), flock.SetFlag(os.O_RDWR|os.O_CREATE))
		if err := looking.RLock(); err != nil { // as who looks does, for a moment
			t.Fatal(err)
		}
		time.AfterFunc(time.Millisecond, func() { looking.Unlock() })
		v, err := vault.OpenLocked(t.Context(), tree+".bitmend", "scrub")
		if err != nil {
			t.Fatal(err)
		}
		if holder := look(); holder == nil || holder.Verb != "scrub" || holder.PID != os.Getpid() || holder.Dir == "" {
			t.Errorf("a scrub holds it, and not %+v", holder)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if holder := look(); holder != nil {
		t.Errorf("nobody holds it any more, and not %+v", holder)
	}
}
