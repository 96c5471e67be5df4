//go:build !portable

package store

import (
	"encoding/binary"
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"bitmend/hashsets"
)

// A folder is an open directory. Everything in it is reached from its
// descriptor, so that no symbolic link and no renamed parent leads astray.
type folder struct {
	fd      int
	openat2 bool // whether the kernel resolves whole paths for us
}

const resolveInside = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS

// openRoot opens the directory at path, following links on the way to it: the
// root is the operator's word.
func openRoot(path string) (folder, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return folder{}, err
	}
	// Kernels before 5.6 lack openat2, and some sandboxes forbid it.
	probe, err := unix.Openat2(fd, ".", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolveInside})
	if err == nil {
		unix.Close(probe)
	}
	return folder{fd: fd, openat2: err == nil}, nil
}

func (f folder) close() error { return unix.Close(f.fd) }

// open opens what stands at path below f, following no link in it. It is one
// system call but for paths that the kernel does not take whole.
func (f folder) open(path string, flags int) (int, error) {
	flags |= unix.O_CLOEXEC | unix.O_NOFOLLOW
	at := f.fd
	for {
		piece, rest := f.firstPiece(path)
		if rest == "" {
			fd, err := f.openPiece(at, piece, flags)
			if at != f.fd {
				unix.Close(at)
			}
			return fd, err
		}
		next, err := f.openPiece(at, piece, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW)
		if at != f.fd {
			unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		at, path = next, rest
	}
}

// firstPiece cuts off as much of path as one system call can resolve without
// following a link.
func (f folder) firstPiece(path string) (piece, rest string) {
	if !f.openat2 {
		piece, rest, _ = strings.Cut(path, "/")
		return piece, rest
	}
	if len(path) < unix.PathMax {
		return path, ""
	}
	cut := strings.LastIndexByte(path[:unix.PathMax], '/')
	if cut < 0 {
		return path, "" // too long a component: the kernel says so
	}
	return path[:cut], path[cut+1:]
}

func (f folder) openPiece(at int, piece string, flags int) (int, error) {
	if f.openat2 {
		how := unix.OpenHow{Flags: uint64(flags), Resolve: resolveInside}
		return retry(func() (int, error) { return unix.Openat2(at, piece, &how) })
	}
	return retry(func() (int, error) { return unix.Openat(at, piece, flags, 0) })
}

// openFolder opens the directory at path below f, "." for f itself, so that it
// can be listed and synced.
func (f folder) openFolder(path string) (folder, error) {
	fd, err := f.open(path, unix.O_RDONLY|unix.O_DIRECTORY)
	return folder{fd: fd, openat2: f.openat2}, err
}

// openFile opens the file at path below f for reading. It does not wait for
// the writer of a FIFO and leaves the time of last access alone where the
// kernel lets us: that is the owner's privilege.
func (f folder) openFile(path string) (file, error) {
	fd, err := f.open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOATIME)
	if err == unix.EPERM {
		fd, err = f.open(path, unix.O_RDONLY|unix.O_NONBLOCK)
	}
	return file{fd}, err
}

// openWritable opens the file at path below f for writing in place.
func (f folder) openWritable(path string) (file, error) {
	fd, err := f.open(path, unix.O_RDWR|unix.O_NONBLOCK)
	return file{fd}, err
}

// create makes the file leaf, which must not be there.
func (f folder) create(leaf string) (file, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(f.fd, leaf, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	return file{fd}, err
}

// look looks at what stands at path below f, without following a link.
func (f folder) look(path string) (Entry, error) {
	fd, err := f.open(path, unix.O_PATH)
	if err != nil {
		return Entry{}, err
	}
	defer unix.Close(fd)
	return file{fd}.look()
}

// lookAt is look for a single component, in one system call.
func (f folder) lookAt(leaf string) (Entry, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(f.fd, leaf, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return Entry{}, err
	}
	return entryOf(&st), nil
}

// lookSelf looks at the directory that f is.
func (f folder) lookSelf() (Entry, error) { return file{f.fd}.look() }

// entryOf turns what the kernel says into an Entry without a name.
func entryOf(st *unix.Stat_t) Entry {
	var kind hashsets.Kind
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		kind = hashsets.File
	case unix.S_IFLNK:
		kind = hashsets.Link
	case unix.S_IFDIR:
		kind = hashsets.Directory
	}
	return Entry{
		Kind: kind,
		Identity: hashsets.Identity{
			Size:       st.Size,
			ModTime:    st.Mtim.Nano(),
			ChangeTime: st.Ctim.Nano(),
			Device:     uint64(st.Dev),
			Inode:      st.Ino,
		},
		Links: uint64(st.Nlink),
	}
}

