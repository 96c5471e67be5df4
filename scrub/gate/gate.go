// Package gate holds the conditions under which bitmend refuses to write until
// a person clears them. Scrub, protect and repair open gates through it and
// ask it before they write.
//
// It does not know how a run is carried out.
package gate

import (
	"context"
	"errors"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/vault"
)

// The gates.
const (
	Unmounted   = "unmounted"
	MassDamage  = "mass-damage"
	MassMissing = "mass-missing"
	MassChange  = "mass-change"
	Poisoned    = "poisoned"
	BadRepair   = "bad-repair"
	BadCatalog  = "catalog"
)

// ErrRefused is returned by what would have written and met an open gate.
var ErrRefused = errors.New("an open gate refuses to write")

// Counts is what a run saw in one store.
type Counts struct {
	Store     string
	Checked   int64 // blobs looked at, missing ones included
	Damaged   int64 // corrupt, stale, unreadable, record-damaged and missing
	Missing   int64
	Changed   int64
	Encrypted int64 // changed ones that now look encrypted
}

// Judge opens the gates that the counts call for and returns all gates that
// are open for the store now. A gate that was cleared opens again only when
// there is more of its trouble than there was when it was cleared.
func Judge(ctx context.Context, c *catalog.Catalog, cfg vault.Config, n Counts, at time.Time) ([]catalog.Gate, error) {
	panic("stub")
}

// OpenNow opens one gate for a reason and returns it; the same gate that is
// open already is returned as it is.
func OpenNow(ctx context.Context, c *catalog.Catalog, name, store, reason string, level int64, at time.Time) (catalog.Gate, error) {
	panic("stub")
}

// InTheWay returns the open gates of the store, and those of no store.
func InTheWay(ctx context.Context, c *catalog.Catalog, store string) ([]catalog.Gate, error) {
	panic("stub")
}
