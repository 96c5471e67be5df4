package diagnose_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"bitmend/hashsets"
	"bitmend/scrub/diagnose"
)

// random makes n bytes from a seed.
func random(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	p := make([]byte, n)
	rand.NewChaCha8(key).Read(p)
	return p
}

func TestEverySingleBitFlipIsFound(t *testing.T) {
	for _, size := range []int{1, 3, 4, 7, 8, 12, 31, 32, 33, 63, 64, 100, 259} {
		shard := random(uint64(size), size)
		want := hashsets.ShardSum(shard)
		for bit := range size * 8 {
			shard[bit/8] ^= 1 << (bit % 8)
			before := string(shard)
			got, ok := diagnose.CorrectBitFlip(context.Background(), shard, want)
			if !ok || got != bit {
				t.Fatalf("in %d bytes the flip of bit %d is found as %d, %v", size, bit, got, ok)
			}
			if string(shard) != before {
				t.Fatal("the shard was changed")
			}
			shard[bit/8] ^= 1 << (bit % 8)
		}
	}
}

func TestFlipsInAShardOfUsualSize(t *testing.T) {
	shard := random(1, hashsets.DefaultShardSize)
	want := hashsets.ShardSum(shard)
	for _, bit := range []int{0, 7, 63, 64, 255, 256, 300_001, len(shard)*8 - 1} {
		shard[bit/8] ^= 1 << (bit % 8)
		if got, ok := diagnose.CorrectBitFlip(context.Background(), shard, want); !ok || got != bit {
			t.Errorf("the flip of bit %d is found as %d, %v", bit, got, ok)
		}
		shard[bit/8] ^= 1 << (bit % 8)
	}
}

func TestWhatIsNoSingleFlipIsNotCorrected(t *testing.T) {
	shard := random(2, 4096)
	want := hashsets.ShardSum(shard)
	ctx := context.Background()
	if bit, ok := diagnose.CorrectBitFlip(ctx, shard, want); ok {
		t.Errorf("an intact shard is corrected at bit %d", bit)
	}
	if bit, ok := diagnose.CorrectBitFlip(ctx, nil, 1); ok {
		t.Errorf("an empty shard is corrected at bit %d", bit)
	}
	shard[100] ^= 1
	shard[101] ^= 1
	if bit, ok := diagnose.CorrectBitFlip(ctx, shard, want); ok {
		t.Errorf("two flips are corrected at bit %d", bit)
	}
	shard[101] ^= 1
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, ok := diagnose.CorrectBitFlip(cancelled, shard, want); ok {
		t.Error("a cancelled search found something")
	}
}

// BenchmarkCorrectBitFlip is the cost of a search that finds nothing.
func BenchmarkCorrectBitFlip(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			shard := random(3, size)
			for b.Loop() {
				if _, ok := diagnose.CorrectBitFlip(context.Background(), shard, 1); ok {
					b.Fatal("a flip was found that was not made")
				}
			}
		})
	}
}
