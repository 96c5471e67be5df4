// Package catalog keeps what bitmend knows: hash sets by generation, where
// they lie in parity sets, when each blob was last verified in each store,
// findings, runs, gates and receipts. It is one SQLite file in the vault,
// described in schema.sql.
//
// It does not read blobs and does not judge: it imports nothing of bitmend but
// hashsets. What it returns passed the page checksum of the database and, row
// by row, a check over all fields; what did not is returned as damaged and
// never as data.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/ncruces/go-sqlite3"
)

// Errors that callers decide by.
var (
	ErrNotRecorded = errors.New("not recorded")          // no record of that name
	ErrDamaged     = errors.New("catalog is damaged")    // a page or a record fails its check
	ErrNoCatalog   = errors.New("there is no catalog")   // the file does not exist
	ErrNewer       = errors.New("catalog is newer")      // written by a later schema version
	ErrNotOurs     = errors.New("not a bitmend catalog") // some other file
)

// Catalog is an open catalog. Reading methods may be called from many
// goroutines; Update runs one at a time.
type Catalog struct {
	path     string
	readOnly bool
	readers  *readers
	writing  chan struct{} // holds one token while nobody writes
	writer   *conn         // nil when read-only; used by the token's holder
	mark     *epochFile    // nil when read-only
	version  int           // of its schema, when it was opened
	meta     meta          // as it was opened
	foreign  string        // says that another program wrote it before it was opened; else ""
	closed   sync.Once
}

// ID tells this catalog from every other, one that was made anew for the same
// vault included.
func (c *Catalog) ID() string { return c.meta.id }

// Create makes a new catalog at path, which must not exist.
func Create(ctx context.Context, path string) (*Catalog, error) {
	if err := create(ctx, path); err != nil {
		return nil, fmt.Errorf("creating the catalog %q: %w", path, err)
	}
	return Open(ctx, path)
}

// Open opens the catalog at path for reading and writing.
func Open(ctx context.Context, path string) (*Catalog, error) { return open(ctx, path, false) }

// OpenReadOnly opens the catalog at path beside a run that may be writing it.
func OpenReadOnly(ctx context.Context, path string) (*Catalog, error) { return open(ctx, path, true) }

func open(ctx context.Context, path string, readOnly bool) (*Catalog, error) {
	c := &Catalog{path: path, readOnly: readOnly, writing: make(chan struct{}, 1)}
	c.writing <- struct{}{}
	err := c.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the catalog %q: %w", path, c.explain(err))
	}
	return c, nil
}

func (c *Catalog) open(ctx context.Context) error {
	if err := c.locate(); err != nil {
		return err
	}
	// The mark is read before the catalog: a writer writes it after.
	mark, err := readEpoch(c.path)
	if err != nil {
		return err
	}
	c.foreign = mark.foreignWrite(c.path)
	if err := c.inspect(); err != nil {
		return err
	}
	err = c.connect(ctx)
	for _, step := range []func() error{
		func() error { return c.admit(ctx, mark) },
		c.takeIn,
		c.upgrade,
		c.takeMark,
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		return errors.Join(err, c.disconnect())
	}
	return nil
}

