package repair

import (
	"context"

	"bitmend/hashsets"
	"bitmend/scrub/diagnose"
	"bitmend/scrub/store"
)

// flipBudget bounds the shards in which a run searches for a flipped bit: each
// search may take a good part of a second on all processors.
const flipBudget = 64

// correctBitFlips searches, for shards that no source has, a single bit whose
// flip makes a damaged copy match the shard sum. It is the last resort, for
// blobs that miss only a few shards: all of them must be found.
func (b *batch) correctBitFlips(ctx context.Context) error {
	for _, j := range b.waiting {
		n := j.missing.count()
		if n == 0 || b.flips+n > flipBudget {
			continue
		}
		b.flips += n
		if err := b.correct(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// correct tries the damaged copies of one blob, the target first.
func (r *run) correct(ctx context.Context, j *job) error {
	copies := append([]peer{{FromReread, j.planned.Store, j.target}}, r.peers(j.planned.Store)...)
	for _, c := range copies {
		if j.complete() {
			return nil
		}
		if err := r.correctFrom(ctx, j, c.from); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) correctFrom(ctx context.Context, j *job, from store.Store) error {
	reader, err := from.Open(ctx, j.record.Name, store.Access{})
	if err != nil {
		return ctx.Err() // a copy that cannot be opened is no source
	}
	defer reader.Close()
	h := &j.record.Hashes
	shard := make([]byte, h.ShardSize)
	var still shardSet
	for _, run := range j.missing {
		for i := run.from; i < run.to; i++ {
			offset, length := h.ShardRange(i)
			if !r.readAlone(reader, shard[:length], offset) {
				still.add(i)
				continue
			}
			bit, ok := diagnose.CorrectBitFlip(ctx, shard[:length], h.ShardSums[i])
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if ok {
				shard[bit/8] ^= 1 << (bit % 8)
			}
			if hashsets.ShardSum(shard[:length]) != h.ShardSums[i] {
				still.add(i)
				continue
			}
			if err := r.write(j, shard[:length], offset); err != nil {
				return err
			}
			j.sources[FromBitFlip]++
		}
	}
	j.missing = still
	return nil
}
