package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// errEncoding is that a list is in an encoding that bitmend does not read.
type errEncoding string

func (e errEncoding) Error() string {
	return fmt.Sprintf("the text is in %q, an encoding that bitmend does not read", brief(string(e)))
}

// decoded reads a text in an encoding of IANA's list as UTF-8. A text in UTF-8
// is left as it is, whatever bytes it has: names are bytes.
func decoded(in io.Reader, name string) (io.Reader, error) {
	var e encoding.Encoding
	switch strings.ToUpper(name) {
	case "", "UTF-8", "UTF8", "US-ASCII", "ASCII":
		return in, nil
	case "UTF-16":
		e = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case "UTF-32":
		e = utf32.UTF32(utf32.BigEndian, utf32.UseBOM)
	case "UTF-32BE":
		e = utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	case "UTF-32LE":
		e = utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	case "CP1252":
		name = "windows-1252" // as some writers call it, and IANA does not
	}
	if e == nil {
		var err error
		if e, err = ianaindex.IANA.Encoding(name); e == nil || err != nil {
			return nil, errEncoding(name)
		}
	}
	return e.NewDecoder().Reader(in), nil
}

// asUTF8 undoes an encoding whose units are wider than a byte, which a document
// shows in its first bytes (XML 1.0, appendix F). wide tells that there was one.
func asUTF8(in io.Reader) (text io.Reader, wide bool, err error) {
	buffered := bufio.NewReader(in)
	head, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	for _, known := range []struct{ begins, encoding string }{
		{"\x00\x00\xfe\xff", "UTF-32"}, {"\xff\xfe\x00\x00", "UTF-32"},
		{"\x00\x00\x00<", "UTF-32BE"}, {"<\x00\x00\x00", "UTF-32LE"},
		{"\xfe\xff", "UTF-16"}, {"\xff\xfe", "UTF-16"},
		{"\x00<\x00?", "UTF-16BE"}, {"<\x00?\x00", "UTF-16LE"},
	} {
		if bytes.HasPrefix(head, []byte(known.begins)) {
			text, err = decoded(buffered, known.encoding)
			return text, true, err
		}
	}
	return buffered, false, nil
}