// locate finds the file itself, beside which SQLite puts its own, where path is
// relative or a symbolic link.
func (c *Catalog) locate() error {
	path, err := filepath.Abs(c.path)
	if err != nil {
		return err
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	c.path = path
	return nil
}

// inspect looks at the raw file. Beside a writer it looks again before it says
// that there is damage: what it read may have been half written.
func (c *Catalog) inspect() error {
	err := inspect(c.path)
	for range 2 {
		if c.readOnly && errors.Is(err, ErrDamaged) {
			err = inspect(c.path)
		}
	}
	return err
}

const (
	writerPragmas = `PRAGMA busy_timeout=10000; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;
		PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA cache_size=-24576; PRAGMA wal_autocheckpoint=4000`
	readerPragmas = `PRAGMA busy_timeout=10000; PRAGMA temp_store=MEMORY;
		PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA cache_size=-4096; PRAGMA query_only=ON`
)

// connect opens the connections that this catalog begins with.
func (c *Catalog) connect(ctx context.Context) error {
	if c.readOnly {
		return c.connectReadOnly(ctx)
	}
	name, err := uri(c.path)
	if err != nil {
		return err
	}
	c.readers = newReaders(name, sqlite3.OPEN_READWRITE)
	c.writer, err = connectVerified(ctx, name, sqlite3.OPEN_READWRITE, writerPragmas)
	return err
}

// connectReadOnly reads beside a writer through the files that SQLite shares
// with it. Where the user may not write those, and there is no write-ahead log
// to read, the catalog is closed and read as it is.
func (c *Catalog) connectReadOnly(ctx context.Context) error {
	shared, err := uri(c.path)
	if err != nil {
		return err
	}
	c.readers = newReaders(shared, sqlite3.OPEN_READONLY)
	err = c.read(ctx, func(r *conn) error {
		_, err := r.number(`PRAGMA user_version`)
		return err
	})
	if errors.Is(err, sqlite3.CANTOPEN) || errors.Is(err, sqlite3.READONLY) {
		if !hasContent(c.path + "-wal") {
			alone, err := uri(c.path, "immutable=1")
			c.readers = newReaders(alone, sqlite3.OPEN_READONLY)
			return err
		}
		return fmt.Errorf("a run is writing it, or was killed, and only a user who may write it can read it now: %w", err)
	}
	return err
}

// admit decides whether the open file can be trusted as this catalog's newest
// state. Nothing is written before.
func (c *Catalog) admit(ctx context.Context, mark epochMark) error {
	return c.read(ctx, func(r *conn) (err error) {
		if c.version, err = schemaVersionOf(r); err != nil {
			return err
		}
		if c.version > schemaVersion {
			return fmt.Errorf("%w: its schema is version %d, this bitmend knows %d", ErrNewer, c.version, schemaVersion)
		}
		if c.version < schemaVersion && c.readOnly {
			return fmt.Errorf("its schema is version %d and must be brought to %d: run a verb that writes", c.version, schemaVersion)
		}
		if c.meta, err = readMeta(r); err != nil {
			return err
		}
		return mark.admits(c.meta)
	})
}

// upgrade brings the schema of an older catalog to this program's version.
func (c *Catalog) upgrade() error {
	if c.readOnly {
		return nil
	}
	return migrate(c.writer, c.version, migrations[:])
}

// takeMark opens the file that marks the epoch of what this process writes. The
// names of the files beside the catalog are made durable before: this build of
// SQLite syncs the write-ahead log but not the directory that it is in, and a
// log that is lost would make the catalog older than its mark.
func (c *Catalog) takeMark() (err error) {
	if c.readOnly {
		return nil
	}
	if err := syncDirectory(filepath.Dir(c.path)); err != nil {
		return err
	}
	c.mark, err = openEpochFile(c.path, c.meta)
	return err
}

// takeIn moves what a killed run left in the write-ahead log into the file, and
// looks at the whole file again.
func (c *Catalog) takeIn() error {
	if c.readOnly || !hasContent(c.path+"-wal") {
		return nil
	}
	if err := c.writer.checkpoint(); err != nil {
		return err
	}
	return inspect(c.path)
}

// Close writes everything into the one file and closes it. No walk may be
// under way.
func (c *Catalog) Close() error {
	var err error
	c.closed.Do(func() {
		<-c.writing // wait for an Update
		defer func() { c.writing <- struct{}{} }()
		if c.writer != nil {
			err = errors.Join(c.readers.close(), c.writer.checkpoint(), c.writer.removeLog())
		}
		err = errors.Join(err, c.disconnect(), c.mark.seal(c.path))
		if err != nil {
			err = fmt.Errorf("closing the catalog %q: %w", c.path, c.explain(err))
		}
	})
	return err
}

func (c *Catalog) disconnect() error {
	var err error
	if c.readers != nil {
		err = c.readers.close()
	}
	if c.writer != nil {
		err = errors.Join(err, c.writer.close())
		c.writer = nil
	}
	return err
}

// explain makes ErrDamaged of what SQLite says of damage, and says so when the
// file was written by another program.
func (c *Catalog) explain(err error) error {
	if err == nil || !isDamage(err) {
		return err
	}
	if c.foreign != "" {
		err = fmt.Errorf("%w (%s)", err, c.foreign)
	}
	if errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// exists tells whether there is a file of that name, whatever it is.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
