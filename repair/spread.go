package repair

import (
	"context"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// A scrub that looks at all stores sees a bad write that spread. One that
// looked at some of them, or at a part of each, may have judged one copy alone;
// but a repair asks every current copy before anything else, and sees then that
// they all have the very bytes that it is about to replace.

// likeness says how the current copies of a blob compare with the damaged
// bytes in the target.
type likeness struct {
	stood        []uint64 // by shard: the sum of what stands in the target in its place; 0 where that is not known
	same, others int      // shards of the copy that is being read
	alike        int      // copies that have the same other bytes
	unlike       bool     // a copy has something else, be it the recorded bytes
}

// currentNames names the stores that should hold what is recorded now.
func currentNames(stores []vault.StoreConfig) (names []string) {
	for _, s := range stores {
		if s.Role != vault.Lagged {
			names = append(names, s.Name)
		}
	}
	return names
}

// note takes in a shard that is not as it is recorded.
func (l *likeness) note(kind SourceKind, h *hashsets.HashSet, shard int, sum uint64) {
	switch {
	case kind == FromReread:
		if l.stood == nil {
			l.stood = make([]uint64, len(h.ShardSums))
		}
		l.stood[shard] = sum
	case kind != FromReplica || l.stood == nil || l.stood[shard] == 0:
	case l.stood[shard] == sum:
		l.same++
	default:
		l.others++
	}
}

// compareCopy fills from a current copy, and says how it compares.
func (r *run) compareCopy(ctx context.Context, j *job, from peer, reader store.Reader) error {
	missing := j.missing.count()
	j.likeness.same, j.likeness.others = 0, 0
	if err := r.fill(ctx, j, from.kind, reader); err != nil {
		return err
	}
	there, err := reader.Entry()
	if err != nil || j.seen == nil || len(j.record.Hashes.ShardSums) == 0 {
		return nil // it says nothing
	}
	l, short := &j.likeness, there.Identity.Size < j.record.Hashes.Size
	if j.missing.count() == missing && there.Identity.Size == j.seen.Identity.Size && l.others == 0 && (l.same > 0 || short) {
		l.alike++
	} else {
		l.unlike = true
	}
	return nil
}

// nothingSpread refuses a repair in whose place all current copies agree
// against the record, unless a person has looked at that.
func (r *run) nothingSpread(ctx context.Context, j *job) error {
	meant := j.planned.Revert || j.planned.Verdict != finding.Corrupt && j.planned.Verdict != finding.Stale
	if meant || j.likeness.alike == 0 || j.likeness.unlike {
		return nil
	}
	r.mu.Lock()
	r.spread.Count(j.record.Name, false)
	spread := r.spread
	r.mu.Unlock()
	open, err := gate.JudgePoison(ctx, r.vault.Catalog, r.vault.Config, spread, r.opts.Now())
	if err != nil {
		return err
	}
	for _, g := range open {
		if g.Name == gate.Poisoned {
			r.mu.Lock()
			r.summary.Refused = true
			clear(r.gates) // it is in the way of every store
			r.mu.Unlock()
			r.tellGates([]catalog.Gate{g})
			return &ending{outcome: report.Refused, reason: refusedBy([]catalog.Gate{g})}
		}
	}
	return nil
}
