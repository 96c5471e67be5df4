package scrub

import (
	"iter"
	"testing"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
)

// However many generations a large blob has, the shard sums of a few are held;
// all of them keep the digests by which stale content is known.
func TestEarlierGenerationsOfALargeBlobAreBounded(t *testing.T) {
	const generations = 12
	sums := make([]uint64, earlierSums/4)
	var history iter.Seq2[catalog.Record, error] = func(yield func(catalog.Record, error) bool) {
		for n := generations; n > 0; n-- {
			r := catalog.Record{Name: "large", Generation: int64(n), Hashes: hashsets.HashSet{
				Digests: []hashsets.Digest{{Algorithm: hashsets.XXH64, Sum: []byte{byte(n)}}}, ShardSums: sums}}
			if !yield(r, nil) {
				return
			}
		}
	}
	earlier, err := before(history, generations)
	if err != nil {
		t.Fatal(err)
	}
	if len(earlier) != generations-1 || earlier[0].Generation != generations-1 {
		t.Fatalf("%d earlier generations, the first %d; want %d, newest first", len(earlier), earlier[0].Generation, generations-1)
	}
	held := 0
	for _, r := range earlier {
		held += len(r.Hashes.ShardSums)
		if len(r.Hashes.Digests) == 0 {
			t.Errorf("generation %d came without its digests", r.Generation)
		}
	}
	if held == 0 || held > earlierSums {
		t.Errorf("%d shard sums are held, want some and at most %d", held, earlierSums)
	}
}
