package manifest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"path"
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
	escaped := !r.nul && line[0] == '\\'
	if escaped {
		line = line[1:]
	} else if !r.nul {
		line = withoutCR(line)
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	entry, problem := r.parse(line)
	if problem != "" {
		return r.sink.Problem(malformed(number, "%s", problem))
	}
	if entry.Name == "" {
		return nil // a bare digest; finish knows what it is of
	}
	if escaped {
		name, ok := unescape(entry.Name)
		if !ok {
			return r.sink.Problem(malformed(number, "the name has an escape that is none"))
		}
		entry.Name = name
	}
	entry.Line, entry.Size = number, NoSize
	r.entries++
	return emit(r.sink, r.opts, entry)
}

// emit takes a prefix off the name as was asked for and hands the entry on.
func emit(sink Sink, opts Options, e Entry) error {
	if opts.Strip != "" {
		e.Name = strings.TrimLeft(strings.TrimPrefix(e.Name, opts.Strip), "/")
	}
	return sink.Entry(e)
}

// parse takes a line apart. The problem is "" when it could.
func (r *sumReader) parse(line []byte) (Entry, string) {
	if e, problem, tagged := parseTagged(line, r.opts); tagged {
		return e, problem
	}
	return r.parseUntagged(line)
}

// parseTagged reads "SHA256 (name) = digest" and OpenSSL's "SHA2-256(name)=
// digest". The name ends at the last ")" that is followed by "=": a name may
// hold any of these.
func parseTagged(line []byte, opts Options) (e Entry, problem string, tagged bool) {
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
	if !r.nul {
		line = bytes.TrimLeft(line, " \t")
	}
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
	digest, problem := untagged(r.opts, sum)
	if problem != "" {
		return Entry{}, problem
	}
	if xxh3 {
		digest.Algorithm, digest.Guessed = XXH3, false
	}
	return Entry{Name: string(rest), Digests: []Digest{digest}}, ""
}

// untagged finds out the algorithm of a digest that names none: by option, by
// the list's file name, by its length.
func untagged(opts Options, sum []byte) (Digest, string) {
	if opts.LittleEndian {
		sum = reversed(sum)
	}
	if opts.Algorithm != "" {
		a := opts.Algorithm
		if h := NewHash(a); h == nil || h.Size() != len(sum) {
			family, _, _ := strings.Cut(string(a), "-")
			if a = ParseAlgorithm(family, len(sum)); a == "" {
				return Digest{}, fmt.Sprintf("the digest has %d bytes, which %s does not have", len(sum), opts.Algorithm)
			}
		}
		return Digest{Algorithm: a, Sum: sum}, ""
	}
	if a := hinted(opts.ListName, len(sum)); a != "" {
		return Digest{Algorithm: a, Sum: sum}, ""
	}
	if all := candidates(len(sum)); all != nil {
		return Digest{Algorithm: all[0], Sum: sum, Guessed: len(all) > 1}, ""
	}
	return Digest{}, fmt.Sprintf("no checksum is %d bytes long", len(sum))
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
	digest, problem := untagged(r.opts, decodeSum(r.bare))
	if problem != "" {
		return r.sink.Problem(malformed(1, "%s", problem))
	}
	return r.sink.Entry(Entry{Line: 1, Name: of, Size: NoSize, Digests: []Digest{digest}})
}
