package status

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/vault"
)

// Rewind is how far back the blobs of a lagged store take us, as far as it was
// verified. The lag that is configured is what was asked for; what is there
// says what can be had.
type Rewind struct {
	Lag    time.Duration // as configured
	Behind int64         // blobs of which it holds an older generation
	Absent int64         // recorded blobs that were not seen there
	// Before is when the first of those older generations was superseded: the
	// state before that time can be had. Zero when nothing is behind.
	Before time.Time
	// Newest is when the newest change that it holds was recorded: nothing
	// from before that change can be had of that blob. Zero when there was none.
	Newest time.Time
}

// gatherRewind looks at what a lagged store was seen to hold.
func gatherRewind(ctx context.Context, v *vault.Vault, cfg vault.StoreConfig) (*Rewind, error) {
	r := &Rewind{Lag: cfg.Lag}
	for known, err := range v.Catalog.Records(ctx, catalog.Query{Store: cfg.Name}) {
		if err != nil {
			return nil, err
		}
		if known.Kind == hashsets.Directory {
			continue
		}
		if err := r.count(ctx, v, known); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Rewind) count(ctx context.Context, v *vault.Vault, known catalog.Known) error {
	if known.Seen == nil {
		r.Absent++
		return nil
	}
	held := known.Seen.Generation
	if held == known.Generation {
		if held > 1 && known.RecordedAt.After(r.Newest) {
			r.Newest = known.RecordedAt
		}
		return nil
	}
	r.Behind++
	for g, err := range v.Catalog.History(ctx, known.Name) {
		if err != nil {
			return fmt.Errorf("look up the generations of %q: %w", known.Name, err)
		}
		switch {
		case g.Generation == held+1 && (r.Before.IsZero() || g.RecordedAt.Before(r.Before)):
			r.Before = g.RecordedAt
		case g.Generation == held && held > 1 && g.RecordedAt.After(r.Newest):
			r.Newest = g.RecordedAt
		}
	}
	return nil
}

// Short tells whether a change is there already that was recorded less than
// the lag ago: the window is shorter than was asked for.
func (r *Rewind) Short(now time.Time) bool {
	return r.Lag > 0 && !r.Newest.IsZero() && now.Sub(r.Newest) < r.Lag
}

func (r *Rewind) describe(now time.Time) string {
	text := "it holds what is recorded now, and nothing older"
	if r.Behind > 0 {
		text = fmt.Sprintf("it holds older generations of %s blobs, and gives back the state before %s (%s)",
			humanize.Comma(r.Behind), r.Before.UTC().Format("2006-01-02 15:04"), humanize.RelTime(r.Before, now, "ago", "from now"))
	}
	if r.Absent > 0 {
		text += fmt.Sprintf("; %s blobs were not seen there", humanize.Comma(r.Absent))
	}
	if r.Short(now) {
		text += fmt.Sprintf("; a change of %s is there already, so that the window is shorter than the lag of %v",
			humanize.RelTime(r.Newest, now, "ago", "from now"), r.Lag)
	}
	return text
}
