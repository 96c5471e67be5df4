package catalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// The header of the file (https://sqlite.org/fileformat2.html). Page checksums
// are verified only while the byte at reservedAt is 8: were it flipped, SQLite
// would read every other page unverified. So bitmend looks before SQLite does.
const (
	pageSize      = 4096
	pageSum       = 8          // bytes of checksum at the end of a page
	applicationID = 0x626d6e64 // "bmnd"

	pageSizeAt    = 16
	formatAt      = 18 // read and write version, then reserved bytes, then three constants
	pageCountAt   = 28
	applicationAt = 68
	headerLength  = 100
)

var (
	magic = []byte("SQLite format 3\x00")
	// WAL for reading and writing, 8 reserved bytes, and SQLite's three constants.
	format = []byte{2, 2, pageSum, 64, 32, 32}
)

// inspect looks at the raw file before SQLite opens it.
func inspect(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNoCatalog, err)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is no regular file", ErrNotOurs)
	}
	page := make([]byte, pageSize)
	n, err := io.ReadFull(f, page)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	wal := hasContent(path + "-wal")
	if err := judgeFirstPage(page[:n], exists(path+epochSuffix), wal); err != nil || wal {
		return err
	}
	// SQLite takes what is missing at the end of a file for zeros, and page
	// checksums are not verified of a page that is cut short.
	want := int64(binary.BigEndian.Uint32(page[pageCountAt:])) * pageSize
	if want == 0 || info.Size() < want {
		return fmt.Errorf("%w: it has %d of %d bytes", ErrDamaged, info.Size(), want)
	}
	return nil
}

// judgeFirstPage tells a damaged catalog from a file that never was one. known
// says that the file has an epoch file beside it, which only a catalog has;
// wal says that the newest first page may be in the write-ahead log, while the
// one in the file may have been half written when the machine stopped. SQLite
// finds it there; its header lies in one sector and is whole in either case.
func judgeFirstPage(page []byte, known, wal bool) error {
	if len(page) < headerLength {
		if known || bytes.HasPrefix(page, magic) || len(page) == 0 {
			return fmt.Errorf("%w: it ends after %d bytes", ErrDamaged, len(page))
		}
		return ErrNotOurs
	}
	whole := len(page) == pageSize && pageSumOf(page) == [pageSum]byte(page[pageSize-pageSum:])
	ours := binary.BigEndian.Uint32(page[applicationAt:]) == applicationID
	sound := bytes.HasPrefix(page, magic) && ours &&
		binary.BigEndian.Uint16(page[pageSizeAt:]) == pageSize && bytes.HasPrefix(page[formatAt:], format)
	switch {
	case sound && (whole || wal):
		return nil
	case ours || known || resembles(page):
		return fmt.Errorf("%w: its first page fails its check", ErrDamaged)
	}
	return ErrNotOurs
}

// resembles tells whether a header is ours but for a few bytes.
func resembles(header []byte) bool {
	wrong := 0
	count := func(at int, want []byte) {
		for i, b := range want {
			if header[at+i] != b {
				wrong++
			}
		}
	}
	count(0, magic)
	count(pageSizeAt, binary.BigEndian.AppendUint16(nil, pageSize))
	count(formatAt, format)
	count(applicationAt, binary.BigEndian.AppendUint32(nil, applicationID))
	return wrong <= 2 || bytes.Count(header[:headerLength], []byte{0}) == headerLength
}

// pageSumOf computes the checksum of a page (https://sqlite.org/cksumvfs.html).
func pageSumOf(page []byte) [pageSum]byte {
	var s1, s2 uint32
	for p := page[:len(page)-pageSum]; len(p) >= 8; p = p[8:] {
		s1 += binary.LittleEndian.Uint32(p) + s2
		s2 += binary.LittleEndian.Uint32(p[4:]) + s1
	}
	var sum [pageSum]byte
	binary.LittleEndian.PutUint32(sum[:], s1)
	binary.LittleEndian.PutUint32(sum[4:], s2)
	return sum
}

func hasContent(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}
