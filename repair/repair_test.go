package repair_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"bitmend/fixtures"
	"bitmend/hashsets"
	"bitmend/repair"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

func TestADamagedShardComesFromAReplica(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	good := content(1, 5*shard+100)
	w.everywhere("a/b.raw", good)
	w.protect()
	before := w.snapshot("primary")
	w.harm("primary", fixtures.Fault{Harm: fixtures.FlipBit, Path: "a/b.raw", Offset: 2*shard + 5, Length: 1})
	damaged := w.read("primary", "a/b.raw")
	w.scrub()

	h, summary := w.repair(repair.Options{})

	event := w.expect(h, "primary", "a/b.raw", report.Repaired)
	if event.Sources["replica"] != 1 || len(event.Sources) != 1 {
		t.Errorf("sources %v, want one shard from a replica", event.Sources)
	}
	w.same(before, "primary")
	if !bytes.Equal(w.kept(event.Receipt), damaged) {
		t.Error("the quarantine does not hold the damaged original")
	}
	if receipt, _ := w.receipt(event.Receipt); receipt.Name != "a/b.raw" || receipt.Store != "primary" {
		t.Errorf("receipt %+v", receipt)
	}
	if left := w.findings(); len(left) != 0 {
		t.Errorf("findings left: %+v", left)
	}
	if summary.Damaged != 1 || summary.Repaired != 1 || summary.Exit != int(report.ExitRepaired) {
		t.Errorf("summary %+v", summary)
	}
	w.tidy()
}

func TestALostDirectoryComesBack(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("a/b/one", content(1, 3*shard))
	w.everywhere("a/b/two", nil)
	w.everywhere("a/c", content(2, 10))
	for _, name := range w.names {
		w.must(os.Symlink("one", w.path(name, "a/b/link")))
		w.must(os.Mkdir(w.path(name, "a/empty"), 0o711))
	}
	w.protect()
	before := w.snapshot("primary")
	w.harm("primary", fixtures.Fault{Harm: fixtures.Delete, Path: "a"})
	w.write("primary", "keep", nil)
	w.scrub()

	_, summary := w.repair(repair.Options{})

	w.must(os.Remove(w.path("primary", "keep")))
	if diff := before.Diff(w.snapshot("primary")); len(diff) > 0 {
		t.Errorf("the directory is not as it was: %v", diff)
	}
	if summary.Repaired != 5 || summary.Damaged != 5 {
		t.Errorf("summary %+v, want the blobs and the empty directory repaired", summary)
	}
	w.tidy()
}

// flip damages one bit in the shards of a blob.
func (w *world) flip(storeName, blob string, shards ...int) {
	w.t.Helper()
	for _, i := range shards {
		w.harm(storeName, fixtures.Fault{Harm: fixtures.FlipBit, Path: blob, Offset: int64(i)*shard + 7, Length: 1, Bit: 3})
	}
}

// scramble damages whole shards of a blob, in each store in its own way: the same
// bytes in all of them would be a write that spread.
func (w *world) scramble(storeName, blob string, shards ...int) {
	w.t.Helper()
	for _, i := range shards {
		seed := uint64(i)
		for _, b := range []byte(storeName) {
			seed = seed*31 + uint64(b)
		}
		w.harm(storeName, fixtures.Fault{Harm: fixtures.Scramble, Path: blob, Offset: int64(i) * shard, Length: shard, Seed: seed})
	}
}

func TestTwoDamagedCopiesCompleteEachOther(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 6*shard))
	w.protect()
	before, beforeDR := w.snapshot("primary"), w.snapshot("dr")
	w.scramble("primary", "blob", 0, 2)
	w.scramble("dr", "blob", 1, 5)
	w.scrub()

	h, _ := w.repair(repair.Options{})

	if e := w.expect(h, "primary", "blob", report.Repaired); e.Sources["replica"] != 2 {
		t.Errorf("sources %v, want two shards from the replica", e.Sources)
	}
	w.expect(h, "dr", "blob", report.Repaired)
	w.same(before, "primary")
	w.same(beforeDR, "dr")
	w.tidy()
}

