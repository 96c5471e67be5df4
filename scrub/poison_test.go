package scrub_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
)

// put writes a blob into a store. Without a time its times stay as they are.
func (b *bench) put(store, blob string, content []byte, at time.Time) {
	b.Helper()
	root := b.tree
	if store != "primary" {
		root = filepath.Join(filepath.Dir(b.tree), store)
	}
	path := filepath.Join(root, blob)
	info, err := os.Stat(path)
	b.must(err)
	b.must(os.WriteFile(path, content, 0o644))
	if at.IsZero() {
		at = info.ModTime()
	}
	b.must(os.Chtimes(path, at, at))
}

func TestNoMajorityOfCopiesBeatsTheRecord(t *testing.T) {
	const blob = "sizes/text"
	bad, other := []byte("a bad write"), []byte("another bad write")
	unsaid, later := time.Time{}, time.Now().Add(time.Hour)
	for _, test := range []struct {
		name   string
		change func(b *bench)
		opens  bool
	}{
		{"all three copies have the same other bytes", func(b *bench) {
			b.put("primary", blob, bad, unsaid)
			b.put("dr", blob, bad, unsaid)
			b.put("far", blob, bad, unsaid)
		}, true},
		{"one of three is as recorded", func(b *bench) {
			b.put("primary", blob, bad, unsaid)
			b.put("dr", blob, bad, unsaid)
		}, false},
		{"two agree and the third is damaged in its own way", func(b *bench) {
			b.put("primary", blob, bad, unsaid)
			b.put("dr", blob, bad, unsaid)
			b.put("far", blob, other, unsaid)
		}, false},
		{"two agree and the third has lost it", func(b *bench) {
			b.put("primary", blob, bad, unsaid)
			b.put("dr", blob, bad, unsaid)
			b.must(os.Remove(filepath.Join(filepath.Dir(b.tree), "far", blob)))
		}, true},
		{"the primary alone has it", func(b *bench) { b.put("primary", blob, bad, unsaid) }, false},
		{"somebody wrote it and it was copied: an ordinary change", func(b *bench) {
			b.put("primary", blob, bad, later)
			b.put("dr", blob, bad, later)
			b.put("far", blob, bad, later)
		}, false},
		{"somebody wrote it, in an immutable store", func(b *bench) {
			b.vault.Config.Stores[0].Immutable = true
			b.put("primary", blob, bad, later)
			b.put("dr", blob, bad, later)
			b.put("far", blob, bad, later)
		}, true},
		{"many blobs were rewritten, and copied", func(b *bench) {
			b.vault.Config.MassChange.Count, b.vault.Config.MassChange.Percent = 2, 1
			for _, blob := range []string{"sizes/text", "sizes/seven-shards-plus-77"} {
				for _, store := range []string{"primary", "dr", "far"} {
					b.put(store, blob, bad, later)
				}
			}
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, "dr", "far")
			test.change(b)
			said := b.scrub(scrub.Options{Buffered: true})
			opened := 0
			for _, g := range said.gates {
				if g.Name == gate.Poisoned && g.Store == "" {
					opened++
				}
			}
			if test.opens != (opened == 1) || opened > 1 {
				t.Errorf("opened %d times; gates %+v", opened, said.gates)
			}
			for _, f := range said.findings {
				if f.Verdict == finding.Intact {
					t.Errorf("a copy won by majority: %+v", f)
				}
			}
			if !test.opens {
				return
			}
			for _, store := range []string{"primary", "dr", "far", "another"} {
				open, err := gate.InTheWay(t.Context(), b.vault.Catalog, store)
				b.must(err)
				if len(open) == 0 {
					t.Errorf("it is not in the way of %s", store)
				}
			}
		})
	}
}

func TestAnAcknowledgedPoisonOpensAgainOnlyForMore(t *testing.T) {
	b := newBench(t, "dr")
	poison := func(blobs ...string) int {
		for _, blob := range blobs {
			b.put("primary", blob, []byte("bad"), time.Time{})
			b.put("dr", blob, []byte("bad"), time.Time{})
		}
		n := 0
		for _, g := range b.scrub(scrub.Options{Buffered: true}).gates {
			if g.Name == gate.Poisoned {
				n++
			}
		}
		return n
	}
	if poison("sizes/text") != 1 || poison() != 1 {
		t.Fatal("the gate did not open and stay")
	}
	open, err := gate.InTheWay(t.Context(), b.vault.Catalog, "")
	b.must(err)
	_, err = gate.Clear(t.Context(), b.vault.Catalog, open[0].ID, "looked", time.Now())
	b.must(err)
	if poison() != 0 {
		t.Error("what was acknowledged opened the gate again")
	}
	if poison("sizes/seven-shards-plus-77") != 1 {
		t.Error("more of it did not open the gate")
	}
}

func TestManyBlobsThatLookEncryptedOpenTheGate(t *testing.T) {
	b := newBench(t)
	b.vault.Config.Encrypted = 1
	encrypt := func(blob string) {
		content := make([]byte, 8192)
		rand.Read(content)
		b.put("primary", blob, content, time.Now().Add(time.Hour))
	}
	encrypt("sizes/text")
	first := b.scrub(scrub.Options{Buffered: true})
	if f := first.one(t); f.Verdict != finding.Modified || f.Diagnosis != finding.EncryptedLooking {
		t.Errorf("found %+v", f)
	}
	if len(first.gates) != 0 {
		t.Errorf("one opened the gate: %+v", first.gates)
	}
	encrypt("sizes/seven-shards-plus-77")
	if said := b.scrub(scrub.Options{Buffered: true}); len(said.gates) != 1 || said.gates[0].Name != gate.MassChange {
		t.Errorf("gates %+v", said.gates)
	}
	// An edit of a text looks like what it is.
	other := newBench(t)
	other.put("primary", "sizes/text", []byte("another text\n"), time.Now().Add(time.Hour))
	if f := other.scrub(scrub.Options{Buffered: true}).one(t); f.Diagnosis != "" {
		t.Errorf("an edit is called %s", f.Diagnosis)
	}
}
