package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/ncruces/go-sqlite3"
)

// errRowCheck says that a row's columns are not those that were written.
var errRowCheck = errors.New("the row does not match its check")

// longColumn is how many bytes a column has from which on no copy of it is
// kept: the shard sums of a blob of terabytes have hundreds of millions.
const longColumn = 64 << 10

// A rowCheck builds the check of one row; schema.sql documents the encoding.
type rowCheck struct {
	encoded []byte // that is not in the digest yet
	digest  xxhash.Digest
	begun   bool // there is something in the digest: the row has a long column
}

func (c *rowCheck) start(table string) {
	c.encoded, c.begun = append(c.encoded[:0], table...), false
}

func (c *rowCheck) int(v int64) {
	c.encoded = append(c.encoded, 'i')
	c.encoded = binary.BigEndian.AppendUint64(c.encoded, uint64(v))
}

func (c *rowCheck) bytes(v []byte) {
	c.encoded = append(c.encoded, 'b')
	c.encoded = binary.BigEndian.AppendUint64(c.encoded, uint64(len(v)))
	if len(v) < longColumn {
		c.encoded = append(c.encoded, v...)
		return
	}
	c.digestEncoded()
	c.digest.Write(v)
}

func (c *rowCheck) digestEncoded() {
	if !c.begun {
		c.digest.Reset()
		c.begun = true
	}
	c.digest.Write(c.encoded)
	c.encoded = c.encoded[:0]
}

func (c *rowCheck) text(v string) {
	c.encoded = append(c.encoded, 'b')
	c.encoded = binary.BigEndian.AppendUint64(c.encoded, uint64(len(v)))
	c.encoded = append(c.encoded, v...)
}

func (c *rowCheck) sum() int64 {
	if !c.begun {
		return int64(xxhash.Sum64(c.encoded))
	}
	c.digestEncoded()
	return int64(c.digest.Sum64())
}

// A statement is prepared once for its connection and used again and again.
// Columns are bound, and read, in their order. The put methods bind a column
// and add it to the row's check, the take methods read one and add it; so the
// check is computed over exactly what is written and read.
type statement struct {
	stmt    *sqlite3.Stmt
	conn    *conn
	param   int // of the last one bound
	column  int // the next to be read
	check   rowCheck
	scratch []byte
	long    bool  // a long column is bound
	err     error // the first one of binding
}

// begin makes the statement ready for a new execution.
func (s *statement) begin() {
	s.err = s.stmt.Reset()
	if s.err != nil { // of the execution before, which has been reported
		s.err = nil
	}
	s.param = 0
}

func (s *statement) note(err error) {
	if err != nil && s.err == nil {
		s.err = err
	}
}

// arg binds an argument that belongs to no row, such as a bound of a query.
func (s *statement) arg(v any) *statement {
	s.param++
	switch v := v.(type) {
	case int64:
		if s.err == nil {
			s.err = s.stmt.BindInt64(s.param, v)
		}
	case int:
		if s.err == nil {
			s.err = s.stmt.BindInt64(s.param, int64(v))
		}
	case string:
		if s.err == nil {
			s.err = s.stmt.BindText(s.param, v)
		}
	case []byte:
		if s.err == nil {
			s.err = s.stmt.BindBlob(s.param, v)
		}
	default:
		s.note(fmt.Errorf("cannot bind a %T", v))
	}
	return s
}

// argName binds a blob's name as bytes.
func (s *statement) argName(name string) *statement {
	s.param++
	s.bindBytes(s.param, name)
	return s
}

func (s *statement) bindBytes(param int, v string) {
	s.scratch = append(s.scratch[:0], v...)
	if s.err == nil {
		s.err = s.stmt.BindBlob(param, s.scratch)
	}
}

// row starts the check of a row of table.
func (s *statement) row(table string) { s.check.start(table) }

func (s *statement) putInt(v int64) {
	s.param++
	if s.err == nil {
		s.err = s.stmt.BindInt64(s.param, v)
	}
	s.check.int(v)
}

