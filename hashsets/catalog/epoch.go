package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
)

// A catalog that passes every check can still be an old one: restored from a
// backup, or cut off at a damaged frame of its write-ahead log. So the number
// of its last committed update, its epoch, stands in a small file beside it as
// well.
//
// The file is written after the commit. A crash between the two leaves a
// catalog that is newer than the file, which is right and accepted; only a
// catalog that is older than the file is refused. A file that is missing or
// unreadable says nothing, so that losing it costs no good catalog; the next
// Open for writing makes it anew.
//
// It holds two lines of text of 128 bytes, written in turn, each with a check: when the
// writing of one is torn, the other stands.
//
//	bitmend catalog epoch 1 <id, hex> <epoch> <size> <mtime> <xxh64 of the line so far>
//
// size and mtime are those of the closed catalog file, 0 while it is open:
// they tell a write by another program from damage by the medium.
const (
	epochSuffix = "-epoch"
	epochLine   = 128 // bytes, the newline included
)

// An epochMark is what the file says. Its zero value says nothing.
type epochMark struct {
	id    string
	epoch int64
	size  int64 // of the closed catalog, bytes
	mtime int64 // of the closed catalog, nanoseconds since 1970
}

// admits refuses a catalog that is not the newest state of the marked one.
func (m epochMark) admits(found meta) error {
	switch {
	case m.id == "":
		return nil
	case m.id != found.id:
		return fmt.Errorf("%w: the mark beside it, a file whose name ends in %s, is of another catalog (%s, this is %s)",
			ErrDamaged, epochSuffix, m.id, found.id)
	case m.epoch > found.epoch:
		return fmt.Errorf("%w: it is older than it should be: update %d, and update %d was committed",
			ErrDamaged, found.epoch, m.epoch)
	}
	return nil
}

func (m epochMark) line() []byte {
	text := fmt.Sprintf("bitmend catalog epoch 1 %s %d %d %d ", m.id, m.epoch, m.size, m.mtime)
	text += fmt.Sprintf("%016x", xxhash.Sum64String(text))
	return fmt.Appendf(nil, "%-*s\n", epochLine-1, text)
}

// parseEpochLine returns the zero mark for anything but a whole line.
func parseEpochLine(line string) epochMark {
	var m epochMark
	_, err := fmt.Sscanf(line, "bitmend catalog epoch 1 %s %d %d %d", &m.id, &m.epoch, &m.size, &m.mtime)
	if err != nil || string(m.line()) != line {
		return epochMark{}
	}
	return m
}

// newer tells which of the two lines was written later: the seal is the last
// one of its epoch.
func (m epochMark) newer(other epochMark) bool {
	return m.id != "" && (other.id == "" || m.epoch > other.epoch || m.epoch == other.epoch && m.mtime != 0)
}

// readEpoch returns the newest mark beside the catalog at path.
func readEpoch(path string) (epochMark, error) {
	text, err := os.ReadFile(path + epochSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return epochMark{}, err
	}
	var newest epochMark
	for line := range slices.Chunk(text, epochLine) {
		if m := parseEpochLine(string(line)); m.newer(newest) {
			newest = m
		}
	}
	return newest, nil
}

// An epochFile is the mark of the catalog that this process writes.
type epochFile struct {
	file *os.File
	id   string
	next int64 // the line that is written next
	last int64 // the epoch last written
	err  error // the first one, told when it is sealed
}

func openEpochFile(path string, m meta) (*epochFile, error) {
	f, err := os.OpenFile(path+epochSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	e := &epochFile{file: f, id: m.id, last: m.epoch}
	// Both lines: one of them may be newer than a mark that was not readable.
	e.write(epochMark{id: m.id, epoch: m.epoch})
	e.write(epochMark{id: m.id, epoch: m.epoch})
	return e, nil
}

func (e *epochFile) write(m epochMark) {
	_, err := e.file.WriteAt(m.line(), e.next*epochLine)
	if err != nil && e.err == nil {
		e.err = err
	}
	e.next = 1 - e.next
	e.last = m.epoch
}

// commit marks an update that is durable already. A failure does not undo the
// update and leaves a mark that is older, hence harmless: seal tells of it.
func (e *epochFile) commit(epoch int64) { e.write(epochMark{id: e.id, epoch: epoch}) }

// seal marks the state of the closed catalog file.
func (e *epochFile) seal(path string) error {
	if e == nil {
		return nil
	}
	if info, err := os.Stat(path); err == nil {
		e.write(epochMark{id: e.id, epoch: e.last, size: info.Size(), mtime: info.ModTime().UnixNano()})
	}
	if err := errors.Join(e.err, e.file.Sync(), e.file.Close()); err != nil {
		return fmt.Errorf("marking the epoch: %w", err)
	}
	return nil
}

// foreignWrite says that the closed catalog was written by another program; ""
// when it was not, or when that cannot be known.
func (m epochMark) foreignWrite(path string) string {
	if m.mtime == 0 {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil || info.ModTime().UnixNano() == m.mtime && info.Size() == m.size {
		return ""
	}
	return fmt.Sprintf("another program wrote the file at %s: bitmend had closed it at %s with %d bytes, and now it has %d",
		info.ModTime().UTC().Format(time.RFC3339), time.Unix(0, m.mtime).UTC().Format(time.RFC3339), m.size, info.Size())
}
