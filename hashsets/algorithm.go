// Package hashsets says what is recorded of a blob's bytes, and computes it in
// one read: digests under several algorithms and the sum of each shard.
//
// It knows nothing of where blobs live, of the catalog that keeps hash sets,
// or of what a difference means: it imports nothing else of bitmend.
package hashsets

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"hash/crc32"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"github.com/zeebo/blake3"
	"github.com/zeebo/xxh3"
)

// Algorithm names a way to digest bytes, in the spelling that configuration,
// catalog and output share: "xxh64", "sha256".
type Algorithm string

// The algorithms that bitmend knows.
const (
	XXH64     Algorithm = "xxh64"     // XXH64, seed 0
	SHA256    Algorithm = "sha256"    // FIPS 180-4
	CRC32     Algorithm = "crc32"     // IEEE 802.3, as zip and gzip use it
	CRC32C    Algorithm = "crc32c"    // Castagnoli, RFC 3720
	CRC64NVME Algorithm = "crc64nvme" // NVM Express command set, as S3 reports it
	MD5       Algorithm = "md5"       // RFC 1321
	SHA1      Algorithm = "sha1"      // FIPS 180-4
	SHA512    Algorithm = "sha512"    // FIPS 180-4
	BLAKE3    Algorithm = "blake3"    // 256 bits of output, no key
	XXH128    Algorithm = "xxh128"    // XXH3, 128 bits, seed 0
)

// Algorithms returns the algorithms that bitmend knows, sorted by name.
func Algorithms() []Algorithm {
	return []Algorithm{BLAKE3, CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXH128, XXH64}
}

// ParseAlgorithm returns the algorithm called name. The error for an unknown
// name gives the known ones and the nearest of them.
func ParseAlgorithm(name string) (Algorithm, error) {
	if a := Algorithm(name); a.known() {
		return a, nil
	}
	var known []string
	for _, a := range Algorithms() {
		known = append(known, string(a))
	}
	return "", fmt.Errorf("unknown checksum algorithm %q, did you mean %q? (known: %s)",
		name, nearest(name, known), strings.Join(known, ", "))
}

// New returns a hash that computes a, or nil when a is not one of Algorithms.
// Its Sum gives the bytes in the order in which tools print them as hex, most
// significant byte first.
func (a Algorithm) New() hash.Hash {
	switch a {
	case XXH64:
		return xxhash.New()
	case SHA256:
		return sha256.New()
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case CRC64NVME:
		return crc64nvme.New()
	case MD5:
		return md5.New()
	case SHA1:
		return sha1.New()
	case SHA512:
		return sha512.New()
	case BLAKE3:
		return blake3.New()
	case XXH128:
		return xxh3.New128()
	}
	return nil
}

// Size returns the length of a digest in bytes, 0 when a is not one of
// Algorithms.
func (a Algorithm) Size() int {
	switch a {
	case CRC32, CRC32C:
		return 4
	case XXH64, CRC64NVME:
		return 8
	case MD5, XXH128:
		return 16
	case SHA1:
		return 20
	case SHA256, BLAKE3:
		return 32
	case SHA512:
		return 64
	}
	return 0
}

// Cryptographic tells whether equal digests are evidence of equal bytes, even
// where somebody chose the bytes. The other algorithms are detectors: they
// notice accidents. MD5 and SHA-1 are detectors too, for both are broken: two
// contents of one digest can be made at will (RFC 6151; Stevens et al., The
// First Collision for Full SHA-1, 2017).
func (a Algorithm) Cryptographic() bool {
	return a == SHA256 || a == SHA512 || a == BLAKE3
}

func (a Algorithm) known() bool { return a.Size() != 0 }

// nearest returns the candidate that takes the fewest edits to become name.
// Case and separators do not count, so that "SHA-256" is near "sha256".
func nearest(name string, candidates []string) string {
	plain := strings.NewReplacer("-", "", "_", "", "/", "", " ", "").Replace(strings.ToLower(name))
	best, fewest := "", 0
	for _, c := range candidates {
		if d := Edits(plain, c); best == "" || d < fewest {
			best, fewest = c, d
		}
	}
	return best
}

// Edits counts the insertions, deletions and replacements of single bytes that
// lead from a to b (the distance of Levenshtein): how near a misspelt word is
// to a known one.
func Edits(a, b string) int {
	row := make([]int, len(b)+1) // of a's prefix so far to each prefix of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
