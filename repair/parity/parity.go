// Package parity lays blobs out in parity sets, writes and reads the parity
// files of bands, and rebuilds what a stripe can bear to lose, over
// github.com/klauspost/reedsolomon. FORMAT.md describes the files.
//
// It knows neither stores of blobs nor the catalog: callers bring bytes and
// the places where they lie, and are given bytes back. It proves nothing about
// a rebuilt shard: that is for the caller, who has its sum.
package parity

import (
	"context"
	"errors"
	"iter"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// BandStripes is the number of stripes in a band.
const BandStripes = 256

// Errors that callers decide by.
var (
	ErrDamaged = errors.New("parity file is damaged") // some part fails its sum
	ErrFormat  = errors.New("not a parity file")      // wrong magic, or a version that this program cannot read
)

// Geometry is the shape of a set: k data columns and m parity columns of
// ColumnSize bytes, cut into shards.
type Geometry struct {
	Data       int   // k
	Parity     int   // m; k + m ≤ 256
	ShardSize  int64 // bytes
	ColumnSize int64 // bytes; a multiple of BandStripes × ShardSize or, in a small set, of ShardSize
}

// Wish is what the configuration asks of new sets; zero fields are chosen.
type Wish struct {
	Overhead   float64 // parity bytes wanted per data byte: 0.1
	Data       int     // k
	Parity     int     // m
	ShardSize  int64   // bytes
	ColumnSize int64   // bytes
}

// Choose picks the shape of a new set that will take total bytes of blobs, the
// largest of which has largest bytes: the loss of any one blob is repairable
// whenever the overhead allows it at all.
func Choose(total, largest int64, w Wish) (Geometry, error) { panic("stub") }

// An Extent is a run of bytes in a column that holds (a part of) a blob.
type Extent struct {
	Column     int
	Offset     int64 // in the column
	Length     int64
	BlobOffset int64 // of the extent's first byte; a multiple of the shard size
}

// Layout hands out places in one set. It is a pure value: the same calls give
// the same places. Blobs are filled in column after column up to a height that
// is chosen from what is to come, so that blobs that are neighbours by name
// do not share stripes.
type Layout struct {
	Geometry
	_ struct{}
}

// Coming says what a layout will be asked to place, so that it can choose how
// high to fill the columns.
type Coming struct {
	Total    int64   // bytes of the blobs to come
	Largest  int64   // bytes of the largest of them
	Live     int64   // bytes of the blobs that lie in the set already
	Overhead float64 // parity bytes wanted per data byte
}

// NewLayout continues a set whose data columns are in use up to tops (nil for
// a new set).
func NewLayout(g Geometry, tops []int64, coming Coming) *Layout { panic("stub") }

// Place hands out the extents of a blob of size bytes, or false when the set
// has no room for it. A blob of no bytes gets one extent of no length.
func (l *Layout) Place(size int64) ([]Extent, bool) { panic("stub") }

// Tops returns how far each data column is in use, in bytes.
func (l *Layout) Tops() []int64 { panic("stub") }

// BandID names one version of a band.
type BandID struct {
	Set     int64
	Number  int64
	Version int64
}

// Listed is one entry in the list that a band's parity files carry: what lies
// where, and what is recorded of it. Of a blob that goes on in another band
// the shard sums are those of this band's shards alone, and the digests are
// there only in the band in which it ends.
type Listed struct {
	Extent            // as in the column, cut to the band
	Name       string //
	Generation int64  //
	RecordedAt int64  // nanoseconds since 1970, UTC
	Kind       hashsets.Kind
	Identity   hashsets.Identity
	Attributes hashsets.Attributes
	Target     string           // of a Link
	Hashes     hashsets.HashSet // Size is the whole blob's; ShardSums from BlobOffset on
}

// BandWriter makes the parity files of one version of a band. Memory: m ×
// stripes × shard size.
type BandWriter struct{ _ struct{} }

// NewBandWriter starts a band of the given number of stripes (at most
// BandStripes) whose data is zero until it is added.
func NewBandWriter(g Geometry, id BandID, stripes int) (*BandWriter, error) { panic("stub") }

// Load starts from the parity of an older version, so that only what is new
// has to be added. Every parity shard is checked; ErrDamaged when one fails.
func (w *BandWriter) Load(ctx context.Context, files []*File) error { panic("stub") }

// LoadStripe is Load for one stripe, from shards that the caller verified.
func (w *BandWriter) LoadStripe(stripe int, parity [][]byte) error { panic("stub") }

// Add adds p, which lies at offset in column (in the band: 0 is its first
// stripe), into the parity. What lay there must be zero or erased before.
// Safe for concurrent use.
func (w *BandWriter) Add(column int, offset int64, p []byte) error { panic("stub") }

// Write stages the m parity files in home, seals them, reads them back and
// checks them; Publish makes them visible. list yields the band's contents by
// column and offset; it is walked more than once.
func (w *BandWriter) Write(ctx context.Context, home store.Writable, list iter.Seq2[Listed, error]) (*StagedBand, error) {
	panic("stub")
}

// StagedBand is a version of a band that was written and verified and is not
// yet visible.
type StagedBand struct {
	ID    BandID
	Files []WrittenFile
	_     struct{}
}

// WrittenFile is a parity file as it was read back.
type WrittenFile struct {
	Index  int // parity column
	Name   string
	Hashes hashsets.HashSet // xxh64 and sha256
}

// Publish renames the files to their names.
func (b *StagedBand) Publish(ctx context.Context) error { panic("stub") }

// Discard removes them.
func (b *StagedBand) Discard(ctx context.Context) error { panic("stub") }

// FileName returns the name of a parity file below the parity folder:
// <set>/<band>-<version>.p<index>.
func FileName(id BandID, index int) string { panic("stub") }

// ParseFileName is the inverse of FileName; false for other names.
func ParseFileName(name string) (id BandID, index int, ok bool) { panic("stub") }

// File is an open parity file whose head was read and checked.
type File struct {
	ID       BandID
	Geometry Geometry
	Index    int // parity column
	Stripes  int
	HasList  bool
	_        struct{}
}

// OpenFile opens and checks the head (or, when that is damaged, the copy at
// the file's end).
func OpenFile(ctx context.Context, home store.Store, name string) (*File, error) { panic("stub") }

// Close closes the file.
func (f *File) Close() error { panic("stub") }

// Shard reads the parity shard of a stripe into p, of ShardSize bytes, and
// checks its sum: ErrDamaged when it fails.
func (f *File) Shard(stripe int, p []byte) error { panic("stub") }

// List yields what lies in the band, by column and offset. ErrDamaged from the
// first entry that fails its check on.
func (f *File) List(ctx context.Context) iter.Seq2[Listed, error] { panic("stub") }

// Check reads the whole file and returns the ranges whose sums fail, none when
// it is intact.
func (f *File) Check(ctx context.Context) ([]store.Range, error) { panic("stub") }

// Stripe is the working memory for rebuilding one stripe.
type Stripe struct {
	Shards [][]byte        // k data and m parity shards of ShardSize bytes; what is erased may hold anything, what is unused is zero
	Erased [][]store.Range // by shard: the ranges of it that are erased
}

// NewStripe allocates a stripe with aligned shards.
func NewStripe(g Geometry) *Stripe { panic("stub") }

// Reset zeroes the shards and forgets the erasures.
func (s *Stripe) Reset() { panic("stub") }

// Erase marks a range of a shard as erased.
func (s *Stripe) Erase(shard int, r store.Range) { panic("stub") }

// BeyondError says that a stripe misses more shards than parity bears.
type BeyondError struct {
	Range store.Range // of the shards, where it is so
	Bad   int         // erased shards there, data and parity
	Bears int         // m
}

func (e *BeyondError) Error() string { panic("stub") }

// Rebuild fills the erased ranges of the data shards wanted (all of them when
// wanted is nil) from the rest, range by range. Ranges that miss more than m
// shards are left as they are and reported as *BeyondError, joined; all others
// are rebuilt and no longer marked as erased.
func (g Geometry) Rebuild(s *Stripe, wanted []int) error { panic("stub") }
