// Package hashsets says what is recorded of a blob's bytes, and computes it in
// one read: digests under several algorithms and the sum of each shard.
//
// It knows nothing of where blobs live, of the catalog that keeps hash sets,
// or of what a difference means: it imports nothing else of bitmend.
package hashsets

// Algorithm names a way to digest bytes, in the spelling that configuration,
// catalog and output share: "xxh64", "sha256".
type Algorithm string

// The algorithms that bitmend knows.
const (
	XXH64     Algorithm = "xxh64"
	SHA256    Algorithm = "sha256"
	CRC32     Algorithm = "crc32"
	CRC32C    Algorithm = "crc32c"
	CRC64NVME Algorithm = "crc64nvme"
	MD5       Algorithm = "md5"
	SHA1      Algorithm = "sha1"
	SHA512    Algorithm = "sha512"
	BLAKE3    Algorithm = "blake3"
	XXH128    Algorithm = "xxh128"
)
