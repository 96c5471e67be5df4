package manifest

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"bitmend/hashsets"
)

// hashdeepMagic is the first line of a list.
const hashdeepMagic = "%%%% HASHDEEP-1.0"

// hashdeepReader reads the lists of hashdeep: a size, several digests and a
// name on each line, none of them quoted.
type hashdeepReader struct {
	opts    Options
	sink    Sink
	columns []hashsets.Algorithm // between size and name; nil before the heading
}

func readHashdeep(in io.Reader, opts Options, sink Sink) error {
	r := &hashdeepReader{opts: opts, sink: sink}
	return newLines(in, '\n').each(sink, r.line)
}

func (r *hashdeepReader) line(line []byte, number int) error {
	line = withoutCR(line)
	switch {
	case len(line) == 0, bytes.HasPrefix(line, []byte("##")):
		return nil
	case bytes.HasPrefix(line, []byte("%%%%")):
		return r.heading(string(line), number)
	case r.columns == nil:
		return r.sink.Problem(malformed(number, "no line before it says which checksums there are"))
	}
	fields := bytes.SplitN(line, []byte(","), len(r.columns)+2)
	if len(fields) != len(r.columns)+2 {
		return r.sink.Problem(malformed(number, "it has %d of %d columns", len(fields), len(r.columns)+2))
	}
	size, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil || size < 0 {
		return r.sink.Problem(malformed(number, "it does not begin with a size"))
	}
	e := Entry{Line: number, Name: string(fields[len(fields)-1]), Size: size}
	for i, a := range r.columns {
		sum := decodeHex(fields[i+1])
		if h := NewHash(a); sum == nil || h != nil && h.Size() != len(sum) {
			return r.sink.Problem(malformed(number, "column %d holds no digest of %s", i+2, a))
		}
		e.Digests = append(e.Digests, Digest{Algorithm: a, Sum: sum})
	}
	return emit(r.sink, r.opts, e)
}

// heading reads "%%%% size,md5,sha256,filename".
func (r *hashdeepReader) heading(line string, number int) error {
	if line == hashdeepMagic {
		return nil
	}
	columns := strings.Split(strings.TrimSpace(strings.TrimPrefix(line, "%%%%")), ",")
	last := len(columns) - 1
	if last < 2 || last > maxDigests || columns[0] != "size" || columns[last] != "filename" {
		return r.sink.Problem(malformed(number, "the heading is not \"size\", checksums, \"filename\""))
	}
	r.columns = nil
	for _, name := range columns[1:last] {
		a := ParseAlgorithm(name, 0)
		if a == "" {
			a = hashsets.Algorithm(strings.ToLower(name))
		}
		r.columns = append(r.columns, a)
	}
	return nil
}
