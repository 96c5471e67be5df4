package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"bitmend/hashsets"
)

// BagDeclaration is what bagit.txt says.
type BagDeclaration struct {
	Version  Version
	Encoding string // of the other tag files
}

var (
	bagVersion  = regexp.MustCompile(`^BagIt-Version: (\d{1,4})\.(\d{1,4})[ \t]*$`)
	bagEncoding = regexp.MustCompile(`^Tag-File-Character-Encoding: (\S{1,40})[ \t]*$`)
)

// maxDeclaration is far more bytes than the two lines of bagit.txt have.
const maxDeclaration = 4096

// ReadBagDeclaration reads bagit.txt, which is two lines and nothing else. The
// problems are what is wrong with it; the declaration is then as good as could
// be made out.
func ReadBagDeclaration(in io.Reader) (BagDeclaration, []Problem, error) {
	d := BagDeclaration{Version: Version{0, 97}, Encoding: "UTF-8"}
	text, err := io.ReadAll(io.LimitReader(in, maxDeclaration))
	if err != nil {
		return d, nil, fmt.Errorf("reading bagit.txt: %w", err)
	}
	var problems []Problem
	wrong := func(line int, what string) {
		problems = append(problems, Problem{Kind: Invalid, Line: line, Text: what})
	}
	if bytes.HasPrefix(text, []byte(byteOrderMark)) {
		wrong(1, "bagit.txt begins with a byte order mark")
		text = text[len(byteOrderMark):]
	}
	rows := strings.Split(strings.TrimRight(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text)), "\n"), "\n")
	if m := bagVersion.FindStringSubmatch(rows[0]); m != nil {
		d.Version.Major, _ = strconv.Atoi(m[1]) // four digits at most
		d.Version.Minor, _ = strconv.Atoi(m[2])
	} else {
		wrong(1, "bagit.txt does not begin with \"BagIt-Version: M.N\"")
	}
	switch {
	case len(rows) < 2:
		wrong(0, "bagit.txt has no line \"Tag-File-Character-Encoding\"")
	case len(rows) > 2:
		wrong(3, "bagit.txt has more than two lines")
	}
	if len(rows) >= 2 {
		if m := bagEncoding.FindStringSubmatch(rows[1]); m != nil {
			d.Encoding = m[1]
		} else {
			wrong(2, "the second line of bagit.txt is not \"Tag-File-Character-Encoding: NAME\"")
		}
	}
	return d, problems, nil
}

// lineEnds makes each of LF, CR and CR LF a LF.
type lineEnds struct {
	in *bufio.Reader
	cr bool // the byte before was a CR
}

func (l *lineEnds) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	kept := p[:0]
	for _, b := range p[:n] {
		if b == '\n' && l.cr {
			l.cr = false
			continue
		}
		l.cr = b == '\r'
		if l.cr {
			b = '\n'
		}
		kept = append(kept, b)
	}
	return len(kept), err
}

var bagManifestName = regexp.MustCompile(`(?i)^(tag)?manifest-([a-z0-9]+(?:-[0-9]+)?)\.txt$`)

// BagManifest takes the name of a bag's manifest apart: its algorithm as it is
// written there, and whether it is of tag files.
func BagManifest(name string) (algorithm string, tag, ok bool) {
	m := bagManifestName.FindStringSubmatch(name)
	if m == nil {
		return "", false, false
	}
	return strings.ToLower(m[2]), m[1] != "", true
}

// bagReader reads one manifest of a bag, or its fetch.txt.
type bagReader struct {
	opts      Options
	sink      Sink
	algorithm hashsets.Algorithm
	tag       bool // of tag files
	warned    map[string]bool
}

func readBagManifest(in io.Reader, opts Options, sink Sink) error {
	name, tag, ok := BagManifest(opts.ListName)
	if !ok {
		return fmt.Errorf("reading a manifest of a bag: %q does not tell the algorithm", opts.ListName)
	}
	r := &bagReader{opts: opts, sink: sink, tag: tag, warned: map[string]bool{}}
	if r.algorithm = ParseAlgorithm(name, 0); r.algorithm == "" {
		r.algorithm = hashsets.Algorithm(name)
	}
	return r.read(in, r.manifestLine)
}

func readBagFetch(in io.Reader, opts Options, sink Sink) error {
	r := &bagReader{opts: opts, sink: sink, warned: map[string]bool{}}
	return r.read(in, r.fetchLine)
}

func (r *bagReader) read(in io.Reader, line func([]byte, int) error) error {
	text, err := decoded(in, r.opts.Encoding)
	if err != nil {
		return r.sink.Problem(Problem{Kind: Unsupported, Text: err.Error()})
	}
	return newLines(&lineEnds{in: bufio.NewReader(text)}, '\n').each(r.sink, func(row []byte, number int) error {
		if len(bytes.TrimSpace(row)) == 0 {
			return nil
		}
		return line(row, number)
	})
}

