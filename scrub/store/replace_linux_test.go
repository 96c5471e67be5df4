//go:build !portable

package store_test

import (
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// sealed stages content for name and seals it.
func sealed(t testing.TB, s store.Writable, name, id, content string, attrs hashsets.Attributes) store.Staged {
	t.Helper()
	staged, err := s.Stage(t.Context(), name, id)
	must(t, err)
	t.Cleanup(func() { staged.Close() })
	_, err = staged.WriteAt([]byte(content), 0)
	must(t, err)
	must(t, staged.Seal(t.Context(), int64(len(content)), attrs))
	return staged
}

func content(t testing.TB, path string) string {
	t.Helper()
	p, err := os.ReadFile(path)
	must(t, err)
	return string(p)
}

// names are all names in a directory, temporary ones too.
func names(t testing.TB, root string) []string {
	t.Helper()
	entries, err := os.ReadDir(root)
	must(t, err)
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

func identity(t testing.TB, s store.Store, name string) *hashsets.Identity {
	t.Helper()
	entry, err := s.Stat(t.Context(), name)
	must(t, err)
	return &entry.Identity
}

// The target may change in the instant between looking at it and swapping.
func TestWhatChangesUnderASwapIsNotLost(t *testing.T) {
	for what, c := range map[string]struct {
		step   string
		change func(t *testing.T, root string)
		want   map[string]string // what the names hold afterwards
	}{
		"it was replaced": {"exchange", func(t *testing.T, root string) {
			plant(t, root, "fresh")
			must(t, os.Rename(root+"/fresh", root+"/blob"))
		}, map[string]string{"blob": "fresh", store.StagedName("1"): "new"}},
		"it was written to": {"exchange", func(t *testing.T, root string) {
			must(t, os.WriteFile(root+"/blob", []byte("BLOB"), 0o644)) // of the same size
		}, map[string]string{"blob": "BLOB", store.StagedName("1"): "new"}},
		"it was removed": {"exchange", func(t *testing.T, root string) {
			must(t, os.Remove(root+"/blob"))
		}, map[string]string{store.StagedName("1"): "new"}},
		"it was replaced, and again before that was put back": {"swap back", func(t *testing.T, root string) {
			plant(t, root, "third")
			must(t, os.Rename(root+"/third", root+"/blob"))
		}, map[string]string{"blob": "fresh", store.StagedName("1"): "third"}},
	} {
		t.Run(what, func(t *testing.T) {
			root := t.TempDir()
			plant(t, root, "blob")
			must(t, os.Chtimes(root+"/blob", time.Time{}, time.Unix(1, 1)))
			d := open(t, root)
			staged := sealed(t, d, "blob", "1", "new", hashsets.Attributes{})
			d.AtStep(func(step string) error {
				if step == "exchange" && c.step == "swap back" {
					plant(t, root, "fresh")
					must(t, os.Rename(root+"/fresh", root+"/blob"))
				}
				if step == c.step {
					c.change(t, root)
				}
				return nil
			})
			_, err := staged.Publish(t.Context(), identity(t, d, "blob"))
			if !errors.Is(err, store.ErrChanged) {
				t.Errorf("the error is %v", err)
			}
			got := map[string]string{}
			for _, name := range names(t, root) {
				got[name] = content(t, root+"/"+name)
			}
			if !maps.Equal(got, c.want) {
				t.Errorf("afterwards there are %q, want %q", got, c.want)
			}
			d.AtStep(nil)
			err = staged.Discard(t.Context())
			if left := c.want[store.StagedName("1")]; left == "new" {
				must(t, err)
			} else if !errors.Is(err, store.ErrChanged) || content(t, root+"/"+store.StagedName("1")) != left {
				t.Errorf("another's bytes were discarded: %v", err)
			}
		})
	}
}

var errCrash = errors.New("crash")

func TestACrashLeavesTheOriginalOrTheReplacement(t *testing.T) {
	for _, replaces := range []bool{true, false} {
		for _, at := range []string{"rename", "exchange", "sync", "remove"} {
			t.Run(at, func(t *testing.T) {
				root := t.TempDir()
				d := open(t, root)
				var expect *hashsets.Identity
				if replaces {
					plant(t, root, "blob")
					expect = identity(t, d, "blob")
				}
				staged := sealed(t, d, "blob", "1", "new", hashsets.Attributes{})
				crashed := false
				d.AtStep(func(step string) error {
					if step != at {
						return nil
					}
					crashed = true
					return errCrash
				})
				_, err := staged.Publish(t.Context(), expect)
				if crashed != errors.Is(err, errCrash) {
					t.Fatalf("the error is %v", err)
				}
				recovers(t, root, replaces)
			})
		}
	}
}

// recovers opens a store as the next run does, finishes the repair, and looks
// at what is there.
func recovers(t *testing.T, root string, replaces bool) {
	t.Helper()
	d := open(t, root)
	d.KnowStaged(func(id string) bool { return id == "1" }) // as the journal does
	for _, line := range listed(t, d, store.ListOptions{}) {
		if line != "blob" {
			t.Errorf("it lists %q", line)
		}
	}
	var expect *hashsets.Identity
	now := ""
	if entry, err := d.Stat(t.Context(), "blob"); err == nil {
		expect = &entry.Identity
		now = content(t, root+"/blob")
	}
	if now != "new" && now != "blob" && (replaces || now != "") {
		t.Errorf("the blob holds %q", now)
	}
	staged, err := d.Reopen(t.Context(), "blob", "1")
	if err != nil && (!errors.Is(err, store.ErrNotFound) || now != "new") {
		t.Fatalf("the replacement is gone and the blob holds %q: %v", now, err)
	}
	if err == nil {
		defer staged.Close()
		p := make([]byte, 10)
		n, _ := staged.ReadAt(p, 0)
		if now == "new" {
			must(t, staged.Discard(t.Context()))
		} else if string(p[:n]) != "new" {
			t.Errorf("neither of the two is the replacement, but %q", p[:n])
		} else {
			must(t, staged.Seal(t.Context(), 3, hashsets.Attributes{}))
			_, err := staged.Publish(t.Context(), expect)
			must(t, err)
		}
	}
	if now := content(t, root+"/blob"); now != "new" {
		t.Errorf("in the end the blob holds %q", now)
	}
	same(t, names(t, root), "blob")
}

func TestAReplacementHasTheAttributesOfTheOriginal(t *testing.T) {
	root := t.TempDir()
	want := attributes()
	want.Mode = 0o6711
	want.ModTime = -1_000_000_001 // before 1970, and a nanosecond
	if os.Getuid() != 0 {
		want.Mode = 0o711
	}
	want.Xattrs = map[string][]byte{
		"user.comment":            []byte("kept"),
		"user.empty":              {},
		"user.binary":             {0, 1, 255},
		"system.posix_acl_access": accessList(0o7, 0o1, 0o1),
	}
	if os.Getuid() == 0 {
		want.Xattrs["trusted.note"] = []byte("root's")
		// VFS_CAP_REVISION_2 with CAP_NET_RAW, which a change of owner takes away.
		want.Xattrs["security.capability"] = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64([]byte{1, 0, 0, 2}, 1<<13), 0)
	}
	must(t, os.WriteFile(root+"/probe", nil, 0o644))
	for name, value := range want.Xattrs {
		if err := unix.Setxattr(root+"/probe", name, value, 0); err != nil {
			t.Logf("left out, this file system refuses %s: %v", name, err)
			delete(want.Xattrs, name)
		}
	}
	must(t, os.Remove(root+"/probe"))
	d := open(t, root)
	_, err := sealed(t, d, "blob", "1", "new", want).Publish(t.Context(), nil)
	must(t, err)
	got, err := d.Attributes(t.Context(), "blob")
	must(t, err)
	sameAttributes(t, got, want)

	must(t, d.PutDirectory(t.Context(), "directory", want))
	got, err = d.Attributes(t.Context(), "directory")
	must(t, err)
	sameAttributes(t, got, want)

	link := attributes()
	link.Mode = 0o777
	_, err = d.PutLink(t.Context(), "link", "nowhere", "1", link, nil)
	must(t, err)
	got, err = d.Attributes(t.Context(), "link")
	must(t, err)
	sameAttributes(t, got, link)
}

func sameAttributes(t *testing.T, got, want hashsets.Attributes) {
	t.Helper()
	if got.Mode != want.Mode || got.UID != want.UID || got.GID != want.GID || got.ModTime != want.ModTime {
		t.Errorf("attributes %+v, want %+v", got, want)
	}
	if !maps.EqualFunc(got.Xattrs, want.Xattrs, slices.Equal) {
		t.Errorf("extended attributes %q, want %q", got.Xattrs, want.Xattrs)
	}
}

// accessList is an access control list with one named user, in the format of
// Linux's posix_acl_xattr.h.
func accessList(owner, group, others uint16) []byte {
	list := []byte{2, 0, 0, 0}
	for _, entry := range []struct {
		tag, permissions uint16
		id               uint32
	}{
		{0x01, owner, 1<<32 - 1}, {0x02, 0o1, 12345}, {0x04, group, 1<<32 - 1}, {0x10, 0o1, 1<<32 - 1}, {0x20, others, 1<<32 - 1},
	} {
		list = binary.LittleEndian.AppendUint16(list, entry.tag)
		list = binary.LittleEndian.AppendUint16(list, entry.permissions)
		list = binary.LittleEndian.AppendUint32(list, entry.id)
	}
	return list
}

func TestAnInheritedAccessListDoesNotStay(t *testing.T) {
	root := t.TempDir()
	if err := unix.Setxattr(root, "system.posix_acl_default", accessList(0o7, 0o7, 0o7), 0); err != nil {
		t.Skipf("this file system has no access control lists: %v", err)
	}
	d := open(t, root)
	attrs := attributes()
	attrs.Mode = 0o640
	_, err := sealed(t, d, "blob", "1", "new", attrs).Publish(t.Context(), nil)
	must(t, err)
	must(t, d.PutDirectory(t.Context(), "directory", attrs))
	for _, name := range []string{"blob", "directory"} {
		got, err := d.Attributes(t.Context(), name)
		must(t, err)
		sameAttributes(t, got, attrs)
	}
}

func TestNothingKnownMeansTheUsualMode(t *testing.T) {
	old := unix.Umask(0o027)
	defer unix.Umask(old)
	root := t.TempDir()
	d := open(t, root)
	staged, err := d.Stage(t.Context(), "blob", "1")
	must(t, err)
	defer staged.Close()
	if mode := mustStat(t, root+"/"+store.StagedName("1")).Mode(); mode != 0o600 {
		t.Errorf("while it is staged its mode is %v", mode)
	}
	must(t, staged.Seal(t.Context(), 0, hashsets.Attributes{}))
	_, err = staged.Publish(t.Context(), nil)
	must(t, err)
	if mode := mustStat(t, root+"/blob").Mode(); mode != 0o640 {
		t.Errorf("its mode is %v", mode)
	}
}

func mustStat(t testing.TB, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info
}

func TestAnAttributeThatCannotBeGivenIsNamed(t *testing.T) {
	root := ordinaryDir(t)
	d := open(t, root)
	asOrdinaryUser(t, func() {
		for what, attrs := range map[string]hashsets.Attributes{
			"owner 0:0":                           {Mode: 0o644},
			`extended attribute "no.such.thing."`: {UID: uint32(unix.Getuid()), GID: uint32(unix.Getgid()), Mode: 0o644, Xattrs: map[string][]byte{"no.such.thing.": nil}},
		} {
			if os.Getuid() == 0 && attrs.Xattrs != nil {
				attrs.UID, attrs.GID = nobody, nobody
			}
			attrs.ModTime = 1
			staged, err := d.Stage(t.Context(), "blob", "1")
			must(t, err)
			err = staged.Seal(t.Context(), 0, attrs)
			if !errors.Is(err, store.ErrPermission) && !errors.Is(err, store.ErrUnsupported) || !strings.Contains(err.Error(), what) {
				t.Errorf("the error is %v, want %s", err, what)
			}
			if _, err := staged.Publish(t.Context(), nil); err == nil {
				t.Error("it was published all the same")
			}
			must(t, staged.Discard(t.Context()))
			must(t, staged.Close())
		}
	})
}

func TestAFullStoreHasNoSpace(t *testing.T) {
	needsRoot(t, "it mounts a small file system")
	root := t.TempDir()
	mountTmpfs(t, root, "size=64k,nr_inodes=10")
	d := open(t, root)
	staged, err := d.Stage(t.Context(), "blob", "1")
	must(t, err)
	defer staged.Close()
	_, err = staged.WriteAt(make([]byte, 1<<20), 0)
	if !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("the error is %v", err)
	}
}

