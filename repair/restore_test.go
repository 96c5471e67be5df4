//go:build unix

package repair_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/fixtures/faultstore"
	"bitmend/repair"
	"bitmend/repair/protect"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// hour is the start of an hour on the day of the tests.
func hour(n int) time.Time { return time.Date(2026, 3, 1, n, 0, 0, 0, time.UTC) }

// protectAt records what the primary store holds, with the clock at an hour.
func (w *world) protectAt(n int) {
	w.t.Helper()
	w.with(func(v *vault.Vault) {
		_, err := protect.Run(w.t.Context(), v, protect.Options{Now: func() time.Time { return hour(n) }}, &heard{})
		w.must(err)
	})
}

// restore restores what was recorded at an hour to the folder "back".
func (w *world) restore(at int, change func(o *repair.RestoreOptions)) (*heard, report.Summary, error) {
	w.t.Helper()
	h := &heard{}
	opts := repair.RestoreOptions{At: hour(at).Add(time.Minute), Said: fmt.Sprint(at), To: w.root("back")}
	if change != nil {
		change(&opts)
	}
	var summary report.Summary
	var err error
	w.with(func(v *vault.Vault) { summary, err = repair.Restore(w.t.Context(), v, opts, h) })
	return h, summary, err
}

// back returns what was restored of a blob, nil for nothing.
func (w *world) back(blob string) []byte {
	w.t.Helper()
	content, err := os.ReadFile(w.path("back", blob))
	if !errors.Is(err, os.ErrNotExist) {
		w.must(err)
	}
	return content
}

func (w *world) donor(name string) store.Store {
	w.t.Helper()
	s, err := store.OpenDirectory("donor", w.root(name))
	w.must(err)
	return s
}

func TestATreeComesBackAsItWasRecorded(t *testing.T) {
	w := &world{t: t, dir: t.TempDir(), names: []string{"primary", "lag"}}
	for _, name := range w.names {
		w.must(os.MkdirAll(w.root(name), 0o755))
		w.must(fixtures.Small(5).Write(t.Context(), w.root(name)))
	}
	w.must(os.Mkdir(w.path("primary", "empty folder"), 0o2711))
	w.must(os.Mkdir(w.path("lag", "empty folder"), 0o2711))
	w.init(func(c *vault.Config) { c.MassMissing.Count, c.MassChange.Count = 1<<30, 1<<30 })
	before := w.snapshot("primary")
	w.protectAt(1)

	// A bad day: one half is rewritten, the other half removed.
	n := 0
	w.must(filepath.WalkDir(w.root("primary"), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if n++; n%2 == 0 {
			return os.Remove(path)
		}
		w.must(os.Chmod(path, 0o600))
		return os.WriteFile(path, fmt.Appendf(nil, "rewritten %d", n), 0o600)
	}))
	w.protectAt(2)

	_, summary, err := w.restore(1, nil)

	w.must(err)
	if summary.Exit != 0 || summary.Restored == 0 || summary.Restored != summary.Blobs {
		t.Errorf("summary %+v", summary)
	}
	// What is recorded of a directory is brought up to date in place: the times
	// are those of the second run.
	if diff := before.WithoutDirectoryTimes().Diff(w.snapshot("back").WithoutDirectoryTimes()); len(diff) > 0 {
		t.Errorf("what came back differs: %v", diff)
	}
	if left, _ := filepath.Glob(w.path("back", ".bitmend-*")); len(left) > 0 {
		t.Errorf("%v is left in the target", left)
	}
}

