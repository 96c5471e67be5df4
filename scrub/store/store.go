// Package store is where blobs live: directory trees now, buckets behind the
// same interface. A store lists names in order, delivers ranges of bytes, and
// puts a verified replacement in place in one atomic step.
//
// It does not know what the bytes should be: it imports nothing of bitmend but
// hashsets, whose words (Kind, Identity, Attributes) it speaks. It never
// judges, never retries a repair, and never deletes a blob.
package store

import (
	"context"
	"errors"
	"io"
	"iter"

	"bitmend/hashsets"
)

// Errors that callers decide by. They are wrapped with what was being done to
// which blob in which store; test with errors.Is. Damage of the medium (EIO)
// is ErrMedium; an error of the host (no descriptors, no memory, a cancelled
// context) is none of these and says nothing of the blob.
var (
	ErrNotFound    = errors.New("not found")                 // no blob of that name
	ErrNotMounted  = errors.New("not mounted")               // the root is missing or no directory
	ErrPermission  = errors.New("permission denied")         // the store refuses to deliver or to write
	ErrMedium      = errors.New("medium error")              // the store failed to deliver bytes that it holds
	ErrChanged     = errors.New("changed since it was seen") // the target is not what the caller saw
	ErrNotABlob    = errors.New("not a blob")                // a socket, device or FIFO stands in the place of the name
	ErrUnsupported = errors.New("not supported by this store")
	ErrArchived    = errors.New("in an archive tier")                 // it would have to be restored before it can be read
	ErrDiffers     = errors.New("it was written and reads otherwise") // a replacement was put in place and does not read back as it was staged
	ErrNoSpace     = errors.New("no space left")
	ErrName        = errors.New("not a name of a blob") // empty, absolute, or with a component that is empty, "." or ".."; or not an id
)

// An Entry is one name in a listing.
type Entry struct {
	Name     string        // slash-separated path below the root; any bytes but NUL
	Kind     hashsets.Kind // 0 for what is skipped: a socket, device or FIFO
	Identity hashsets.Identity
	Links    uint64 // names of this inode, on disk; 0 where the store has no such thing
	Archived string // the archive tier from which its bytes are not read; "" for none
	Unseen   bool   // a File by the word of its directory: nobody has looked at it, and Identity and Links are zero
	Err      error  // why this name could not be looked at, or why the directory of this name could not be listed; Kind and Identity may then be zero
}

// Volume tells one file system or bucket from another, so that an unmounted
// store is noticed.
type Volume struct {
	ID string // stable over reboots where the platform has one; "" when unknown
}

// Access says how the bytes of a blob will be read.
type Access struct {
	// Direct asks for reads past the page cache, so that the medium is tested
	// and a neighbour's working set is left alone. A store that cannot do so
	// reads as usual; Reader.Direct tells which it was.
	Direct bool
	// Cached lets a blob that the page cache holds whole be read from there
	// although Direct is asked for, which is many times as fast and tests
	// memory instead of the medium. Without Direct it has no meaning.
	Cached bool
	// Whole says that the caller is going to read the blob from its first byte
	// to its last, so that a store behind a network asks for the first bytes
	// while it opens the blob, and for more of them than are read at a time.
	// Else no byte is fetched that is not asked for.
	Whole bool
	// Size is how long a listing said the blob is, in bytes; 0 when none did.
	// It bounds what Whole asks for of an Allowance.
	Size int64
	// From is the first byte that is read, with Whole, where a reading that was
	// stopped goes on.
	From int64
}

// Store is a place that holds blobs. Its methods may be called from many
// goroutines at once, and return promptly when ctx ends.
type Store interface {
	// Name is the store's name in the configuration.
	Name() string
	// URL is where the store is.
	URL() string

	// Probe looks at the root. It returns ErrNotMounted when the root is
	// missing or no directory.
	Probe(ctx context.Context) (Volume, error)

	// List yields entries in the order of their full names as bytes, all kinds,
	// Directories (named without a trailing slash) included and the root left
	// out. It is the order in which the catalog yields records, so "a" comes
	// before "a-b", and both before "a/x". Names of staged replacements are
	// left out. A name that cannot be looked at is yielded with Err and the
	// listing goes on; an error beside the entry ends it. A directory that
	// could be opened and then not be read is yielded a second time, with Err,
	// before what could be read of it. Memory is bounded by the names of the
	// directories on one path, kept compactly.
	List(ctx context.Context, opts ListOptions) iter.Seq2[Entry, error]

	// Stat looks at one name. ErrNotFound when there is none.
	Stat(ctx context.Context, name string) (Entry, error)

	// Open opens a File for reading by ranges. It never blocks on a FIFO and
	// never follows a symbolic link, in no component of the name.
	Open(ctx context.Context, name string, access Access) (Reader, error)

	// ReadLink returns the target of a Link.
	ReadLink(ctx context.Context, name string) (string, error)

	// Attributes returns what belongs to the blob besides its bytes.
	Attributes(ctx context.Context, name string) (hashsets.Attributes, error)
}

