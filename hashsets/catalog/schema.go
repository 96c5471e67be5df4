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

// schemaVersion is what this program writes, in the file's user_version.
const schemaVersion = 1

//go:embed schema.sql
var schemaSQL string

// migrations[v] takes a catalog from schema version v to v+1. There is no way
// back: a catalog of a later version is ErrNewer.
var migrations = map[int64]string{}

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
	c, err := connect(ctx, name, sqlite3.OPEN_READWRITE, fmt.Sprintf(
		`PRAGMA page_size=%d; PRAGMA application_id=%d; PRAGMA user_version=%d; PRAGMA synchronous=FULL`,
		pageSize, applicationID, schemaVersion))
	if err != nil {
		return err
	}
	err = c.db.EnableChecksums("main")
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

// checkVersion refuses what this program does not know.
func checkVersion(c *conn) error {
	id, err := c.number(`PRAGMA application_id`)
	if err != nil {
		return err
	}
	if id != applicationID {
		return ErrNotOurs
	}
	version, err := c.number(`PRAGMA user_version`)
	if err != nil {
		return err
	}
	if version > schemaVersion {
		return fmt.Errorf("%w: its schema is version %d, this bitmend knows %d", ErrNewer, version, schemaVersion)
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
