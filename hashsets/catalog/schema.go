package catalog

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
)

//go:embed schema.sql
var schemaSQL string

// migrations[i] takes a catalog from schema version i+1 to i+2. There is no
// way back: a catalog of a later version is ErrNewer. schema.sql is the newest.
var migrations = [...]string{}

// schemaVersion is what this program writes, in the file's user_version.
const schemaVersion = 1 + len(migrations)

// create makes a catalog under a temporary name and links it to path when it
// is whole, so that no crash leaves half a catalog.
func create(ctx context.Context, path string) (err error) {
	if exists(path) {
		return fs.ErrExist
	}
	temporary := path + ".new"
	for _, stale := range []string{temporary, temporary + "-wal", temporary + "-shm", path + "-wal", path + "-shm", path + epochSuffix} {
		if err := os.Remove(stale); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	defer os.Remove(temporary)
	if err := fill(ctx, temporary); err != nil {
		return err
	}
	if err := os.Link(temporary, path); err != nil {
		if exists(path) {
			return fs.ErrExist
		}
		if err := os.Rename(temporary, path); err != nil { // a file system without hard links
			return err
		}
	}
	return syncDirectory(filepath.Dir(path))
}

// fill writes the schema into an empty file.
func fill(ctx context.Context, path string) error {
	name, err := uri(path)
	if err != nil {
		return err
	}
	c, err := connect(ctx, name, sqlite3.OPEN_READWRITE)
	if err != nil {
		return err
	}
	err = c.exec(fmt.Sprintf(
		`PRAGMA page_size=%d; PRAGMA application_id=%d; PRAGMA user_version=%d; PRAGMA synchronous=FULL`,
		pageSize, applicationID, schemaVersion))
	if err == nil {
		err = c.db.EnableChecksums("main")
	}
	if err == nil {
		err = c.exec(`PRAGMA journal_mode=WAL; BEGIN IMMEDIATE; ` + schemaSQL)
	}
	if err == nil {
		id := make([]byte, 8)
		rand.Read(id) // never fails, as its documentation says
		err = writeMeta(c, meta{id: hex.EncodeToString(id)})
	}
	if err == nil {
		err = c.exec(`COMMIT`)
	}
	if err == nil {
		_, _, err = c.db.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
	}
	return errors.Join(err, c.close())
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}

func schemaVersionOf(c *conn) (int, error) {
	id, err := c.number(`PRAGMA application_id`)
	if err != nil {
		return 0, err
	}
	if id != applicationID {
		return 0, ErrNotOurs
	}
	version, err := c.number(`PRAGMA user_version`)
	switch {
	case err != nil:
		return 0, err
	case version < 1:
		return 0, fmt.Errorf("%w: it has no schema version", ErrDamaged)
	}
	return int(version), nil
}

// migrate runs the steps that a catalog of that schema version lacks, each in
// one transaction with the version that it leads to.
func migrate(c *conn, version int, steps []string) error {
	for ; version <= len(steps); version++ {
		step := fmt.Sprintf(`BEGIN IMMEDIATE; %s; PRAGMA user_version=%d; COMMIT`, steps[version-1], version+1)
		if err := c.exec(step); err != nil {
			return errors.Join(fmt.Errorf("migrating from schema version %d: %w", version, err), c.rollback())
		}
	}
	return nil
}

// meta is the one row of the table of that name.
type meta struct {
	id    string // hex
	epoch int64
}

func readMeta(c *conn) (m meta, err error) {
	s := c.prepared(`SELECT id, epoch, row_check FROM meta`)
	defer func() { err = errors.Join(err, s.end()) }()
	if !s.next() {
		return m, errors.Join(s.end(), fmt.Errorf("%w: the table meta is empty", ErrDamaged))
	}
	s.row("meta")
	m.id = hex.EncodeToString(s.takeBlob())
	m.epoch = s.takeInt()
	if _, err := s.takeCheck(); err != nil {
		return m, fmt.Errorf("the table meta: %w", err)
	}
	return m, nil
}

func writeMeta(c *conn, m meta) error {
	id, err := hex.DecodeString(m.id)
	if err != nil {
		return err
	}
	s := c.prepared(`REPLACE INTO meta (one, id, epoch, row_check) VALUES (1, ?, ?, ?)`)
	s.row("meta")
	s.putBlob(id)
	s.putInt(m.epoch)
	s.putCheck()
	return s.run()
}

// Replace puts the closed catalog at from, such as a rebuilt one, in the place
// of the one at to, with its mark. A crash leaves the new one or none, never
// the old one without its write-ahead log. What was at to is gone: whoever
// wants to keep it moves it away before.
func Replace(to, from string) error {
	if err := replace(to, from); err != nil {
		return fmt.Errorf("replacing the catalog %q by %q: %w", to, from, err)
	}
	return nil
}

func replace(to, from string) error {
	if hasContent(from + "-wal") {
		return errors.New("the new one is still open, or was not closed")
	}
	for _, old := range []string{to, to + epochSuffix, to + "-wal", to + "-shm"} {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(from+epochSuffix, to+epochSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(to))
}
