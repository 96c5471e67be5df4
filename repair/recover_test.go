//go:build unix

package repair_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/fixtures"
	"bitmend/repair"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// interrupted makes a damaged blob whose repair was killed when its journal
// entry said that it was about to be put in place. It returns the good and the
// damaged bytes, and the path of the temporary file.
func interrupted(t *testing.T, links ...string) (w *world, good, bad []byte, temporary string) {
	t.Helper()
	w = newWorld(t, "primary", "dr")
	good = content(1, 3*shard)
	w.everywhere("d/blob", good)
	for _, link := range links {
		w.must(os.Link(w.path("primary", "d/blob"), w.path("primary", link)))
		w.must(os.Link(w.path("dr", "d/blob"), w.path("dr", link)))
	}
	w.protect()
	w.flip("primary", "d/blob", 1)
	bad = w.read("primary", "d/blob")
	w.scrub()
	for at := 1; ; at++ {
		where, killed := w.crash(at)
		if !killed {
			t.Fatal("the process was not killed")
		}
		if where == "placing done=true" {
			break
		}
		w.recover()
	}
	entries, err := os.ReadDir(w.path("primary", "d"))
	w.must(err)
	for _, e := range entries {
		if store.IsStaged(e.Name()) {
			return w, good, bad, w.path("primary", "d/"+e.Name())
		}
	}
	t.Fatal("there is no temporary file")
	return nil, nil, nil, ""
}

func (w *world) recover() *heard {
	w.t.Helper()
	h := &heard{}
	w.with(func(v *vault.Vault) {
		_, err := repair.Recover(w.t.Context(), v, h)
		w.must(err)
	})
	return h
}

// journalFiles returns the names in the journal.
func (w *world) journalFiles() []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.vaultDir(), "journal", "*"))
	w.must(err)
	return files
}

// swap exchanges two names, as the store does when it puts a replacement in
// place.
func (w *world) swap(a, b string) {
	w.t.Helper()
	w.must(os.Rename(a, a+".x"))
	w.must(os.Rename(b, a))
	w.must(os.Rename(a+".x", b))
}

func TestRecoveryRollsBackWhatWasNotPutInPlace(t *testing.T) {
	fixtures.Sequential(t)
	t.Parallel() // it waits for the disk
	w, _, bad, _ := interrupted(t)

	h := w.recover()

	if !bytes.Equal(w.read("primary", "d/blob"), bad) {
		t.Error("the damaged original is not in its place")
	}
	if len(h.repairs) != 0 || len(w.findings()) != 1 {
		t.Errorf("events %+v, findings %+v", h.repairs, w.findings())
	}
	if kept, _ := filepath.Glob(filepath.Join(w.vaultDir(), "quarantine", "*")); len(kept) != 0 {
		t.Errorf("the quarantine has %v of an original that stands in its place", kept)
	}
	w.tidy()
}

func TestRecoveryFinishesASwapThatLeftTheOriginalUnderTheTemporaryName(t *testing.T) {
	fixtures.Sequential(t)
	t.Parallel() // it waits for the disk
	w, good, bad, temporary := interrupted(t)
	w.swap(temporary, w.path("primary", "d/blob"))

	h := w.recover()

	e := w.expect(h, "primary", "d/blob", report.Repaired)
	if !bytes.Equal(w.read("primary", "d/blob"), good) || !bytes.Equal(w.kept(e.Receipt), bad) {
		t.Error("the replacement is not in place, or the original not in quarantine")
	}
	w.hasReceipt("d/blob")
	w.tidy()
}

// A writer that came in the instant of the swap has its version under the
// temporary name: it must not be removed.
func TestRecoveryKeepsWhatItDoesNotKnow(t *testing.T) {
	fixtures.Sequential(t)
	t.Parallel() // it waits for the disk
	w, good, _, temporary := interrupted(t)
	w.swap(temporary, w.path("primary", "d/blob"))
	w.must(os.WriteFile(temporary, []byte("mine"), 0o644))

	h := w.recover()

	if kept, err := os.ReadFile(temporary); err != nil || string(kept) != "mine" {
		t.Errorf("the writer's version became %q, %v", kept, err)
	}
	if !bytes.Equal(w.read("primary", "d/blob"), good) {
		t.Error("the replacement is gone")
	}
	if len(h.notes) != 1 || len(w.journalFiles()) != 1 || !strings.HasSuffix(w.journalFiles()[0], ".damaged") {
		t.Errorf("notes %q, journal %q: want the entry reported and kept aside", h.notes, w.journalFiles())
	}
}

