package catalog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ncruces/go-sqlite3"
)

// A conn is one connection to the catalog with its prepared statements. One
// goroutine uses it at a time.
type conn struct {
	db         *sqlite3.Conn
	statements map[string]*statement
	grown      bool // it read a column so long that its memory is not worth keeping
}

// grownFrom is the length of a column, in bytes, that makes a connection grow:
// SQLite has its own memory, which never shrinks.
const grownFrom = 1 << 20

// longestPath is what the SQLite of this build takes, less the longest suffix
// that it adds.
const longestPath = 1024 - len("-journal") - 1

// uri names the file at path to SQLite. Files that SQLite puts beside it get
// its mode and owner.
func uri(path string, options ...string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	path = filepath.ToSlash(path)
	if len(path) > longestPath {
		return "", fmt.Errorf("the path is %d bytes long, SQLite takes %d", len(path), longestPath)
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	escaped := escape(path)
	return "file:" + escaped + "?" + strings.Join(append(options, "modeof="+escaped), "&"), nil
}

// escape writes a path as URIs have it: any byte may be in a path.
func escape(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/._-", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// connect opens a connection.
func connect(ctx context.Context, name string, flags sqlite3.OpenFlag) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db, err := sqlite3.OpenFlags(name, flags|sqlite3.OPEN_URI)
	if err != nil {
		return nil, err
	}
	return &conn{db: db, statements: make(map[string]*statement)}, nil
}

// connectVerified is connect for a file that has page checksums already, with
// pragmas that hold for the connection.
func connectVerified(ctx context.Context, name string, flags sqlite3.OpenFlag, pragmas string) (*conn, error) {
	c, err := connect(ctx, name, flags)
	if err != nil {
		return nil, err
	}
	if err := c.beginVerified(ctx, pragmas); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *conn) beginVerified(ctx context.Context, pragmas string) error {
	// A catalog that turns out to be damaged is left as it is. This comes
	// first: to close a connection with a checkpoint whose log could not even
	// be opened crashes this build of SQLite.
	if _, err := c.db.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true); err != nil {
		return err
	}
	defer c.db.SetInterrupt(c.db.SetInterrupt(ctx))
	if err := c.exec(pragmas); err != nil {
		return err
	}
	on, err := c.number(`PRAGMA checksum_verification`)
	if err == nil && on != 1 {
		err = fmt.Errorf("%w: its pages are not verified", ErrDamaged)
	}
	return err
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.stmt.Close())
	}
	clear(c.statements)
	return errors.Join(append(errs, c.db.Close())...)
}

// checkpoint moves the write-ahead log into the file. Where another process
// reads, the rest of it stays for the next time.
func (c *conn) checkpoint() error {
	_, _, err := c.db.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
	if errors.Is(err, sqlite3.BUSY) {
		return nil
	}
	return err
}

// removeLog has SQLite remove the write-ahead log when c is closed as the last
// connection.
func (c *conn) removeLog() error {
	_, err := c.db.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, false)
	return err
}

// prepared returns the statement for sql, ready for its arguments.
func (c *conn) prepared(sql string) *statement {
	s := c.statements[sql]
	if s == nil {
		s = &statement{conn: c}
		var err error
		s.stmt, _, err = c.db.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
		if err != nil {
			return &statement{conn: c, err: err}
		}
		c.statements[sql] = s
	}
	s.begin()
	return s
}

// exec runs a statement without arguments.
func (c *conn) exec(sql string) error { return c.db.Exec(sql) }

// number returns the one integer that sql yields.
func (c *conn) number(sql string) (int64, error) {
	stmt, _, err := c.db.Prepare(sql)
	if err != nil {
		return 0, err
	}
	defer stmt.Close()
	if !stmt.Step() {
		return 0, errors.Join(stmt.Err(), fmt.Errorf("%s yields nothing", sql))
	}
	return stmt.ColumnInt64(0), stmt.Err()
}

// isDamage tells whether SQLite refused because of what is in the file.
func isDamage(err error) bool {
	switch {
	case errors.Is(err, ErrDamaged), errors.Is(err, errRowCheck), errors.Is(err, errPacked):
		return true
	case errors.Is(err, sqlite3.CORRUPT), errors.Is(err, sqlite3.NOTADB), errors.Is(err, sqlite3.IOERR_DATA),
		errors.Is(err, sqlite3.IOERR_SHORT_READ), errors.Is(err, sqlite3.FORMAT):
		return true
	case errors.Is(err, sqlite3.IOERR_READ) && errors.Is(err, syscall.EIO):
		return true // the medium does not deliver a page; a lock that cannot be had says nothing of it
	}
	return false
}

// rollback ends a transaction without its changes, also after an interrupt.
func (c *conn) rollback() error {
	defer c.db.SetInterrupt(c.db.SetInterrupt(context.Background()))
	for _, s := range c.statements {
		if s.stmt.Busy() {
			s.begin() // left in the middle, it would keep the transaction open
		}
	}
	if c.db.GetAutocommit() {
		return nil
	}
	return c.exec(`ROLLBACK`)
}