func TestAStoreMountedForReadingIsNotWritten(t *testing.T) {
	needsRoot(t, "it mounts a file system")
	root := t.TempDir()
	mountTmpfs(t, root, "size=1m")
	plant(t, root, "blob")
	must(t, unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	d := open(t, root)
	_, err := d.Stage(t.Context(), "blob", "1")
	denied(t, err)
	_, err = d.Overwrite(t.Context(), "blob", strings.NewReader("x"), nil, 1, hashsets.Attributes{}, hashsets.Identity{})
	denied(t, err)
	denied(t, d.PutDirectory(t.Context(), "new", hashsets.Attributes{}))
	_, err = d.PutLink(t.Context(), "link", "x", "1", hashsets.Attributes{}, nil)
	denied(t, err)
}

func denied(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrPermission) {
		t.Errorf("the error is %v", err)
	}
}

func TestADirectoryKeepsItsTimeWhenABlobIsHealed(t *testing.T) {
	const before = 1234567890_000000001
	for what, c := range map[string]struct {
		heal func(t *testing.T, d *store.Directory, root string)
		kept bool
	}{
		"replaced": {func(t *testing.T, d *store.Directory, root string) {
			_, err := sealed(t, d, "d/a", "1", "new", hashsets.Attributes{}).Publish(t.Context(), identity(t, d, "d/a"))
			must(t, err)
		}, true},
		"two at a time": {func(t *testing.T, d *store.Directory, root string) {
			a := sealed(t, d, "d/a", "1", "new", hashsets.Attributes{})
			b := sealed(t, d, "d/b", "2", "new", hashsets.Attributes{})
			_, err := a.Publish(t.Context(), identity(t, d, "d/a"))
			must(t, err)
			_, err = b.Publish(t.Context(), identity(t, d, "d/b"))
			must(t, err)
		}, true},
		"discarded": {func(t *testing.T, d *store.Directory, root string) {
			must(t, sealed(t, d, "d/a", "1", "new", hashsets.Attributes{}).Discard(t.Context()))
		}, true},
		"link replaced": {func(t *testing.T, d *store.Directory, root string) {
			_, err := d.PutLink(t.Context(), "d/a", "target", "1", hashsets.Attributes{}, identity(t, d, "d/a"))
			must(t, err)
		}, true},
		"made new": {func(t *testing.T, d *store.Directory, root string) {
			_, err := sealed(t, d, "d/new", "1", "new", hashsets.Attributes{}).Publish(t.Context(), nil)
			must(t, err)
		}, false},
		"replaced beside one made new": {func(t *testing.T, d *store.Directory, root string) {
			a := sealed(t, d, "d/a", "1", "new", hashsets.Attributes{})
			_, err := sealed(t, d, "d/new", "2", "new", hashsets.Attributes{}).Publish(t.Context(), nil)
			must(t, err)
			_, err = a.Publish(t.Context(), identity(t, d, "d/a"))
			must(t, err)
		}, false},
		"changed by another meanwhile": {func(t *testing.T, d *store.Directory, root string) {
			staged := sealed(t, d, "d/a", "1", "new", hashsets.Attributes{})
			must(t, unix.UtimesNanoAt(unix.AT_FDCWD, root+"/d", []unix.Timespec{{Sec: 5}, {Sec: 5}}, 0))
			_, err := staged.Publish(t.Context(), identity(t, d, "d/a"))
			must(t, err)
		}, false},
	} {
		t.Run(what, func(t *testing.T) {
			root := t.TempDir()
			plant(t, root, "d/a", "d/b")
			times := []unix.Timespec{unix.NsecToTimespec(before + 5), unix.NsecToTimespec(before)}
			must(t, unix.UtimesNanoAt(unix.AT_FDCWD, root+"/d", times, 0))
			d := open(t, root)
			c.heal(t, d, root)
			if kept := identity(t, d, "d").ModTime == before; kept != c.kept {
				t.Errorf("the time was kept: %v", kept)
			}
		})
	}
}

