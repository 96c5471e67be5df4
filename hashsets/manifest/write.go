package manifest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"bitmend/hashsets"
)

// Style is a way to write a list.
type Style string

// The styles.
const (
	StyleGNU      Style = "gnu"      // sha256sum, b3sum, xxhsum, rclone: a list for each algorithm
	StyleNUL      Style = "gnu-z"    // the same with NUL at the end of lines, and no escapes
	StyleBSD      Style = "bsd"      // cksum --tag, OpenSSL, rhash --bsd: tags name the algorithms
	StyleSFV      Style = "sfv"      // cksfv, rhash: CRC-32
	StyleHashdeep Style = "hashdeep" // hashdeep, with sizes
	StyleBagIt    Style = "bagit"    // a manifest for each algorithm of a bag, BagIt 1.0
)

// Styles returns all of them.
func Styles() []Style {
	return []Style{StyleGNU, StyleNUL, StyleBSD, StyleSFV, StyleHashdeep, StyleBagIt}
}

// DefaultAlgorithms are those that a style is written under when none are
// asked for.
func (s Style) DefaultAlgorithms() []hashsets.Algorithm {
	switch s {
	case StyleSFV:
		return []hashsets.Algorithm{hashsets.CRC32}
	case StyleBSD, StyleHashdeep:
		return []hashsets.Algorithm{hashsets.MD5, hashsets.SHA256}
	}
	return []hashsets.Algorithm{hashsets.SHA256}
}

// A List is one list that is to be written.
type List struct {
	Name       string // the usual file name
	Style      Style
	Algorithms []hashsets.Algorithm
}

// Lists returns the lists that a style has for algorithms: one for all of
// them, or one for each. The error says which of them the style cannot have.
func (s Style) Lists(algorithms []hashsets.Algorithm) ([]List, error) {
	var lists []List
	for i, a := range algorithms {
		if NewHash(a) == nil {
			return nil, fmt.Errorf("writing a list: bitmend cannot compute %q of a file", a)
		}
		if slices.Contains(algorithms[:i], a) {
			return nil, fmt.Errorf("writing a list: %s is asked for twice", a)
		}
		if !s.has(a) {
			return nil, fmt.Errorf("writing a list: the format %s has no %s", s, a)
		}
		switch s {
		case StyleGNU, StyleNUL:
			lists = append(lists, List{sumsName(a), s, []hashsets.Algorithm{a}})
		case StyleBagIt:
			lists = append(lists, List{"manifest-" + string(a) + ".txt", s, []hashsets.Algorithm{a}})
		}
	}
	switch s {
	case StyleBSD:
		lists = []List{{"CHECKSUMS", s, algorithms}}
	case StyleSFV:
		lists = []List{{"files.sfv", s, algorithms}}
	case StyleHashdeep:
		lists = []List{{"files.hashdeep", s, algorithms}}
	}
	if len(lists) == 0 || len(algorithms) == 0 {
		return nil, fmt.Errorf("writing a list: no format is called %q, or no algorithm is asked for", s)
	}
	return lists, nil
}

// has tells whether lists of a style may have an algorithm.
func (s Style) has(a hashsets.Algorithm) bool {
	switch s {
	case StyleSFV:
		return a == hashsets.CRC32
	case StyleHashdeep:
		return slices.Contains([]hashsets.Algorithm{hashsets.MD5, hashsets.SHA1, hashsets.SHA256, Tiger, Whirlpool}, a)
	case StyleBagIt: // its names of algorithms are of letters and digits alone (RFC 8493, section 2.4)
		return !strings.Contains(string(a), "-")
	case StyleBSD:
		return tagOf(a) != ""
	}
	return a != GoMod
}

// sumsName is what a list of one algorithm is usually called.
func sumsName(a hashsets.Algorithm) string {
	switch a {
	case BLAKE2b:
		return "B2SUMS"
	case hashsets.BLAKE3:
		return "B3SUMS"
	}
	return strings.ToUpper(string(a)) + "SUMS"
}

// tagOf is what tagged lines call an algorithm; "" for one that they do not
// have.
func tagOf(a hashsets.Algorithm) string {
	switch a {
	case SHA512_256:
		return "SHA512/256"
	case BLAKE2b:
		return "BLAKE2b"
	case GoMod:
		return ""
	}
	if bits, ok := strings.CutPrefix(string(a), "blake2b-"); ok {
		return "BLAKE2b-" + bits
	}
	if strings.HasPrefix(string(a), "blake3-") {
		return "BLAKE3" // the length of the digest tells
	}
	return strings.ToUpper(string(a))
}

// A NameError is that a style has no way to write a name.
type NameError struct {
	Style Style
	Name  string
	Why   string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("the format %s cannot hold the name %q: %s", e.Style, e.Name, e.Why)
}

// A Writer writes one list, entry by entry. What it writes is read back as it
// was given.
type Writer struct {
	list  List
	out   *bufio.Writer
	begun bool
}

// NewWriter returns a Writer of a list to out.
func NewWriter(out io.Writer, list List) *Writer {
	return &Writer{list: list, out: bufio.NewWriter(out)}
}

