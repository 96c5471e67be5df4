package manifest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"bitmend/hashsets"
)

// dialect is how a line without a tag separates the digest from the name. A
// list keeps to one: a name may begin with a space or an asterisk, and would
// be read otherwise (coreutils refuses a mixture for the same reason).
type dialect uint8

const (
	undecided dialect = iota
	twoSigns          // digest, space, space or asterisk, name: GNU
	oneSign           // digest, space, name: md5 -r of BSD
)

// sumReader reads the lists of coreutils, BSD, OpenSSL, b3sum, xxhsum and
// rclone.
type sumReader struct {
	opts    Options
	sink    Sink
	dialect dialect
	nul     bool // lines end with NUL and nothing is escaped
	entries int
	bare    []byte // the one digest of a list that names no file

	known map[int]algorithmOf // of digests that name none, by their length
}

// algorithmOf is what was found out of digests that name no algorithm.
type algorithmOf struct {
	algorithm hashsets.Algorithm
	guessed   bool
	problem   string
}

// sniffed is how much of a list is looked at for NUL.
const sniffed = 64 << 10

// readSums reads a sum file. Where lines end with NUL (md5sum -z) is found
// out.
func readSums(in io.Reader, opts Options, sink Sink) error {
	buffered := bufio.NewReaderSize(in, sniffed)
	head, err := buffered.Peek(sniffed)
	if err != nil && err != io.EOF {
		return fmt.Errorf("reading a list: %w", err)
	}
	r := &sumReader{opts: opts, sink: sink, nul: bytes.IndexByte(head, 0) >= 0}
	end := byte('\n')
	if r.nul {
		end = 0
	}
	if err := newLines(buffered, end).each(sink, r.line); err != nil {
		return err
	}
	return r.finish()
}