func (r *bagReader) manifestLine(row []byte, number int) error {
	space := bytes.IndexAny(row, " \t")
	if space <= 0 {
		return r.sink.Problem(malformed(number, "it is not a checksum, a space and a name"))
	}
	sum := decodeHex(row[:space])
	if h := NewHash(r.algorithm); sum == nil || h != nil && h.Size() != len(sum) {
		return r.sink.Problem(malformed(number, "it begins with no digest of %s", r.algorithm))
	}
	name := string(bytes.TrimLeft(row[space:], " \t"))
	if starless, ok := strings.CutPrefix(name, "*"); ok {
		name = starless
		if err := r.warn("*", number, "an asterisk stands before the names, as md5sum writes it and BagIt does not allow"); err != nil {
			return err
		}
	}
	decodedName, clean, err := r.name(name, number)
	if err != nil || clean == "" {
		return err
	}
	e := Entry{Line: number, Name: clean, Size: NoSize, Digests: []Digest{{Algorithm: r.algorithm, Sum: sum}}}
	if decodedName != name {
		e.Also = []string{name} // some writers do not encode the percent sign
	}
	return r.sink.Entry(e)
}

// name checks a path of a manifest or of fetch.txt. clean is "" when it was a
// problem, which was told of.
func (r *bagReader) name(name string, number int) (decodedName, clean string, err error) {
	decodedName = r.decodePercent(name)
	clean, unsafe := CleanName(decodedName)
	switch {
	case unsafe == nil && (clean[0] == '~' || clean[0] == '\\'):
		unsafe = unsafeName("the path begins with a sign that some system takes for a place outside")
	case unsafe == nil && !r.tag && !strings.HasPrefix(clean, "data/"):
		unsafe = unsafeName("the path is not below data/")
	case unsafe == nil && r.tag && strings.HasPrefix(clean, "data/"):
		return "", "", r.sink.Problem(Problem{Kind: Invalid, Line: number, Name: name, Text: "a manifest of tag files names a payload file"})
	}
	if unsafe != nil {
		return "", "", r.sink.Problem(Problem{Kind: Unsafe, Line: number, Name: name, Text: unsafe.Error()})
	}
	if strings.HasPrefix(decodedName, "./") {
		if err := r.warn("./", number, "names begin with \"./\""); err != nil {
			return "", "", err
		}
	}
	if base := clean[strings.LastIndexByte(clean, '/')+1:]; base == ".DS_Store" || base == "Thumbs.db" || base == "desktop.ini" {
		err = r.sink.Problem(Problem{Kind: Warning, Line: number, Name: name, Text: "a file that an operating system makes is part of the bag"})
	}
	return decodedName, clean, err
}

// warn tells of something once a list.
func (r *bagReader) warn(what string, number int, text string) error {
	if r.warned[what] {
		return nil
	}
	r.warned[what] = true
	return r.sink.Problem(Problem{Kind: Warning, Line: number, Text: text})
}

var (
	percentOf10  = regexp.MustCompile(`%(0[aA]|0[dD]|25)`)
	percentOf097 = regexp.MustCompile(`%(0[aA]|0[dD])`)
)

// decodePercent undoes the encoding of line ends, and since 1.0 of the percent
// sign. Everything else stays as it is: "%7E" is a name.
func (r *bagReader) decodePercent(name string) string {
	pattern := percentOf097
	switch {
	case r.opts.Version.AtLeast(Version{1, 0}):
		pattern = percentOf10
	case !r.opts.Version.AtLeast(Version{0, 97}):
		return name
	}
	return pattern.ReplaceAllStringFunc(name, func(code string) string {
		switch strings.ToUpper(code) {
		case "%0A":
			return "\n"
		case "%0D":
			return "\r"
		}
		return "%"
	})
}

// fetchLine reads "URL length name". Nothing is ever fetched.
func (r *bagReader) fetchLine(row []byte, number int) error {
	fields := bytes.FieldsFunc(row, func(c rune) bool { return c == ' ' || c == '\t' })
	if len(fields) < 3 {
		return r.sink.Problem(malformed(number, "it is not a URL, a length and a name"))
	}
	length := int64(NoSize)
	if string(fields[1]) != "-" {
		n, err := strconv.ParseInt(string(fields[1]), 10, 64)
		if err != nil || n < 0 {
			return r.sink.Problem(malformed(number, "the length is neither a number nor \"-\""))
		}
		length = n
	}
	rest := bytes.TrimLeft(row, " \t")
	for range 2 {
		rest = bytes.TrimLeft(rest[bytes.IndexAny(rest, " \t"):], " \t")
	}
	_, clean, err := r.name(string(rest), number)
	if err != nil || clean == "" {
		return err
	}
	return r.sink.Entry(Entry{Line: number, Name: clean, Size: length})
}

var payloadOxum = regexp.MustCompile(`(?mi)^Payload-Oxum[ \t]*:[ \t]*(\d{1,18})\.(\d{1,18})[ \t]*$`)

// PayloadOxum returns how many bytes and files bag-info.txt says that the
// payload has; ok is false when it does not say.
func PayloadOxum(in io.Reader, encoding string) (bytes, files int64, ok bool, err error) {
	text, err := decoded(in, encoding)
	if err != nil {
		return 0, 0, false, err
	}
	all, err := io.ReadAll(io.LimitReader(text, MaxLine))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, 0, false, fmt.Errorf("reading bag-info.txt: %w", err)
	}
	m := payloadOxum.FindSubmatch([]byte(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(all))))
	if m == nil {
		return 0, 0, false, nil
	}
	bytes, _ = strconv.ParseInt(string(m[1]), 10, 64) // 18 digits at most
	files, _ = strconv.ParseInt(string(m[2]), 10, 64)
	return bytes, files, true, nil
}
