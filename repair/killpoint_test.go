//go:build linux && (amd64 || arm64)

package repair_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/fixtures/killpoint"
	"bitmend/hashsets/catalog"
	"bitmend/repair"
	"bitmend/scrub/vault"
)

// everyPoint asks for a kill at every call that changes something; without it
// a few of them are tried, spread over the whole of each run.
const everyPoint = "BITMEND_TEST_EVERY_KILLPOINT"

// sampledPoints is how many points of each case are tried otherwise.
const sampledPoints = 4

// points returns the points that are tried of so many.
func points(calls int) (chosen []int) {
	step := 1
	if os.Getenv(everyPoint) == "" {
		step = max(1, calls/sampledPoints)
	}
	for at := (step + 1) / 2; at <= calls; at += step {
		chosen = append(chosen, max(at, 1))
	}
	return chosen
}

// killed does one thing in w's vault in a process that is killed before the
// call numbered at; 0 lets it finish.
func (w *world) killed(do, with string, at int) killpoint.Result {
	w.t.Helper()
	self, err := os.Executable()
	w.must(err)
	output, err := os.Create(filepath.Join(w.dir, "output"))
	w.must(err)
	defer output.Close()
	cmd := exec.CommandContext(w.t.Context(), self)
	cmd.Env = append(os.Environ(), crashVault+"="+w.vaultDir(), crashDo+"="+do, crashWith+"="+with)
	cmd.Stdout, cmd.Stderr = output, output
	result, err := killpoint.Run(cmd, at)
	if errors.Is(err, killpoint.ErrUnsupported) {
		w.t.Skip(err)
	}
	if err != nil {
		text, _ := os.ReadFile(output.Name())
		w.t.Fatalf("%s: %v: %s", do, err, text)
	}
	return result
}

// tried counts the kills of all cases.
var tried atomic.Int64

func TestKillingARepairAtAnySystemCallLeavesTheOriginalOrTheReplacement(t *testing.T) {
	fixtures.Sequential(t)
	t.Cleanup(func() { t.Logf("repair was killed at %d points in all", tried.Load()) })
	for _, c := range crashCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var whole killpoint.Result
			killAt(t, c, func(w *world) (string, bool) {
				whole = w.killed("repair", "", 0)
				return "", false
			})
			if whole.Calls < 20 {
				t.Fatalf("only %d calls: they are not seen", whole.Calls)
			}
			count := 0
			for _, at := range points(whole.Calls) {
				killAt(t, c, func(w *world) (string, bool) {
					r := w.killed("repair", "", at)
					if r.Killed {
						count++
					}
					return fmt.Sprintf("call %d, %s,", at, r.Where), r.Killed
				})
			}
			tried.Add(int64(count))
			t.Logf("killed at %d of %d points", count, whole.Calls)
		})
	}
}

// A killCase is a verb that is killed and then run again.
type killCase struct {
	name, do string
	make     func(t *testing.T) (w *world, with string)
	// left fails the test unless what a kill left is one of the states that are
	// allowed.
	left func(w *world)
	// done fails it unless the next run has completed the work.
	done func(w *world)
}

