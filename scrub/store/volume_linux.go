//go:build !portable

package store

import (
	"fmt"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// volume names the file system that f is on: its type and the id that
// statfs(2) gives. ext4, btrfs, ZFS and others make that id from their UUID,
// so it lasts. XFS and F2FS make it from the device's number, which changes
// when disks are found in another order: their UUID is asked for instead.
// Network and FUSE file systems have no id; their type still differs from that
// of the directory they are mounted on.
func (f folder) volume() (Volume, error) {
	var st unix.Statfs_t
	if err := again(func() error { return unix.Fstatfs(f.fd, &st) }); err != nil {
		return Volume{}, err
	}
	if kind := int64(st.Type); kind == unix.XFS_SUPER_MAGIC || kind == unix.F2FS_SUPER_MAGIC {
		if id := f.uuid(); id != "" {
			return Volume{ID: fmt.Sprintf("%x:%s", kind, id)}, nil
		}
	}
	return Volume{ID: fmt.Sprintf("%x:%08x%08x", st.Type, uint32(st.Fsid.Val[0]), uint32(st.Fsid.Val[1]))}, nil
}

// uuid returns the file system's UUID as the kernel (6.9 and later) or udev
// tells it, "" when neither does.
func (f folder) uuid() string {
	// FS_IOC_GETFSUUID of linux/fs.h: _IOR(0x15, 0, struct fsuuid2).
	const getUUID = 0x80111500
	var answer struct {
		length uint8
		uuid   [16]byte
	}
	listed, err := f.openFolder(".")
	if err != nil {
		return ""
	}
	defer listed.close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listed.fd), getUUID, uintptr(unsafe.Pointer(&answer))); errno == 0 && answer.length == 16 {
		u := answer.uuid
		return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
	}
	self, err := f.lookSelf()
	if err != nil {
		return ""
	}
	links, _ := filepath.Glob("/dev/disk/by-uuid/*")
	for _, link := range links {
		var st unix.Stat_t
		if unix.Stat(link, &st) == nil && uint64(st.Rdev) == self.Identity.Device {
			return filepath.Base(link)
		}
	}
	return ""
}