func TestASingleBitIsCorrectedWhereNoSourceHasTheShard(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 3*shard+500))
	w.protect()
	before := w.snapshot("primary")
	w.flip("primary", "blob", 1, 3)
	w.scramble("dr", "blob", 1)
	w.scrub()

	h, _ := w.repair(repair.Options{})

	e := w.expect(h, "primary", "blob", report.Repaired)
	if e.Sources["bit-flip"] != 1 || e.Sources["replica"] != 1 {
		t.Errorf("sources %v, want one replica and one bit-flip", e.Sources)
	}
	w.expect(h, "dr", "blob", report.Repaired)
	w.same(before, "primary")
}

func TestWhatNoSourceHasIsLostAndNothingChanges(t *testing.T) {
	t.Parallel() // it waits for the disk
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 4*shard))
	w.everywhere("other", content(2, 2*shard))
	w.protect()
	w.scramble("primary", "blob", 1, 2)
	w.scramble("dr", "blob", 2)
	w.scramble("dr", "other", 0)
	w.scrub()
	damaged := w.snapshot("primary")

	h, summary := w.repair(repair.Options{})

	e := w.expect(h, "primary", "blob", report.Lost)
	if len(e.Ranges) != 1 || e.Ranges[0].Offset != 2*shard || e.Ranges[0].Length != shard {
		t.Errorf("lost ranges %v, want the third shard", e.Ranges)
	}
	w.expect(h, "dr", "blob", report.Lost)
	w.expect(h, "dr", "other", report.Repaired)
	w.same(damaged, "primary")
	if summary.Lost != 2 || summary.Repaired != 1 || summary.Exit != int(report.ExitDamageLeft) {
		t.Errorf("summary %+v", summary)
	}
	left := w.findings()
	if len(left) != 2 || left[0].Lost == "" || left[1].Lost == "" {
		t.Errorf("findings %+v, want both to say why they are lost", left)
	}
	w.tidy()

	// It stays red.
	h, summary = w.repair(repair.Options{})
	w.expect(h, "primary", "blob", report.Lost)
	if summary.Exit != int(report.ExitDamageLeft) {
		t.Errorf("exit %d on the next run", summary.Exit)
	}
}

func TestEachFaultToAFileIsRepaired(t *testing.T) {
	t.Parallel() // it waits for the disk
	good := content(1, 3*shard+1000)
	faults := map[string]fixtures.Fault{
		"truncated":            {Harm: fixtures.Truncate, Offset: shard + 10},
		"truncated to nothing": {Harm: fixtures.Truncate, Offset: 0},
		"zeroed":               {Harm: fixtures.Zero, Length: int64(len(good))},
		"extended":             {Harm: fixtures.Append, Length: 777, Seed: 4},
		"shifted":              {Harm: fixtures.Insert, Offset: shard, Length: 3, Seed: 5},
		"swapped shards":       {Harm: fixtures.Swap, Length: shard, OtherOffset: 2 * shard},
		"deleted":              {Harm: fixtures.Delete},
		"another blob's shard": {Harm: fixtures.CopyFrom, Offset: shard, Length: shard, Other: "other"},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "primary", "dr")
			w.everywhere("blob", good)
			w.everywhere("other", content(2, 2*shard))
			w.protect()
			before := w.snapshot("primary")
			fault.Path = "blob"
			w.harm("primary", fault)
			damaged, _ := os.ReadFile(w.path("primary", "blob"))
			w.scrub()

			h, _ := w.repair(repair.Options{})

			e := w.expect(h, "primary", "blob", report.Repaired)
			w.same(before, "primary")
			if fault.Harm != fixtures.Delete && !bytes.Equal(w.kept(e.Receipt), damaged) {
				t.Error("the quarantine does not hold the damaged original")
			}
			w.tidy()
		})
	}
}

