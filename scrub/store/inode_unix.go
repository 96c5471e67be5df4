//go:build unix && (!linux || portable)

package store

import (
	"io/fs"
	"syscall"

	"bitmend/hashsets"
)

func addInode(entry *Entry, info fs.FileInfo) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	entry.Identity.Device = uint64(st.Dev)
	entry.Identity.Inode = uint64(st.Ino)
	entry.Identity.ChangeTime = changeTime(st)
	entry.Links = uint64(st.Nlink)
}

func addOwner(attrs *hashsets.Attributes, info fs.FileInfo) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		attrs.UID, attrs.GID = st.Uid, st.Gid
	}
}

// sync makes the names in f durable.
func (f folder) sync() error {
	opened, err := f.root.Open(".")
	if err != nil {
		return err
	}
	defer opened.Close()
	return opened.Sync()
}
