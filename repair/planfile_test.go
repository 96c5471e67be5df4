package repair_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bitmend/fixtures"
	"bitmend/repair"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// planned returns the plan for the present state, and its file.
func (w *world) planned(opts repair.Options) (*repair.Plan, []byte) {
	w.t.Helper()
	var plan *repair.Plan
	var file bytes.Buffer
	w.with(func(v *vault.Vault) {
		var err error
		plan, err = repair.MakePlan(w.t.Context(), v, opts)
		w.must(err)
		w.must(plan.Write(&file))
	})
	return plan, file.Bytes()
}

// carryOut applies a plan file.
func (w *world) carryOut(file []byte) (*heard, report.Summary) {
	w.t.Helper()
	plan, err := repair.ReadPlan(bytes.NewReader(file))
	w.must(err)
	return w.repair(repair.Options{Exactly: plan, Stores: plan.Asked.Stores, Only: plan.Asked.Only, Revert: plan.Asked.Revert})
}

// severalDamaged makes damage of several kinds in a vault with a replica.
func severalDamaged(t *testing.T) *world {
	w := newWorld(t, "primary", "dr")
	for i, name := range []string{"a", "b/c", "bad\xff\n<name>", "d"} {
		w.everywhere(name, content(i, 3*shard+i))
	}
	w.protect()
	w.scramble("primary", "a", 1)
	w.scramble("dr", "b/c", 0, 2)
	w.must(os.Remove(w.path("primary", "bad\xff\n<name>")))
	w.scrub()
	return w
}

func TestAPlanFileComesBackAsItWas(t *testing.T) {
	w := severalDamaged(t)
	plan, file := w.planned(repair.Options{})
	back, err := repair.ReadPlan(bytes.NewReader(file))
	w.must(err)
	if diff := cmp.Diff(plan, back, cmpopts.IgnoreUnexported(repair.Planned{}, repair.Left{}), cmp.AllowUnexported(repair.Digest{})); diff != "" {
		t.Error(diff)
	}
	if len(plan.Repairs) != 3 || plan.Repairs[0].Digests == nil || plan.Repairs[0].Expect == nil {
		t.Errorf("plan %s", file)
	}
	// The same state gives the same bytes, whatever the clock says.
	_, again := w.planned(repair.Options{Now: func() time.Time { return time.Unix(5, 0) }})
	if !bytes.Equal(file, again) {
		t.Errorf("two plans of one state differ:\n%s\n%s", file, again)
	}
}

func TestAPlanFileThatIsNotAsItWasWrittenIsRefused(t *testing.T) {
	w := severalDamaged(t)
	_, file := w.planned(repair.Options{})
	lines := bytes.SplitAfter(file, []byte("\n"))
	lines = lines[:len(lines)-1]
	for name, harmed := range map[string][]byte{
		"nothing":                     nil,
		"its last line is gone":       bytes.Join(lines[:len(lines)-1], nil),
		"a repair is gone":            bytes.Join(slices.Delete(slices.Clone(lines), 1, 2), nil),
		"a repair stands there twice": bytes.Join(slices.Insert(slices.Clone(lines), 1, lines[1]), nil),
		"the end of it is missing":    file[:len(file)-1],
		"something follows":           append(slices.Clone(file), '\n'),
		"two plans":                   append(slices.Clone(file), file...),
		"another grade":               bytes.Replace(file, []byte(`"grade":"good"`), []byte(`"grade":"none"`), 1),
		"a later version":             bytes.Replace(file, []byte(`"version":1`), []byte(`"version":2`), 1),
		"something else":              []byte("{}\n{}\n"),
	} {
		if _, err := repair.ReadPlan(bytes.NewReader(harmed)); !errors.Is(err, repair.ErrNoPlan) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range file {
		harmed := slices.Clone(file)
		harmed[i] ^= 1
		if _, err := repair.ReadPlan(bytes.NewReader(harmed)); !errors.Is(err, repair.ErrNoPlan) {
			t.Fatalf("a flipped bit in byte %d: %v", i, err)
		}
	}
}

func FuzzReadPlan(f *testing.F) {
	var file bytes.Buffer
	left := 2
	plan := &repair.Plan{Vault: "/v", Catalog: "00", Repairs: []repair.Planned{
		{Store: "s", Blob: "b\xff", Action: repair.Replace, Verdict: finding.Corrupt, Sources: []repair.Source{{Kind: repair.FromParity}}, Left: &left},
	}, Left: []repair.Left{{Store: "s", Blob: "c", Verdict: finding.Busy, Reason: "r"}}}
	if err := plan.Write(&file); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		plan, err := repair.ReadPlan(bytes.NewReader(text))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := plan.Write(&again); err != nil {
			t.Fatal(err)
		}
		if _, err := repair.ReadPlan(&again); err != nil {
			t.Fatal(err)
		}
	})
}

