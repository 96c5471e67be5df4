package manifest

import (
	"encoding/binary"
	"io"
	"math/big"
	"strconv"
	"strings"

	"bitmend/hashsets"
)

// readMHL reads a Media Hash List of version 1: a file, its size and any
// number of checksums in each element hash.
func readMHL(in io.Reader, opts Options, sink Sink) error {
	e := Entry{Size: NoSize}
	var problem string
	return eachElement(in, sink, func(el *element) error {
		text := strings.TrimSpace(el.text)
		switch {
		case el.name() == "hash":
			defer func() { e, problem = Entry{Size: NoSize}, "" }()
			switch {
			case problem != "":
				return sink.Problem(malformed(el.line, "%s", problem))
			case e.Name == "":
				return sink.Problem(malformed(el.line, "an element hash has no file"))
			case len(e.Digests) == 0 && !e.SizeOnly:
				return sink.Problem(Problem{Kind: Unsupported, Line: el.line, Name: e.Name, Text: "no checksum of it is one that bitmend can compute"})
			}
			e.Line = el.line
			return emit(sink, opts, e)
		case !el.in("hash", el.name()):
		case el.name() == "file":
			e.Name, e.Also = el.text, slashed(el.text)
		case el.name() == "size":
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 {
				problem = "the size is no number"
				return nil
			}
			e.Size = n
		case el.name() == "null":
			e.SizeOnly = true
		default:
			d, isDigest := mhlDigest(el.name(), text)
			switch {
			case isDigest && d.Sum == nil:
				problem = "the digest of " + el.name() + " is none"
			case isDigest && len(e.Digests) < maxDigests:
				e.Digests = append(e.Digests, d)
			}
		}
		return nil
	})
}

// mhlDigest reads a checksum of MHL 1.x, whose xxhash is XXH32 in decimal and
// whose xxhash64 has its bytes reversed.
func mhlDigest(name, text string) (Digest, bool) {
	switch name {
	case "md5":
		return sized(hashsets.MD5, text), true
	case "sha1":
		return sized(hashsets.SHA1, text), true
	case "xxhash64be":
		return sized(hashsets.XXH64, text), true
	case "xxhash64":
		d := sized(hashsets.XXH64, text)
		if d.Sum != nil {
			d.Sum = reversed(d.Sum)
		}
		return d, true
	case "xxhash":
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return Digest{Algorithm: XXH32}, true
		}
		return Digest{Algorithm: XXH32, Sum: binary.BigEndian.AppendUint32(nil, uint32(n))}, true
	}
	return Digest{}, false
}

// sized decodes hexadecimal of the algorithm's length; the sum is nil for
// anything else.
func sized(a hashsets.Algorithm, text string) Digest {
	sum := decodeHex([]byte(text))
	if h := NewHash(a); h == nil || h.Size() != len(sum) {
		sum = nil
	}
	return Digest{Algorithm: a, Sum: sum}
}

// History is what the earlier generations of an ASC-MHL history have recorded:
// the first hash of a file in a format is the one that counts.
type History struct{ recorded map[string]bool }

// NewHistory returns the history before the first generation.
func NewHistory() *History { return &History{recorded: map[string]bool{}} }

// first tells whether no generation before has recorded a file in a format.
func (h *History) first(name string, format string) bool {
	key := format + "\x00" + name
	if h.recorded[key] {
		return false
	}
	h.recorded[key] = true
	return true
}

