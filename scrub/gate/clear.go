package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bitmend/hashsets/catalog"
)

// ErrNoGate is returned for an ID that no open gate has.
var ErrNoGate = errors.New("no open gate has this ID")

// Clear closes the gate for a reason that a person gives. It acknowledges as
// much trouble as the gate was opened for, until that trouble is over. A repair
// that went wrong is no state that could be acknowledged: the next one opens
// its gate again.
func Clear(ctx context.Context, c *catalog.Catalog, id int64, reason string, at time.Time) (catalog.Gate, error) {
	open, err := c.Gates(ctx, false)
	if err != nil {
		return catalog.Gate{}, fmt.Errorf("look for gate %d: %w", id, err)
	}
	for _, g := range open {
		if g.ID != id {
			continue
		}
		err := c.Update(ctx, func(tx *catalog.Tx) error { return clearWith(tx, g, reason, at) })
		if err != nil {
			return catalog.Gate{}, fmt.Errorf("clear gate %d: %w", id, err)
		}
		return g, nil
	}
	return catalog.Gate{}, fmt.Errorf("gate %d: %w", id, ErrNoGate)
}

// clearWith closes a gate and acknowledges what it was opened for.
func clearWith(tx *catalog.Tx, g catalog.Gate, reason string, at time.Time) error {
	if g.Name != BadRepair {
		if err := acknowledge(tx, g.Name, g.Store, g.Level); err != nil {
			return err
		}
	}
	return tx.ClearGate(g.ID, reason, at)
}

func acknowledge(tx *catalog.Tx, name, store string, level int64) error {
	return tx.PutSetting(acknowledgedKey(name, store), strconv.FormatInt(level, 10))
}

// acknowledged returns the level of trouble that was acknowledged, or 0.
func acknowledged(ctx context.Context, c *catalog.Catalog, name, store string) (int64, error) {
	value, err := c.Setting(ctx, acknowledgedKey(name, store))
	if err != nil {
		return 0, fmt.Errorf("look up what was acknowledged of gate %s: %w", name, err)
	}
	if value == "" {
		return 0, nil
	}
	level, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("look up what was acknowledged of gate %s: %w", name, err)
	}
	return level, nil
}

// Over drops what was acknowledged of a gate, because the trouble is over: when
// it comes back, the gate opens again.
func Over(ctx context.Context, c *catalog.Catalog, name, store string) error {
	return forget(ctx, c, name, store)
}

// forget drops an acknowledgement, because the trouble is over.
func forget(ctx context.Context, c *catalog.Catalog, name, store string) error {
	known, err := acknowledged(ctx, c, name, store)
	if err != nil || known == 0 {
		return err
	}
	err = c.Update(ctx, func(tx *catalog.Tx) error { return tx.PutSetting(acknowledgedKey(name, store), "") })
	if err != nil {
		return fmt.Errorf("forget what was acknowledged of gate %s: %w", name, err)
	}
	return nil
}

func acknowledgedKey(name, store string) string { return acknowledgedPrefix + name + "/" + store }

const (
	acknowledgedPrefix = "acknowledged/"
	volumePrefix       = "volume/"
	heldPrefix         = "held/"
)

// Remembers tells whether a setting of the catalog is what gates remember.
func Remembers(setting string) bool {
	return slices.ContainsFunc([]string{acknowledgedPrefix, volumePrefix, heldPrefix},
		func(prefix string) bool { return strings.HasPrefix(setting, prefix) })
}
