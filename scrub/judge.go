package scrub

import (
	"bytes"
	"errors"
	"fmt"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// witnesses is everything that can be said of one blob in one store. judge
// weighs it; nothing else decides on a verdict.
type witnesses struct {
	record    *catalog.Record   // what is recorded; nil when nothing is
	seen      *catalog.Coverage // the state in which the store held it when it was last verified; may be nil
	earlier   []catalog.Record  // the generations before the record's, newest first
	primary   bool              // the record was taken from this store
	immutable bool              // nobody is meant to change blobs in this store

	entry    *store.Entry      // what the store has; nil when it has nothing
	computed *hashsets.HashSet // of the bytes that were read to their end; nil when they could not be
	target   string            // of a link
	readErr  error             // why they could not be read to their end
	service  testimony         // what the service keeps of the bytes that it delivers
}

// judge compares what was read with every witness of what it should be. The
// rules, in their order (DESIGN section 7):
//
//  1. What is not in the store is missing, what is not in the catalog is
//     unrecorded, and what the store does not deliver is unreadable. None of
//     them says anything about bytes.
//  2. Every digest matches and the record passes its own check: intact.
//  3. A digest of a cryptographic algorithm matches and something else of the
//     record does not: the bytes are proven, so the record is damaged. No two
//     contents share such a digest.
//  4. Only some digests of other algorithms match, or every shard sum does and
//     no digest, or the record fails its own check and no digest matches:
//     nobody can be preferred. Undecided.
//  5. Nothing matches, but an earlier generation does: stale. Not so where the
//     blob was written since, at another time than that generation: somebody
//     may have meant to have the old content back, as who empties a log does.
//     Rule 7 holds then.
//  6. Nothing matches, nobody has written the blob since it was recorded from
//     this store, and a checksum that the service made when the bytes came is
//     that of what it delivers: the record is alone against the service.
//     Undecided.
//  7. Nothing matches, and the store says that the blob was written since:
//     modified; unless the store is immutable. Otherwise nobody meant to
//     change it: corrupt. A changed inode-change time alone excuses nothing,
//     since bits rot and times of modification are set back without it.
//
// Two witnesses are not heard here, for no vote of theirs changes a verdict.
// Other copies that agree against the record are a bad write that spread, since
// copying is what spreads one: a gate opens, and the record stands (poison.go).
// Parity that does not fit data which match what is recorded is itself the
// wrong witness (stripes.go). A damaged record is put right from a copy of it
// that passes its checks, in the parity files or the export, and never from the
// bytes: hashing them anew would bless whatever is there.
func (w witnesses) judge() (finding.Verdict, string) {
	switch {
	case w.record == nil && w.readErr == nil:
		return finding.Unrecorded, ""
	case w.entry == nil:
		return finding.Missing, ""
	case w.readErr != nil && !errors.Is(w.readErr, store.ErrNotABlob):
		return finding.Unreadable, w.readErr.Error()
	case w.record.Kind != w.entry.Kind:
		return w.changed(fmt.Sprintf("a %s was recorded and a %s is there", w.record.Kind, kindName(w.entry.Kind)))
	case w.record.Kind == hashsets.Link:
		return w.judgeLink()
	}
	return w.judgeBytes()
}

func (w witnesses) judgeLink() (finding.Verdict, string) {
	if w.record.Damage != nil {
		return finding.Undecided, w.record.Damage.Error()
	}
	if w.target == w.record.Target {
		return finding.Intact, ""
	}
	return w.changed(fmt.Sprintf("the link points to %q and was recorded as pointing to %q", w.target, w.record.Target))
}

func (w witnesses) judgeBytes() (finding.Verdict, string) {
	recorded := &w.record.Hashes
	if len(recorded.Digests) == 0 {
		return finding.Unverifiable, "no digest is recorded"
	}
	m := match(recorded, w.computed)
	switch {
	case m.all && w.record.Damage == nil:
		return finding.Intact, ""
	case m.proven && w.record.Damage != nil:
		return finding.RecordDamaged, fmt.Sprintf("the bytes match a cryptographic digest and the record is damaged: %v", w.record.Damage)
	case m.proven:
		return finding.RecordDamaged, "the bytes match a cryptographic digest and other parts of the record do not match them"
	case !m.some && w.record.Damage == nil && len(recorded.ShardSums) > 0 && recorded.Size == w.computed.Size && sameShards(recorded, w.computed):
		return finding.Undecided, "every recorded shard sum matches the bytes and no recorded digest does: the record contradicts itself"
	case m.some:
		return finding.Undecided, "some recorded digests match the bytes and others do not"
	case w.record.Damage != nil:
		return finding.Undecided, fmt.Sprintf("no recorded digest matches the bytes, and the record is damaged: %v", w.record.Damage)
	}
	if earlier := w.recordedBefore(); earlier != nil {
		what := fmt.Sprintf("the bytes are those of generation %d; %d is recorded", earlier.Generation, w.record.Generation)
		if w.writtenSince() && !w.immutable && w.entry.Identity.ModTime != earlier.Identity.ModTime {
			return finding.Modified, what + "; whoever wrote it since may have wanted them back"
		}
		return finding.Stale, what
	}
	verdict, what := w.changed("")
	if verdict == finding.Corrupt && w.primary && w.service.vouches && !w.writtenSince() {
		return finding.Undecided, "nobody wrote it since it was recorded, and what the service keeps of it is not what is recorded"
	}
	return verdict, what
}

// recordedBefore returns the newest earlier generation whose content was read;
// nil when it is of none.
func (w witnesses) recordedBefore() *catalog.Record {
	for i := range w.earlier {
		earlier := &w.earlier[i]
		if earlier.Damage == nil && earlier.Kind == w.record.Kind && match(&earlier.Hashes, w.computed).all {
			return earlier
		}
	}
	return nil
}

// changed tells a change that was meant from one that was not. what is said of
// it where the verdict and the digests do not say it all.
func (w witnesses) changed(what string) (finding.Verdict, string) {
	switch {
	case !w.writtenSince():
		return finding.Corrupt, what
	case w.immutable:
		return finding.Corrupt, "it was written since it was recorded, in an immutable store"
	}
	return finding.Modified, what
}

// writtenSince tells whether the store says that the blob was written since it
// was recorded. The reference is the state in which this very store held it
// when it was last verified. A replica that was never verified may have been
// copied with times of its own; there only a time after the recording says
// that the blob was written since.
func (w witnesses) writtenSince() bool {
	now := w.entry.Identity
	if w.seen != nil && w.seen.Generation == w.record.Generation {
		return written(w.seen.Identity, now)
	}
	if w.primary {
		return written(w.record.Identity, now)
	}
	if w.seen != nil && !written(w.seen.Identity, now) {
		return false // it stands as it was when an earlier generation was verified in it
	}
	return now.ModTime != w.record.Identity.ModTime && now.ModTime > w.record.RecordedAt.UnixNano()
}

func written(before, now hashsets.Identity) bool {
	return before.ModTime != now.ModTime || before.Version != now.Version || before.ETag != now.ETag
}

// matching is how a computed hash set compares with a recorded one.
type matching struct {
	all    bool // size, every digest and every shard sum match
	some   bool // at least one digest matches
	proven bool // at least one digest of a cryptographic algorithm matches
}

func match(recorded, computed *hashsets.HashSet) matching {
	m := matching{all: recorded.Size == computed.Size}
	for _, d := range recorded.Digests {
		sum, ok := computed.Digest(d.Algorithm)
		if !ok || !bytes.Equal(d.Sum, sum) {
			m.all = false
			continue
		}
		m.some = true
		m.proven = m.proven || d.Algorithm.Cryptographic()
	}
	if recorded.ShardSums != nil && !sameShards(recorded, computed) {
		m.all = false
	}
	return m
}

func sameShards(recorded, computed *hashsets.HashSet) bool {
	if len(recorded.ShardSums) != len(computed.ShardSums) {
		return false
	}
	for i, sum := range recorded.ShardSums {
		if computed.ShardSums[i] != sum {
			return false
		}
	}
	return true
}

func kindName(k hashsets.Kind) string {
	if k == 0 {
		return "socket, device or FIFO"
	}
	return k.String()
}
