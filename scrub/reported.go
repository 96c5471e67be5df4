package scrub

import (
	"bytes"
	"context"
	"errors"
	"fmt"

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
