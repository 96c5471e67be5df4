package manifest

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jzelinskie/whirlpool"
	"github.com/zeebo/blake3"
	"github.com/zeebo/xxh3"
	"golang.org/x/crypto/blake2b"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest/sm3"
	"bitmend/hashsets/manifest/tiger"
	"bitmend/hashsets/manifest/xxh32"
)

// Algorithms that lists have beside those of hashsets. "blake2b-256" and its
// like are BLAKE2b with a digest of that many bits, "blake3-512" and its like
// are BLAKE3 with a digest other than the usual 256 bits.
const (
	SHA224     hashsets.Algorithm = "sha224"
	SHA384     hashsets.Algorithm = "sha384"
	SHA512_256 hashsets.Algorithm = "sha512-256"
	SHA3_224   hashsets.Algorithm = "sha3-224"
	SHA3_256   hashsets.Algorithm = "sha3-256"
	SHA3_384   hashsets.Algorithm = "sha3-384"
	SHA3_512   hashsets.Algorithm = "sha3-512"
	BLAKE2b    hashsets.Algorithm = "blake2b-512"
	BLAKE2b256 hashsets.Algorithm = "blake2b-256"
	SM3        hashsets.Algorithm = "sm3"
	XXH32      hashsets.Algorithm = "xxh32"
	XXH3       hashsets.Algorithm = "xxh3" // 64 bits
	Tiger      hashsets.Algorithm = "tiger"
	Whirlpool  hashsets.Algorithm = "whirlpool"

	// GoModule is the h1 hash of a module's zip, GoMod that of a go.mod file
	// (golang.org/x/mod/sumdb/dirhash). NewHash has no answer to the first,
	// which is a hash of what is within the zip.
	GoModule hashsets.Algorithm = "go-h1-zip"
	GoMod    hashsets.Algorithm = "go-h1-mod"
)

// NewHash returns a hash that computes a, nil when bitmend cannot. Its Sum has
// the bytes in the order in which tools print them.
func NewHash(a hashsets.Algorithm) hash.Hash {
	switch a {
	case SHA224:
		return sha256.New224()
	case SHA384:
		return sha512.New384()
	case SHA512_256:
		return sha512.New512_256()
	case SHA3_224:
		return sha3.New224()
	case SHA3_256:
		return sha3.New256()
	case SHA3_384:
		return sha3.New384()
	case SHA3_512:
		return sha3.New512()
	case SM3:
		return sm3.New()
	case XXH32:
		return xxh32.New()
	case XXH3:
		return xxh3.New()
	case Tiger:
		return tiger.New()
	case Whirlpool:
		return whirlpool.New()
	case GoMod:
		return &goModHash{Hash: sha256.New()}
	}
	if h := a.New(); h != nil {
		return h
	}
	family, bits, ok := strings.Cut(string(a), "-")
	n, err := strconv.Atoi(bits)
	if !ok || err != nil || n <= 0 || n%8 != 0 {
		return nil
	}
	switch {
	case family == "blake2b" && n <= 512:
		h, err := blake2b.New(n/8, nil)
		if err != nil {
			return nil
		}
		return h
	case family == "blake3" && n <= 64*1024:
		return &longBlake3{Hasher: blake3.New(), size: n / 8}
	}
	return nil
}

// longBlake3 is BLAKE3 with another length of output.
type longBlake3 struct {
	*blake3.Hasher
	size int
}

func (h *longBlake3) Size() int { return h.size }

func (h *longBlake3) Sum(in []byte) []byte {
	sum := make([]byte, h.size)
	h.Digest().Read(sum) // it does not fail
	return append(in, sum...)
}

// goModHash is the h1 hash of a module that has one file, go.mod.
type goModHash struct{ hash.Hash }

func (h *goModHash) Sum(in []byte) []byte {
	sum := sha256.Sum256([]byte(hex.EncodeToString(h.Hash.Sum(nil)) + "  go.mod\n"))
	return append(in, sum[:]...)
}