// Each precondition: what is not as it was planned is left alone, with the
// reason, and the rest of the plan is carried out.
func TestAPlanIsCarriedOutAsFarAsItStillHolds(t *testing.T) {
	t.Parallel() // it waits for the disk
	fixtures.Sequential(t)
	for _, test := range []struct {
		name   string
		change func(w *world)
		reason string // "" when it is repaired all the same
	}{
		{"nothing changed", func(*world) {}, ""},
		{"the target was written", func(w *world) { w.write("primary", "a", content(9, 3*shard)) }, "changed since it was judged"},
		{"the target is gone", func(w *world) { w.must(os.Remove(w.path("primary", "a"))) }, "changed since it was judged"},
		{"only the time of the target is another", func(w *world) {
			at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
			w.must(os.Chtimes(w.path("primary", "a"), at, at))
		}, "changed since it was judged"},
		{"the target is another inode of the same bytes", func(w *world) {
			info, err := os.Stat(w.path("primary", "a"))
			w.must(err)
			damaged := w.read("primary", "a")
			w.must(os.Rename(w.path("primary", "a"), w.path("primary", "aside")))
			w.must(os.WriteFile(w.path("primary", "a"), damaged, 0o640))
			w.must(os.Chtimes(w.path("primary", "a"), info.ModTime(), info.ModTime()))
			w.must(os.Remove(w.path("primary", "aside")))
		}, "changed since it was judged"},
		{"a scrub has judged it anew", func(w *world) { w.scramble("primary", "a", 2); w.scrub() }, "not as it was planned"},
		{"it was repaired", func(w *world) { w.repair(repair.Options{Only: []string{"a"}}) }, "nothing is to be done"},
		{"its source vanished", func(w *world) { w.must(os.Remove(w.path("dr", "a"))) }, `its source replica "dr"`},
		{"its source has more damage", func(w *world) { w.scramble("dr", "a", 1); w.scrub() }, `its source replica "dr"`},
		{"it was recorded anew", func(w *world) { w.write("primary", "a", content(9, 3*shard)); w.protect(); w.scrub() }, "not as it was planned"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := severalDamaged(t)
			_, file := w.planned(repair.Options{})
			test.change(w)
			before := w.snapshot("primary")

			h, _ := w.carryOut(file)

			if test.reason == "" {
				w.expect(h, "primary", "a", report.Repaired)
			} else {
				e := w.expect(h, "primary", "a", report.Skipped)
				if !strings.Contains(e.Reason, test.reason) {
					t.Errorf("reason %q, want %q", e.Reason, test.reason)
				}
				if diff := before.Without("bad\xff\n<name>").Diff(w.snapshot("primary").Without("bad\xff\n<name>")); len(diff) > 0 {
					t.Errorf("the store is not as it was: %v", diff)
				}
			}
			w.expect(h, "dr", "b/c", report.Repaired)
			w.expect(h, "primary", "bad\xff\n<name>", report.Repaired)
			w.tidy()
		})
	}
}

