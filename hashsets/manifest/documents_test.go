package manifest_test

import (
	"encoding/binary"
	"strconv"
	"strings"
	"testing"

	"bitmend/hashsets/manifest"
)

// c4 is the C4 ID of hello: its SHA-512 in base 58.
const c4 = "c45dkQrAqUiR8WzPGgn6fAGji3VAVeAE7cKVG4G53ou9dTk4Nzb9vFYEwzy9jq5ZKQKM64DMpPpVbYe2bMsZP2yYKi"

func TestMHL(t *testing.T) {
	wrap := func(hashes string) string {
		return `<?xml version="1.0" encoding="UTF-8"?><hashlist version="1.1">` + hashes + `</hashlist>`
	}
	decimal := strconv.FormatUint(uint64(binary.BigEndian.Uint32(digestOf(manifest.XXH32))), 10)
	runAll(t, manifest.MHL, []reading{
		{"several checksums", manifest.Options{}, wrap("<hash><file>a &amp; b</file><size>6</size><md5>{md5}</md5><sha1> {SHA1} </sha1></hash>"), []string{`1: "a & b" md5 sha1 size 6`}},
		{"xxhash is decimal, xxhash64 is reversed, xxhash64be is not", manifest.Options{}, wrap("<hash><file>a</file><xxhash>" + decimal + "</xxhash><xxhash64>{xxh64:reversed}</xxhash64><xxhash64be>{xxh64}</xxhash64be></hash>"),
			[]string{`1: "a" xxh32 xxh64 xxh64`}},
		{"null is the size alone", manifest.Options{}, wrap("<hash><file>a</file><size>6</size><null/></hash>"), []string{`1: "a" size 6 size-only`}},
		{"separators of Windows", manifest.Options{}, wrap(`<hash><file>Clips\a</file><md5>{md5}</md5></hash>`), []string{`1: "Clips\\a" md5 or "Clips/a"`}},
		{"one hash does not spoil the next", manifest.Options{}, wrap("<hash><file>a</file><md5>x</md5></hash><hash><file>b</file><md5>{md5}</md5></hash>"), []string{`1! malformed-line: the digest of md5`, `1: "b" md5`}},
		{"without a file, without a checksum", manifest.Options{}, wrap("<hash><md5>{md5}</md5></hash><hash><file>a</file><edonkey>00</edonkey></hash><hash><file>b</file><size>x</size></hash>"),
			[]string{`1! malformed-line: an element hash has no file`, `1! unsupported-algorithm "a"`, `1! malformed-line: the size`}},
		{"another character set", manifest.Options{}, `<?xml version="1.0" encoding="ISO-8859-1"?><hashlist><hash><file>` + "\xe9" + `</file><md5>{md5}</md5></hash></hashlist>`, []string{`1: "é" md5`}},
		{"UTF-16", manifest.Options{}, utf16LE(filled(`<?xml version="1.0" encoding="UTF-16"?><hashlist><hash><file>é</file><md5>{md5}</md5></hash></hashlist>`)), []string{`1: "é" md5`}},
		{"Shift JIS", manifest.Options{}, "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><hashlist><hash><file>\x83e</file><md5>{md5}</md5></hash></hashlist>", []string{`1: "テ" md5`}},
		{"an encoding that is not known", manifest.Options{}, `<?xml version="1.0" encoding="EBCDIC"?><hashlist/>`, []string{`1! unsupported-algorithm: the text is in "EBCDIC"`}},
		{"a version that is not known", manifest.Options{}, `<?xml version="2.0"?><hashlist/>`, []string{`1! malformed-line: xml: unsupported version`}},
		{"no XML", manifest.Options{}, "hello", []string{`1! malformed-line`}},
		{"nothing", manifest.Options{}, "", []string{`1! malformed-line: it is no XML document`}},
		{"cut off", manifest.Options{}, "<hashlist><hash><file>a</file><md5>{md5}</md5></hash><hash><fi", []string{`1: "a" md5`, `1! malformed-line: XML syntax error`}},
		{"entities are not expanded", manifest.Options{}, `<!DOCTYPE h [<!ENTITY a "aaaa">]><hashlist><hash><file>&a;</file></hash></hashlist>`, []string{`1! malformed-line: XML syntax error`}},
		{"nested too deeply", manifest.Options{}, strings.Repeat("<a>", 100), []string{`1! malformed-line: elements are nested deeper`}},
		{"a text too long", manifest.Options{}, "<hashlist><hash><file>" + strings.Repeat("x", 2*manifest.MaxLine), []string{`1! malformed-line: a part of it is longer`}},
		{"a comment too long", manifest.Options{}, "<hashlist><!--" + strings.Repeat("<x", manifest.MaxLine), []string{`1! malformed-line: a part of it is longer`}},
	})
}

func utf16LE(text string) string {
	wide := "\xff\xfe"
	for _, c := range text {
		wide += string([]byte{byte(c), byte(c >> 8)})
	}
	return wide
}

