//go:build !portable

package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func parentOf(path string) string { return filepath.Dir(path) }

// plant makes files, and their directories, that hold their own names.
func plant(t testing.TB, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(name), 0o644))
	}
}

// listed is what a listing says, an entry a line.
func listed(t testing.TB, s store.Store, opts store.ListOptions) []string {
	t.Helper()
	var lines []string
	for entry, err := range s.List(t.Context(), opts) {
		must(t, err)
		line := entry.Name
		if entry.Kind == 0 {
			line += " skipped"
		}
		if errors.Is(entry.Err, store.ErrPermission) {
			line += " denied"
		} else if entry.Err != nil {
			line += " " + entry.Err.Error()
		}
		lines = append(lines, line)
	}
	return lines
}

func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWhatIsNoBlobIsListedAndNeverOpened(t *testing.T) {
	root := t.TempDir()
	plant(t, root, "a", "z")
	must(t, unix.Mkfifo(root+"/fifo", 0o666))
	must(t, unix.Mknod(root+"/socket", unix.S_IFSOCK|0o666, 0))
	d := open(t, root)
	same(t, listed(t, d, store.ListOptions{}), "a", "fifo skipped", "socket skipped", "z")
	for _, name := range []string{"fifo", "socket"} {
		_, err := d.Open(t.Context(), name, store.Access{Direct: true})
		if !errors.Is(err, store.ErrNotABlob) {
			t.Errorf("open %s: %v", name, err)
		}
		_, err = d.Attributes(t.Context(), name)
		if !errors.Is(err, store.ErrNotABlob) {
			t.Errorf("attributes of %s: %v", name, err)
		}
		_, err = d.Overwrite(t.Context(), name, nil, nil, 0, hashsets.Attributes{}, hashsets.Identity{})
		if !errors.Is(err, store.ErrNotABlob) {
			t.Errorf("overwrite %s: %v", name, err)
		}
		_, err = d.Stage(t.Context(), name+"/below", "1")
		if !errors.Is(err, store.ErrNotABlob) {
			t.Errorf("stage below %s: %v", name, err)
		}
	}
}

func TestAListingGoesOnBehindWhatItMayNotLookAt(t *testing.T) {
	root := ordinaryDir(t)
	plant(t, root, "a/1", "shut/1", "shut-beside", "shut0", "searchless/1", "z/1")
	must(t, os.Chmod(root+"/shut", 0))
	must(t, os.Chmod(root+"/searchless", 0o444))
	t.Cleanup(func() {
		os.Chmod(root+"/shut", 0o755)
		os.Chmod(root+"/searchless", 0o755)
	})
	d := open(t, root)
	asOrdinaryUser(t, func() {
		same(t, listed(t, d, store.ListOptions{}),
			"a", "a/1", "searchless", "searchless/1 skipped denied", "shut denied", "shut-beside", "shut0", "z", "z/1")
		same(t, listed(t, d, store.ListOptions{From: "shut-"}), "shut-beside", "shut denied", "shut0", "z", "z/1")
		same(t, listed(t, d, store.ListOptions{To: "shut"}), "a", "a/1", "searchless", "searchless/1 skipped denied")
	})
}

func TestADirectoryOutsideTheRangeIsNotOpened(t *testing.T) {
	root := ordinaryDir(t)
	plant(t, root, "a/1", "b/1", "c/1")
	for _, name := range []string{"a", "c"} {
		must(t, os.Chmod(root+"/"+name, 0))
		t.Cleanup(func() { os.Chmod(root+"/"+name, 0o755) })
	}
	d := open(t, root)
	asOrdinaryUser(t, func() {
		same(t, listed(t, d, store.ListOptions{From: "b", To: "c"}), "b", "b/1")
		same(t, listed(t, d, store.ListOptions{From: "a/1/x", To: "c"}), "a denied", "b", "b/1")
	})
}

