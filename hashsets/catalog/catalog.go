// Package catalog keeps what bitmend knows: hash sets by generation, where
// they lie in parity sets, when each blob was last verified in each store,
// findings, runs, gates and receipts. It is one SQLite file in the vault,
// described in schema.sql.
//
// It does not read blobs and does not judge: it imports nothing of bitmend but
// hashsets. What it returns passed the page checksum of the database and, for
// records, a check over all their fields; what did not is returned as damaged
// and never as data.
package catalog

import (
	"context"
	"errors"
	"iter"
	"time"

	"bitmend/hashsets"
)

// Errors that callers decide by.
var (
	ErrNotRecorded = errors.New("not recorded")          // no record of that name
	ErrDamaged     = errors.New("catalog is damaged")    // a page or a record fails its check
	ErrNoCatalog   = errors.New("there is no catalog")   // the file does not exist
	ErrNewer       = errors.New("catalog is newer")      // written by a later schema version
	ErrNotOurs     = errors.New("not a bitmend catalog") // some other file
)

// A Record is what is known of one generation of a blob (or of a directory's
// attributes, kind Directory).
type Record struct {
	Name       string
	Generation int64 // 1, 2, 3 …
	RecordedAt time.Time
	Kind       hashsets.Kind
	Identity   hashsets.Identity // in the primary store, when it was recorded
	Attributes hashsets.Attributes
	Target     string // of a Link
	Hashes     hashsets.HashSet
	Damage     error // ErrDamaged with a reason when the record fails its check; the fields are then clues, not facts
}

// Depth says how a blob was verified.
type Depth uint8

// The depths of a verification.
const (
	Light          Depth = 1 // name, size and what the store reports
	DeepBuffered   Depth = 2 // every byte, possibly from the page cache
	DeepDirect     Depth = 3 // every byte, past the page cache
	ByConstruction Depth = 4 // read when it was recorded or written by repair and read back
)

// Coverage says when a blob was last verified in one store, and in what state
// the store held it then.
type Coverage struct {
	Store      string
	Name       string
	Generation int64
	Identity   hashsets.Identity
	VerifiedAt time.Time
	Depth      Depth
	Run        int64
}

// Known is a current record with its coverage in one store.
type Known struct {
	Record
	Seen *Coverage // nil when it was never verified there
}

// Finding is what scrub said of a blob that is not intact; it stays until the
// blob is verified intact again, or is acknowledged.
type Finding struct {
	Store      string
	Name       string
	Verdict    string
	Generation int64             // of the record it was held against; 0 when unrecorded
	Identity   hashsets.Identity // of the damaged thing that was judged; zero when missing
	Detail     []byte            // JSON: diagnosis, ranges, evidence; the catalog does not look inside
	FirstSeen  time.Time
	LastSeen   time.Time
	Run        int64
	Lost       string // why it cannot be rebuilt, once repair has found so; "" otherwise
}

// Run is one execution of a verb.
type Run struct {
	ID       int64
	Verb     string
	Started  time.Time
	Finished time.Time // zero while it runs or when it was killed
	Exit     int
	Summary  []byte // JSON
}

// Gate is a condition under which bitmend refuses to write.
type Gate struct {
	ID          int64
	Name        string // "mass-damage"
	Store       string
	OpenedAt    time.Time
	Reason      string    // one sentence with the evidence
	Level       int64     // how many blobs, when it opened
	ClearedAt   time.Time // zero while it is open
	ClearReason string
}

// Receipt is the durable record of one repair.
type Receipt struct {
	ID      string
	Store   string
	Name    string
	At      time.Time
	Outcome string
	Detail  []byte // JSON: before, sources, after, proofs
}

// Set is a parity set.
type Set struct {
	ID         int64
	Data       int   // k, data columns
	Parity     int   // m, parity columns
	ShardSize  int64 // bytes
	ColumnSize int64 // bytes
	Stripes    int   // per band
	Code       string
	Tops       []int64 // bytes in use of each data column
}

// Band is the version of a band that is in force.
type Band struct {
	Set     int64
	Number  int64
	Version int64
	Files   []ParityFile // by parity column
}

// ParityFile is one file of a band, as it was written.
type ParityFile struct {
	Index  int    // parity column
	Name   string // below the parity folder
	Hashes hashsets.HashSet
}

// Place is where (a part of) a blob's generation lies in a set. A blob of no
// bytes, a link and a directory have a place of no length, so that each record
// is in the list of some band.
type Place struct {
	Set        int64
	Column     int
	Offset     int64 // in the column, bytes
	Length     int64
	Name       string
	Generation int64
	BlobOffset int64 // of the place's first byte in the blob; a multiple of the shard size
}

// Totals are counted in the catalog, for gates and reports.
type Totals struct {
	Blobs       int64 // current records but directories
	Bytes       int64
	Directories int64
}

// Catalog is an open catalog. Reading methods may be called from many
// goroutines; Update runs one at a time.
type Catalog struct{ _ struct{} }

// Create makes a new catalog at path, which must not exist.
func Create(ctx context.Context, path string) (*Catalog, error) { panic("stub") }

// Open opens the catalog at path for reading and writing.
func Open(ctx context.Context, path string) (*Catalog, error) { panic("stub") }

// OpenReadOnly opens the catalog at path beside a run that may be writing it.
func OpenReadOnly(ctx context.Context, path string) (*Catalog, error) { panic("stub") }

// Close writes everything into the one file and closes it.
func (c *Catalog) Close() error { panic("stub") }