// readASCMHL reads one generation of an ASC-MHL history (ASC MHL
// Specification 1.0). A hash with the action "failed" is of a damaged file and
// is never trusted.
func readASCMHL(in io.Reader, opts Options, sink Sink) error {
	history := opts.History
	if history == nil {
		history = NewHistory()
	}
	type hash struct{ format, action, text string }
	var hashes []hash
	e := Entry{Size: NoSize}
	take := func(el *element) error {
		failed, known := false, false
		for _, h := range hashes {
			if h.action == "failed" {
				failed = true
				continue
			}
			known = true
			if !history.first(e.Name, h.format) {
				continue
			}
			d, problem := ascDigest(h.format, h.text)
			if problem != "" {
				return sink.Problem(malformed(el.line, "%s", problem))
			}
			e.Digests = append(e.Digests, d)
		}
		if failed {
			if err := sink.Problem(Problem{Kind: Warning, Line: el.line, Name: e.Name, Text: "this generation records that the file did not verify; what it recorded is not trusted"}); err != nil {
				return err
			}
		}
		switch {
		case e.Name == "":
			return sink.Problem(malformed(el.line, "an element hash has no path"))
		case len(e.Digests) > 0:
			return emit(sink, opts, e)
		case !known && !failed:
			return sink.Problem(malformed(el.line, "an element hash has no hash"))
		}
		return nil // recorded by an earlier generation
	}
	return eachElement(in, sink, func(el *element) error {
		switch {
		case el.in("hashes", "hash"):
			e.Line = el.line
			err := take(el)
			e, hashes = Entry{Size: NoSize}, nil
			return err
		case !el.in("hash", el.name()):
		case el.name() == "path":
			e.Name = el.text
			if n, err := strconv.ParseInt(el.attrs["size"], 10, 64); err == nil && n >= 0 {
				e.Size = n
			}
		case isASCFormat(el.name()) && len(hashes) < maxDigests:
			hashes = append(hashes, hash{el.name(), el.attrs["action"], strings.TrimSpace(el.text)})
		}
		return nil
	})
}

// isASCFormat tells whether an element is a hash.
func isASCFormat(name string) bool {
	switch name {
	case "c4", "md5", "sha1", "xxh32", "xxh64", "xxh3", "xxh128":
		return true
	}
	return false
}

func ascDigest(format, text string) (Digest, string) {
	if format == "c4" {
		sum := decodeC4(text)
		if sum == nil {
			return Digest{}, "a c4 is none"
		}
		return Digest{Algorithm: hashsets.SHA512, Sum: sum}, ""
	}
	d := sized(ParseAlgorithm(format, 0), text)
	if d.Sum == nil {
		return Digest{}, "the digest of " + format + " is none"
	}
	return d, ""
}

// readASCChain reads ascmhl_chain.xml, which holds the C4 of each generation.
func readASCChain(in io.Reader, opts Options, sink Sink) error {
	e := Entry{Size: NoSize}
	return eachElement(in, sink, func(el *element) error {
		switch {
		case el.in("ascmhldirectory", "hashlist"):
			defer func() { e = Entry{Size: NoSize} }()
			if e.Name == "" || len(e.Digests) == 0 {
				return sink.Problem(malformed(el.line, "an element hashlist has no path or no c4"))
			}
			e.Line = el.line
			return sink.Entry(e)
		case el.in("hashlist", "path"):
			e.Name = el.text
		case el.in("hashlist", "c4"):
			sum := decodeC4(strings.TrimSpace(el.text))
			if sum == nil {
				return sink.Problem(malformed(el.line, "a c4 is none"))
			}
			e.Digests = []Digest{{Algorithm: hashsets.SHA512, Sum: sum}}
		}
		return nil
	})
}

// decodeC4 decodes a C4 ID (SMPTE ST 2114:2017): "c4" and a SHA-512 in 88
// digits of base 58, padded on the left with ones; nil for anything else.
func decodeC4(text string) []byte {
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	digits, ok := strings.CutPrefix(text, "c4")
	if !ok || len(digits) != 88 {
		return nil
	}
	value, base := new(big.Int), big.NewInt(int64(len(alphabet)))
	for i := range len(digits) {
		digit := strings.IndexByte(alphabet, digits[i])
		if digit < 0 {
			return nil
		}
		value.Add(value.Mul(value, base), big.NewInt(int64(digit)))
	}
	if value.BitLen() > 512 {
		return nil
	}
	return value.FillBytes(make([]byte, 64))
}
