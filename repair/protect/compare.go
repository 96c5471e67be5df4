package protect

import (
	"context"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// meant tells whether content that differs may be recorded: somebody wrote it
// since it was recorded, the store may change, and no damage was found in it
// before.
func (r *run) meant(one decision, m matter) (string, bool) {
	switch {
	case r.config.Immutable:
		return ", in an immutable store", false
	case one.entry.Identity.ModTime == m.known.ModTime && one.entry.Identity.ETag == m.known.ETag && one.entry.Identity.Version == m.known.Version:
		return ", and its modification time says that nobody has written it", false
	case m.verdict.Damaged():
		return ", and it was damaged when it was checked last", false
	}
	return "", true
}

// compare reads a file, unless its size alone says that its content is new,
// and compares it with its record.
func (r *run) compare(ctx context.Context, h *hand, one decision, m matter, record *catalog.Record) (decision, error) {
	why, meant := r.meant(one, m)
	if one.entry.Identity.Size != record.Hashes.Size && meant {
		return one, nil
	}
	got, err := h.hash(ctx, one.entry, record.Hashes.Algorithms(), record.Hashes.ShardSize, store.Access{})
	if err != nil {
		return one, err
	}
	if !meant && !sameContent(&record.Hashes, &got.hashes) {
		// Before anything is accused it is read again, past the page cache.
		if got, err = h.hash(ctx, one.entry, record.Hashes.Algorithms(), record.Hashes.ShardSize, store.Access{Direct: true}); err != nil {
			return one, err
		}
	}
	one.entry = got.after
	if sameContent(&record.Hashes, &got.hashes) {
		one.action, one.attributes = refresh, got.attributes
		if partial(record) {
			one.action, one.completes = renew, true
		}
		r.count(func(s *report.Summary) { s.Unchanged++ })
		return one, nil
	}
	if meant {
		return one, nil
	}
	one = r.keepRed(one, m.verdict, finding.Corrupt, "its content is not what is recorded"+why)
	for _, d := range record.Hashes.Digests {
		sum, _ := got.hashes.Digest(d.Algorithm)
		one.found.Digests = append(one.found.Digests, finding.Compared{Algorithm: d.Algorithm, Recorded: d.Sum, Computed: sum})
	}
	one.found.Size = record.Hashes.Size
	for _, i := range record.Hashes.BadShards(&got.hashes) {
		one.found.Ranges = appendRange(one.found.Ranges, &record.Hashes, i)
	}
	return one, nil
}

// appendRange adds a shard to ranges that ascend.
func appendRange(ranges []store.Range, h *hashsets.HashSet, shard int) []store.Range {
	offset, length := h.ShardRange(shard)
	if n := len(ranges); n > 0 && ranges[n-1].Offset+ranges[n-1].Length == offset {
		ranges[n-1].Length += length
		return ranges
	}
	return append(ranges, store.Range{Offset: offset, Length: length})
}