func TestASCMHL(t *testing.T) {
	wrap := func(hashes string) string {
		return `<hashlist version="2.0" xmlns="urn:ASC:MHL:v2.0"><hashes>` + hashes + `</hashes></hashlist>`
	}
	hash := func(name, of string) string { return `<hash><path size="6">` + name + `</path>` + of + `</hash>` }
	runAll(t, manifest.ASCMHL, []reading{
		{"its formats", manifest.Options{}, wrap(hash("a", `<c4 action="original">`+c4+`</c4><md5>{md5}</md5><sha1>{sha1}</sha1><xxh128>{xxh128}</xxh128><xxh3>{xxh3}</xxh3><xxh64>{xxh64}</xxh64><xxh32>{xxh32}</xxh32>`)),
			[]string{`1: "a" sha512 md5 sha1 xxh128 xxh3 xxh64 xxh32 size 6`}},
		{"what failed is never trusted", manifest.Options{}, wrap(hash("a", `<md5 action="failed">{md5}</md5>`)), []string{`1! warning "a"`}},
		{"folders and references are no files", manifest.Options{}, wrap(`<directoryhash><path>d</path><content><md5>{md5}</md5></content></directoryhash>` + hash("a", `<md5>{md5}</md5>`)), []string{`1: "a" md5 size 6`}},
		{"lines that are none", manifest.Options{}, wrap(hash("", `<md5>{md5}</md5>`) + hash("a", "") + hash("b", "<md5>x</md5>") + hash("c", "<c4>c4x</c4>")),
			[]string{`1! malformed-line`, `1! malformed-line`, `1! malformed-line: the digest of md5`, `1! malformed-line: a c4 is none`}},
	})
	runAll(t, manifest.ASCChain, []reading{
		{"a chain", manifest.Options{}, `<ascmhldirectory xmlns="urn:ASC:MHL:DIRECTORY:v2.0"><hashlist sequencenr="1"><path>0001.mhl</path><c4>` + c4 + `</c4></hashlist><hashlist><path>x</path></hashlist></ascmhldirectory>`,
			[]string{`1: "0001.mhl" sha512`, `1! malformed-line`}},
	})
}

// The first generation that recorded a file in a format is the one that
// counts: a later one may have recorded it when it was damaged already.
func TestTheFirstGenerationCounts(t *testing.T) {
	history := manifest.NewHistory()
	opts := manifest.Options{History: history}
	hash := func(of string) string {
		return `<hashlist xmlns="urn:ASC:MHL:v2.0"><hashes><hash><path>a</path>` + of + `</hash></hashes></hashlist>`
	}
	runAll(t, manifest.ASCMHL, []reading{
		{"the first", opts, hash(`<md5 action="original">{md5}</md5>`), []string{`1: "a" md5`}},
		{"another md5 and the first sha1", opts, hash(`<md5 action="verified">00112233445566778899aabbccddeeff</md5><sha1 action="original">{sha1}</sha1>`), []string{`1: "a" sha1`}},
		{"nothing new", opts, hash(`<md5 action="verified">{md5}</md5>`), nil},
	})
}

func TestNPM(t *testing.T) {
	runAll(t, manifest.NPM, []reading{
		{"packages, by folder and version", manifest.Options{}, `{"lockfileVersion":3,"packages":{"":{"name":"me","version":"1.0.0"},"node_modules/x/node_modules/a":{"version":"1.2.3","integrity":"sha1-{sha1:base64}"}}}`,
			[]string{`0: "a-1.2.3.tgz" sha1 any optional or "_cacache/content-v2/sha1/` + hexOf("sha1")[:2] + `/` + hexOf("sha1")[2:4] + `/` + hexOf("sha1")[4:] + `"`}},
		{"the strongest counts, any of its values", manifest.Options{}, `{"packages":{"node_modules/a":{"version":"1","integrity":"md5-{md5:base64} sha256-{sha256:base64}?x sha256-{sha256:base64} odd-AAAA"}}}`,
			[]string{`0: "a-1.tgz" sha256 sha256 any optional`}},
		{"version 1 nests", manifest.Options{}, `{"dependencies":{"a":{"version":"1","integrity":"sha256-{sha256:base64}","dependencies":{"b":{"version":"2","integrity":"sha256-{sha256:base64}"}}}}}`,
			[]string{`0: "a-1.tgz" sha256 any optional`, `0: "b-2.tgz" sha256 any optional`}},
		{"scoped, and where it comes from", manifest.Options{}, `{"packages":{"node_modules/@s/a":{"version":"1","resolved":"https://r.example/@s/a/-/a-1.tgz","integrity":"sha256-{sha256:base64}"}}}`,
			[]string{`0: "s-a-1.tgz" sha256 any optional or "a-1.tgz" or "a-1.tgz"`}},
		{"links and what has no integrity", manifest.Options{}, `{"packages":{"a":{"link":true,"integrity":"x","resolved":false},"b":{"version":"1"}}}`, nil},
		{"an integrity that is none", manifest.Options{}, `{"packages":{"node_modules/a":{"version":"1","integrity":"sha256-AAAA"},"node_modules/b":{"version":"1","integrity":"odd-AAAA"}}}`,
			[]string{`0! malformed-line "a-1.tgz"`, `0! malformed-line "b-1.tgz"`}},
		{"no JSON", manifest.Options{}, `{`, []string{`0! malformed-line: it is not JSON`}},
		{"nested too deeply", manifest.Options{}, strings.Repeat(`{"dependencies":`, 100), []string{`0! malformed-line: it is nested deeper`}},
		{"too many items", manifest.Options{}, `{"packages":{` + strings.Repeat(`"":{},`, 400_000) + `"":{}}}`, []string{`0! malformed-line: it has more than`}},
		{"braces in strings do not count", manifest.Options{}, `{"name":"` + strings.Repeat(`[{\"`, 100) + `"}`, nil},
	})
}

