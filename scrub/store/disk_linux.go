//go:build !portable

package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const sysfs = "/sys"

// Disk returns the device of the root.
func (d *Directory) Disk(ctx context.Context) (Device, error) {
	top, err := d.top(ctx)
	if err != nil {
		return nil, err
	}
	root, err := top.lookSelf()
	if err != nil {
		return nil, fmt.Errorf("store %q: look at root %q: %w", d.name, d.root, failed(err))
	}
	device := root.Identity.Device
	if unix.Major(device) == 0 { // btrfs, ZFS and others give out numbers of their own
		device = mountedDevice("/proc/self/mountinfo", device)
	}
	return diskOf(sysfs, unix.Major(device), unix.Minor(device)), nil
}

// mountedDevice returns the device that a file system is mounted from whose
// files bear the number given; 0 when that is no device.
func mountedDevice(mounts string, number uint64) uint64 {
	f, err := os.Open(mounts)
	if err != nil {
		return 0
	}
	defer f.Close()
	wanted := fmt.Sprintf("%d:%d", unix.Major(number), unix.Minor(number))
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields, source := strings.Fields(before), strings.Fields(after)
		if len(fields) < 3 || len(source) < 2 || fields[2] != wanted {
			continue
		}
		var st unix.Stat_t
		if unix.Stat(source[1], &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK {
			return st.Rdev
		}
	}
	return 0
}

// diskOf looks a device up in sysfs. A partition turns as its disk does, and
// what is made of several devices turns when one of them does.
func diskOf(sysfs string, major, minor uint32) *disk {
	folder, err := filepath.EvalSymlinks(filepath.Join(sysfs, "dev/block", fmt.Sprintf("%d:%d", major, minor)))
	if err != nil {
		return &disk{}
	}
	return &disk{folder: folder, rotating: rotates(folder, 8)}
}

func rotates(folder string, depth int) bool {
	if depth == 0 {
		return false
	}
	parts, _ := filepath.Glob(filepath.Join(folder, "slaves/*"))
	for _, part := range parts {
		if at, err := filepath.EvalSymlinks(part); err == nil && rotates(at, depth-1) {
			return true
		}
	}
	if len(parts) > 0 {
		return false
	}
	for _, of := range []string{folder, filepath.Dir(folder)} { // the disk, or that of the partition
		if text, err := os.ReadFile(filepath.Join(of, "queue/rotational")); err == nil {
			return strings.TrimSpace(string(text)) == "1" && !isVirtual(of)
		}
	}
	return false
}

// isVirtual tells whether a disk is one of a virtual machine. Those mostly say
// that they turn, whatever they lie on, and one stream at a time would be slow
// there for nothing.
func isVirtual(disk string) bool {
	name := filepath.Base(disk)
	if strings.HasPrefix(name, "vd") || strings.HasPrefix(name, "xvd") { // virtio-blk, Xen
		return true
	}
	vendor, _ := os.ReadFile(filepath.Join(disk, "device/vendor"))
	switch strings.TrimSpace(string(vendor)) {
	case "QEMU", "VMware", "VMware,", "Msft", "Google", "VBOX", "XENSRC":
		return true
	}
	return false
}

// count reads the file stat of the device, which the kernel's
// Documentation/block/stat.rst describes.
func (d *disk) count() (diskCount, bool) {
	if d.folder == "" {
		return diskCount{}, false
	}
	text, err := os.ReadFile(filepath.Join(d.folder, "stat"))
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 8 {
		return diskCount{}, false
	}
	number := func(i int) int64 {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	const reads, readTime, writes, writeTime = 0, 3, 4, 7 // times in milliseconds
	return diskCount{number(reads) + number(writes), time.Duration(number(readTime)+number(writeTime)) * time.Millisecond}, true
}

// Place returns where on the device a file begins, in bytes.
func (d *Directory) Place(ctx context.Context, name string) (int64, error) {
	top, err := d.enter(ctx, "find on its disk", name)
	if err != nil {
		return 0, err
	}
	opened, err := top.openFile(name)
	if err != nil {
		return 0, d.fail("find on its disk", name, d.unopened(top, name, err))
	}
	defer opened.close()
	return opened.place(), nil
}

// place asks for the first extent. FS_IOC_FIEMAP of linux/fs.h:
// _IOWR('f', 11, struct fiemap).
func (f file) place() int64 {
	const fiemap = 0xC020660B
	var request struct {
		start, length                  uint64
		flags, mapped, count, reserved uint32
		extent                         struct {
			logical, physical, length uint64
			reserved64                [2]uint64
			flags                     uint32
			reserved                  [3]uint32
		}
	}
	request.length, request.count = ^uint64(0), 1
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(f.fd), fiemap, uintptr(unsafe.Pointer(&request)))
	if errno != 0 || request.mapped == 0 {
		return 0
	}
	return int64(request.extent.physical)
}
