// Package manifest reads and writes checksum lists that other tools make:
// which file they speak of, and what they say of it.
//
// It knows nothing of the files themselves: it opens none, and judges none.
// What it reads is not to be trusted. A list is read line by line, in bounded
// memory, and a line that cannot be understood is said to be so and never
// skipped in silence. It imports nothing of bitmend but hashsets.
package manifest

import (
	"fmt"

	"bitmend/hashsets"
)

// Format names a kind of checksum list.
type Format string

// The formats.
const (
	SumFile   Format = "sum"       // coreutils, BSD, OpenSSL, b3sum, xxhsum, rclone
	SFV       Format = "sfv"       // cksfv, Total Commander
	Hashdeep  Format = "hashdeep"  // hashdeep, HASHDEEP-1.0
	BagIt     Format = "bagit"     // one manifest of a bag, RFC 8493 and before
	BagFetch  Format = "bag-fetch" // fetch.txt of a bag
	MHL       Format = "mhl"       // Media Hash List 1.x
	ASCMHL    Format = "asc-mhl"   // ASC Media Hash List 2.0, one generation
	ASCChain  Format = "asc-chain" // ascmhl_chain.xml
	Deb822    Format = "deb822"    // .dsc, .changes, Release, Packages
	NPM       Format = "npm"       // package-lock.json, npm-shrinkwrap.json
	GoSum     Format = "go-sum"    // go.sum
	ZipHash   Format = "ziphash"   // of a zip in a module cache
	Record    Format = "record"    // RECORD of an installed Python distribution
	OCFL      Format = "ocfl"      // inventory.json of an OCFL object
	OCIIndex  Format = "oci"       // index.json of an OCI layout, or a manifest it names
	LFSObject Format = "lfs"       // a Git LFS pointer
	Deb       Format = "deb"       // md5sums within a Debian package
)

// NoSize stands for a size that a list does not say.
const NoSize = -1

// Digest is one checksum as a list gives it.
type Digest struct {
	Algorithm hashsets.Algorithm
	Sum       []byte
	Guessed   bool // the list does not name the algorithm; it was taken from the length
}

// An Entry is what one list says of one file.
type Entry struct {
	Line    int      // of the list, from 1; 0 where the format has no lines
	Name    string   // slash-separated path below the list's folder: bytes, not to be trusted
	Also    []string // other readings of the name, to try in turn where nothing is called Name
	Size    int64    // bytes; NoSize when the list does not say
	Digests []Digest // all must match, unless Any

	Any      bool // the digests are alternatives: one that matches is enough
	SizeOnly bool // the list promises nothing but the size
	Optional bool // the list speaks of files that need not be here
	Nested   bool // the file is a list of the same format itself
	Doubtful bool // it may be a comment: it counts where such a file is there
}

// Kind tells one Problem from another.
type Kind string

// The kinds of problems.
const (
	Malformed   Kind = "malformed-line"        // it cannot be understood
	Unsafe      Kind = "unsafe-path"           // it names what lies outside of the list's folder
	Unsupported Kind = "unsupported-algorithm" // a checksum that bitmend cannot compute
	Invalid     Kind = "invalid"               // the format forbids it
	Conflict    Kind = "conflict"              // the list contradicts itself
	Warning     Kind = "warning"               // worth saying, and no failure
)

// A Problem is what is wrong with a list, or strange in it.
type Problem struct {
	Kind Kind
	Line int    // 0 where it is of the list as a whole
	Name string // the path that it is about; "" for none
	Text string // a sentence
}

// A Sink takes what a list says, in its order. An error ends the reading and
// is returned.
type Sink interface {
	Entry(Entry) error
	Problem(Problem) error
}

// Options say how a list is to be read.
type Options struct {
	ListName     string             // its file name, which often tells the algorithm
	Algorithm    hashsets.Algorithm // of checksums that name none; "" to find out
	LittleEndian bool               // checksums that name no byte order have their bytes reversed
	Strip        string             // taken off the front of names
	Version      Version            // of the bag, for BagIt
	Encoding     string             // of the text, for BagIt
	History      *History           // what earlier generations recorded, for ASC-MHL
	Below        string             // the folder that names are below, for RECORD
}

// Version is a version of a format.
type Version struct{ Major, Minor int }

// AtLeast tells whether v is other or later.
func (v Version) AtLeast(other Version) bool {
	return v.Major > other.Major || v.Major == other.Major && v.Minor >= other.Minor
}

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Limits on what an untrusted list may make bitmend hold in memory.
const (
	MaxLine     = 1 << 20   // bytes of a line
	MaxDocument = 256 << 20 // bytes of a list that is one XML or JSON document
	maxDepth    = 64        // of nested elements in a document
	maxDigests  = 32        // of one entry
)

func malformed(line int, format string, args ...any) Problem {
	return Problem{Kind: Malformed, Line: line, Text: fmt.Sprintf(format, args...)}
}
