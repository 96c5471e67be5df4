package manifest

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
)

// Read reads a list and hands what it says to sink. The error is of in or of
// sink; what is wrong with the list is a Problem.
func Read(format Format, in io.Reader, opts Options, sink Sink) error {
	switch format {
	case SumFile, SFV, Hashdeep: // Windows has shells whose ">" writes UTF-16
		text, wide, err := asUTF8(in)
		if err != nil {
			return fmt.Errorf("reading a list: %w", err)
		}
		if wide {
			if err := sink.Problem(Problem{Kind: Warning, Line: 1, Text: "the list is not in UTF-8 but in an encoding of wider units"}); err != nil {
				return err
			}
		}
		in = text
	}
	switch format {
	case SumFile:
		return readSums(in, opts, sink)
	case SFV:
		return readSFV(in, opts, sink)
	case Hashdeep:
		return readHashdeep(in, opts, sink)
	case BagIt:
		return readBagManifest(in, opts, sink)
	case BagFetch:
		return readBagFetch(in, opts, sink)
	case MHL:
		return readMHL(in, opts, sink)
	case ASCMHL:
		return readASCMHL(in, opts, sink)
	case ASCChain:
		return readASCChain(in, opts, sink)
	case Deb822:
		return readDeb822(in, opts, sink)
	case NPM:
		return readNPM(in, opts, sink)
	case GoSum:
		return readGoSum(in, opts, sink)
	case ZipHash:
		return readZipHash(in, opts, sink)
	case Record:
		return readRecord(in, opts, sink)
	case OCFL:
		return readOCFL(in, opts, sink)
	case OCIIndex:
		return readOCI(in, opts, sink)
	case LFSObject:
		return readLFS(in, opts, sink)
	}
	return fmt.Errorf("reading a list: no format is called %q", format)
}

// Sniffed is how many bytes from the beginning of a list Detect looks at.
const Sniffed = 4096

// Detect returns the format of a list that somebody named, from its name and
// its first bytes. What is nothing else is taken for a sum file, whose reader
// says what is wrong with it.
func Detect(name string, head []byte) Format {
	head = bytes.TrimPrefix(head, []byte(byteOrderMark))
	base := strings.ToLower(path.Base(name))
	switch base {
	case "package-lock.json", "npm-shrinkwrap.json", ".package-lock.json":
		return NPM
	case "go.sum", "go.work.sum":
		return GoSum
	case "record":
		return Record
	case "inventory.json":
		return OCFL
	case "release", "inrelease":
		return Deb822
	case "ascmhl_chain.xml":
		return ASCChain
	}
	switch {
	case isLFSPointer(head):
		return LFSObject
	case strings.HasSuffix(base, ".mhl") || bytes.Contains(head, []byte("<hashlist")):
		if bytes.Contains(head, []byte("urn:ASC:MHL")) {
			return ASCMHL
		}
		return MHL
	case strings.HasSuffix(base, ".ziphash"):
		return ZipHash
	case strings.HasSuffix(base, ".dsc"), strings.HasSuffix(base, ".changes"), strings.HasSuffix(base, ".buildinfo"),
		base == "packages", strings.HasPrefix(base, "packages.") && bytes.HasPrefix(head, []byte("Package:")):
		return Deb822
	case bytes.HasPrefix(head, []byte("%%%% ")):
		return Hashdeep
	case strings.HasSuffix(base, ".sfv") || looksLikeSFV(head):
		return SFV
	}
	return SumFile
}

// Promises tells whether a file's name is one that checksum lists have, so
// that a folder can be searched without opening every file.
func Promises(name string) bool { return listNames.MatchString(path.Base(name)) }

var listNames = regexp.MustCompile(`(?i)^(` + strings.Join([]string{
	`(md5|sha\d{1,3}|sha3-\d{3}|sha512-256|b2|b3|blake2b?(-\d{1,3})?|blake3(-\d{1,4})?|xxh\d{1,3}|xxh3|sm3|crc32c?|crc64nvme|tiger|whirlpool)-?sums?(\.(txt|asc))?`, // SHA256SUMS, sha256sum.txt
	`(hash|check)sums?(\.(txt|md5|sha\d+))?`, // checksums.txt
	`.+[._-](md5|sha1|sha224|sha256|sha384|sha512|b2|b3|blake2b?|blake3|sm3|xxh32|xxh64|xxh3|xxh128|xxhash|crc32)(sums?)?(\.txt)?`,
	`.+\.(sfv|hashdeep|sums|mhl|ziphash|dsc|changes)`,
	`(in)?release`, `packages`, `package-lock\.json`, `npm-shrinkwrap\.json`, `go\.sum`,
}, "|") + `)$`)

var (
	sfvLine     = regexp.MustCompile(`^[^;].*[ \t][0-9A-Fa-f]{8}\r?$`)
	untaggedSum = regexp.MustCompile(`^[ \t]*\\?(XXH3_)?[0-9A-Za-z+/_=-]{8,} `)
)

// looksLikeSFV tells whether the first lines that are no comments end with a
// CRC-32, and do not begin with a checksum.
func looksLikeSFV(head []byte) bool {
	found := false
	for _, line := range bytes.SplitAfter(head, []byte("\n")) {
		line, whole := bytes.CutSuffix(line, []byte("\n"))
		if !whole || len(bytes.TrimSpace(line)) == 0 || line[0] == ';' {
			continue
		}
		if _, problem, tagged := parseTagged(line); tagged && problem == "" {
			return false // "CRC32 (name) = 363a3020"
		}
		if !sfvLine.Match(line) || untaggedSum.Match(line) && decodeSum(bytes.Fields(line)[0]) != nil {
			return false
		}
		found = true
	}
	return found
}
