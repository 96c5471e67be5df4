package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// byteOrderMark is that of UTF-8.
const byteOrderMark = "\xef\xbb\xbf"

// lines reads a list line by line in bounded memory.
type lines struct {
	in     *bufio.Reader
	end    byte // of a line
	number int  // of the line that was read last, from 1
	buffer []byte
	signed signature
	marked bool // the first line begins with a byte order mark
}

type signature uint8

const (
	unsigned      signature = iota
	signedHeader            // between BEGIN PGP SIGNED MESSAGE and the empty line
	signedText              // what was signed
	signatureText           // after BEGIN PGP SIGNATURE
)

func newLines(in io.Reader, end byte) *lines {
	return &lines{in: bufio.NewReaderSize(in, 64<<10), end: end}
}

// errLongLine is that a line is longer than MaxLine. It was read to its end.
var errLongLine = errors.New("the line is too long")

// next returns the next line without its end, io.EOF after the last one. The
// bytes are valid until the next call.
func (l *lines) next() ([]byte, error) {
	for {
		line, err := l.raw()
		if err != nil || l.end == 0 {
			return line, err
		}
		if text, ok := l.unsign(line); ok {
			return text, nil
		}
	}
}

func (l *lines) raw() ([]byte, error) {
	part, err := l.in.ReadSlice(l.end)
	if err == nil {
		l.number++
		return l.first(part[:len(part)-1]), nil
	}
	l.buffer = l.buffer[:0]
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(l.buffer) <= MaxLine {
			l.buffer = append(l.buffer, part...)
		}
		part, err = l.in.ReadSlice(l.end)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading a list after line %d: %w", l.number, err)
	}
	l.buffer = append(l.buffer, part...)
	if len(l.buffer) == 0 && err != nil {
		return nil, io.EOF
	}
	l.number++
	line := bytes.TrimSuffix(l.buffer, []byte{l.end})
	if len(line) > MaxLine {
		return nil, errLongLine
	}
	return l.first(line), nil
}

// first takes a byte order mark off the first line.
func (l *lines) first(line []byte) []byte {
	if l.number == 1 {
		line, l.marked = bytes.CutPrefix(line, []byte(byteOrderMark))
	}
	return line
}

// unsign takes a line out of the wrapping of a clear-signed message (RFC 9580,
// section 7); false for lines of the wrapping.
func (l *lines) unsign(line []byte) ([]byte, bool) {
	trimmed := bytes.TrimRight(line, "\r")
	switch l.signed {
	case unsigned:
		if bytes.Equal(trimmed, []byte("-----BEGIN PGP SIGNED MESSAGE-----")) {
			l.signed = signedHeader
			return nil, false
		}
	case signedHeader:
		if len(trimmed) == 0 {
			l.signed = signedText
		}
		return nil, false
	case signedText:
		if bytes.Equal(trimmed, []byte("-----BEGIN PGP SIGNATURE-----")) {
			l.signed = signatureText
			return nil, false
		}
		return bytes.TrimPrefix(line, []byte("- ")), true
	case signatureText:
		if bytes.Equal(trimmed, []byte("-----END PGP SIGNATURE-----")) {
			l.signed = unsigned
		}
		return nil, false
	}
	return line, true
}

// each calls do with every line and its number; what is too long becomes a
// problem, and so does a byte order mark, which other tools read as a part of
// the first line.
func (l *lines) each(sink Sink, do func(line []byte, number int) error) error {
	for {
		line, err := l.next()
		if l.marked {
			l.marked = false
			if err := sink.Problem(Problem{Kind: Warning, Line: 1, Text: "the list begins with a byte order mark"}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errLongLine):
			err = sink.Problem(malformed(l.number, "the line is longer than %d bytes", MaxLine))
		case err == nil:
			err = do(line, l.number)
		}
		if err != nil {
			return err
		}
	}
}

// withoutCR takes off the one CR that a line end of Windows leaves.
func withoutCR(line []byte) []byte { return bytes.TrimSuffix(line, []byte("\r")) }