func (r *sumReader) line(line []byte, number int) error {
	if len(line) == 0 || line[0] == '#' && !r.nul {
		return nil
	}
	var escaped bool
	if !r.nul {
		line, escaped = bytes.CutPrefix(bytes.TrimLeft(line, " \t"), []byte(`\`))
	}
	if !r.nul && !escaped {
		line = withoutCR(line)
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	entry, problem := r.parse(line)
	if problem.Kind != "" {
		problem.Line = number
		return r.sink.Problem(problem)
	}
	if entry.Name == "" {
		return nil // a bare digest; finish knows what it is of
	}
	if escaped {
		name, ok := unescape(entry.Name)
		if !ok {
			return r.sink.Problem(malformed(number, "the name has an escape that is none"))
		}
		// An escaped name has no raw CR, unless something made the line ends those
		// of Windows.
		if windows, ends := strings.CutSuffix(name, "\r"); ends && strings.HasSuffix(entry.Name, "\r") {
			entry.Also = append(entry.Also, windows)
		}
		entry.Name = name
	} else if !r.nul {
		entry.Also = otherReadings(entry.Name)
	}
	entry.Line, entry.Size = number, NoSize
	r.entries++
	return emit(r.sink, r.opts, entry)
}

// emit takes a prefix off the name as was asked for and hands the entry on.
func emit(sink Sink, opts Options, e Entry) error {
	if opts.Strip != "" {
		e.Name = stripped(e.Name, opts.Strip)
		for i := range e.Also {
			e.Also[i] = stripped(e.Also[i], opts.Strip)
		}
	}
	return sink.Entry(e)
}

// stripped takes a folder off the front of a name. What is not below it stays
// as it is: an absolute name stays one that is refused.
func stripped(name, folder string) string {
	rest, ok := strings.CutPrefix(name, folder)
	if !ok || rest == "" {
		return name
	}
	if ends := folder[len(folder)-1]; !isSeparator(rune(ends)) && !isSeparator(rune(rest[0])) {
		return name // "/database" is not below "/data"
	}
	return strings.TrimLeft(rest, `/\`)
}

// parse takes a line apart. The problem is of no kind when it could.
func (r *sumReader) parse(line []byte) (Entry, Problem) {
	e, problem, tagged := parseTagged(line)
	if !tagged {
		switch {
		case r.dialect != oneSign && posixCRC.Match(line):
			return e, Problem{Kind: Unsupported, Text: "it looks like the CRC, the size and the name that cksum writes, which nothing checks"}
		case noSum.Match(line):
			return e, Problem{Kind: Unsupported, Text: "rclone wrote that it had no checksum"}
		}
		e, problem = r.parseUntagged(line)
	}
	if problem != "" {
		return e, malformed(0, "%s", problem)
	}
	return e, Problem{}
}

var (
	posixCRC = regexp.MustCompile(`^[0-9]{1,10} [0-9]{1,19} [^ *]`)
	noSum    = regexp.MustCompile(`^(UNSUPPORTED|ERROR) [ *]`)
)

// parseTagged reads "SHA256 (name) = digest" and OpenSSL's "SHA2-256(name)=
// digest". The name ends at the last ")" that is followed by "=": a name may
// hold any of these.
func parseTagged(line []byte) (e Entry, problem string, tagged bool) {
	open := bytes.IndexByte(line, '(')
	if open <= 0 || open > 40 {
		return Entry{}, "", false
	}
	tag := strings.TrimSuffix(strings.TrimLeft(string(line[:open]), " \t"), " ")
	if !isTag(tag) {
		return Entry{}, "", false
	}
	shut := bytes.LastIndexByte(line, ')')
	if shut < open {
		return Entry{}, "the name has no end", true
	}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(line[shut+1:], " \t"), []byte("="))
	if !ok {
		return Entry{}, "there is no digest after the name", true
	}
	if shut == open+1 {
		return Entry{}, "the name is empty", true
	}
	e.Name = string(line[open+1 : shut])
	text := bytes.TrimRight(bytes.TrimLeft(rest, " \t"), " \t\r")
	base, little := strings.CutSuffix(tag, "_LE")
	if prefix, ok := strings.CutSuffix(base, "_"); ok {
		base = prefix
	}
	sum := decodeSum(bytes.TrimPrefix(text, []byte("XXH3_")))
	if sum == nil {
		return Entry{}, "the digest is neither hexadecimal nor base64", true
	}
	if little {
		sum = reversed(sum)
	}
	a := ParseAlgorithm(base, len(sum))
	if a == "" {
		a = hashsets.Algorithm(strings.ToLower(tag)) // one that cannot be computed: said with the entry
		if ParseAlgorithm(base, 0) != "" {
			return Entry{}, fmt.Sprintf("the digest has %d bytes, which %s does not have", len(sum), base), true
		}
	}
	e.Digests = []Digest{{Algorithm: a, Sum: sum}}
	return e, "", true
}

func isTag(tag string) bool {
	if tag == "" || !isLetter(tag[0]) {
		return false
	}
	for i := range len(tag) {
		c := tag[i]
		if !isLetter(c) && (c < '0' || c > '9') && c != '-' && c != '_' && c != '/' {
			return false
		}
	}
	return true
}

// parseUntagged reads "digest  name", "digest *name" and "digest name".
func (r *sumReader) parseUntagged(line []byte) (Entry, string) {
	text, rest, named := bytes.Cut(line, []byte(" "))
	xxh3 := bytes.HasPrefix(text, []byte("XXH3_"))
	sum := decodeSum(bytes.TrimPrefix(text, []byte("XXH3_")))
	if sum == nil || xxh3 && len(sum) != 8 {
		return Entry{}, "it begins with no digest"
	}
	if !named || len(rest) == 0 {
		if r.bare == nil && r.entries == 0 {
			r.bare = bytes.Clone(text)
			return Entry{}, ""
		}
		return Entry{}, "there is no name after the digest"
	}
	found := oneSign
	if rest[0] == ' ' || rest[0] == '*' {
		found = twoSigns
	}
	if r.dialect == undecided {
		r.dialect = found
	}
	switch {
	case r.dialect == oneSign:
	case found == oneSign:
		return Entry{}, "one space before the name, where the lines before have two signs"
	default:
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return Entry{}, "there is no name after the digest"
	}
	digest, problem := r.untagged(sum)
	if problem != "" {
		return Entry{}, problem
	}
	if xxh3 {
		digest.Algorithm, digest.Guessed = XXH3, false
	}
	return Entry{Name: string(rest), Digests: []Digest{digest}}, ""
}

// untagged is a digest that names no algorithm.
func (r *sumReader) untagged(sum []byte) (Digest, string) {
	if r.opts.LittleEndian {
		sum = reversed(sum)
	}
	of, known := r.known[len(sum)]
	if !known {
		of = untagged(r.opts, len(sum))
		if r.known == nil {
			r.known = map[int]algorithmOf{}
		}
		r.known[len(sum)] = of
	}
	return Digest{Algorithm: of.algorithm, Sum: sum, Guessed: of.guessed}, of.problem
}

// untagged finds out the algorithm of digests that name none: by option, by
// the list's file name, by their length in bytes.
func untagged(opts Options, length int) algorithmOf {
	if opts.Algorithm != "" {
		a := opts.Algorithm
		if h := NewHash(a); h == nil || h.Size() != length {
			family, _, _ := strings.Cut(string(a), "-")
			if a = ParseAlgorithm(family, length); a == "" {
				return algorithmOf{problem: fmt.Sprintf("the digest has %d bytes, which %s does not have", length, opts.Algorithm)}
			}
		}
		return algorithmOf{algorithm: a}
	}
	if a := hinted(opts.ListName, length); a != "" {
		return algorithmOf{algorithm: a}
	}
	if all := candidates(length); all != nil {
		return algorithmOf{algorithm: all[0], guessed: len(all) > 1}
	}
	return algorithmOf{problem: fmt.Sprintf("no checksum is %d bytes long", length)}
}

// unescape undoes what coreutils does to names with a backslash, LF or CR.
func unescape(name string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '\\' {
			b.WriteByte(name[i])
			continue
		}
		i++
		if i == len(name) {
			return "", false
		}
		switch name[i] {
		case '\\':
			b.WriteByte('\\')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		default:
			return "", false
		}
	}
	return b.String(), true
}

// finish deals with a list that is nothing but one digest: it is of the file
// that is called as the list is, less its extension.
func (r *sumReader) finish() error {
	if r.bare == nil {
		return nil
	}
	of := strings.TrimSuffix(path.Base(r.opts.ListName), path.Ext(r.opts.ListName))
	if r.entries > 0 || of == "" || of == path.Base(r.opts.ListName) {
		return r.sink.Problem(malformed(1, "there is no name after the digest"))
	}
	digest, problem := r.untagged(decodeSum(r.bare))
	if problem != "" {
		return r.sink.Problem(malformed(1, "%s", problem))
	}
	return r.sink.Entry(Entry{Line: 1, Name: of, Size: NoSize, Digests: []Digest{digest}})
}
