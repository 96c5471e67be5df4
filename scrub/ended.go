package scrub

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/report"
)

// Conclude records how a run of scrub ended. Repairs that followed in the same
// run are concluded again, so that what is on record is what the run exited with.
func Conclude(ctx context.Context, c *catalog.Catalog, s report.Summary, at time.Time) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write how the run ended: %w", err)
	}
	err = c.Update(context.WithoutCancel(ctx), func(tx *catalog.Tx) error {
		return tx.FinishRun(catalog.Run{ID: s.Run, Finished: at, Exit: s.Exit, Summary: text})
	})
	if err != nil {
		return fmt.Errorf("save how the run ended: %w", err)
	}
	return nil
}

// BrokeOff returns the newest scrub on record that was to read blobs, when it
// did not check all of them or was killed; nil when it did check them, or when
// there was none. What its findings leave out was not looked for. One that
// somebody cancelled tells nothing here: that person knows.
func BrokeOff(ctx context.Context, c *catalog.Catalog) (*catalog.Run, error) {
	for run, err := range c.RunsOf(ctx, "scrub") {
		if err != nil {
			return nil, fmt.Errorf("look up how the last scrub ended: %w", err)
		}
		if run.Finished.IsZero() {
			return &run, nil
		}
		var ended report.Summary
		if err := json.Unmarshal(run.Summary, &ended); err != nil {
			return nil, fmt.Errorf("read the summary of run %d: %w", run.ID, err)
		}
		switch {
		case ended.Light || ended.Cancelled:
		case ended.Failed || ended.Unchecked > 0:
			return &run, nil
		default:
			return nil, nil
		}
	}
	return nil, nil
}
