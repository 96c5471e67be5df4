package repair_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/fixtures"
	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// fill makes a corpus of n blobs of two and a half shards.
func (w *world) fill(n int) {
	w.t.Helper()
	for i := range n {
		w.everywhere(fmt.Sprintf("d/%03d", i), content(i, 2*shard+shard/2+i))
	}
}

func TestShardsAreRebuiltFromParity(t *testing.T) {
	w := newParityWorld(t, 8, 2)
	w.fill(24)
	w.protect()
	before := w.snapshot("primary")
	w.scramble("primary", "d/003", 1)
	w.must(os.Remove(w.path("primary", "d/017")))
	damaged := w.read("primary", "d/003")
	w.scrub()

	h, summary := w.repair(repair.Options{})

	e := w.expect(h, "primary", "d/003", report.Repaired)
	if e.Sources["parity"] != 1 || !bytes.Equal(w.kept(e.Receipt), damaged) {
		t.Errorf("sources %v", e.Sources)
	}
	if e := w.expect(h, "primary", "d/017", report.Repaired); e.Sources["parity"] != 3 {
		t.Errorf("sources %v", e.Sources)
	}
	w.same(before, "primary")
	if summary.Exit != int(report.ExitRepaired) {
		t.Errorf("summary %+v", summary)
	}
	w.tidy()
}

func TestALostDirectoryIsRebuiltFromParity(t *testing.T) {
	w := newParityWorld(t, 10, 3)
	for i := range 200 {
		w.everywhere(fmt.Sprintf("d%02d/s/%d", i/4, i), content(i, 1000+i*50))
	}
	w.must(os.Symlink("../x", w.path("primary", "d07/s/link")))
	w.must(os.Mkdir(w.path("primary", "d07/empty"), 0o700))
	w.must(os.Chmod(w.path("primary", "d07/s"), 0o2750))
	w.protect()
	before := w.snapshot("primary")
	w.harm("primary", fixtures.Fault{Harm: fixtures.Delete, Path: "d07"})
	w.scrub()

	w.repair(repair.Options{})

	if diff := before.Diff(w.snapshot("primary")); len(diff) > 0 {
		t.Errorf("the directory is not as it was: %v", diff)
	}
	if left := w.findings(); len(left) > 0 {
		t.Errorf("findings left: %+v", left)
	}
	w.tidy()
}

func TestBeyondTheRedundancyTheLossIsNamedAndNothingChanges(t *testing.T) {
	t.Parallel() // it waits for the disk
	fixtures.Sequential(t)
	w := newParityWorld(t, 6, 1)
	w.fill(12)
	w.protect()
	for i := range 12 {
		if i%2 == 0 {
			w.scramble("primary", fmt.Sprintf("d/%03d", i), 0, 1)
		}
	}
	damaged := w.snapshot("primary")
	w.scrub()

	h, summary := w.repair(repair.Options{})

	w.same(damaged, "primary")
	if summary.Lost == 0 || summary.Exit != int(report.ExitDamageLeft) {
		t.Fatalf("summary %+v", summary)
	}
	for _, r := range h.repairs {
		if r.Outcome != report.Lost || len(r.Ranges) == 0 || !strings.Contains(r.Reason, "parity bears 1") {
			t.Errorf("event %+v, want a loss with its stripe", r)
		}
	}
	w.tidy()
}

func TestReplicaAndParityTogetherCompleteABlob(t *testing.T) {
	w := newParityWorld(t, 6, 1, "dr")
	w.fill(12)
	w.protect()
	before := w.snapshot("primary")
	w.scramble("primary", "d/004", 0, 1)
	w.scramble("dr", "d/004", 1)
	w.scrub()

	h, _ := w.repair(repair.Options{})

	e := w.expect(h, "primary", "d/004", report.Repaired)
	if e.Sources["replica"] != 1 || e.Sources["parity"] != 1 {
		t.Errorf("sources %v", e.Sources)
	}
	w.same(before, "primary")
}

// What is lost at first comes back when another repair gives its stripes what
// they missed.
func TestStripesAreTriedAgainWhenTheirOtherBlobsWereHealed(t *testing.T) {
	w := newParityWorld(t, 6, 1)
	w.fill(6)
	w.protect()
	before := w.snapshot("primary")
	w.scramble("primary", "d/000", 0)
	for i := 1; i < 6; i++ {
		w.flip("primary", fmt.Sprintf("d/%03d", i), 0)
	}
	w.scrub()

	h, _ := w.repair(repair.Options{})

	if e := w.expect(h, "primary", "d/000", report.Repaired); e.Sources["parity"] != 1 {
		t.Errorf("sources %v", e.Sources)
	}
	w.same(before, "primary")
	if left := w.findings(); len(left) > 0 {
		t.Errorf("findings left: %+v", left)
	}
}