func (s *statement) putTime(t time.Time) { s.putInt(nanoseconds(t)) }

func (s *statement) putText(v string) {
	s.param++
	if s.err == nil {
		s.err = s.stmt.BindText(s.param, v)
	}
	s.check.text(v)
}

func (s *statement) putName(v string) {
	s.param++
	s.bindBytes(s.param, v)
	s.check.text(v)
}

func (s *statement) putBlob(v []byte) {
	s.param++
	s.long = s.long || len(v) >= longColumn
	if s.err == nil {
		s.err = s.stmt.BindBlob(s.param, v)
	}
	s.check.bytes(v)
}

// putJSON binds bytes that are text for whoever looks with a shell.
func (s *statement) putJSON(v []byte) { s.putText(string(v)) }

// putCheck binds the row's check and returns it.
func (s *statement) putCheck() int64 {
	sum := s.check.sum()
	s.param++
	if s.err == nil {
		s.err = s.stmt.BindInt64(s.param, sum)
	}
	return sum
}

// run executes a statement that returns no rows.
func (s *statement) run() error {
	if s.err != nil {
		return s.err
	}
	err := s.stmt.Exec()
	if s.long { // SQLite keeps what is bound until something else is
		s.long = false
		err = errors.Join(err, s.stmt.ClearBindings())
	}
	return err
}

// next steps to the next row. It is false at the end and after an error,
// which end returns.
func (s *statement) next() bool {
	if s.err != nil {
		return false
	}
	s.column = 0
	return s.stmt.Step()
}

// end finishes the reading of rows.
func (s *statement) end() error {
	err := s.err
	if s.stmt == nil { // it could not be prepared: the lookup was cancelled, for one
		return err
	}
	if err == nil {
		err = s.stmt.Err()
	}
	reset := s.stmt.Reset()
	if err == nil {
		err = reset
	}
	return err
}

func (s *statement) takeInt() int64 {
	v := s.stmt.ColumnInt64(s.column)
	s.column++
	s.check.int(v)
	return v
}

func (s *statement) takeTime() time.Time { return instant(s.takeInt()) }

func (s *statement) takeText() string {
	return string(s.takeRawText())
}

// takeRaw returns bytes that are valid until the next row only.
func (s *statement) takeRaw() []byte {
	raw := s.stmt.ColumnRawBlob(s.column)
	s.column++
	s.check.bytes(raw)
	s.conn.grown = s.conn.grown || len(raw) >= grownFrom
	return raw
}

func (s *statement) takeName() string { return string(s.takeRaw()) }

// takeBlob returns a copy; nil when it is empty.
func (s *statement) takeBlob() []byte { return append([]byte(nil), s.takeRaw()...) }

// takeRawText is as takeRaw, of a column that is text.
func (s *statement) takeRawText() []byte {
	raw := s.stmt.ColumnRawText(s.column)
	s.column++
	s.check.bytes(raw)
	return raw
}

// takeJSON returns a copy of what putJSON wrote; nil when it was empty.
func (s *statement) takeJSON() []byte { return append([]byte(nil), s.takeRawText()...) }

// peekInt reads a column that is not part of the row's check.
func (s *statement) peekInt() int64 {
	v := s.stmt.ColumnInt64(s.column)
	s.column++
	return v
}

// peekName reads a name that is bound into the check later, or not at all.
func (s *statement) peekName() string {
	raw := s.stmt.ColumnRawBlob(s.column)
	s.column++
	return string(raw)
}

// takeCheck reads the row's check and compares.
func (s *statement) takeCheck() (recorded int64, err error) {
	recorded = s.peekInt()
	if recorded != s.check.sum() {
		return recorded, errRowCheck
	}
	return recorded, nil
}

// nanoseconds is how a time is stored: 0 for the zero time.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func instant(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// argInt binds a number that belongs to no row, without the cost of arg.
func (s *statement) argInt(v int64) *statement {
	s.param++
	if s.err == nil {
		s.err = s.stmt.BindInt64(s.param, v)
	}
	return s
}