func TestAttributesSurvive(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 2*shard))
	path := w.path("primary", "blob")
	w.everywhere("keep", nil)
	setXattr(t, path, "user.note", []byte("a\x00b"))
	w.must(os.Chmod(path, 0o4710))
	w.protect()
	before := w.snapshot("primary")
	w.flip("primary", "blob", 0)
	w.scrub()

	w.repair(repair.Options{})
	w.same(before, "primary")

	// What is gone comes back with what was recorded of it.
	w.must(os.Remove(path))
	w.scrub()
	w.repair(repair.Options{})
	w.same(before, "primary")
}

func TestAReadOnlyFileIsRepaired(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 2*shard))
	w.must(os.Chmod(w.path("primary", "blob"), 0o440))
	w.protect()
	before := w.snapshot("primary")
	w.flip("primary", "blob", 0)
	w.scrub()

	h, _ := w.repair(repair.Options{})

	w.expect(h, "primary", "blob", report.Repaired)
	w.same(before, "primary")
	w.tidy()
}

func TestAHardLinkedFileIsHealedUnderEachOfItsNames(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("a", content(1, 3*shard))
	w.must(os.Link(w.path("primary", "a"), w.path("primary", "b")))
	w.write("dr", "b", content(1, 3*shard))
	w.protect()
	before := w.snapshot("primary")
	w.harm("primary", fixtures.Fault{Harm: fixtures.Truncate, Path: "a", Offset: shard + 3})
	damaged := w.read("primary", "a")
	w.scrub()

	h, summary := w.repair(repair.Options{})

	e := w.expect(h, "primary", "a", report.Repaired)
	if other := w.expect(h, "primary", "b", report.Repaired); other.Receipt != e.Receipt {
		t.Error("the two names of one file were repaired twice")
	}
	w.same(before, "primary")
	if !bytes.Equal(w.kept(e.Receipt), damaged) {
		t.Error("the quarantine does not hold the damaged original")
	}
	if summary.Damaged != 2 || summary.Repaired != 2 {
		t.Errorf("summary %+v", summary)
	}
	if left := w.findings(); len(left) > 0 {
		t.Errorf("findings left: %+v", left)
	}
	w.tidy()
}

// A name that was recorded with other content, and is now a name of a good
// file, must not be healed in place: that would destroy the good one.
func TestHealingOneNameDoesNotHarmAnotherOfTheSameFile(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("a", content(1, 2*shard))
	w.everywhere("b", content(2, 2*shard))
	w.protect()
	before := w.snapshot("primary")
	w.must(os.Remove(w.path("primary", "b")))
	w.must(os.Link(w.path("primary", "a"), w.path("primary", "b")))
	w.scrub()

	h, _ := w.repair(repair.Options{})

	w.expect(h, "primary", "b", report.Repaired)
	w.same(before, "primary")
}

func TestALaggedStoreIsASourceAndNeverATarget(t *testing.T) {
	w := newWorld(t, "primary", "lag")
	w.everywhere("blob", content(1, 2*shard))
	w.everywhere("gone", content(2, 10))
	w.protect()
	w.flip("primary", "blob", 0)
	w.scrub()
	w.with(func(v *vault.Vault) {
		w.put(v, finding.Finding{Store: "lag", Blob: "gone", Verdict: finding.Missing, Generation: 1, Kind: hashsets.File})
	})
	w.must(os.Remove(w.path("lag", "gone")))

	h, _ := w.repair(repair.Options{})

	if e := w.expect(h, "primary", "blob", report.Repaired); e.Sources["lagged"] != 1 {
		t.Errorf("sources %v, want the lagged store", e.Sources)
	}
	w.expect(h, "lag", "gone", report.Skipped)
	if _, err := os.Stat(w.path("lag", "gone")); err == nil {
		t.Error("the lagged store was written")
	}
}

