package scrub

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"bitmend/hashsets"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// compareReported holds the checksums that the service keeps against the
// record. One that differs is a witness against the record or the blob: which
// of them, only the bytes tell.
func (x *examiner) compareReported(ctx context.Context, o outcome, w witnesses) outcome {
	service, reports := x.store.(store.Reporting)
	if !reports || w.record.Kind != hashsets.File || w.record.Damage != nil {
		return o
	}
	reported, err := service.Reported(ctx, w.record.Name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.entry = nil
		return x.conclude(ctx, o, w, nil)
	case err != nil && !blames(err):
		return o.notChecked(err)
	case err != nil:
		w.readErr = err
		return x.conclude(ctx, o, w, nil)
	case reported.Identity != w.entry.Identity:
		return o // written just now
	}
	for _, d := range reported.Digests {
		recorded, ok := w.record.Hashes.Digest(d.Algorithm)
		if ok && !bytes.Equal(recorded, d.Sum) {
			return o.with(x.finding(w, finding.Undecided, fmt.Sprintf("the %s that the service keeps is not the recorded one; a deep scrub compares the bytes", d.Algorithm)))
		}
		if ok {
			o.verdict = finding.Intact
		}
	}
	for _, d := range reported.Perhaps {
		if recorded, ok := w.record.Hashes.Digest(d.Algorithm); ok && bytes.Equal(recorded, d.Sum) {
			o.verdict = finding.Intact
		}
	}
	return o
}

// testimony is what the checksums that a service keeps say of bytes that are
// not as they are recorded.
type testimony struct {
	vouches bool // one is that of the bytes that are delivered, and none speaks against them
	says    []string
}

// reportedOf returns the checksums that the service keeps of a blob that is
// about to be accused; none where there are none or they cannot be had.
func (x *examiner) reportedOf(ctx context.Context, w witnesses) []hashsets.Digest {
	service, reports := x.store.(store.Reporting)
	if !reports || x.clinic == nil || w.readErr != nil {
		return nil
	}
	reported, err := service.Reported(ctx, w.record.Name)
	if err != nil || reported.Identity != w.entry.Identity {
		return nil
	}
	return append(reported.Digests, reported.Perhaps...)
}

// withAlgorithms is a hash set with the algorithms of other digests besides its
// own, to compute them in the same read.
func withAlgorithms(h *hashsets.HashSet, others []hashsets.Digest) *hashsets.HashSet {
	all := *h
	all.Digests = slices.Clone(h.Digests)
	for _, d := range others {
		if _, has := all.Digest(d.Algorithm); !has {
			all.Digests = append(all.Digests, hashsets.Digest{Algorithm: d.Algorithm})
		}
	}
	slices.SortFunc(all.Digests, func(a, b hashsets.Digest) int { return cmp.Compare(a.Algorithm, b.Algorithm) })
	return &all
}

// testify compares what a service keeps with what was recorded and with what
// it delivers.
func testify(reported []hashsets.Digest, recorded, computed *hashsets.HashSet) (t testimony) {
	against := false
	for _, d := range reported {
		sum, ok := computed.Digest(d.Algorithm)
		if !ok {
			continue
		}
		was, known := recorded.Digest(d.Algorithm)
		switch {
		case bytes.Equal(sum, d.Sum):
			t.vouches = true
			t.says = append(t.says, fmt.Sprintf("the %s that the service keeps is that of the bytes that it delivers: it was sent these", d.Algorithm))
		case known && bytes.Equal(was, d.Sum):
			against = true
			t.says = append(t.says, fmt.Sprintf("the %s that the service keeps is the recorded one: the bytes changed after they were sent", d.Algorithm))
		default:
			against = true
			t.says = append(t.says, fmt.Sprintf("the %s that the service keeps is not that of the bytes that it delivers", d.Algorithm))
		}
	}
	t.vouches = t.vouches && !against
	return t
}
