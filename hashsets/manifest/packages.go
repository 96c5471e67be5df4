package manifest

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/module"

	"bitmend/hashsets"
)

// Limits on a JSON document, which is held in memory as a whole.
const (
	maxJSON      = 64 << 20 // bytes
	maxJSONItems = 1 << 20  // keys and values
)

// decodeJSON reads one document. ok is false when it was none, which was told
// of.
func decodeJSON(in io.Reader, sink Sink, into any) (ok bool, err error) {
	text, err := io.ReadAll(io.LimitReader(in, maxJSON+1))
	switch {
	case err != nil:
		return false, fmt.Errorf("reading a list: %w", err)
	case len(text) > maxJSON:
		return false, sink.Problem(malformed(0, "it is larger than %d bytes", maxJSON))
	}
	if problem := withinLimits(text); problem != "" {
		return false, sink.Problem(malformed(0, "%s", problem))
	}
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte(byteOrderMark)), into); err != nil {
		return false, sink.Problem(malformed(0, "it is not JSON of the expected form: %s", brief(err.Error())))
	}
	return true, nil
}

// withinLimits says which limit a document exceeds, before it is taken apart:
// few bytes may stand for much memory. "" for none.
func withinLimits(text []byte) string {
	depth, items, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++
		case inString:
		case c == '{' || c == '[':
			depth++
			items++
		case c == '}' || c == ']':
			depth--
		case c == ',' || c == ':':
			items++
		}
		if depth > maxDepth {
			return fmt.Sprintf("it is nested deeper than %d", maxDepth)
		}
		if items > maxJSONItems {
			return fmt.Sprintf("it has more than %d keys and values", maxJSONItems)
		}
	}
	return ""
}

type npmLock struct {
	Packages     map[string]npmTarball `json:"packages"`     // since version 2
	Dependencies map[string]npmPackage `json:"dependencies"` // version 1, where they nest
}

type npmTarball struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Resolved  any    `json:"resolved"` // a URL, or false
	Integrity string `json:"integrity"`
	Link      bool   `json:"link"`
}

type npmPackage struct {
	npmTarball
	Dependencies map[string]npmPackage `json:"dependencies"`
}

// readNPM reads package-lock.json or npm-shrinkwrap.json. It speaks of the
// tarballs that packages come in, wherever they are kept.
func readNPM(in io.Reader, opts Options, sink Sink) error {
	var lock npmLock
	if ok, err := decodeJSON(in, sink, &lock); !ok || err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(lock.Packages)) {
		p := lock.Packages[key]
		if p.Name == "" {
			p.Name = afterLast(key, "node_modules/")
		}
		if err := npmEntry(sink, p); err != nil {
			return err
		}
	}
	if len(lock.Packages) > 0 {
		return nil // version 2 repeats them under dependencies
	}
	return npmDependencies(sink, lock.Dependencies)
}

func npmDependencies(sink Sink, all map[string]npmPackage) error {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		p := all[key]
		p.Name = key
		if err := npmEntry(sink, p.npmTarball); err != nil {
			return err
		}
		if err := npmDependencies(sink, p.Dependencies); err != nil {
			return err
		}
	}
	return nil
}

// afterLast is what comes after the last mark, all where there is none.
func afterLast(text, mark string) string {
	if i := strings.LastIndex(text, mark); i >= 0 {
		return text[i+len(mark):]
	}
	return text
}

func npmEntry(sink Sink, p npmTarball) error {
	if p.Integrity == "" || p.Link {
		return nil // the project itself, a link, a package from version control
	}
	e := Entry{Size: NoSize, Any: true, Optional: true}
	scope, plain, scoped := strings.Cut(strings.TrimPrefix(p.Name, "@"), "/")
	e.Name = p.Name + "-" + p.Version + ".tgz"
	if scoped {
		e.Name = scope + "-" + plain + "-" + p.Version + ".tgz" // as npm pack calls it
		e.Also = append(e.Also, plain+"-"+p.Version+".tgz")     // as the registry does
	}
	if resolved, ok := p.Resolved.(string); ok {
		e.Also = append(e.Also, path.Base(resolved))
	}
	digests, problem := ParseIntegrity(p.Integrity)
	if problem != "" {
		return sink.Problem(Problem{Kind: Malformed, Name: e.Name, Text: problem})
	}
	e.Digests = digests
	for _, d := range digests {
		if d.Algorithm == hashsets.SHA512 || d.Algorithm == hashsets.SHA1 {
			text := fmt.Sprintf("%x", d.Sum)
			e.Also = append(e.Also, fmt.Sprintf("_cacache/content-v2/%s/%s/%s/%s", d.Algorithm, text[:2], text[2:4], text[4:]))
		}
	}
	return sink.Entry(e)
}

// ParseIntegrity reads the metadata of Subresource Integrity (W3C): digests,
// of which those of the strongest algorithm count, and of these any one is
// enough.
func ParseIntegrity(text string) (digests []Digest, problem string) {
	strongest := hashsets.Algorithm("")
	for _, word := range strings.Fields(text) {
		value, _, _ := strings.Cut(word, "?")
		name, encoded, ok := strings.Cut(value, "-")
		a := ParseAlgorithm(name, 0)
		if !ok || a == "" {
			continue // an algorithm that is not known is passed over, as browsers do
		}
		sum, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(sum) != NewHash(a).Size() {
			return nil, fmt.Sprintf("the integrity %q holds no digest", brief(word))
		}
		switch {
		case Strength(a) > Strength(strongest):
			strongest, digests = a, []Digest{{Algorithm: a, Sum: sum}}
		case a == strongest && len(digests) < maxDigests:
			digests = append(digests, Digest{Algorithm: a, Sum: sum})
		}
	}
	if digests == nil {
		return nil, fmt.Sprintf("the integrity %q has no algorithm that bitmend can compute", brief(text))
	}
	return digests, ""
}