// Check reads the whole catalog and returns how many pages and records fail
// their checks, each with a reason.
func (c *Catalog) Check(ctx context.Context) ([]error, error) { panic("stub") }

// Query bounds a walk over current records.
type Query struct {
	Store string // join the coverage in this store; "" for none
	From  string // first name, included; "" for the beginning
	To    string // first name after the range; "" for the end
}

// Records yields current records in the order of their names as bytes.
func (c *Catalog) Records(ctx context.Context, q Query) iter.Seq2[Known, error] { panic("stub") }

// Current returns the current record of name, or ErrNotRecorded.
func (c *Catalog) Current(ctx context.Context, name string) (Record, error) { panic("stub") }

// Generations returns the records of name, newest first.
func (c *Catalog) Generations(ctx context.Context, name string) ([]Record, error) { panic("stub") }

// Generation returns one generation of name, or ErrNotRecorded.
func (c *Catalog) Generation(ctx context.Context, name string, generation int64) (Record, error) {
	panic("stub")
}

// Totals counts current records.
func (c *Catalog) Totals(ctx context.Context) (Totals, error) { panic("stub") }

// Coverage returns the coverage of name in store, or ErrNotRecorded.
func (c *Catalog) Coverage(ctx context.Context, store, name string) (Coverage, error) { panic("stub") }

// Findings yields findings by store and name; store "" means all.
func (c *Catalog) Findings(ctx context.Context, store string) iter.Seq2[Finding, error] {
	panic("stub")
}

// Runs returns the newest runs first, at most limit.
func (c *Catalog) Runs(ctx context.Context, limit int) ([]Run, error) { panic("stub") }

// Gates returns gates, open ones only unless all.
func (c *Catalog) Gates(ctx context.Context, all bool) ([]Gate, error) { panic("stub") }

// Receipts yields receipts, newest first.
func (c *Catalog) Receipts(ctx context.Context) iter.Seq2[Receipt, error] { panic("stub") }

// Sets returns the parity sets by ID.
func (c *Catalog) Sets(ctx context.Context) ([]Set, error) { panic("stub") }

// Bands yields the bands in force by set and number; set 0 means all.
func (c *Catalog) Bands(ctx context.Context, set int64) iter.Seq2[Band, error] { panic("stub") }

// PlacesOf returns the places of one generation of a blob, by BlobOffset.
func (c *Catalog) PlacesOf(ctx context.Context, name string, generation int64) ([]Place, error) {
	panic("stub")
}

// PlacesIn yields the places of set that touch column bytes [from, to), by
// column and offset. column -1 means all.
func (c *Catalog) PlacesIn(ctx context.Context, set int64, column int, from, to int64) iter.Seq2[Place, error] {
	panic("stub")
}

// Setting returns a value that the vault remembers, such as a store's volume;
// "" when it was never set.
func (c *Catalog) Setting(ctx context.Context, key string) (string, error) { panic("stub") }

// Update runs f in one transaction: all of it is durable when Update returns
// nil, none of it otherwise. One Update runs at a time; f reads through tx
// what it wrote.
func (c *Catalog) Update(ctx context.Context, f func(tx *Tx) error) error { panic("stub") }

// Tx writes. It is valid inside the function given to Update.
type Tx struct{ _ struct{} }

// PutRecord adds a generation, or replaces the same one. The highest
// generation of a name is the current one. Fastest in the order of names.
func (tx *Tx) PutRecord(r Record) error { panic("stub") }

// Vanish ends the current record of name: it stays as history and is not
// current any more.
func (tx *Tx) Vanish(name string, at time.Time) error { panic("stub") }

// Rename gives the record and the places of from to the name to, where the
// same content was found.
func (tx *Tx) Rename(from, to string, at time.Time) error { panic("stub") }

// PutCoverage says that a blob was verified.
func (tx *Tx) PutCoverage(c Coverage) error { panic("stub") }

// PutFinding adds a finding, or renews the one of the same store and name
// (FirstSeen is kept, and Lost while the verdict and generation are the same).
func (tx *Tx) PutFinding(f Finding) error { panic("stub") }

// DropFinding forgets the finding of a blob that is intact again.
func (tx *Tx) DropFinding(store, name string) error { panic("stub") }

// StartRun returns the new run's ID.
func (tx *Tx) StartRun(verb string, at time.Time) (int64, error) { panic("stub") }

// FinishRun records how a run ended.
func (tx *Tx) FinishRun(r Run) error { panic("stub") }

// OpenGate opens a gate, or returns the ID of the same one that is open
// already.
func (tx *Tx) OpenGate(g Gate) (int64, error) { panic("stub") }

// ClearGate closes a gate for a reason.
func (tx *Tx) ClearGate(id int64, reason string, at time.Time) error { panic("stub") }

// PutReceipt records a repair.
func (tx *Tx) PutReceipt(r Receipt) error { panic("stub") }

// PutSet adds or replaces a set; ID 0 takes the next free one, returned.
func (tx *Tx) PutSet(s Set) (int64, error) { panic("stub") }

// PutBand puts a version of a band in force in place of the one before.
func (tx *Tx) PutBand(b Band) error { panic("stub") }

// DropBand forgets a band whose places are all gone.
func (tx *Tx) DropBand(set, number int64) error { panic("stub") }

// PutPlace adds a place.
func (tx *Tx) PutPlace(p Place) error { panic("stub") }

// DropPlaces forgets the places of one generation of a blob.
func (tx *Tx) DropPlaces(name string, generation int64) error { panic("stub") }

// PutSetting remembers a value.
func (tx *Tx) PutSetting(key, value string) error { panic("stub") }