func TestThePlanPutsTheLeastRedundancyFirst(t *testing.T) {
	w := newParityWorld(t, 6, 2)
	w.fill(12)
	w.protect()
	w.scramble("primary", "d/002", 0)
	w.scrub()
	w.with(func(v *vault.Vault) {
		plan, err := repair.MakePlan(t.Context(), v, repair.Options{})
		w.must(err)
		if len(plan.Repairs) != 1 || plan.Repairs[0].Left == nil || *plan.Repairs[0].Left != 1 {
			t.Errorf("plan %+v, want one further erasure to be borne", plan.Repairs)
		}
	})
}

func TestDamagedParityFilesAreRebuilt(t *testing.T) {
	w := newParityWorld(t, 6, 2)
	w.fill(12)
	w.protect()
	before := w.snapshot("primary")
	var files []string
	home := filepath.Join(w.vaultDir(), "parity")
	w.must(filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	}))
	w.must(os.Remove(files[0]))
	w.scrub()
	w.harm("vault", fixtures.Fault{Harm: fixtures.FlipBit, Path: "parity/1/" + filepath.Base(files[1]), Offset: 70000, Length: 1})
	w.with(func(v *vault.Vault) {
		w.put(v, finding.Finding{Store: finding.ParityStore, Blob: "1/" + filepath.Base(files[1]), Verdict: finding.Corrupt, Generation: 1, Kind: hashsets.File})
	})

	_, summary := w.repair(repair.Options{})

	if summary.Parity.Damaged != 2 || summary.Parity.Repaired != 2 || summary.Exit != int(report.ExitRepaired) {
		t.Errorf("summary %+v", summary)
	}
	w.scrub()
	if left := w.findings(); len(left) > 0 {
		t.Errorf("findings left: %+v", left)
	}
	// The new parity is worth something.
	w.must(os.Remove(w.path("primary", "d/003")))
	w.scrub()
	w.repair(repair.Options{})
	w.same(before, "primary")
}

func TestADamagedRecordIsHealedFromTheParityFilesAndNeverByHashing(t *testing.T) {
	spoil := func(w *world, name string) {
		w.with(func(v *vault.Vault) {
			record, err := v.Catalog.Current(t.Context(), name)
			w.must(err)
			for i, d := range record.Hashes.Digests {
				if d.Algorithm == hashsets.XXH64 {
					record.Hashes.Digests[i].Sum = bytes.Repeat([]byte{7}, 8)
				}
			}
			w.must(v.Catalog.Update(t.Context(), func(tx *catalog.Tx) error { return tx.PutRecord(record) }))
		})
	}
	w := newParityWorld(t, 6, 2)
	w.fill(12)
	w.protect()
	var want catalog.Record
	w.with(func(v *vault.Vault) {
		var err error
		want, err = v.Catalog.Current(t.Context(), "d/003")
		w.must(err)
	})
	spoil(w, "d/003")
	w.scrub()
	if left := w.findings(); len(left) != 1 || left[0].Verdict != string(finding.RecordDamaged) {
		t.Fatalf("findings %+v", left)
	}

	h, _ := w.repair(repair.Options{})

	w.expect(h, "primary", "d/003", report.Repaired)
	w.with(func(v *vault.Vault) {
		got, err := v.Catalog.Current(t.Context(), "d/003")
		w.must(err)
		if !got.Hashes.Equal(&want.Hashes) || got.Generation != want.Generation || got.Damage != nil {
			t.Errorf("record %+v, want %+v", got, want)
		}
	})
	w.scrub()
	if left := w.findings(); len(left) > 0 {
		t.Errorf("findings left: %+v", left)
	}

	// Without a copy of the record nothing is written.
	spoil(w, "d/003")
	w.must(os.RemoveAll(filepath.Join(w.vaultDir(), "parity")))
	w.must(os.RemoveAll(filepath.Join(w.vaultDir(), "export")))
	w.with(func(v *vault.Vault) {
		seen, err := os.Stat(w.path("primary", "d/003"))
		w.must(err)
		w.put(v, finding.Finding{Store: "primary", Blob: "d/003", Verdict: finding.RecordDamaged, Generation: 1, Kind: hashsets.File, Size: seen.Size()})
	})
	w.with(func(v *vault.Vault) {
		h = &heard{}
		if _, err := repair.Run(t.Context(), v, repair.Options{}, h); !errors.Is(err, gate.ErrRefused) {
			t.Errorf("error %v", err)
		}
	})
	w.expect(h, "primary", "d/003", report.Lost)
}
