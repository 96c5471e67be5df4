package hashsets_test

import (
	"fmt"
	"testing"

	"bitmend/hashsets"
)

// BenchmarkBlob hashes whole blobs that arrive in one write, as small files
// do, with shard sums.
func BenchmarkBlob(b *testing.B) {
	for _, digests := range []struct {
		name       string
		algorithms []hashsets.Algorithm
	}{
		{"shards", nil},
		{"xxh64", []hashsets.Algorithm{hashsets.XXH64}},
		{"xxh64+sha256", []hashsets.Algorithm{hashsets.XXH64, hashsets.SHA256}},
		{"xxh64+blake3", []hashsets.Algorithm{hashsets.XXH64, hashsets.BLAKE3}},
		{"five", []hashsets.Algorithm{hashsets.XXH64, hashsets.CRC32C, hashsets.CRC64NVME, hashsets.SHA256, hashsets.BLAKE3}},
	} {
		for _, size := range []int{4 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%dKiB", digests.name, size>>10), func(b *testing.B) {
				h := newHasher(b, hashsets.DefaultShardSize, digests.algorithms...)
				blob := random(1, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					h.Reset()
					h.Write(blob)
					h.HashSet()
				}
			})
		}
	}
}
