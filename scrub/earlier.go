package scrub

import (
	"iter"

	"bitmend/hashsets/catalog"
)

// earlierSums is how many shard sums are held of the earlier generations of a
// blob that is to be accused.
const earlierSums = 1 << 20

// before returns the generations older than generation, newest first. Those
// that have more sums than are held come without them: content that is theirs
// as a whole is known by its digests.
func before(history iter.Seq2[catalog.Record, error], generation int64) ([]catalog.Record, error) {
	var earlier []catalog.Record
	held := 0
	for r, err := range history {
		if err != nil {
			return nil, err
		}
		if r.Generation >= generation {
			continue
		}
		if held += len(r.Hashes.ShardSums); held > earlierSums && len(r.Hashes.Digests) > 0 {
			held -= len(r.Hashes.ShardSums)
			r.Hashes.ShardSums = nil
		}
		earlier = append(earlier, r)
	}
	return earlier, nil
}