// Write writes what is known of one file: its name, its size, and a digest
// under each algorithm of the list. A name that the style cannot hold is a
// *NameError, and nothing is written of it.
func (w *Writer) Write(e Entry) error {
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.list.admits(e.Name); err != nil {
		return err
	}
	var line []byte
	switch w.list.Style {
	case StyleHashdeep:
		line = strconv.AppendInt(line, e.Size, 10)
		if e.Size < 0 {
			return fmt.Errorf("writing %q to a list of hashdeep: its size is not known", e.Name)
		}
	}
	for _, a := range w.list.Algorithms {
		i := slices.IndexFunc(e.Digests, func(d Digest) bool { return d.Algorithm == a })
		if i < 0 {
			return fmt.Errorf("writing %q to a list: no %s of it is known", e.Name, a)
		}
		line = w.appendDigest(line, e.Name, e.Digests[i])
	}
	if w.list.Style == StyleHashdeep {
		line = append(append(append(line, ','), e.Name...), '\n')
	}
	_, err := w.out.Write(line)
	return err
}

// appendDigest appends what the style writes of one digest.
func (w *Writer) appendDigest(line []byte, name string, d Digest) []byte {
	mark, escaped := escape(name)
	style := w.list.Style
	switch {
	case style != StyleGNU:
	case d.Algorithm == XXH3:
		style = StyleBSD // which all versions of xxhsum read, as its own form they do not
	case d.Algorithm == hashsets.BLAKE3:
		mark, escaped = escapeAsB3sum(name)
	}
	switch style {
	case StyleGNU:
		line = append(line, mark...)
		return append(append(append(hex.AppendEncode(line, d.Sum), "  "...), escaped...), '\n')
	case StyleNUL:
		return append(append(append(hex.AppendEncode(line, d.Sum), "  "...), name...), 0)
	case StyleBSD:
		line = fmt.Appendf(line, "%s%s (%s) = ", mark, tagOf(d.Algorithm), escaped)
		return append(hex.AppendEncode(line, d.Sum), '\n')
	case StyleSFV:
		return append(hex.AppendEncode(append(append(line, name...), ' '), d.Sum), '\n')
	case StyleHashdeep:
		return hex.AppendEncode(append(line, ','), d.Sum)
	}
	return append(append(append(hex.AppendEncode(line, d.Sum), "  "...), percent.Replace(name)...), '\n')
}

// escape is what coreutils does to a name: mark goes before the line.
func escape(name string) (mark, escaped string) {
	if !strings.ContainsAny(name, "\\\n\r") {
		return "", name
	}
	return `\`, escapes.Replace(name)
}

// escapeAsB3sum is what b3sum does, whose older versions end at an escaped CR.
func escapeAsB3sum(name string) (mark, escaped string) {
	if !strings.ContainsAny(name, "\\\n") && !strings.HasSuffix(name, "\r") {
		return "", name
	}
	return `\`, escapesOfB3sum.Replace(name)
}

var (
	escapesOfB3sum = strings.NewReplacer(`\`, `\\`, "\n", `\n`)

	escapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	percent = strings.NewReplacer("%", "%25", "\n", "%0A", "\r", "%0D")
)

// admits tells whether the style can hold a name: it reads back as it is.
func (l List) admits(name string) error {
	why := ""
	clean, unsafe := CleanName(name)
	switch {
	case unsafe != nil:
		why = unsafe.Error()
	case clean != name:
		why = "it is not the shortest way to write it"
	}
	last := name[max(0, len(name)-1):]
	switch l.Style {
	case StyleSFV:
		switch {
		case strings.ContainsAny(name, "\n\r"):
			why = "it has a line end in it"
		case name != "" && name[0] == ';':
			why = "it begins as a comment does"
		case last == " " || last == "\t":
			why = "it ends with a blank"
		case len(bytes.TrimSpace([]byte(name))) == 0:
			why = "it is of blanks alone"
		}
	case StyleHashdeep:
		if strings.ContainsAny(name, "\n\r") {
			why = "it has a line end in it"
		}
	case StyleBagIt:
		tag := strings.HasPrefix(l.Name, "tag")
		switch {
		case !tag && !strings.HasPrefix(name, "data/"):
			why = "it is not below data/"
		case tag && name != "" && strings.ContainsAny(name[:1], " \t*~"):
			why = "it begins with a sign that readers take for another thing"
		}
	}
	if why != "" {
		return &NameError{l.Style, name, why}
	}
	return nil
}

// begin writes what stands before the entries.
func (w *Writer) begin() (err error) {
	if w.begun {
		return nil
	}
	w.begun = true
	switch w.list.Style {
	case StyleSFV:
		_, err = w.out.WriteString("; Generated by bitmend\n")
	case StyleHashdeep:
		names := make([]string, len(w.list.Algorithms))
		for i, a := range w.list.Algorithms {
			names[i] = string(a)
		}
		_, err = fmt.Fprintf(w.out, "%s\n%%%%%%%% size,%s,filename\n## Generated by bitmend\n##\n", hashdeepMagic, strings.Join(names, ","))
	}
	return err
}

// Close writes what is held back. It does not close what is written to.
func (w *Writer) Close() error {
	if err := w.begin(); err != nil {
		return err
	}
	return w.out.Flush()
}