func TestReadingBackReadsTheMedium(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	staged := sealed(t, d, "blob", "1", strings.Repeat("x", 300_000), hashsets.Attributes{})
	must(t, os.WriteFile(root+"/control", []byte(strings.Repeat("x", 300_000)), 0o644))
	evict(t, root+"/control")
	if n, err := d.Resident(t.Context(), "control"); err != nil || n != 0 {
		t.Skipf("this file system keeps files in memory: %d bytes, %v", n, err)
	}
	for range 2 {
		if n, err := d.Resident(t.Context(), store.StagedName("1")); err != nil || n != 0 {
			t.Errorf("%d bytes are in memory; %v", n, err)
		}
		p := make([]byte, 300_000)
		if n, err := staged.ReadAt(p, 0); n != len(p) || string(p) != strings.Repeat("x", 300_000) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}

// Files of several names are often protected from writing.
func TestAnOwnerOverwritesAProtectedFile(t *testing.T) {
	root := ordinaryDir(t)
	plant(t, root, "blob")
	if os.Getuid() == 0 {
		must(t, os.Chown(root+"/blob", nobody, nobody))
	}
	must(t, os.Chmod(root+"/blob", 0o444))
	d := open(t, root)
	asOrdinaryUser(t, func() {
		found, err := d.Stat(t.Context(), "blob")
		must(t, err)
		found, err = d.Overwrite(t.Context(), "blob", strings.NewReader("heal"), []store.Range{{Offset: 0, Length: 4}}, 4, hashsets.Attributes{}, found.Identity)
		must(t, err)
		_, err = d.Overwrite(t.Context(), "blob", strings.NewReader(""), []store.Range{{Offset: 0, Length: 4}}, 4, hashsets.Attributes{Mode: 0o400}, found.Identity)
		if err == nil {
			t.Error("it took a source that is empty")
		}
	})
	if got, mode := content(t, root+"/blob"), mustStat(t, root+"/blob").Mode(); got != "heal" || mode != 0o444 {
		t.Errorf("it holds %q with mode %v", got, mode)
	}
}

func TestAHomeMakesItsRootWithTheFirstBlob(t *testing.T) {
	root := t.TempDir() + "/not/yet"
	h, err := store.OpenHome("home", root)
	must(t, err)
	defer h.Close()
	_, err = h.Probe(t.Context())
	unmounted(t, err)
	_, err = h.Open(t.Context(), "set/1", store.Access{})
	unmounted(t, err)
	unmounted(t, h.Remove(t.Context(), "set/1"))
	_, err = sealed(t, h, "set/1", "1", "parity", hashsets.Attributes{}).Publish(t.Context(), nil)
	must(t, err)
	if got := content(t, root+"/set/1"); got != "parity" {
		t.Errorf("it holds %q", got)
	}
	if err := h.Remove(t.Context(), "set"); !errors.Is(err, store.ErrNotABlob) {
		t.Errorf("remove a directory: %v", err)
	}
	must(t, h.Remove(t.Context(), "set/1"))
	same(t, listed(t, h, store.ListOptions{}), "set")
}
