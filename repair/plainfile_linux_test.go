package repair_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A FIFO would keep whoever opens it waiting for somebody to write to it.
func TestNoFIFOInTheVaultKeepsARunWaiting(t *testing.T) {
	w, k, _ := oneKept(t)
	fifo := func(path string) {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		w.must(syscall.Mkfifo(path, 0o600))
	}
	fifo(filepath.Join(w.kPath(k.ID), "original"))
	if _, _, err := w.putBack(k.ID, false); err == nil || !strings.Contains(err.Error(), "not a plain file") {
		t.Errorf("put back: error %v", err)
	}
	fifo(filepath.Join(w.kPath(k.ID), "original.json"))
	fifo(filepath.Join(w.vaultDir(), "journal", "some.json"))
	if all := w.list(); len(all) != 1 || !strings.Contains(all[0].Trouble, "not a plain file") {
		t.Errorf("the quarantine lists %+v", all)
	}
	w.flip("primary", "d/a", 1)
	w.scrub()
	if _, summary, err := w.repairWith("primary"); err == nil && summary.Repaired != 1 {
		t.Errorf("repair: %+v, %v", summary, err)
	}
}
