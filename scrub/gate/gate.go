// Package gate holds the conditions under which bitmend refuses to write until
// a person clears them. Scrub, protect and repair open gates through it and
// ask it before they write.
//
// It does not know how a run is carried out.
package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/vault"
)

// The gates, as DESIGN section 9 has them.
const (
	Unmounted   = "unmounted"
	MassDamage  = "mass-damage"
	MassMissing = "mass-missing"
	MassChange  = "mass-change"
	Poisoned    = "poisoned"
	BadRepair   = "bad-repair"
	BadCatalog  = "catalog"
)

// Names are the names of all gates.
func Names() []string {
	return []string{Unmounted, MassDamage, MassMissing, MassChange, Poisoned, BadRepair, BadCatalog}
}

// ErrRefused is returned by what would have written and met an open gate.
var ErrRefused = errors.New("an open gate refuses to write")

// Counts is what a run saw in one store.
type Counts struct {
	Store     string
	Checked   int64 // blobs looked at, missing ones included
	Damaged   int64 // blobs whose verdict is damage, missing ones included
	Missing   int64
	Changed   int64
	Encrypted int64 // changed ones that now look encrypted
	Partial   bool  // the run left blobs out, so that less trouble does not mean that it is over
}

// Judge opens the gates that the counts call for and returns all gates that
// are in the way of the store now.
func Judge(ctx context.Context, c *catalog.Catalog, cfg vault.Config, n Counts, at time.Time) ([]catalog.Gate, error) {
	called := calledFor(cfg, n)
	for _, g := range called {
		if _, err := OpenNow(ctx, c, g.Name, g.Store, g.Reason, g.Level, at); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{MassDamage, MassMissing, MassChange} {
		over := !slices.ContainsFunc(called, func(g catalog.Gate) bool { return g.Name == name })
		if over && !n.Partial {
			if err := forget(ctx, c, name, n.Store); err != nil {
				return nil, err
			}
		}
	}
	return InTheWay(ctx, c, n.Store)
}

// calledFor says which gates the counts call for.
func calledFor(cfg vault.Config, n Counts) []catalog.Gate {
	var gates []catalog.Gate
	call := func(name string, limits vault.GateLimits, count int64, what string) {
		if exceeds(limits, count, n.Checked) {
			gates = append(gates, catalog.Gate{
				Name: name, Store: n.Store, Level: count,
				Reason: fmt.Sprintf("%d of %d blobs in store %q %s", count, n.Checked, n.Store, what),
			})
		}
	}
	call(MassDamage, cfg.MassDamage, n.Damaged-n.Missing, "are damaged")
	call(MassMissing, cfg.MassMissing, n.Missing, "are missing")
	call(MassChange, cfg.MassChange, n.Changed, "have changed")
	if n.Encrypted > cfg.Encrypted {
		gates = append(gates, catalog.Gate{
			Name: MassChange, Store: n.Store, Level: n.Encrypted,
			Reason: fmt.Sprintf("%d changed blobs in store %q now look encrypted", n.Encrypted, n.Store),
		})
	}
	return gates
}

// exceeds tells whether count reaches the gate's number and is more than its
// share of those checked.
func exceeds(limits vault.GateLimits, count, checked int64) bool {
	return limits.Count > 0 && count >= limits.Count &&
		float64(count)*100 > limits.Percent*float64(checked)
}

// OpenNow opens one gate for a reason and returns it. The same gate that is
// open already is returned as it is. Trouble that a person has acknowledged by
// clearing the gate opens it again only when there is more of it; until then
// the zero Gate is returned.
func OpenNow(ctx context.Context, c *catalog.Catalog, name, store, reason string, level int64, at time.Time) (catalog.Gate, error) {
	open, err := InTheWay(ctx, c, store)
	if err != nil {
		return catalog.Gate{}, err
	}
	for _, g := range open {
		if g.Name == name && g.Store == store {
			return g, nil
		}
	}
	known, err := acknowledged(ctx, c, name, store)
	if err != nil {
		return catalog.Gate{}, err
	}
	if level <= known {
		return catalog.Gate{}, nil
	}
	g := catalog.Gate{Name: name, Store: store, OpenedAt: at, Reason: reason, Level: level}
	err = c.Update(ctx, func(tx *catalog.Tx) error {
		id, err := tx.OpenGate(g)
		g.ID = id
		return err
	})
	if err != nil {
		return catalog.Gate{}, fmt.Errorf("open gate %s: %w", name, err)
	}
	return g, nil
}

// InTheWay returns the open gates of the store, and those of no store.
func InTheWay(ctx context.Context, c *catalog.Catalog, store string) ([]catalog.Gate, error) {
	open, err := c.Gates(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("look for open gates: %w", err)
	}
	var inTheWay []catalog.Gate
	for _, g := range open {
		if g.Store == "" || g.Store == store {
			inTheWay = append(inTheWay, g)
		}
	}
	return inTheWay, nil
}