func killCases() []killCase {
	good, other := content(1, 3*shard+77), content(2, shard)
	var before, first fixtures.Snapshot // each case is run by itself, one world after the other
	var kept repair.Kept
	var bad []byte
	return []killCase{
		{
			name: "restore", do: "restore",
			make: func(t *testing.T) (*world, string) {
				w := newWorld(t, "primary", "lag")
				w.everywhere("d/a", good)
				w.everywhere("b", other)
				for _, name := range w.names {
					w.must(os.Symlink("b", w.path(name, "link")))
					w.must(os.Link(w.path(name, "b"), w.path(name, "second name")))
				}
				w.protectAt(1)
				first = w.snapshot("primary")
				w.write("primary", "d/a", []byte("rewritten"))
				w.protectAt(2)
				before = w.snapshot("primary")
				return w, w.root("back")
			},
			left: func(w *world) {
				for name, want := range map[string][]byte{"d/a": good, "b": other, "second name": other} {
					if got := w.back(name); got != nil && !bytes.Equal(got, want) {
						w.t.Errorf("%q is there with %d other bytes", name, len(got))
					}
				}
			},
			done: func(w *world) {
				if diff := first.WithoutDirectoryTimes().Diff(w.snapshot("back").WithoutDirectoryTimes()); len(diff) > 0 {
					w.t.Errorf("what came back differs: %v", diff)
				}
				w.same(before, "primary")
			},
		},
		{
			name: "reseed", do: "reseed",
			make: func(t *testing.T) (*world, string) {
				w := newWorld(t, "primary", "dr")
				w.everywhere("d/a", good)
				w.everywhere("b", other)
				for _, name := range w.names {
					w.must(os.Symlink("b", w.path(name, "link")))
					w.must(os.Link(w.path(name, "b"), w.path(name, "second name")))
				}
				w.protect()
				before = w.snapshot("primary")
				w.replaceDisk("primary")
				return w, "primary"
			},
			left: func(w *world) {
				for name, want := range map[string][]byte{"d/a": good, "b": other, "second name": other} {
					got, err := os.ReadFile(w.path("primary", name))
					if err == nil && !bytes.Equal(got, want) {
						w.t.Errorf("%q is there with %d other bytes", name, len(got))
					}
				}
			},
			done: func(w *world) {
				w.same(before, "primary")
				w.tidy()
				w.scrub()
				if left := w.findings(); len(left) > 0 {
					w.t.Errorf("findings are left: %+v", left)
				}
			},
		},
		{
			name: "quarantine restore", do: "put back",
			make: func(t *testing.T) (w *world, with string) {
				w, kept, bad = oneKept(t)
				return w, kept.ID
			},
			left: func(w *world) {
				now := w.read("primary", "d/a")
				if !bytes.Equal(now, content(1, 3*shard)) && !bytes.Equal(now, bad) {
					w.t.Errorf("neither what stood there nor the copy, but %d bytes", len(now))
				}
				if !bytes.Equal(w.kept(kept.ID), bad) {
					w.t.Error("the quarantine has the copy no more")
				}
			},
			done: func(w *world) {
				if !bytes.Equal(w.read("primary", "d/a"), bad) {
					w.t.Error("the copy is not in place")
				}
				found := false
				for _, k := range w.list() {
					found = found || bytes.Equal(w.kept(k.ID), content(1, 3*shard))
				}
				if !found {
					w.t.Error("what stood there is not kept")
				}
				w.tidy()
			},
		},
		{
			name: "quarantine prune", do: "prune",
			make: func(t *testing.T) (w *world, with string) {
				w, kept, bad = oneKept(t)
				w.with(func(v *vault.Vault) {
					w.must(v.Catalog.Update(t.Context(), func(tx *catalog.Tx) error {
						_, err := tx.StartRun("scrub", kept.At.Add(30*time.Minute))
						return err
					}))
				})
				w.append("bitmend.toml", "[quarantine]\nkeep_for = \"1h\"\nmax_size = \"1B\"\n")
				return w, kept.At.Add(time.Hour).Format(time.RFC3339Nano)
			},
			left: func(w *world) {
				now, err := os.ReadFile(filepath.Join(w.kPath(kept.ID), "original"))
				if err == nil && !bytes.Equal(now, bad) {
					w.t.Errorf("half of the copy is left: %d bytes", len(now))
				}
				if err != nil {
					w.receipt(kept.ID + "-pruned") // it went, and that is recorded
				}
			},
			done: func(w *world) {
				w.receipt(kept.ID + "-pruned")
				if _, err := os.Stat(w.kPath(kept.ID)); err == nil {
					w.t.Error("something of it is left")
				}
			},
		},
	}
}

// append replaces the last tables of a file of the vault by text that has them.
func (w *world) append(file, text string) {
	w.t.Helper()
	path := filepath.Join(w.vaultDir(), file)
	now, err := os.ReadFile(path)
	w.must(err)
	if at := bytes.Index(now, []byte("[quarantine]\n")); at >= 0 {
		now = now[:at]
	}
	w.must(os.WriteFile(path, append(now, text...), 0o600))
}

func TestKillingAnyVerbThatWritesLosesNothing(t *testing.T) {
	fixtures.Sequential(t)
	for _, c := range killCases() {
		t.Run(c.name, func(t *testing.T) {
			w, with := c.make(t)
			whole := w.killed(c.do, with, 0)
			c.left(w)
			c.done(w)
			if whole.Calls < 10 {
				t.Fatalf("only %d calls: they are not seen", whole.Calls)
			}
			count := 0
			for _, at := range points(whole.Calls) {
				w, with := c.make(t)
				r := w.killed(c.do, with, at)
				if r.Killed {
					count++
				}
				c.left(w)
				w.goOn(c.do, with)
				c.done(w)
				w.with(func(v *vault.Vault) {
					problems, err := v.Catalog.Check(t.Context())
					w.must(err)
					for _, p := range problems {
						t.Errorf("the catalog: %v", p)
					}
				})
				if t.Failed() {
					t.Fatalf("killed at call %d of %d, %s", at, whole.Calls, r.Where)
				}
			}
			t.Logf("killed at %d of %d points", count, whole.Calls)
		})
	}
}

// goOn runs the verb again. A copy that was put back before the kill is not put
// back twice: the journal completes it. A restore that was complete is not gone
// on with.
func (w *world) goOn(do, with string) {
	w.t.Helper()
	switch do {
	case "put back":
		w.repair(repair.Options{}) // ends what is in the journal
		if !bytes.Equal(w.read("primary", "d/a"), w.kept(with)) {
			w.must(doAlone(do, w.vaultDir(), with))
		}
	default:
		err := doAlone(do, w.vaultDir(), with)
		if !errors.Is(err, repair.ErrTarget) {
			w.must(err)
		}
	}
}