// Cryptographic tells whether equal digests under a are evidence of equal
// bytes even where somebody chose the bytes.
func Cryptographic(a hashsets.Algorithm) bool {
	switch a {
	case SHA224, SHA384, SHA512_256, SM3, Whirlpool, GoModule, GoMod:
		return true
	}
	return a.Cryptographic() || strings.HasPrefix(string(a), "sha3-") ||
		strings.HasPrefix(string(a), "blake3-") || strings.HasPrefix(string(a), "blake2b-")
}

// Strength orders algorithms: of two, the one with more is the better
// evidence.
func Strength(a hashsets.Algorithm) int {
	h := NewHash(a)
	switch {
	case h == nil:
		return 0
	case Cryptographic(a):
		return 1000 + h.Size()
	case a == hashsets.SHA1 || a == Tiger:
		return 500
	case a == hashsets.MD5:
		return 400
	}
	return h.Size()
}

// ParseAlgorithm returns the algorithm that a list or a person calls name, in
// any of the usual spellings: "SHA2-256", "sha-256", "RSA-SHA256", "BLAKE2b".
// bytes is the length of the digest that it stands for, 0 when that is not
// known. "" when it is none that bitmend can compute.
func ParseAlgorithm(name string, bytes int) hashsets.Algorithm {
	plain := strings.NewReplacer("_", "-", "/", "-").Replace(strings.ToLower(strings.TrimSpace(name)))
	plain = strings.TrimPrefix(strings.TrimPrefix(plain, "rsa-"), "ssl3-")
	if rest, ok := strings.CutPrefix(plain, "sha2-"); ok {
		plain = "sha" + rest
	}
	switch plain {
	case "blake2b", "b2", "blake2", "blake2bp":
		if bytes == 0 {
			bytes = 64
		}
		plain = "blake2b-" + strconv.Itoa(8*bytes)
	case "blake3", "b3":
		plain = "blake3"
		if bytes != 0 && bytes != 32 {
			plain += "-" + strconv.Itoa(8*bytes)
		}
	case "sha3":
		plain = "sha3-" + strconv.Itoa(8*bytes)
	case "sha2", "sha":
		plain = "sha" + strconv.Itoa(8*bytes)
	case "sha160", "sha-1":
		plain = "sha1"
	case "sha-224", "sha-256", "sha-384", "sha-512":
		plain = "sha" + plain[4:]
	case "sha-512-256", "sha512-256":
		plain = string(SHA512_256)
	case "xxh3-64", "xxhash3":
		plain = string(XXH3)
	case "xxhash64":
		plain = string(hashsets.XXH64)
	case "xxhash128", "xxh3-128":
		plain = string(hashsets.XXH128)
	case "xxhash32":
		plain = string(XXH32)
	}
	if family, bits, ok := strings.Cut(plain, "-"); ok && (family == "blake2b" && bits == "" || family == "blake3" && bits == "256") {
		plain = family
	}
	a := hashsets.Algorithm(plain)
	h := NewHash(a)
	if h == nil || bytes != 0 && h.Size() != bytes {
		return ""
	}
	return a
}

// candidates returns the algorithms whose digests have a length in bytes, the
// usual one first.
func candidates(bytes int) []hashsets.Algorithm {
	switch bytes {
	case 4:
		return []hashsets.Algorithm{hashsets.CRC32, XXH32, hashsets.CRC32C}
	case 8:
		return []hashsets.Algorithm{hashsets.XXH64, XXH3, hashsets.CRC64NVME}
	case 16:
		return []hashsets.Algorithm{hashsets.MD5, hashsets.XXH128}
	case 20:
		return []hashsets.Algorithm{hashsets.SHA1, "blake2b-160"}
	case 24:
		return []hashsets.Algorithm{Tiger}
	case 28:
		return []hashsets.Algorithm{SHA224, SHA3_224}
	case 32:
		return []hashsets.Algorithm{hashsets.SHA256, hashsets.BLAKE3, BLAKE2b256, SHA3_256, SM3, SHA512_256}
	case 48:
		return []hashsets.Algorithm{SHA384, SHA3_384, "blake2b-384"}
	case 64:
		return []hashsets.Algorithm{hashsets.SHA512, BLAKE2b, SHA3_512, Whirlpool, "blake3-512"}
	}
	return nil
}