func TestWhatVanishesDuringAListingIsLeftOut(t *testing.T) {
	root := t.TempDir()
	plant(t, root, "a", "b", "c/1", "d/1", "e")
	d := open(t, root)
	var names []string
	for entry, err := range d.List(t.Context(), store.ListOptions{}) {
		must(t, err)
		must(t, entry.Err)
		names = append(names, entry.Name)
		switch entry.Name {
		case "a":
			must(t, os.Remove(root+"/b"))
		case "c":
			must(t, os.RemoveAll(root+"/d"))
			must(t, os.Symlink("c", root+"/d"))
		}
	}
	same(t, names, "a", "c", "c/1", "d", "e")
}

func TestFileSystemsMountedInsideAreDescended(t *testing.T) {
	needsRoot(t, "it mounts a file system")
	root := t.TempDir()
	plant(t, root, "a", "m/hidden", "z")
	mountTmpfs(t, root+"/m", "size=1m")
	plant(t, root, "m/1")
	d := open(t, root)
	same(t, listed(t, d, store.ListOptions{}), "a", "m", "m/1", "z")
	outside, err := d.Stat(t.Context(), "a")
	must(t, err)
	inside, err := d.Stat(t.Context(), "m/1")
	must(t, err)
	if inside.Identity.Device == outside.Identity.Device {
		t.Errorf("both are on device %d", inside.Identity.Device)
	}
}

func TestADeepTreeIsListedWithFewDescriptors(t *testing.T) {
	const depth = 600
	root := t.TempDir()
	d := open(t, root)
	name := strings.Repeat("deep/", depth) + "blob"
	staged, err := d.Stage(t.Context(), name, "1")
	must(t, err)
	must(t, staged.Seal(t.Context(), 0, hashsets.Attributes{}))
	_, err = staged.Publish(t.Context(), nil)
	must(t, err)
	must(t, staged.Close())
	before := openDescriptors(t)
	most, entries := 0, 0
	for entry, err := range d.List(t.Context(), store.ListOptions{}) {
		must(t, err)
		must(t, entry.Err)
		if entries++; entries%50 == 0 {
			most = max(most, openDescriptors(t)-before)
		}
	}
	if entries != depth+1 || most > 40 || openDescriptors(t) != before {
		t.Errorf("%d entries with up to %d descriptors, of which %d stayed open", entries, most, openDescriptors(t)-before)
	}
}

func TestAnAbandonedListingClosesItsDirectories(t *testing.T) {
	root := t.TempDir()
	plant(t, root, "a/b/c/1", "a/b/c-", "a/b/d/1")
	d := open(t, root)
	listed(t, d, store.ListOptions{})
	before := openDescriptors(t)
	for stop := range 8 {
		n := 0
		for range d.List(t.Context(), store.ListOptions{}) {
			if n++; n > stop {
				break
			}
		}
	}
	if now := openDescriptors(t); now != before {
		t.Errorf("%d descriptors stayed open", now-before)
	}
}

func openDescriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

func mountTmpfs(t *testing.T, path, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, options); err != nil {
		t.Skipf("needs to mount a file system: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(path, unix.MNT_DETACH)) })
}

func BenchmarkList(b *testing.B) {
	for _, layout := range []struct {
		name               string
		directories, files int
	}{{"one directory", 1, 20_000}, {"nested", 200, 100}} {
		b.Run(layout.name, func(b *testing.B) {
			root := b.TempDir()
			for i := range layout.directories {
				for j := range layout.files {
					plant(b, root, fmt.Sprintf("%02d/%02d/blob-%06d", i/16, i%16, j))
				}
			}
			d, err := store.OpenDirectory("primary", root)
			must(b, err)
			defer d.Close()
			b.ReportAllocs()
			entries := 0
			for b.Loop() {
				for _, err := range d.List(b.Context(), store.ListOptions{}) {
					must(b, err)
					entries++
				}
			}
			b.ReportMetric(float64(entries)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
