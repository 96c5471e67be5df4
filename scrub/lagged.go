package scrub

import (
	"context"
	"fmt"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
)

// A lagged store is behind on purpose: every generation that was ever recorded
// of a blob is right there, a blob that vanished since may still be there, and
// one that is new may not be there yet. What is verified in it is the
// generation that it holds.

// lag is what an examiner knows of the lagged store that it examines.
type lag struct {
	behind time.Duration // as configured; 0 when nothing was said
	now    time.Time
}

// againstHistory gives the pair the generation that the store seems to hold:
// the newest of the same kind and size, or of the same target. It leaves the
// pair as it is where there is none.
func (x *examiner) againstHistory(ctx context.Context, p pair) (pair, error) {
	if p.entry == nil || p.entry.Err != nil || p.entry.Kind == hashsets.Directory {
		return p, nil
	}
	target := ""
	if p.entry.Kind == hashsets.Link {
		var err error
		if target, err = x.store.ReadLink(ctx, p.name()); err != nil {
			return p, nil // it is met again when the link is examined
		}
	}
	for r, err := range x.catalog.History(ctx, p.name()) {
		if err != nil {
			return p, fmt.Errorf("look up the generations of %q: %w", p.name(), err)
		}
		if r.Damage != nil || r.Kind != p.entry.Kind || r.Target != target ||
			r.Kind == hashsets.File && r.Hashes.Size != p.entry.Identity.Size {
			continue
		}
		held := catalog.Known{Record: r}
		if p.known != nil {
			held.Seen, held.SeenDamage = p.known.Seen, p.known.SeenDamage
		} else {
			p.vanished = true
		}
		p.known = &held
		break
	}
	return p, nil
}

// expected tells whether a verdict is no news of a lagged store, and turns the
// outcome into what it is there.
func (x *examiner) expected(ctx context.Context, o *outcome, w witnesses, verdict finding.Verdict) (bool, error) {
	switch verdict {
	case finding.Unrecorded:
		o.behind = true // it was there before anything was recorded
	case finding.Missing:
		late, err := x.isLate(ctx, w.record.Name)
		o.behind = !late
		return !late, err
	case finding.Stale, finding.Modified: // what fills the store may give times of its own
		if w.computed == nil {
			return false, nil
		}
		earlier := w.recordedBefore()
		if earlier == nil {
			return false, nil
		}
		o.known = &catalog.Known{Record: *earlier, Seen: w.seen}
		o.verdict = finding.Intact
	default:
		return false, nil
	}
	return true, nil
}

// isLate tells whether a blob was recorded so long ago that it should have
// come by now. What fills the store may run as seldom as the lag is long.
func (x *examiner) isLate(ctx context.Context, name string) (bool, error) {
	if x.lag.behind == 0 {
		return false, nil
	}
	first := x.lag.now
	for r, err := range x.catalog.History(ctx, name) {
		if err != nil {
			return false, err
		}
		if r.RecordedAt.Before(first) {
			first = r.RecordedAt
		}
	}
	return x.lag.now.Sub(first) > 2*x.lag.behind, nil
}