// readLink returns the target of the link at path below f.
func (f folder) readLink(path string) (string, error) {
	fd, err := f.open(path, unix.O_PATH)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	for size := 256; ; size *= 4 {
		target := make([]byte, size)
		n, err := unix.Readlinkat(fd, "", target)
		if err == unix.ENOENT || err == unix.EINVAL { // what an empty path says of anything but a link
			return "", ErrNotABlob
		}
		if err != nil {
			return "", err
		}
		if n < size {
			return string(target[:n]), nil
		}
	}
}

func (f folder) makeFolder(leaf string) error {
	return again(func() error { return unix.Mkdirat(f.fd, leaf, 0o777) })
}

func (f folder) makeLink(target, leaf string) error {
	return again(func() error { return unix.Symlinkat(target, f.fd, leaf) })
}

// linkFrom makes leaf a further name of the file that is called existing in
// another folder.
func (f folder) linkFrom(other folder, existing, leaf string) error {
	err := again(func() error { return unix.Linkat(other.fd, existing, f.fd, leaf, 0) })
	if err == unix.EPERM || err == unix.EOPNOTSUPP || err == unix.EXDEV || err == unix.EMLINK {
		return &failure{ErrUnsupported, err}
	}
	return err
}

func (f folder) remove(leaf string) error {
	return again(func() error { return unix.Unlinkat(f.fd, leaf, 0) })
}

// rename puts from in the place of to, whatever stands there.
func (f folder) rename(from, to string) error {
	return again(func() error { return unix.Renameat(f.fd, from, f.fd, to) })
}

// renameNew renames from to a name that must be free (EEXIST otherwise).
func (f folder) renameNew(from, to string) error {
	err := again(func() error { return unix.Renameat2(f.fd, from, f.fd, to, unix.RENAME_NOREPLACE) })
	if !flagRefused(err) {
		return err
	}
	err = again(func() error { return unix.Linkat(f.fd, from, f.fd, to, 0) })
	if err == nil {
		return f.remove(from)
	}
	if err != unix.EPERM && err != unix.EOPNOTSUPP { // what a file system without hard links says
		return err
	}
	if _, err := f.lookAt(to); err == nil {
		return unix.EEXIST
	} else if !isMissing(err) {
		return err
	}
	return f.rename(from, to)
}

// exchange swaps two names in one step. It returns ErrUnsupported where the
// file system has no such thing.
func (f folder) exchange(a, b string) error {
	err := again(func() error { return unix.Renameat2(f.fd, a, f.fd, b, unix.RENAME_EXCHANGE) })
	if flagRefused(err) {
		return ErrUnsupported
	}
	return err
}

// flagRefused tells whether renameat2 said that it does not know the flag on
// this file system or kernel.
func flagRefused(err error) bool {
	return err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP
}

// sync makes the names in f durable.
func (f folder) sync() error { return again(func() error { return unix.Fsync(f.fd) }) }

// readNames calls add with each name in f, with the kind where the directory
// tells. The name is valid during the call.
func (f folder) readNames(buffer []byte, add func(name []byte, kind nameKind) error) error {
	const nameOffset = 19 // of struct linux_dirent64: inode, offset, length of the record, type
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(f.fd, buffer) })
		if err != nil || n == 0 {
			return err
		}
		for records := buffer[:n]; len(records) > nameOffset; {
			length := int(binary.NativeEndian.Uint16(records[16:]))
			name := records[nameOffset:length]
			for i, b := range name {
				if b == 0 {
					name = name[:i]
					break
				}
			}
			if string(name) != "." && string(name) != ".." {
				if err := add(name, kindOfType(records[18])); err != nil {
					return err
				}
			}
			records = records[length:]
		}
	}
}

func kindOfType(t byte) nameKind {
	switch t {
	case unix.DT_REG:
		return nameOfFile
	case unix.DT_DIR:
		return nameOfDirectory
	case unix.DT_UNKNOWN:
		return nameOfUnknown
	}
	return nameOfOther
}

// retry repeats a system call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
