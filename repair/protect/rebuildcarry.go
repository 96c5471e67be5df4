package protect

import (
	"context"
	"fmt"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/gate"
)

// findingsLost is the setting that says that the catalog was rebuilt without
// the findings of the one before: a blob that was not verified since may have
// been damaged, or lost, before.
const findingsLost = "findings-lost"

// carryOver takes along what only the old catalog says. Where that cannot be
// read, what may be missing is said, and remembered.
func (b *rebuilding) carryOver(ctx context.Context, before string) error {
	done, err := b.catalog.CarryOver(ctx, before, func(setting string) bool {
		return gate.Remembers(setting) || setting == findingsLost
	})
	if err != nil {
		return err
	}
	if done.Findings+done.OpenGates > 0 {
		b.rep.Note("carried over from the old catalog: %d findings, %d open gates", done.Findings, done.OpenGates)
	}
	if len(done.Missed) == 0 {
		return nil
	}
	for _, why := range done.Missed {
		b.rep.Note("the old catalog does not say all: %v", why)
	}
	b.rep.Note("what was found damaged or lost before, and which gates were open, may not all be known any more: " +
		"scrub before anything else; a blob that is gone stays missing until protect --accept names it")
	b.summary.FindingsGap = true
	err = b.catalog.Update(ctx, func(tx *catalog.Tx) error { return tx.PutSetting(findingsLost, "1") })
	if err != nil {
		return fmt.Errorf("note that findings are lost: %w", err)
	}
	return nil
}

// findingsAreLost tells whether the catalog was rebuilt without all findings of
// the one before.
func findingsAreLost(ctx context.Context, c *catalog.Catalog) (bool, error) {
	value, err := c.Setting(ctx, findingsLost)
	if err != nil {
		return false, fmt.Errorf("look up whether findings were lost: %w", err)
	}
	return value != "", nil
}
