package manifest

import (
	"bytes"
	"io"
	"path"
	"strconv"
	"strings"

	"bitmend/hashsets"
)

// deb822Reader reads what Debian signs and publishes: .dsc, .changes, Release,
// Packages, each of paragraphs of fields (deb822(5)).
type deb822Reader struct {
	opts     Options
	sink     Sink
	block    hashsets.Algorithm // of the field whose lines are being read; "" for other fields
	release  bool               // the list speaks of indexes of which a mirror has some
	file     Entry              // of a paragraph that describes one file, as in Packages
	anything bool
}

func readDeb822(in io.Reader, opts Options, sink Sink) error {
	r := &deb822Reader{opts: opts, sink: sink}
	r.file.Size = NoSize
	if err := newLines(in, '\n').each(sink, r.line); err != nil {
		return err
	}
	if err := r.paragraph(); err != nil {
		return err
	}
	if !r.anything {
		return sink.Problem(malformed(0, "no field of it lists checksums"))
	}
	return nil
}

func (r *deb822Reader) line(line []byte, number int) error {
	line = withoutCR(line)
	switch {
	case len(bytes.TrimSpace(line)) == 0:
		return r.paragraph()
	case line[0] == '#':
		return nil
	case line[0] == ' ' || line[0] == '\t':
		if r.block == "" {
			return nil
		}
		return r.listed(strings.Fields(string(line)), number)
	}
	name, value, ok := strings.Cut(string(line), ":")
	if !ok {
		r.block = ""
		return r.sink.Problem(malformed(number, "it is neither a field nor the continuation of one"))
	}
	return r.field(strings.ToLower(name), strings.TrimSpace(value), number)
}

func (r *deb822Reader) field(name, value string, number int) error {
	r.block = ""
	switch name {
	case "files":
		r.block = hashsets.MD5
	case "checksums-sha1", "checksums-sha256", "checksums-sha512":
		r.block = hashsets.Algorithm(strings.TrimPrefix(name, "checksums-"))
	case "filename":
		r.file.Name, r.file.Line = value, number
	case "size":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return r.sink.Problem(malformed(number, "the size is no number"))
		}
		r.file.Size = n
	case "md5sum", "sha1", "sha256", "sha512":
		a := hashsets.Algorithm(strings.TrimSuffix(name, "sum"))
		if value == "" {
			r.block, r.release = a, true
			return nil
		}
		d := sized(a, value)
		if d.Sum == nil {
			return r.sink.Problem(malformed(number, "the digest of %s is none", a))
		}
		r.file.Digests = append(r.file.Digests, d)
	}
	return nil
}

// listed reads a line of a block: digest, size, in .changes section and
// priority, name.
func (r *deb822Reader) listed(fields []string, number int) error {
	if len(fields) != 3 && len(fields) != 5 {
		return r.sink.Problem(malformed(number, "it is not a checksum, a size and a name"))
	}
	d := sized(r.block, fields[0])
	size, err := strconv.ParseInt(fields[1], 10, 64)
	if d.Sum == nil || err != nil || size < 0 {
		return r.sink.Problem(malformed(number, "it is not a checksum of %s, a size and a name", r.block))
	}
	r.anything = true
	return emit(r.sink, r.opts, Entry{Line: number, Name: fields[len(fields)-1], Size: size, Digests: []Digest{d}, Optional: r.release})
}

// paragraph ends the description of one file.
func (r *deb822Reader) paragraph() error {
	e := r.file
	r.file, r.block = Entry{Size: NoSize}, ""
	if e.Name == "" || len(e.Digests) == 0 {
		return nil
	}
	r.anything = true
	if base := path.Base(e.Name); base != e.Name {
		e.Also = []string{base} // packages that were taken out of the archive's folders
	}
	return emit(r.sink, r.opts, e)
}
