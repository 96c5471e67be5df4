package repair

import (
	"context"
	"errors"

	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// Healer is what `scrub --repair` needs of this package.
type Healer struct{}

// Prospect returns a function that says of findings whether they could be
// rebuilt now, by trying it in memory.
func (Healer) Prospect(v *vault.Vault) scrub.Prospect {
	p := &prospector{vault: v, left: prospectShards}
	return func(ctx context.Context, f finding.Finding) (*bool, []string, error) {
		repairable, sources, err := p.prospect(ctx, f)
		if errors.Is(err, errTooMuch) {
			return nil, nil, nil
		}
		return &repairable, sources, err
	}
}

// Heal applies what is good of the plan that a scrub's findings call for, and
// returns the scrub's summary with what became of the damage.
func (Healer) Heal(ctx context.Context, v *vault.Vault, found report.Summary, opts scrub.Options, rep report.Reporter) (report.Summary, error) {
	if found.Damaged == 0 && found.Parity.Damaged == 0 {
		return found, nil
	}
	healed, err := Run(ctx, v, Options{Stores: opts.Stores, Only: opts.Names.Patterns()}, rep)
	found.Repaired, found.Lost = healed.Repaired, healed.Lost
	found.Parity.Repaired = healed.Parity.Repaired
	found.BytesRead += healed.BytesRead
	found.BytesWritten += healed.BytesWritten
	found.Elapsed += healed.Elapsed
	found.Refused = found.Refused || errors.Is(err, gate.ErrRefused)
	found.Cancelled = found.Cancelled || errors.Is(err, context.Canceled)
	found.Failed = found.Failed || (err != nil && !errors.Is(err, gate.ErrRefused) && !found.Cancelled)
	found.Exit = int(report.ExitOf(found))
	return found, err
}
