package repair_test

import (
	"bytes"
	"os"
	"testing"

	"bitmend/fixtures"
	"bitmend/repair"
	"bitmend/scrub/report"
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