// brief bounds what a message repeats of a list.
func brief(text string) string {
	if len(text) > 80 {
		return text[:80] + "…"
	}
	return text
}

// readGoSum reads go.sum. It speaks of the files of a module cache, of which
// not all need to be there.
func readGoSum(in io.Reader, opts Options, sink Sink) error {
	return newLines(in, '\n').each(sink, func(line []byte, number int) error {
		fields := strings.Fields(string(line))
		if len(fields) == 0 {
			return nil
		}
		if len(fields) != 3 {
			return sink.Problem(malformed(number, "it is not a module, a version and a hash"))
		}
		version, isMod := strings.CutSuffix(fields[1], "/go.mod")
		a, ending := GoModule, ".zip"
		if isMod {
			a, ending = GoMod, ".mod"
		}
		encoded, ok := strings.CutPrefix(fields[2], "h1:")
		if !ok {
			return sink.Problem(Problem{Kind: Unsupported, Line: number, Name: fields[0], Text: "the hash is not h1"})
		}
		sum, err := base64.StdEncoding.DecodeString(encoded)
		escapedPath, errPath := module.EscapePath(fields[0])
		escapedVersion, errVersion := module.EscapeVersion(version)
		if err != nil || len(sum) != 32 || errPath != nil || errVersion != nil {
			return sink.Problem(malformed(number, "it is not a module, a version and a hash"))
		}
		name := escapedPath + "/@v/" + escapedVersion + ending
		return sink.Entry(Entry{
			Line: number, Name: "cache/download/" + name, Also: []string{"download/" + name, name},
			Size: NoSize, Digests: []Digest{{Algorithm: a, Sum: sum}}, Optional: true,
		})
	})
}

// readZipHash reads the .ziphash that stands beside a module's zip.
func readZipHash(in io.Reader, opts Options, sink Sink) error {
	text, err := io.ReadAll(io.LimitReader(in, 1024))
	if err != nil {
		return fmt.Errorf("reading a list: %w", err)
	}
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(text)), "h1:"))
	if err != nil || len(sum) != 32 {
		return sink.Problem(malformed(1, "it is no h1 hash"))
	}
	return sink.Entry(Entry{
		Line: 1, Name: strings.TrimSuffix(path.Base(opts.ListName), "hash"), Size: NoSize,
		Digests: []Digest{{Algorithm: GoModule, Sum: sum}},
	})
}

// readRecord reads the RECORD of an installed Python distribution (PEP 376 and
// 627): a path, "algorithm=base64" and a size. Paths may lead out of the
// folder of packages; Options.Below says where that is in the environment.
func readRecord(in io.Reader, opts Options, sink Sink) error {
	limit := &guard{in: in, left: math.MaxInt64}
	r := csv.NewReader(limit)
	r.FieldsPerRecord, r.ReuseRecord, r.LazyQuotes = -1, true, true
	for {
		fields, err := r.Read()
		limit.pass()
		line := 0
		if err == nil {
			line, _ = r.FieldPos(0)
		}
		var syntax *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &syntax):
			err = sink.Problem(malformed(syntax.Line, "it is no line of comma-separated values"))
		case limit.err != nil:
			return sink.Problem(malformed(0, "%v", limit.err))
		case err != nil:
			return fmt.Errorf("reading a list: %w", err)
		case len(fields) != 3:
			err = sink.Problem(malformed(line, "it has %d of 3 columns", len(fields)))
		default:
			err = recordEntry(sink, opts, fields, line)
		}
		if err != nil {
			return err
		}
	}
}

func recordEntry(sink Sink, opts Options, fields []string, line int) error {
	e := Entry{Line: line, Name: fields[0], Size: NoSize}
	if opts.Below != "" && e.Name != "" && e.Name[0] != '/' {
		e.Name = path.Join(opts.Below, e.Name)
	}
	if fields[2] != "" {
		n, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || n < 0 {
			return sink.Problem(malformed(line, "the size is no number"))
		}
		e.Size = n
	}
	if fields[1] == "" {
		e.SizeOnly = true
		e.Optional = true // RECORD itself, and what is compiled on installation
		return sink.Entry(e)
	}
	name, encoded, ok := strings.Cut(fields[1], "=")
	sum, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if !ok || err != nil || len(sum) == 0 {
		return sink.Problem(malformed(line, "the hash is not \"algorithm=base64\""))
	}
	a := ParseAlgorithm(name, len(sum))
	switch {
	case a != "":
	case name == "" || ParseAlgorithm(name, 0) != "":
		return sink.Problem(malformed(line, "the hash has not the length of its algorithm"))
	default:
		a = hashsets.Algorithm(strings.ToLower(brief(name)))
	}
	e.Digests = []Digest{{Algorithm: a, Sum: sum}}
	return sink.Entry(e)
}