func TestAPlanDoesNoMoreThanItSays(t *testing.T) {
	w := severalDamaged(t)
	_, file := w.planned(repair.Options{Only: []string{"a"}})
	w.scramble("primary", "d", 0)
	w.scrub()
	h, summary := w.carryOut(file)
	w.expect(h, "primary", "a", report.Repaired)
	if len(h.repairs) != 1 || len(w.findings()) != 3 {
		t.Errorf("events %+v, findings %+v", h.repairs, w.findings())
	}
	if summary.Exit != int(report.ExitRepaired) {
		t.Errorf("exit %d", summary.Exit)
	}
}

func TestAPlanOfAnotherVaultIsRefused(t *testing.T) {
	t.Parallel() // it waits for the disk
	_, file := severalDamaged(t).planned(repair.Options{})
	plan, err := repair.ReadPlan(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	w := severalDamaged(t)
	before := w.snapshot("primary")
	w.with(func(v *vault.Vault) {
		if _, err := repair.Run(t.Context(), v, repair.Options{Exactly: plan}, &heard{}); !errors.Is(err, repair.ErrOtherVault) {
			t.Errorf("error %v", err)
		}
	})
	w.same(before, "primary")
}

// What somebody wrote is put back only when a person names it and approves.
func TestRevertingNeedsANameAndAnApproval(t *testing.T) {
	w := newWorld(t, "primary", "lag")
	w.everywhere("www/a", content(1, 3*shard))
	w.everywhere("www/b", content(2, 3*shard))
	w.protect()
	good := w.snapshot("primary")
	deployed := content(8, 2*shard)
	for _, name := range []string{"www/a", "www/b"} {
		w.must(os.WriteFile(w.path("primary", name), deployed, 0o640))
	}
	w.scrub()

	h, _ := w.repair(repair.Options{})
	w.expect(h, "primary", "www/a", report.Skipped)
	plan, file := w.planned(repair.Options{Revert: []string{"www/a"}})
	if plan.Grade != repair.Investigate || len(plan.Repairs) != 1 {
		t.Fatalf("plan %s", file)
	}
	h, _ = w.repair(repair.Options{Revert: []string{"www/a"}})
	w.expect(h, "primary", "www/a", report.Refused)

	h, summary := w.carryOut(file)

	e := w.expect(h, "primary", "www/a", report.Repaired)
	if !bytes.Equal(w.kept(e.Receipt), deployed) || e.Sources["lagged"] == 0 {
		t.Errorf("what was deployed is not kept, or it did not come from the lagged store: %+v", e)
	}
	if diff := good.Without("www/b").Diff(w.snapshot("primary").Without("www/b")); len(diff) > 0 {
		t.Errorf("not as recorded: %v", diff)
	}
	if !bytes.Equal(w.read("primary", "www/b"), deployed) {
		t.Error("what nobody named was reverted")
	}
	if summary.Repaired != 1 || summary.Exit&int(report.ExitDamageLeft) != 0 {
		t.Errorf("summary %+v", summary)
	}
	w.tidy()
}

// Copies count as redundancy, but for those of a lagged store.
func TestThePlanOrdersByTheCopiesThatAreLeft(t *testing.T) {
	t.Parallel() // it waits for the disk
	w := newWorld(t, "primary", "dr", "other", "lag")
	for i, name := range []string{"a", "b", "c"} {
		w.everywhere(name, content(i, 2*shard))
	}
	w.protect()
	for _, name := range []string{"a", "b", "c"} {
		w.scramble("primary", name, 0)
	}
	w.scramble("dr", "b", 0)
	w.scramble("dr", "c", 0)
	w.scramble("other", "c", 0)
	w.scrub()
	plan, file := w.planned(repair.Options{Stores: []string{"primary"}})
	var order []string
	for _, p := range plan.Repairs {
		order = append(order, p.Blob)
	}
	if strings.Join(order, " ") != "c b a" {
		t.Errorf("order %v in\n%s", order, file)
	}
}
