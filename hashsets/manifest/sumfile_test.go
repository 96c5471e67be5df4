package manifest_test

import (
	"strings"
	"testing"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
)

// Each reading is a trap of the formats that share this reader.
func TestSumFilesAreReadAsTheirToolsMeanThem(t *testing.T) {
	runAll(t, manifest.SumFile, []reading{
		{"two spaces or a space and an asterisk", named("SHA256SUMS"), "{sha256}  a\n{SHA256} *b\n", []string{`1: "a" sha256`, `2: "b" sha256`}},
		{"everything after the sign is the name", named("MD5SUMS"), "{md5}   a  b \n{md5} **star\n", []string{`1: " a  b " md5`, `2: "*star" md5`}},
		{"blanks before the digest", named("MD5SUMS"), " \t{md5}  a\n", []string{`1: "a" md5`}},
		{"one space, as BSD reversed it", named("MD5SUMS"), "{md5} a\n{md5}  b\n{md5} *c\n", []string{`1: "a" md5`, `2: " b" md5`, `3: "*c" md5`}},
		{"the dialects are not mixed", named("MD5SUMS"), "{md5}  a\n{md5} b\n", []string{`1: "a" md5`, `2! malformed-line: one space`}},
		{"escapes", named("MD5SUMS"), `\{md5}  back\\slash\nnew\rret` + "\n", []string{`1: "back\\slash\nnew\rret" md5`}},
		{"blanks before the escape", named("MD5SUMS"), ` \{md5}  a\\b` + "\n", []string{`1: "a\\b" md5`}},
		{"an escape that is none", named("MD5SUMS"), `\{md5}  a\tb` + "\n" + `\{md5}  end\` + "\n", []string{`1! malformed-line: the name has an escape`, `2! malformed-line: the name has an escape`}},
		{"no escape without the sign", named("MD5SUMS"), `{md5}  a\nb` + "\n", []string{`1: "a\\nb" md5 or "a/nb"`}},
		{"one CR is of the line's end", named("MD5SUMS"), "{md5}  a\r\n{md5}  b\r\r\n\r\n", []string{`1: "a" md5`, `2: "b\r" md5`}},
		{"a CR after an escaped name", named("MD5SUMS"), `\{md5}  a\\b` + "\r\n" + `\{md5}  c\r` + "\n", []string{`1: "a\\b\r" md5 or "a\\b"`, `2: "c\r" md5`}},
		{"no line end at the end", named("MD5SUMS"), "{md5}  a", []string{`1: "a" md5`}},
		{"comments and empty lines", named("MD5SUMS"), "# {md5}  x\n\n  \n{md5}  #a\n", []string{`4: "#a" md5`}},
		{"a byte order mark", named("MD5SUMS"), "\xef\xbb\xbf{md5}  a\n", []string{`1! warning: the list begins with a byte order mark`, `1: "a" md5`}},
		{"NUL ends lines and nothing is escaped", named("MD5SUMS"), "{md5}  a\nb\\n\x00{md5} *#c\r\x00", []string{`1: "a\nb\\n" md5`, `2: "#c\r" md5`}},
		{"NUL and tags", named(""), "MD5 (a\nb) = {md5}\x00", []string{`1: "a\nb" md5`}},
		{"names are bytes", named("MD5SUMS"), "{md5}  \xe9\xff\x01\n", []string{`1: "\xe9\xff\x01" md5 or "éÿ\x01"`}},
		{"Windows separators", named("MD5SUMS"), "{md5}  a\\b\n", []string{`1: "a\\b" md5 or "a/b"`}},
		{"control pictures of rclone", named("MD5SUMS"), "{md5}  new␊line␍␡\n", []string{`1: "new␊line␍␡" md5 or "new\nline\r\x7f"`}},

		{"tags", named(""), "SHA256 (a) = {sha256}\nSHA512 (b) = {SHA512}\n", []string{`1: "a" sha256`, `2: "b" sha512`}},
		{"a tag's name ends at the last parenthesis", named(""), "SHA256 (paren) = deadbeef) = {sha256}\nMD5 (a (b)) = {md5}\n", []string{`1: "paren) = deadbeef" sha256`, `2: "a (b)" md5`}},
		{"an escaped tag", named(""), `\SHA256 (back\\slash) = {sha256}` + "\n", []string{`1: "back\\slash" sha256`}},
		{"bits in a tag", named(""), "BLAKE2b (a) = {blake2b-512}\nBLAKE2b-256 (b) = {blake2b-256}\nSHA3-256 (c) = {sha3-256}\nSHA2-256 (d) = {sha256}\nSM3 (e) = {sm3}\nSHA2 (f) = {sha384}\n",
			[]string{`1: "a" blake2b-512`, `2: "b" blake2b-256`, `3: "c" sha3-256`, `4: "d" sha256`, `5: "e" sm3`, `6: "f" sha384`}},
		{"OpenSSL", named(""), "SHA256(a)= {sha256}\nSHA2-256(b)= {sha256}\nSHA2-512/256(c)= {sha512-256}\nRSA-SHA256(d)= {sha256}\nssl3-md5(e)= {md5}\n",
			[]string{`1: "a" sha256`, `2: "b" sha256`, `3: "c" sha512-256`, `4: "d" sha256`, `5: "e" md5`}},
		{"OpenSSL does not escape", named(""), "SHA256(new\nline)= {sha256}\nSHA256(b)= {sha256}\n", []string{`1! malformed-line`, `2! malformed-line`, `3: "b" sha256`}},
		{"a key is needed", named(""), "HMAC-SHA256(a)= {sha256}\n", []string{`1: "a" hmac-sha256=5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03`}},
		{"a tag with a digest of another length", named(""), "SHA256 (a) = {md5}\n", []string{`1! malformed-line: the digest has 16 bytes, which SHA256 does not have`}},
		{"a tag without a name, an end, a digest", named(""), "MD5 () = {md5}\nMD5 (a = {md5}\nMD5 (a) {md5}\nMD5 (a) = xyz\n",
			[]string{`1! malformed-line: the name is empty`, `2! malformed-line: the name has no end`, `3! malformed-line: there is no digest`, `4! malformed-line: the digest is neither`}},

		{"base64 of cksum", named(""), "SHA256 (a) = {sha256:base64}\n", []string{`1: "a" sha256`}},
		{"base64 of rclone, URL-safe", named("x.sha512"), "{sha512:url}  a\n{sha512:bare}  b\n", []string{`1: "a" sha512`, `2: "b" sha512`}},
		{"short base64 is padded", named("x.crc32"), "{crc32:base64}  a\nPlease  read\n", []string{`1: "a" crc32`, `2! malformed-line: it begins with no digest`}},
		{"rclone without a checksum", named("MD5SUMS"), "UNSUPPORTED  a\nERROR  b\n                                  c\n",
			[]string{`1! unsupported-algorithm: rclone`, `2! unsupported-algorithm: rclone`, `3! malformed-line: it begins with no digest`}},

		{"b3sum", named("B3SUMS"), "{blake3}  a\n{blake3-512}  long\n", []string{`1: "a" blake3`, `2: "long" blake3-512`}},
		{"b3sum's tag", named(""), "BLAKE3 (a) = {blake3}\nBLAKE3 (b) = {blake3-512}\n", []string{`1: "a" blake3`, `2: "b" blake3-512`}},

		{"xxhsum by length", named("sums"), "{xxh32}  a\n{xxh64}  b\n{xxh128}  c\nXXH3_{xxh3}  d\n",
			[]string{`1: "a" crc32?=` + hexOf(manifest.XXH32), `2: "b" xxh64?`, `3: "c" md5?=` + hexOf(hashsets.XXH128), `4: "d" xxh3`}},
		{"xxhsum by its file's name", named("x.xxh128"), "{xxh128}  c\n", []string{`1: "c" xxh128`}},
		{"xxhsum's tags", named(""), "XXH64 (a) = {xxh64}\nXXH64_LE (b) = {xxh64:reversed}\nXXH3 (c) = {xxh3}\nXXH128 (d) = {xxh128}\nXXH32 (e) = {xxh32}\nXXH3 (f) = XXH3_{xxh3}\n",
			[]string{`1: "a" xxh64`, `2: "b" xxh64`, `3: "c" xxh3`, `4: "d" xxh128`, `5: "e" xxh32`, `6: "f" xxh3`}},
		{"xxhsum --little-endian has no mark", manifest.Options{Algorithm: hashsets.XXH64, LittleEndian: true}, "{xxh64:reversed}  a\n", []string{`1: "a" xxh64`}},

		{"by option", manifest.Options{ListName: "MD5SUMS", Algorithm: hashsets.BLAKE3}, "{blake3}  a\n", []string{`1: "a" blake3`}},
		{"by option, of another length", manifest.Options{Algorithm: hashsets.SHA256}, "{md5}  a\n", []string{`1! malformed-line: the digest has 16 bytes, which sha256 does not have`}},
		{"by name, that of a directory does not count", named("/md5/x.sha256"), "{sha256}  a\n", []string{`1: "a" sha256`}},
		{"by name, in many spellings", named("sha512sum.txt"), "{sha512}  a\n", []string{`1: "a" sha512`}},
		{"by name, the last word of it", named("b3sum.md5sums"), "{md5}  a\n", []string{`1: "a" md5`}},
		{"by name, by whole words", named("liblib2to3.md5sums"), "{md5}  a\n", []string{`1: "a" md5`}},
		{"by name, by no part of a word", named("libb2to3"), "{md5}  a\n", []string{`1: "a" md5?`}},
		{"by name, BLAKE2", named("B2SUMS"), "{blake2b-512}  a\n", []string{`1: "a" blake2b-512`}},
		{"by length", named("sums"), "{md5}  a\n{sha1}  b\n{sha224}  c\n{sha256}  d\n{sha384}  e\n{sha512}  f\n",
			[]string{`1: "a" md5?`, `2: "b" sha1?`, `3: "c" sha224?`, `4: "d" sha256?`, `5: "e" sha384?`, `6: "f" sha512?`}},
		{"no such length", named("sums"), "{md5}00  a\n", []string{`1! malformed-line: no checksum is 17 bytes long`}},

		{"the CRC of cksum", named("sums"), "4294967295 6 a\n", []string{`1! unsupported-algorithm: it looks like the CRC`}},
		{"one digest alone", named("a.iso.sha256"), "{sha256}\n", []string{`1: "a.iso" sha256`}},
		{"one digest alone of no file", named("SHA256SUMS"), "{sha256}\n", []string{`1! malformed-line: there is no name`}},
		{"digests alone", named("a.sha256"), "{sha256}\n{sha256}\n", []string{`2! malformed-line: there is no name`, `1: "a" sha256`}},
		{"no name", named("MD5SUMS"), "{md5}  a\n{md5}  \n{md5}\n", []string{`1: "a" md5`, `2! malformed-line`, `3! malformed-line: there is no name`}},
		{"a line that was cut off", named("MD5SUMS"), "{md5}  a\nb1946ac92492d\n", []string{`1: "a" md5`, `2! malformed-line: it begins with no digest`}},
		{"a signed list", named("SHA256SUMS"), "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{sha256}  a\n- {sha256}  b\n-----BEGIN PGP SIGNATURE-----\n\niQEz\n-----END PGP SIGNATURE-----\n",
			[]string{`4: "a" sha256`, `5: "b" sha256`}},

		{"a folder that is taken off", manifest.Options{ListName: "MD5SUMS", Strip: "/srv/data"}, "{md5}  /srv/data/a\n{md5}  /srv/database/b\n{md5}  /etc/passwd\n{md5}  /srv/data\\w\n",
			[]string{`1: "a" md5`, `2: "/srv/database/b" md5`, `3: "/etc/passwd" md5`, `4: "w" md5 or "w"`}},
	})
}

func hexOf(a hashsets.Algorithm) string { return filled("{" + string(a) + "}") }

// PowerShell's ">" writes UTF-16.
func TestListsInUTF16AreRead(t *testing.T) {
	wide := "\xff\xfe"
	for _, c := range filled("{md5}  é\r\n") {
		wide += string([]byte{byte(c), byte(c >> 8)})
	}
	runAll(t, manifest.SumFile, []reading{
		{"little-endian", named("MD5SUMS"), wide, []string{`1! warning: the list is not in UTF-8`, `1: "é" md5`}},
	})
}

func TestALongLineIsAProblemAndNotTheEnd(t *testing.T) {
	long := filled("{md5}  ") + strings.Repeat("x", manifest.MaxLine+1)
	longest := filled("{md5}  ") + strings.Repeat("x", manifest.MaxLine-34)
	got := &said{}
	if err := manifest.Read(manifest.SumFile, strings.NewReader(long+"\n"+longest+"\n"+filled("{md5}  a\n")), named("MD5SUMS"), got); err != nil {
		t.Fatal(err)
	}
	if len(got.lines) != 3 || !strings.HasPrefix(got.lines[0], "1! malformed-line: the line is longer") ||
		!strings.HasPrefix(got.lines[1], `2: "xxx`) || got.lines[2] != `3: "a" md5` {
		t.Errorf("read %d: %.80q", len(got.lines), got.lines)
	}
}