func TestADonorHelpsUnderTheSameNameAndUnderAnother(t *testing.T) {
	for _, name := range []string{"d/blob", "elsewhere/blob", "renamed"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "primary")
			w.everywhere("d/blob", content(1, 2*shard+5))
			w.everywhere("keep", nil)
			w.protect()
			before := w.snapshot("primary")
			w.must(os.MkdirAll(w.root("donor"), 0o755))
			w.write("donor", name, content(1, 2*shard+5))
			w.write("donor", "decoy", content(9, 2*shard+5))
			w.must(os.Remove(w.path("primary", "d/blob")))
			w.scrub()
			donor, err := store.OpenDirectory("donor", w.root("donor"))
			w.must(err)

			h, _ := w.repair(repair.Options{Donors: []store.Store{donor}})

			if e := w.expect(h, "primary", "d/blob", report.Repaired); e.Sources["donor"] != 3 {
				t.Errorf("sources %v, want three shards from the donor", e.Sources)
			}
			w.same(before, "primary")
		})
	}
}

func TestAQuarantinedCopyIsASource(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 3*shard))
	w.protect()
	before := w.snapshot("primary")
	w.scramble("primary", "blob", 0)
	w.scrub()
	w.repair(repair.Options{})
	w.scramble("primary", "blob", 1)
	w.scramble("dr", "blob", 1)
	w.scrub()

	h, _ := w.repair(repair.Options{})

	if e := w.expect(h, "primary", "blob", report.Repaired); e.Sources["quarantine"] != 1 {
		t.Errorf("sources %v, want the copy in quarantine", e.Sources)
	}
	w.same(before, "primary")
}

func TestAPlanIsTheSameForTheSameStateAndChangesNothing(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("blob", content(1, 2*shard))
	w.everywhere("bad\xff\nname", content(2, 20))
	w.protect()
	w.flip("primary", "blob", 0)
	w.must(os.Remove(w.path("dr", "bad\xff\nname")))
	w.scrub()
	damaged := w.snapshot("primary")

	var texts [2][]byte
	w.with(func(v *vault.Vault) {
		for i := range texts {
			plan, err := repair.MakePlan(t.Context(), v, repair.Options{})
			w.must(err)
			texts[i], err = json.Marshal(plan)
			w.must(err)
			if plan.Grade != repair.Good || len(plan.Repairs) != 2 || len(plan.ID) != 64 {
				t.Errorf("plan %s", texts[i])
			}
		}
	})
	if !bytes.Equal(texts[0], texts[1]) {
		t.Errorf("two plans of one state differ:\n%s\n%s", texts[0], texts[1])
	}
	h, summary := w.repair(repair.Options{PlanOnly: true})
	if len(h.repairs) != 0 || len(h.findings) != 2 || summary.Plan == "" {
		t.Errorf("showing plan %q gave repairs %+v and findings %+v", summary.Plan, h.repairs, h.findings)
	}
	w.same(damaged, "primary")
	if len(w.findings()) != 2 {
		t.Error("showing the plan changed the findings")
	}
}

func TestAFlakyFindingIsDroppedWhenTheBlobReadsWell(t *testing.T) {
	w := newWorld(t, "primary")
	w.everywhere("blob", content(1, 2*shard))
	w.protect()
	w.with(func(v *vault.Vault) {
		s, err := v.Store("primary")
		w.must(err)
		seen, err := s.Stat(t.Context(), "blob")
		w.must(err)
		w.put(v, finding.Finding{Store: "primary", Blob: "blob", Verdict: finding.Flaky, Generation: 1, Kind: hashsets.File, Identity: seen.Identity})
	})

	w.repair(repair.Options{})

	if left := w.findings(); len(left) > 0 {
		t.Errorf("findings left: %+v", left)
	}
}