func TestOCFL(t *testing.T) {
	const versions = `,"head":"v1","versions":{"v1":{"state":{}}}}`
	runAll(t, manifest.OCFL, []reading{
		{"manifest and fixity", manifest.Options{}, `{"digestAlgorithm":"sha512","manifest":{"{SHA512}":["v1/content/a","v1/content/b"]},"fixity":{"md5":{"{md5}":["v1/content/a"]},"sha512/256":{"{sha512-256}":["v1/content/a"]},"size":{"6":["v1/content/a"]},"blake2b-256":{"{blake2b-256}":["v1/content/a"]}}` + versions,
			[]string{`0: "v1/content/a" sha512`, `0: "v1/content/b" sha512`, `0: "v1/content/a" blake2b-256`, `0: "v1/content/a" md5`, `0: "v1/content/a" sha512-256`, `0: "v1/content/a" size 6 size-only`}},
		{"a fixity algorithm that is not known", manifest.Options{}, `{"digestAlgorithm":"sha512","manifest":{},"fixity":{"odd":{"00ff":["a"]}}` + versions, []string{`0: "a" odd=00ff`}},
		{"one digest in two cases", manifest.Options{}, `{"digestAlgorithm":"md5","manifest":{"{md5}":["a"],"{MD5}":["b"]}` + versions, []string{`0: "b" md5`, `0! invalid: the digest`, `0: "a" md5`}},
		{"digests that are none", manifest.Options{}, `{"digestAlgorithm":"md5","manifest":{"xyz":["a"],"00":["b"]},"fixity":{"size":{"-1":["c"]}}` + versions, []string{`0! malformed-line: the digest "00"`, `0! malformed-line: the digest "xyz"`, `0! malformed-line: the size`}},
		{"no algorithm", manifest.Options{}, `{"manifest":{"{md5}":["a"]}` + versions, []string{`0! malformed-line: the inventory does not say`}},
		{"a state that the manifest does not have", manifest.Options{}, `{"digestAlgorithm":"md5","manifest":{},"head":"v2","versions":{"v1":{"state":{"ab":["x"]}}}}`, []string{`0! invalid: the head "v2"`, `0! invalid: version v1 refers to the digest ab`}},
		{"no JSON", manifest.Options{}, `[]`, []string{`0! malformed-line`}},
	})
}

func TestOCI(t *testing.T) {
	const index, layer = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.layer.v1.tar"
	name := `"blobs/sha256/` + hexOf("sha256") + `" sha256 size 6`
	runAll(t, manifest.OCIIndex, []reading{
		{"an index", manifest.Options{}, `{"manifests":[{"mediaType":"` + index + `","digest":"sha256:{sha256}","size":6}]}`, []string{`0: ` + name + ` nested`}},
		{"a manifest", manifest.Options{}, `{"config":{"digest":"sha256:{sha256}","size":6},"layers":[{"mediaType":"` + layer + `","digest":"sha256:{sha256}","size":6,"urls":["u"]}]}`, []string{`0: ` + name + ` optional`, `0: ` + name}},
		{"descriptors that are none", manifest.Options{}, `{"layers":[{"digest":"sha256:../../x","size":6},{"digest":"sha256:{sha512}","size":6},{"digest":"sha256:{sha256}","size":-1},{"digest":"md5:{md5}","size":6}]}`,
			[]string{`0! malformed-line`, `0! malformed-line`, `0! malformed-line`, `0! malformed-line`}},
	})
}

func TestLFSPointers(t *testing.T) {
	object := `0: "lfs/objects/58/91/5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" sha256 size 6 optional`
	runAll(t, manifest.LFSObject, []reading{
		{"a pointer", manifest.Options{}, "version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 6\n", []string{object}},
		{"with extensions", manifest.Options{}, "version https://git-lfs.github.com/spec/v1\next-0-foo sha256:{sha256}\noid sha256:{sha256}\nsize 6\n", []string{object}},
		{"of Git LFS before its name", manifest.Options{}, "version https://hawser.github.com/spec/v1\noid sha256:{sha256}\nsize 6\n", []string{object}},
		{"none", manifest.Options{}, "version https://git-lfs.github.com/spec/v1\noid sha256:{md5}\nsize 6\n", []string{`0! malformed-line`}},
		{"too large", manifest.Options{}, "version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 6\n" + strings.Repeat("x", 1024), []string{`0! malformed-line`}},
	})
}
