package live_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bitmend/scrub/live"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

func open(t *testing.T) (*vault.Vault, string) {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	v, _, err := vault.OpenOrInit(t.Context(), tree, "scrub")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v, v.Dir
}

func quiet() report.Reporter { return report.NewText(io.Discard, io.Discard, report.TextOptions{}) }

func read(t *testing.T, dir string) (*live.State, *vault.LockedError) {
	t.Helper()
	s, holder, err := live.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, holder
}

func TestARunTellsHowFarItIs(t *testing.T) {
	v, dir := open(t)
	if s, holder := read(t, dir); s != nil || holder == nil || holder.Verb != "scrub" {
		t.Errorf("before it begins there is %+v of %+v", s, holder)
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Now().AddDate(50, 0, 0))) // the lock was taken by another clock
		w := live.Begin(v, quiet())
		for i := range 5 {
			w.Progress(report.Progress{Verb: "scrub", Store: "primary", Bytes: int64(i) << 20, Total: 100 << 20, Elapsed: time.Duration(i) * time.Second, Workers: 3})
			time.Sleep(time.Second)
		}
		synctest.Wait()
		s, _ := read(t, dir)
		if s == nil || s.PID != os.Getpid() || len(s.Lines) != 1 {
			t.Fatalf("it tells %+v", s)
		}
		if want := "scrub primary  4%  4.0 MiB of 100 MiB  "; !strings.HasPrefix(s.Lines[0], want) || s.Progress.Workers != 3 {
			t.Errorf("it tells %+v, want %s", s, want)
		}
		if line := w.Line(); !strings.HasPrefix(line, s.Lines[0]) || !strings.HasSuffix(line, "after 5.0 s") {
			t.Errorf("its line is %s", line)
		}
		// A run that reads nothing for long is still alive.
		before := s.Updated
		time.Sleep(time.Minute)
		synctest.Wait()
		if s, _ := read(t, dir); s == nil || s.Updated.Sub(before) < 45*time.Second {
			t.Errorf("a minute later it tells %+v", s)
		}
		w.End()
	})
	if s, holder := read(t, dir); s != nil || holder == nil {
		t.Errorf("after it there is %+v", s)
	}
}

// What a killed run left is not taken for a run, nor for the one that follows.
func TestWhatAKilledRunLeftSaysNothing(t *testing.T) {
	v, dir := open(t)
	w := live.Begin(v, quiet())
	left, err := os.ReadFile(filepath.Join(dir, "running.json"))
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := read(t, dir); s == nil {
		t.Error("a run that goes on tells nothing")
	}
	w.End()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	leave := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "running.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leave(string(left))
	if s, holder := read(t, dir); s != nil || holder != nil {
		t.Errorf("of no run it tells %+v, %+v", s, holder)
	}
	next, err := vault.Open(t.Context(), dir, "protect")
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	for _, text := range []string{
		strings.Replace(string(left), `"pid":`, `"pid":1`, 1),
		strings.ReplaceAll(string(left), time.Now().UTC().Format("2006-"), "2020-"),
		"{", "",
	} {
		leave(text)
		if s, holder := read(t, dir); s != nil || holder == nil || holder.Verb != "protect" {
			t.Errorf("of another run it tells %+v, %+v from %s", s, holder, text)
		}
	}
}
