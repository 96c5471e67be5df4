//go:build !portable

package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fakeSysfs makes a disk sda that turns with a partition, a disk nvme0n1 that
// does not, virtual disks that say that they turn, dm-0 on the partition and the other disk, and dm-1 on the latter.
func fakeSysfs(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write := func(name, text string) {
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, name string) {
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(root, target), at); err != nil {
			t.Fatal(err)
		}
	}
	write("devices/sda/queue/rotational", "1\n")
	write("devices/sda/sda1/stat", "100 0 0 1000 100 0 0 3000 0 0 0")
	write("devices/nvme0n1/queue/rotational", "0\n")
	write("devices/vda/queue/rotational", "1\n")
	write("devices/vda/vda1/stat", "0 0 0 0 0 0 0 0 0 0 0")
	write("devices/sdb/queue/rotational", "1\n")
	write("devices/sdb/device/vendor", "QEMU    \n")
	write("devices/dm-0/queue/rotational", "0\n")
	write("devices/dm-1/queue/rotational", "1\n")
	link("devices/sda/sda1", "devices/dm-0/slaves/sda1")
	link("devices/nvme0n1", "devices/dm-0/slaves/nvme0n1")
	link("devices/nvme0n1", "devices/dm-1/slaves/nvme0n1")
	for number, device := range map[string]string{"8:0": "sda", "8:1": "sda/sda1", "259:0": "nvme0n1", "253:0": "dm-0", "253:1": "dm-1", "254:1": "vda/vda1", "8:16": "sdb"} {
		link("devices/"+device, "dev/block/"+number)
	}
	return root
}

func TestDisksThatTurn(t *testing.T) {
	root := fakeSysfs(t)
	for _, c := range []struct {
		major, minor uint32
		want         bool
	}{{8, 0, true}, {8, 1, true}, {259, 0, false}, {253, 0, true}, {253, 1, false}, {254, 1, false}, {8, 16, false}, {9, 9, false}} {
		if got := diskOf(root, c.major, c.minor).Rotating(); got != c.want {
			t.Errorf("%d:%d turns: %v", c.major, c.minor, got)
		}
	}
}

func TestLatencyOfADisk(t *testing.T) {
	root := fakeSysfs(t)
	disk := diskOf(root, 8, 1)
	if _, ok := disk.Latency(); ok {
		t.Error("a latency is known before anything was seen")
	}
	if _, ok := disk.Latency(); ok {
		t.Error("a latency is known of no requests")
	}
	if err := os.WriteFile(filepath.Join(root, "devices/sda/sda1/stat"), []byte("103 0 0 1100 101 0 0 3060 0 0 0"), 0o644); err != nil {
		t.Fatal(err)
	}
	if latency, ok := disk.Latency(); !ok || latency != 40*time.Millisecond {
		t.Errorf("4 requests in 160 ms: %v, %v", latency, ok)
	}
	if _, ok := diskOf(root, 259, 0).Latency(); ok {
		t.Error("a device without counts has a latency")
	}
}

func TestAStoreKnowsItsDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDirectory("s", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if disk, err := d.Disk(t.Context()); err != nil || disk == nil {
		t.Errorf("%v, %v", disk, err)
	}
	if _, err := d.Place(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if _, err := d.Place(t.Context(), "b"); err == nil {
		t.Error("a file that is not there has a place")
	}
}
