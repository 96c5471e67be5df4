package manifest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bitmend/hashsets"
)

// Inventory is what of an OCFL inventory bears on the content of an object
// (OCFL 1.1, section 3.5).
type Inventory struct {
	ID               string                         `json:"id"`
	DigestAlgorithm  string                         `json:"digestAlgorithm"`
	Head             string                         `json:"head"`
	ContentDirectory string                         `json:"contentDirectory"`
	Manifest         map[string][]string            `json:"manifest"`
	Fixity           map[string]map[string][]string `json:"fixity"`
	Versions         map[string]struct {
		State map[string][]string `json:"state"`
	} `json:"versions"`
}

// ReadInventory reads an inventory. What is wrong with it is told to sink; ok
// is false when it could not be read at all.
func ReadInventory(in io.Reader, sink Sink) (inv Inventory, ok bool, err error) {
	ok, err = decodeJSON(in, sink, &inv)
	if inv.ContentDirectory == "" {
		inv.ContentDirectory = "content"
	}
	return inv, ok, err
}

// readOCFL reads the digests of an inventory's manifest and of its fixity
// block.
func readOCFL(in io.Reader, opts Options, sink Sink) error {
	inv, ok, err := ReadInventory(in, sink)
	if !ok || err != nil {
		return err
	}
	if err := ocflBlock(sink, inv.DigestAlgorithm, inv.Manifest); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(inv.Fixity)) {
		if err := ocflBlock(sink, name, inv.Fixity[name]); err != nil {
			return err
		}
	}
	return ocflStates(sink, &inv)
}

