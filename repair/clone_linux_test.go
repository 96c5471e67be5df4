package repair_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"bitmend/fixtures"
	"bitmend/repair"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// onXFS mounts a new file system that can clone, or skips the test.
func onXFS(t *testing.T) string {
	t.Helper()
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 512<<20); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.xfs", "-q", "-m", "reflink=1", image}, {"mount", "-o", "loop", image, dir}} {
		if said, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("needs a file system that can clone: %v: %s", err, said)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestTheOriginalIsClonedWhereTheFileSystemCan(t *testing.T) {
	fixtures.Sequential(t)
	w := &world{t: t, dir: onXFS(t), names: []string{"primary", "dr"}}
	w.init(func(c *vault.Config) { c.Overhead = 0 })
	const size = 64 << 20
	w.everywhere("blob", content(1, size))
	w.protect()
	good := w.snapshot("primary")
	w.flip("primary", "blob", 3)
	bad := w.read("primary", "blob")
	w.scrub()
	free := func() int64 {
		var s unix.Statfs_t
		w.must(unix.Statfs(w.dir, &s))
		return int64(s.Bfree) * s.Bsize
	}
	var before, took int64

	h, _ := w.repair(repair.Options{OnStep: func(s repair.Step) {
		switch {
		case s.Point == repair.Quarantined && !s.Done:
			before = free()
		case s.Point == repair.Quarantined:
			took = before - free()
		}
	}})

	e := w.expect(h, "primary", "blob", report.Repaired)
	if took > size/4 {
		t.Errorf("the copy took %d bytes of the disk", took)
	}
	if !bytes.Equal(w.kept(e.Receipt), bad) {
		t.Error("what is kept is not the damaged original")
	}
	w.same(good, "primary")
}
