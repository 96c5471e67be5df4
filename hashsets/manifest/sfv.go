package manifest

import (
	"bytes"
	"io"

	"bitmend/hashsets"
)

// readSFV reads a Simple File Verification list: "name crc32", with comments
// that begin with a semicolon. A name may begin with one too, and then looks
// like a comment that ends in eight hexadecimal digits.
func readSFV(in io.Reader, opts Options, sink Sink) error {
	return newLines(in, '\n').each(sink, func(line []byte, number int) error {
		line = withoutCR(line)
		comment := len(line) > 0 && line[0] == ';'
		if len(bytes.TrimSpace(line)) == 0 {
			return nil
		}
		space := bytes.LastIndexAny(line, " \t")
		if space <= 0 || len(line)-space-1 != 8 || decodeHex(line[space+1:]) == nil {
			if comment {
				return nil
			}
			return sink.Problem(malformed(number, "it does not end with a CRC-32 of eight hexadecimal digits"))
		}
		name := string(line[:space])
		e := Entry{
			Line: number, Name: name, Size: NoSize, Doubtful: comment,
			Digests: []Digest{{Algorithm: hashsets.CRC32, Sum: decodeHex(line[space+1:])}},
		}
		// Names are set in columns by some writers, and may end with spaces.
		if trimmed := string(bytes.TrimRight(line[:space], " \t")); trimmed != name && trimmed != "" {
			e.Also = append(e.Also, trimmed)
			e.Also = append(e.Also, otherReadings(trimmed)...)
		}
		e.Also = append(e.Also, otherReadings(name)...)
		return emit(sink, opts, e)
	})
}