func TestRecoveryLeavesWhatSomebodyWroteInBetween(t *testing.T) {
	fixtures.Sequential(t)
	t.Parallel() // it waits for the disk
	w, _, bad, _ := interrupted(t)
	w.must(os.WriteFile(w.path("primary", "d/blob"), []byte("mine"), 0o644))

	h := w.recover()

	if string(w.read("primary", "d/blob")) != "mine" {
		t.Error("the writer's version is gone")
	}
	copies, err := filepath.Glob(filepath.Join(w.vaultDir(), "quarantine", "*", "original"))
	w.must(err)
	if len(copies) != 1 {
		t.Fatalf("the quarantine has %v", copies)
	}
	kept, err := os.ReadFile(copies[0])
	w.must(err)
	if !bytes.Equal(kept, bad) || len(h.notes) == 0 {
		t.Errorf("the quarantine lost the original, or nothing was said: %q", h.notes)
	}
	w.tidy()
}

func TestADamagedJournalEntryIsKeptAsideAndNothingIsGuessed(t *testing.T) {
	fixtures.Sequential(t)
	t.Parallel() // it waits for the disk
	w, _, bad, temporary := interrupted(t)
	path := w.journalFiles()[0]
	text, err := os.ReadFile(path)
	w.must(err)
	text[len(text)/2] ^= 1
	w.must(os.WriteFile(path, text, 0o600))

	h := w.recover()

	if !bytes.Equal(w.read("primary", "d/blob"), bad) {
		t.Error("the damaged original is not in its place")
	}
	if _, err := os.Stat(temporary); err != nil {
		t.Errorf("the temporary file of a repair that nobody knows was removed: %v", err)
	}
	if files := w.journalFiles(); len(files) != 1 || !strings.HasSuffix(files[0], ".damaged") || len(h.notes) != 1 {
		t.Errorf("journal %q, notes %q", files, h.notes)
	}
	w.repair(repair.Options{})
}

func TestRecoveryWaitsForAStoreThatIsNotMounted(t *testing.T) {
	fixtures.Sequential(t)
	t.Parallel() // it waits for the disk
	w, _, _, _ := interrupted(t)
	w.must(os.Rename(w.root("primary"), w.root("away")))
	w.must(os.Mkdir(w.root("primary"), 0o755))

	h := w.recover()

	if len(w.journalFiles()) != 1 || len(h.notes) != 1 {
		t.Errorf("journal %q, notes %q: want the entry kept", w.journalFiles(), h.notes)
	}
}

// patch writes bytes into a file in place.
func (w *world) patch(path string, offset int64, p []byte) {
	w.t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	w.must(err)
	_, err = f.WriteAt(p, offset)
	w.must(err)
	w.must(f.Close())
}

func TestRecoveryGoesOnWithAFileThatWasHalfHealedInPlace(t *testing.T) {
	fixtures.Sequential(t)
	t.Parallel() // it waits for the disk
	w, good, bad, _ := interrupted(t, "second")
	w.patch(w.path("primary", "d/blob"), shard, good[shard:shard+4096])

	h := w.recover()

	e := w.expect(h, "primary", "d/blob", report.Repaired)
	w.expect(h, "primary", "second", report.Repaired)
	if !bytes.Equal(w.read("primary", "second"), good) || !bytes.Equal(w.kept(e.Receipt), bad) {
		t.Error("the file is not healed, or the original not in quarantine")
	}
	w.tidy()
}

func TestRecoveryNeverOverwritesWhatSomebodyWroteInPlace(t *testing.T) {
	t.Parallel() // it waits for the disk
	fixtures.Sequential(t)
	_, good, _, _ := interrupted(t, "second")
	writes := map[string]func(w *world, path string){
		"shorter":                 func(w *world, path string) { w.must(os.WriteFile(path, []byte("mine"), 0o644)) },
		"where the repair writes": func(w *world, path string) { w.patch(path, shard+100, []byte("mine")) },
		"elsewhere":               func(w *world, path string) { w.patch(path, 2*shard+100, []byte("mine")) },
		"beside what was healed": func(w *world, path string) {
			w.patch(path, shard, good[shard:shard+4096])
			w.patch(path, shard+8192, []byte("mine"))
		},
		"another file": func(w *world, path string) {
			w.must(os.Remove(path))
			w.must(os.WriteFile(path, []byte("mine"), 0o644))
		},
	}
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			w, _, _, _ := interrupted(t, "second")
			write(w, w.path("primary", "d/blob"))
			now := w.read("primary", "d/blob")

			h := w.recover()

			if !bytes.Equal(w.read("primary", "d/blob"), now) {
				t.Error("the writer's version is gone")
			}
			if len(h.repairs) != 0 || len(h.notes) == 0 {
				t.Errorf("events %+v, notes %q", h.repairs, h.notes)
			}
			if kept, _ := filepath.Glob(filepath.Join(w.vaultDir(), "quarantine", "*", "original")); len(kept) != 1 {
				t.Errorf("the quarantine has %v", kept)
			}
		})
	}
}
