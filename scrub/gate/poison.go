package gate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/vault"
)

// Poison is what a scrub saw of blobs whose current copies all agree with each
// other and not with the record.
type Poison struct {
	Stores  []string // that were compared
	Partial bool     // blobs or stores were left out, so that none does not mean that it is over

	unmeant, rewritten int64
	example            string // one of their names
}

// Count counts a blob. meant says that somebody wrote it since it was
// recorded, which an ordinary change that was copied looks like too.
func (p *Poison) Count(name string, meant bool) {
	if meant {
		p.rewritten++
	} else {
		p.unmeant++
	}
	if p.example == "" || !meant && p.unmeant == 1 {
		p.example = name
	}
}

// JudgePoison opens the gate poisoned, which is in the way of every store, if
// it is called for, and returns it while it is open.
func JudgePoison(ctx context.Context, c *catalog.Catalog, cfg vault.Config, p Poison, at time.Time) ([]catalog.Gate, error) {
	totals, err := c.Totals(ctx)
	if err != nil {
		return nil, fmt.Errorf("count records: %w", err)
	}
	count := p.unmeant + p.rewritten
	switch {
	case exceeds(cfg.Poisoned, p.unmeant, totals.Blobs), exceeds(cfg.MassChange, p.rewritten, totals.Blobs):
		reason := fmt.Sprintf("%d of %d blobs, %q among them, have the same other bytes in all of %s than are recorded",
			count, totals.Blobs, p.example, strings.Join(p.Stores, ", "))
		if _, err := OpenNow(ctx, c, Poisoned, "", reason, count, at); err != nil {
			return nil, err
		}
	case !p.Partial:
		if err := forget(ctx, c, Poisoned, ""); err != nil {
			return nil, err
		}
	}
	return InTheWay(ctx, c, "")
}
