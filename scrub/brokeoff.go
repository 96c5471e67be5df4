package scrub

import (
	"context"
	"encoding/json"
	"fmt"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/report"
)

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
