package repair

import (
	"context"
	"errors"
	"time"

	"bitmend/scrub"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// Healer is what `scrub --repair` needs of this package.
type Healer struct{}

// Rescue returns what a scrub asks for good bytes of damaged blobs.
func (Healer) Rescue(v *vault.Vault) scrub.Rescue {
	return &prospector{vault: v, left: prospectShards}
}

// Recover is the function of this name.
func (Healer) Recover(ctx context.Context, v *vault.Vault, rep report.Reporter) (report.Summary, error) {
	ended, err := Recover(ctx, v, rep)
	return ended.Summary, err
}

// Heal applies what is good of the plan that a scrub's findings call for, and
// returns the scrub's summary with what became of the damage.
func (Healer) Heal(ctx context.Context, v *vault.Vault, found report.Summary, opts scrub.Options, rep report.Reporter) (report.Summary, error) {
	if found.Damaged == 0 && found.Standing == 0 && found.Parity.Damaged == 0 {
		return found, nil
	}
	v.Pace().On(nil) // repairs read from several places at once: their own reads tell how slow those are
	healed, err := Run(ctx, v, Options{
		Stores: opts.Stores, Only: opts.Names.Patterns(), Scrubbed: true, RollOut: true,
		Until: opts.HealUntil, Workers: v.Pace().Limits().Workers, Now: opts.Now,
	}, rep)
	found.Repaired += healed.Repaired
	found.Lost = healed.Lost
	found.Parity.Repaired = healed.Parity.Repaired
	found.BytesRead += healed.BytesRead
	found.BytesWritten += healed.BytesWritten
	found.Elapsed += healed.Elapsed
	found.Traffic = healed.Traffic // since the vault was opened
	found.Refused = found.Refused || errors.Is(err, gate.ErrRefused)
	found.Cancelled = found.Cancelled || errors.Is(err, context.Canceled)
	found.Failed = found.Failed || (err != nil && !errors.Is(err, gate.ErrRefused) && !found.Cancelled)
	found.Exit = int(report.ExitOf(found))
	return found, errors.Join(err, scrub.Conclude(ctx, v.Catalog, found, time.Now()))
}