// Each source alone has the bytes of the generation that is wanted.
func TestEachSourceGivesBackAnOlderGeneration(t *testing.T) {
	t.Parallel() // it waits for the disk
	old, now := content(1, 5*shard+9), content(2, 4*shard)
	for _, c := range []struct {
		name   string
		stores []string
		k, m   int
		make   func(w *world) // hours 1 and 2: "a" is old, then it is not
		donors []string
		source string
	}{
		{"a store that is behind on purpose", []string{"primary", "lag"}, 0, 0, func(w *world) {
			w.everywhere("a", old)
			w.protectAt(1)
			w.write("primary", "a", now)
			w.protectAt(2)
		}, nil, "lagged"},
		{"a replica that was not synced yet", []string{"primary", "dr"}, 0, 0, func(w *world) {
			w.everywhere("a", old)
			w.protectAt(1)
			w.write("primary", "a", now)
			w.protectAt(2)
		}, nil, "replica"},
		{"another name in the store", []string{"primary"}, 0, 0, func(w *world) {
			w.write("primary", "a", old)
			w.protectAt(1)
			w.must(os.Rename(w.path("primary", "a"), w.path("primary", "b")))
			w.protectAt(2)
		}, nil, "replica"},
		{"the stripes, under another name", []string{"primary"}, 4, 2, func(w *world) {
			w.write("primary", "a", old)
			w.fill(6)
			w.protectAt(1)
			w.must(os.Rename(w.path("primary", "a"), w.path("primary", "b")))
			w.protectAt(2)
			w.must(os.Remove(w.path("primary", "b")))
		}, nil, "parity"},
		{"the stripes, before they are written anew", []string{"primary"}, 4, 2, func(w *world) {
			w.write("primary", "a", old)
			w.fill(6)
			w.protectAt(1)
			w.write("primary", "a", now)
		}, nil, "parity"},
		{"a donor, under another name", []string{"primary"}, 0, 0, func(w *world) {
			w.write("primary", "a", old)
			w.protectAt(1)
			w.write("primary", "a", now)
			w.protectAt(2)
			w.write("donor", "somewhere/else", old)
		}, []string{"donor"}, "donor"},
		{"the quarantine", []string{"primary", "dr"}, 0, 0, func(w *world) {
			w.everywhere("a", old)
			w.protectAt(1)
			// What is kept is damaged in one place, the donor in another.
			w.flip("primary", "a", 1)
			w.scrub()
			w.repair(repair.Options{})
			w.everywhere("a", now)
			w.protectAt(2)
			w.write("donor", "a", old)
			w.scramble("donor", "a", 3)
		}, []string{"donor"}, "quarantine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.stores...)
			if c.m > 0 {
				w = newParityWorld(t, c.k, c.m, c.stores[1:]...)
			}
			c.make(w)
			h, summary, err := w.restore(1, func(o *repair.RestoreOptions) {
				o.Only = []string{"a"}
				for _, d := range c.donors {
					o.Donors = append(o.Donors, w.donor(d))
				}
			})
			w.must(err)
			e := w.expect(h, "restore", "a", report.Restored)
			if e.Sources[c.source] == 0 {
				t.Errorf("sources %v, want %s", e.Sources, c.source)
			}
			if !bytes.Equal(w.back("a"), old) {
				t.Error("what came back is not what was recorded")
			}
			if summary.Exit != 0 || summary.Blobs != 1 {
				t.Errorf("summary %+v", summary)
			}
		})
	}
}

func TestWhatCannotBeHadIsSaidAndComesLater(t *testing.T) {
	w := newWorld(t, "primary")
	w.write("primary", "gone", content(1, 3*shard))
	w.write("primary", "here", content(2, shard))
	w.protectAt(1)
	w.write("primary", "gone", content(3, shard))
	w.protectAt(2)

	h, summary, err := w.restore(1, nil)
	w.must(err)
	if e := w.expect(h, "restore", "gone", report.Lost); e.Reason == "" || len(e.Ranges) != 1 || e.Ranges[0].Length != 3*shard {
		t.Errorf("event %+v", e)
	}
	w.expect(h, "restore", "here", report.Restored)
	if summary.Exit != int(report.ExitDamageLeft) || summary.Lost != 1 {
		t.Errorf("summary %+v", summary)
	}

	w.write("donor", "gone", content(1, 3*shard))
	h, summary, err = w.restore(1, func(o *repair.RestoreOptions) { o.Donors = []store.Store{w.donor("donor")} })
	w.must(err)
	w.expect(h, "restore", "gone", report.Restored)
	if summary.Exit != 0 || summary.Intact != 1 || summary.Restored != 1 {
		t.Errorf("summary %+v", summary)
	}
	if left, _ := filepath.Glob(w.path("back", ".bitmend-*")); len(left) > 0 {
		t.Errorf("%v is left in the target", left)
	}
}

// A store that is away may have it: that is no loss.
func TestNothingIsCalledLostWhileAStoreIsAway(t *testing.T) {
	w := newWorld(t, "primary", "lag")
	w.everywhere("a", content(1, shard))
	w.protectAt(1)
	w.scrub()
	w.write("primary", "a", content(2, shard))
	w.must(os.Rename(w.root("lag"), w.root("away")))

	h, summary, err := w.restore(1, nil)
	w.must(err)
	if e := w.expect(h, "restore", "a", report.Skipped); !strings.Contains(e.Reason, "not mounted") {
		t.Errorf("reason %q", e.Reason)
	}
	if summary.Lost != 0 || summary.Exit != int(report.ExitCannotVouch) {
		t.Errorf("summary %+v", summary)
	}
}

func TestARestoreGoesToANewPlaceOnly(t *testing.T) {
	w := newWorld(t, "primary")
	w.write("primary", "a", content(1, shard))
	w.protectAt(1)
	w.write("full", "file", nil)
	w.must(os.Symlink(w.root("primary"), w.root("disguised")))
	before := w.snapshot("primary")
	for _, to := range []string{"primary", "primary/new", "disguised/new", "vault", "vault/parity/new", "full", "."} {
		_, _, err := w.restore(1, func(o *repair.RestoreOptions) { o.To = filepath.Join(w.dir, to) })
		if !errors.Is(err, repair.ErrTarget) {
			t.Errorf("to %s: %v", to, err)
		}
	}
	w.same(before, "primary")

	// An unfinished restore is gone on with by the same command alone.
	w.write("primary", "a", content(2, shard))
	_, _, err := w.restore(1, nil)
	w.must(err)
	_, _, err = w.restore(1, func(o *repair.RestoreOptions) { o.Said = "another time" })
	if !errors.Is(err, repair.ErrTarget) {
		t.Errorf("another restore: %v", err)
	}
}

