package hashsets

import "fmt"

// Kind tells what a name in a store stands for.
type Kind uint8

// The kinds that are recorded. Sockets, devices and FIFOs are none of them:
// they are skipped and counted.
const (
	File      Kind = 1 // a blob of bytes: a regular file or an object
	Link      Kind = 2 // a symbolic link; its content is the text of its target
	Directory Kind = 3 // not a blob: recorded so that a lost one comes back with its attributes
)

func (k Kind) String() string {
	switch k {
	case File:
		return "file"
	case Link:
		return "link"
	case Directory:
		return "directory"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Identity is what a store says of the state of a blob without delivering its
// bytes. Two equal identities of one name mean that nobody has written the
// blob in between, as far as the store knows. A field that a store does not
// have is zero.
type Identity struct {
	Size       int64  // bytes
	ModTime    int64  // nanoseconds since 1970, UTC
	ChangeTime int64  // inode-change time on disk, nanoseconds since 1970, UTC
	Device     uint64 // on disk
	Inode      uint64 // on disk
	ETag       string // of an object
	Version    string // version id of an object
}

// Attributes are what belongs to a blob besides its bytes, and what repair
// puts back with them. A field that a store does not have is zero.
type Attributes struct {
	Mode    uint32            // permission, set-user-ID, set-group-ID and sticky bits: st_mode & 07777
	UID     uint32            // owner
	GID     uint32            // group
	ModTime int64             // nanoseconds since 1970, UTC
	Xattrs  map[string][]byte // extended attributes by full name, such as "user.comment"

	ContentType  string            // of an object, as all that follows
	StorageClass string            //
	Metadata     map[string]string // user metadata
	Tags         map[string]string //
}
