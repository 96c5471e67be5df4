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
	columns []hashdeepColumn // between size and name; nil before the heading
}

type hashdeepColumn struct {
	algorithm hashsets.Algorithm
	length    int // of its digests in bytes; 0 of one that bitmend cannot compute
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
	name := string(fields[len(fields)-1])
	e := Entry{Line: number, Name: name, Also: otherReadings(name), Size: size}
	for i, column := range r.columns {
		sum := decodeHex(fields[i+1])
		if sum == nil || column.length != 0 && column.length != len(sum) {
			return r.sink.Problem(malformed(number, "column %d holds no digest of %s", i+2, column.algorithm))
		}
		e.Digests = append(e.Digests, Digest{Algorithm: column.algorithm, Sum: sum})
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
		column := hashdeepColumn{algorithm: ParseAlgorithm(name, 0)}
		if h := NewHash(column.algorithm); h != nil {
			column.length = h.Size()
		} else {
			column.algorithm = hashsets.Algorithm(strings.ToLower(name))
		}
		r.columns = append(r.columns, column)
	}
	return nil
}