// ListOptions bound a listing, so that workers can share one.
type ListOptions struct {
	From string // first name of the range, included; "" for the beginning
	To   string // first name after the range; "" for the end

	// Unseen lets Files be yielded that nobody has looked at, which spares a
	// caller who opens them anyway a look at each. They may have gone, or be no
	// Files any more. A store whose listings tell all at once has none.
	Unseen bool

	Staged bool // yield the names of staged replacements too, as tests do to see what is left
}

// Reader delivers ranges of one blob as it was when it was opened.
type Reader interface {
	// ReadAt is as in io.ReaderAt: a short read has a non-nil error. A range
	// that the medium does not deliver is ErrMedium; bytes before it are
	// delivered. Fastest when p is a Buffer and off a multiple of BlockSize.
	ReadAt(p []byte, off int64) (int, error)
	// Opened is the blob as it was when it was opened.
	Opened() Entry
	// Entry looks at the open blob anew (fstat), to know whether it changed
	// while it was being read.
	Entry() (Entry, error)
	// Attributes returns what belongs to the open blob besides its bytes.
	Attributes() (hashsets.Attributes, error)
	// Direct tells whether reads go past the page cache.
	Direct() bool
	io.Closer
}

// Writable is a Store that repair can write to. Nothing of it overwrites a
// blob in place but Overwrite, which exists for hard links alone.
type Writable interface {
	Store

	// Stage makes an empty temporary file in the file system (directory) of
	// name, creating missing parent directories. id is unique to the repair;
	// the temporary name is derived from it and is skipped by List. What the
	// same repair staged before is discarded. A link on the way to name is
	// refused with ErrNotABlob.
	Stage(ctx context.Context, name, id string) (Staged, error)

	// Reopen returns the staged replacement of an interrupted repair, or
	// ErrNotFound. After a crash within Publish it may be the original that the
	// replacement has taken the place of: look at the target first. It must be
	// sealed, again, before it is published.
	Reopen(ctx context.Context, name, id string) (Staged, error)

	// PutLink makes the symbolic link name, atomically. expect as in
	// Staged.Publish.
	PutLink(ctx context.Context, name, target, id string, attrs hashsets.Attributes, expect *hashsets.Identity) (Entry, error)

	// PutDirectory makes the directory name with attrs, or gives attrs to the
	// one that is there. Missing parents are made.
	PutDirectory(ctx context.Context, name string, attrs hashsets.Attributes) error

	// Overwrite writes the ranges of p into the File name in place and makes
	// them durable, so that every hard link to it sees them. Then it gives the
	// blob size bytes and attrs. The caller holds a journal that can undo it. It
	// is ErrChanged, and nothing is written, when another file than expect has
	// the name by now; device and inode-change time do not count.
	Overwrite(ctx context.Context, name string, from io.ReaderAt, ranges []Range, size int64, attrs hashsets.Attributes, expect hashsets.Identity) (Entry, error)
}

// Range is a run of bytes in a blob.
type Range struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// Staged is a replacement that is not yet visible under its name.
type Staged interface {
	io.WriterAt
	// ReadAt reads back what was written, past the page cache where the
	// platform can, after Seal.
	ReadAt(p []byte, off int64) (int, error)
	// Seal gives the file size bytes and attrs and makes both durable.
	// Attributes that the store refuses (an owner, without the right to give
	// it) are errors that say which. The zero Attributes say that nothing is
	// known of them: the file gets those of any new one.
	Seal(ctx context.Context, size int64, attrs hashsets.Attributes) error
	// Publish puts the replacement in the place of name in one atomic step and
	// makes that durable. expect is the identity of the damaged thing that was
	// judged, nil when there was none; when the target is not that any more,
	// nothing changes and the error is ErrChanged. Change time and device are
	// left out of the comparison when they are zero in expect. What is neither
	// a File nor a Link is never replaced: ErrNotABlob.
	//
	// A directory whose blob was replaced keeps its modification time, unless
	// others changed it since Stage.
	Publish(ctx context.Context, expect *hashsets.Identity) (Entry, error)
	// Discard removes the replacement. It is not an error if it is gone.
	Discard(ctx context.Context) error
	io.Closer
}

// Remover is a Store that holds what bitmend made itself (parity files) and
// may therefore remove it. No Store of the user's is one.
type Remover interface {
	Writable
	Remove(ctx context.Context, name string) error
}

// BlockSize is the alignment of direct reads, in bytes.
const BlockSize = 4096