func TestAFailureOfTheTargetLeavesNothingHalf(t *testing.T) {
	t.Parallel() // it waits for the disk
	good := content(1, 3*shard)
	for name, c := range map[string]struct {
		rule faultstore.Rule
		ends bool // the run
	}{
		"the disk is full when it is staged": {faultstore.Rule{Blob: "a", Step: faultstore.Stage, Err: store.ErrNoSpace}, true},
		"the disk is full in the middle":     {faultstore.Rule{Blob: "a", Step: faultstore.Write, Range: store.Range{Offset: 2 * shard, Length: 1}, Err: store.ErrNoSpace}, true},
		"the disk is full when it is synced": {faultstore.NoSpace("a"), true},
		"the target becomes read-only":       {faultstore.Rule{Blob: "a", Step: faultstore.Stage, Err: store.ErrPermission}, false},
		"the permission is lost":             {faultstore.Rule{Blob: "a", Step: faultstore.Seal, Err: store.ErrPermission}, false},
		"it reads back wrongly":              {faultstore.MisreadBack("a", 2*shard+9, 3), false},
		"it cannot be read back":             {faultstore.Rule{Blob: "a", Step: faultstore.ReadBack, Err: store.ErrMedium}, false},
		"somebody was faster":                {faultstore.Unpublished("a", store.ErrChanged), false},
		"it cannot be put in place":          {faultstore.Unpublished("a", errors.New("a test")), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "primary")
			w.write("primary", "a", good)
			w.write("primary", "b", content(2, shard))
			w.protectAt(1)
			before := w.snapshot("primary")

			h, summary, err := w.restore(1, func(o *repair.RestoreOptions) {
				o.Workers = 1
				o.Target = func(s store.Writable) store.Writable { return faultstore.New(s, c.rule) }
			})

			if (err != nil) != c.ends {
				t.Errorf("the run ended with %v", err)
			}
			if !c.ends {
				w.expect(h, "restore", "a", report.Skipped)
				w.expect(h, "restore", "b", report.Restored)
			}
			if summary.Exit&int(report.ExitCannotVouch|report.ExitOperational) == 0 {
				t.Errorf("exit %d", summary.Exit)
			}
			if w.back("a") != nil {
				t.Error("there is something under the blob's name")
			}
			_, summary, err = w.restore(1, nil)
			w.must(err)
			if summary.Exit != 0 || !bytes.Equal(w.back("a"), good) {
				t.Errorf("the next run: %+v", summary)
			}
			if left, _ := filepath.Glob(w.path("back", ".bitmend-*")); len(left) > 0 {
				t.Errorf("%v is left in the target", left)
			}
			w.same(before, "primary")
		})
	}
}

// A target that somebody fills meanwhile is left as it is.
func TestWhatStandsInTheTargetIsNeverReplaced(t *testing.T) {
	w := newWorld(t, "primary")
	w.write("primary", "a", content(1, shard))
	w.write("primary", "b", content(2, shard))
	w.protectAt(1)
	w.must(os.Rename(w.path("primary", "b"), w.root("b")))
	_, _, err := w.restore(1, nil) // unfinished: b cannot be had
	w.must(err)
	w.must(os.Rename(w.root("b"), w.path("primary", "b")))
	w.write("back", "b", []byte("mine"))

	h, _, err := w.restore(1, nil)
	w.must(err)
	w.expect(h, "restore", "b", report.Skipped)
	if string(w.back("b")) != "mine" {
		t.Error("it was replaced")
	}
}

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("here", 3600)
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, zone)
	for text, want := range map[string]string{
		"2026-03-01T10:00:00Z":      "2026-03-01T11:00:00+01:00",
		"2026-03-01T10:00:00+05:00": "2026-03-01T06:00:00+01:00",
		"2026-03-01 10:30":          "2026-03-01T10:30:00+01:00",
		"2026-03-01T10:30":          "2026-03-01T10:30:00+01:00",
		"2026-03-01":                "2026-03-01T23:59:59+01:00",
		"2026-03-10":                "2026-03-10T12:00:00+01:00",
		"36h":                       "2026-03-09T00:00:00+01:00",
		"90m":                       "2026-03-10T10:30:00+01:00",
		"7d":                        "2026-03-03T12:00:00+01:00",
		"2w":                        "2026-02-24T12:00:00+01:00",
	} {
		got, err := repair.ParseTime(text, now)
		if err != nil || got.In(zone).Format(time.RFC3339) != want {
			t.Errorf("%s is %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-36h", "-1d", "1.5d", "2026-03-11", "2026-03-10T12:00:01+01:00", "2026-13-01", "99999999999d", "d"} {
		if got, err := repair.ParseTime(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, text := range []string{"36h", "7d", "2026-03-01", "2026-03-01T10:00:00Z", "9w9"} {
		f.Add(text)
	}
	now := hour(5)
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := repair.ParseTime(text, now); err == nil && at.After(now) {
			t.Errorf("%q is in the future: %v", text, at)
		}
	})
}