// Alternatives returns the algorithms that a guessed one may be instead: those
// with digests of the same length.
func Alternatives(a hashsets.Algorithm) []hashsets.Algorithm {
	h := NewHash(a)
	if h == nil {
		return nil
	}
	return slices.DeleteFunc(candidates(h.Size()), func(other hashsets.Algorithm) bool { return other == a })
}

// hinted returns the algorithm that a list's file name tells of, for digests
// of a length in bytes: SHA256SUMS, files.b3, b2-256, xxh64sum.txt. Of several
// the last one counts: b3sum.md5sums is of MD5.
func hinted(listName string, bytes int) hashsets.Algorithm {
	name := strings.ToLower(path.Base(listName))
	words := hintWords.FindAllStringIndex(name, -1)
	for _, at := range slices.Backward(words) {
		if !isWord(name, at[0], at[1]) {
			continue
		}
		if a := ParseAlgorithm(hintNames(name[at[0]:at[1]]), bytes); a != "" {
			return a
		}
	}
	return ""
}

// isWord tells whether a part of a name is a word of its own, or one with
// "sum" behind it: "lib2to3" does not speak of BLAKE2.
func isWord(name string, from, to int) bool {
	isOther := func(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' }
	rest := name[to:]
	return (from == 0 || !isOther(name[from-1])) && (rest == "" || !isOther(rest[0]) || strings.HasPrefix(rest, "sum"))
}

var hintWords = regexp.MustCompile(`sha-?3-?\d{3}|sha-?512[-/]256|sha-?\d{1,3}|md5|blake2b?(?:-\d{1,3})?|blake3(?:-\d{1,4})?|b2|b3|sm3|crc32c?|crc64nvme|xxh(?:ash)?\d{1,3}|xxh3|\bh[0123]\b|tiger|whirlpool|\bsfv\b`)

// hintNames translates what xxhsum calls its algorithms.
func hintNames(word string) string {
	switch word {
	case "h0":
		return string(XXH32)
	case "h1":
		return string(hashsets.XXH64)
	case "h2":
		return string(hashsets.XXH128)
	case "h3":
		return string(XXH3)
	case "sfv":
		return string(hashsets.CRC32)
	}
	if digits, ok := strings.CutPrefix(word, "sha3"); ok && len(digits) == 3 {
		return "sha3-" + digits
	}
	return word
}

// decodeSum decodes a digest in hexadecimal of either case or, where it is
// not that, in standard or URL-safe base64, padded or not.
func decodeSum(text []byte) []byte {
	if len(text)%2 == 0 && len(text) >= 8 {
		sum := make([]byte, len(text)/2)
		if _, err := hex.Decode(sum, text); err == nil {
			return sum
		}
	}
	return decodeBase64(text)
}

func decodeHex(text []byte) []byte {
	sum := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(sum, text); err != nil || len(sum) == 0 {
		return nil
	}
	return sum
}

// shortestBare is how many bytes a digest in base64 without padding has at
// least: what is shorter may as well be a word of a text.
const shortestBare = 16

// decodeBase64 decodes what has the length of a known digest.
func decodeBase64(text []byte) []byte {
	if len(text)%4 != 0 && base64.RawStdEncoding.DecodedLen(len(text)) < shortestBare {
		return nil
	}
	text = bytes.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		sum := make([]byte, encoding.DecodedLen(len(text)))
		if n, err := encoding.Decode(sum, text); err == nil && candidates(n) != nil {
			return sum[:n]
		}
	}
	return nil
}

func reversed(sum []byte) []byte {
	r := slices.Clone(sum)
	slices.Reverse(r)
	return r
}
