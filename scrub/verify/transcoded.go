package verify

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"bitmend/scrub/finding"
)

// transcodedMost is the size of a file above which nobody looks for what was
// done to its characters, in bytes.
const transcodedMost = 4 << 20

// transcodings undo what editors and shells do to the characters of a text,
// and Git to keywords in it.
func transcodings() []undoing {
	return []undoing{
		{finding.TextTranscoding, "it was saved as UTF-16, as PowerShell's > does", fromUTF16},
		{finding.TextTranscoding, "it was saved as UTF-16 with CR LF, as PowerShell's > does", func(in *bufio.Reader, out io.Writer) error {
			return through(in, out, fromUTF16, crlfToLF)
		}},
		{finding.TextTranscoding, "it was UTF-8 and was saved as Windows-1252", toUTF8},
		{finding.TextTranscoding, "it was UTF-8, was read as Windows-1252, and was saved as UTF-8 once more", fromUTF8},
		{finding.Extended, "Git's ident attribute put the blob's name into $Id$ (unset ident in .gitattributes)", withoutIdent},
	}
}

// through does one step on what another one writes.
func through(in *bufio.Reader, out io.Writer, first, second step) error {
	read, write := io.Pipe()
	go func() { write.CloseWithError(first(in, write)) }() // ends with its write into the pipe, or when that is closed
	err := second(bufio.NewReader(read), out)
	read.Close() // it was only read from
	return err
}

// fromUTF16 decodes a text with a byte order mark.
func fromUTF16(in *bufio.Reader, out io.Writer) error {
	head, err := in.Peek(2)
	if err != nil || !bytes.Equal(head, []byte("\xff\xfe")) && !bytes.Equal(head, []byte("\xfe\xff")) {
		return errOtherwise
	}
	_, err = io.Copy(out, transform.NewReader(in, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()))
	return err
}

// isShortASCII tells whether a text is short and all ASCII, which is the same
// in most encodings.
func isShortASCII(in *bufio.Reader) bool {
	text, err := in.Peek(in.Size())
	return err != nil && !bytes.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

// toUTF8 decodes Windows-1252.
func toUTF8(in *bufio.Reader, out io.Writer) error {
	if isShortASCII(in) {
		return errOtherwise
	}
	_, err := io.Copy(out, transform.NewReader(in, charmap.Windows1252.NewDecoder()))
	return err
}

// fromUTF8 encodes as Windows-1252; what that has no character for is an error.
func fromUTF8(in *bufio.Reader, out io.Writer) error {
	if isShortASCII(in) {
		return errOtherwise
	}
	_, err := io.Copy(out, transform.NewReader(in, charmap.Windows1252.NewEncoder()))
	return err
}

// ident is the keyword as Git fills it in (gitattributes(5)).
var ident = regexp.MustCompile(`\$Id: (?:[0-9a-f]{40}|[0-9a-f]{64}) \$`)

func withoutIdent(in *bufio.Reader, out io.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	if !ident.Match(text) {
		return errOtherwise
	}
	_, err = out.Write(ident.ReplaceAllLiteral(text, []byte("$Id$")))
	return err
}