func ocflBlock(sink Sink, algorithm string, block map[string][]string) error {
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(block)) {
		if other, twice := seen[strings.ToLower(key)]; twice {
			if err := sink.Problem(Problem{Kind: Invalid, Text: fmt.Sprintf("the digest %s stands there twice, also as %s", brief(key), brief(other))}); err != nil {
				return err
			}
		}
		seen[strings.ToLower(key)] = key
		e := Entry{Size: NoSize}
		if algorithm == "size" { // of the community extension 0009
			n, err := strconv.ParseInt(key, 10, 64)
			if err != nil || n < 0 {
				if err := sink.Problem(malformed(0, "the size %q is no number", brief(key))); err != nil {
					return err
				}
				continue
			}
			e.Size, e.SizeOnly = n, true
		} else {
			d, problem := ocflDigest(algorithm, key)
			if problem != "" {
				if err := sink.Problem(malformed(0, "%s", problem)); err != nil {
					return err
				}
				continue
			}
			e.Digests = []Digest{d}
		}
		for _, name := range block[key] {
			e.Name = name
			if err := sink.Entry(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func ocflDigest(algorithm, text string) (Digest, string) {
	sum, err := hex.DecodeString(text)
	if err != nil || len(sum) == 0 {
		return Digest{}, fmt.Sprintf("the digest %q is not hexadecimal", brief(text))
	}
	if algorithm == "" {
		return Digest{}, "the inventory does not say of which algorithm its digests are"
	}
	a := ParseAlgorithm(strings.ReplaceAll(algorithm, "sha512/256", string(SHA512_256)), 0)
	if a == "" {
		return Digest{Algorithm: hashsets.Algorithm(brief(algorithm)), Sum: sum}, ""
	}
	if NewHash(a).Size() != len(sum) {
		return Digest{}, fmt.Sprintf("the digest %q has not the length of %s", brief(text), a)
	}
	return Digest{Algorithm: a, Sum: sum}, ""
}

// ocflStates checks that what versions refer to is in the manifest.
func ocflStates(sink Sink, inv *Inventory) error {
	if _, ok := inv.Versions[inv.Head]; !ok {
		if err := sink.Problem(Problem{Kind: Invalid, Text: fmt.Sprintf("the head %q is none of the versions", brief(inv.Head))}); err != nil {
			return err
		}
	}
	for _, version := range slices.Sorted(maps.Keys(inv.Versions)) {
		for _, key := range slices.Sorted(maps.Keys(inv.Versions[version].State)) {
			if _, ok := inv.Manifest[key]; !ok {
				if err := sink.Problem(Problem{Kind: Invalid, Text: fmt.Sprintf("version %s refers to the digest %s, which the manifest does not have", brief(version), brief(key))}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

var sidecarLine = regexp.MustCompile(`^([0-9A-Fa-f]+)[ \t]+inventory\.json\s*$`)

// ReadSidecar reads inventory.json.ALGORITHM, which stands beside an
// inventory.
func ReadSidecar(in io.Reader, listName string) (Entry, *Problem, error) {
	text, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return Entry{}, nil, fmt.Errorf("reading the sidecar of an inventory: %w", err)
	}
	m := sidecarLine.FindSubmatch(text)
	if m == nil {
		p := malformed(1, "it is not a digest and \"inventory.json\"")
		return Entry{}, &p, nil
	}
	d, problem := ocflDigest(strings.TrimPrefix(path.Ext(listName), "."), string(m[1]))
	if problem != "" {
		p := malformed(1, "%s", problem)
		return Entry{}, &p, nil
	}
	return Entry{Line: 1, Name: "inventory.json", Size: NoSize, Digests: []Digest{d}}, nil, nil
}

// ociDocument is an index or a manifest of an OCI image layout (image-spec
// 1.1): whatever has descriptors.
type ociDocument struct {
	Manifests []ociDescriptor `json:"manifests"`
	Layers    []ociDescriptor `json:"layers"`
	Config    *ociDescriptor  `json:"config"`
	Subject   *ociDescriptor  `json:"subject"`
}

type ociDescriptor struct {
	MediaType string   `json:"mediaType"`
	Digest    string   `json:"digest"`
	Size      int64    `json:"size"`
	URLs      []string `json:"urls"`
}

var ociDigest = regexp.MustCompile(`^(sha256|sha512):([0-9a-f]{64}|[0-9a-f]{128})$`)

// readOCI reads the descriptors of an index or a manifest.
func readOCI(in io.Reader, opts Options, sink Sink) error {
	var doc ociDocument
	if ok, err := decodeJSON(in, sink, &doc); !ok || err != nil {
		return err
	}
	all := slices.Concat(doc.Manifests, doc.Layers)
	if doc.Config != nil {
		all = append(all, *doc.Config)
	}
	for _, d := range all {
		m := ociDigest.FindStringSubmatch(d.Digest)
		if m == nil || d.Size < 0 {
			if err := sink.Problem(malformed(0, "the descriptor %q is none", brief(d.Digest))); err != nil {
				return err
			}
			continue
		}
		e := Entry{Name: "blobs/" + m[1] + "/" + m[2], Size: d.Size, Digests: []Digest{sized(hashsets.Algorithm(m[1]), m[2])}}
		e.Optional = len(d.URLs) > 0 || strings.Contains(d.MediaType, "nondistributable") || strings.Contains(d.MediaType, "foreign")
		if e.Digests[0].Sum == nil {
			if err := sink.Problem(malformed(0, "the digest %q has not the length of its algorithm", brief(d.Digest))); err != nil {
				return err
			}
			continue
		}
		e.Nested = hasDescriptors(d.MediaType)
		if err := sink.Entry(e); err != nil {
			return err
		}
	}
	return nil
}

// hasDescriptors tells whether a media type is one that has descriptors.
func hasDescriptors(mediaType string) bool {
	switch mediaType {
	case "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json":
		return true
	}
	return false
}

// lfsVersion begins a Git LFS pointer.
const lfsVersion = "version https://git-lfs.github.com/spec/v1\n"

// isLFSPointer tells whether a text begins as a pointer does, or as it did
// before Git LFS had its name (docs/spec.md of Git LFS).
func isLFSPointer(text []byte) bool {
	for _, version := range []string{lfsVersion, "version https://hawser.github.com/spec/v1\n", "version http://git-media.io/v/2\n"} {
		if bytes.HasPrefix(text, []byte(version)) {
			return true
		}
	}
	return false
}

// MaxLFSPointer is the size below which a pointer stays, in bytes.
const MaxLFSPointer = 1024

// ParseLFSPointer returns the digest and the size that a Git LFS pointer
// stands for; ok is false when it is none.
func ParseLFSPointer(text []byte) (d Digest, size int64, ok bool) {
	if len(text) >= MaxLFSPointer || !isLFSPointer(text) {
		return Digest{}, 0, false
	}
	size = NoSize
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		switch key {
		case "oid":
			d = sized(hashsets.SHA256, strings.TrimPrefix(value, "sha256:"))
		case "size":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 {
				return Digest{}, 0, false
			}
			size = n
		}
	}
	return d, size, d.Sum != nil && size >= 0
}

// LFSObjectName is where an object is kept below .git.
func LFSObjectName(sum []byte) string {
	text := hex.EncodeToString(sum)
	return "lfs/objects/" + text[:2] + "/" + text[2:4] + "/" + text
}

// readLFS reads a pointer: it speaks of an object below .git.
func readLFS(in io.Reader, opts Options, sink Sink) error {
	text, err := io.ReadAll(io.LimitReader(in, MaxLFSPointer))
	if err != nil {
		return fmt.Errorf("reading a Git LFS pointer: %w", err)
	}
	d, size, ok := ParseLFSPointer(text)
	if !ok {
		return sink.Problem(malformed(0, "it is no Git LFS pointer"))
	}
	return sink.Entry(Entry{Name: LFSObjectName(d.Sum), Size: size, Digests: []Digest{d}, Optional: true})
}

// DigestOf returns the digest that a file is called by.
func DigestOf(algorithm, text string) (Digest, bool) {
	a := ParseAlgorithm(algorithm, 0)
	d := sized(a, text)
	return d, a != "" && d.Sum != nil
}
