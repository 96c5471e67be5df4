package repair

import (
	"context"
	"fmt"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/stripe"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// Stripes returns what holds the parity of a vault against its data.
func (Healer) Stripes(v *vault.Vault) scrub.StripeCheck {
	return func(ctx context.Context, found func(finding.Finding) error) (scrub.StripesChecked, error) {
		p := &prospector{vault: v}
		if err := p.open(); err != nil {
			return scrub.StripesChecked{}, err
		}
		c := stripeCheck{gatherer: p.gatherer, found: found}
		for band, err := range v.Catalog.Bands(ctx, 0) {
			if err == nil {
				err = c.band(ctx, band)
			}
			if err != nil {
				return c.done, fmt.Errorf("hold parity against the data: %w", err)
			}
		}
		return c.done, nil
	}
}

// stripeCheck turns what does not fit in a band into findings of its parity
// files.
type stripeCheck struct {
	gatherer *stripe.Gatherer
	found    func(finding.Finding) error
	done     scrub.StripesChecked
}

func (c *stripeCheck) band(ctx context.Context, band catalog.Band) error {
	open, err := c.gatherer.OpenBand(ctx, band, nil)
	if err != nil {
		return err
	}
	defer open.Close()
	misfits := make(map[int][]stripe.Misfit) // by parity column
	unchecked, err := open.Check(ctx, func(m stripe.Misfit) error {
		for _, column := range m.Columns {
			misfits[column] = append(misfits[column], m)
		}
		return nil
	})
	c.done.Unchecked += int64(unchecked)
	c.done.BytesRead += open.BytesRead()
	if err != nil {
		return err
	}
	for _, file := range band.Files {
		if len(misfits[file.Index]) == 0 {
			if open.Files()[file.Index] != nil && unchecked == 0 {
				c.done.Fitting = append(c.done.Fitting, file.Name)
			}
			continue
		}
		if err := c.found(misfitFinding(band, file, misfits[file.Index])); err != nil {
			return err
		}
	}
	return nil
}

// misfitFinding is the finding of a parity file whose shards pass their own
// sums and do not fit the data. The data match what is recorded, so the file is
// the wrong witness.
func misfitFinding(band catalog.Band, file catalog.ParityFile, misfits []stripe.Misfit) finding.Finding {
	f := finding.Finding{
		Store: finding.ParityStore, Blob: file.Name, Verdict: finding.Stale, Generation: band.Version,
		Kind: hashsets.File, Size: file.Hashes.Size, Ranges: []store.Range{},
		Evidence: []string{fmt.Sprintf("%d of its shards pass their own sums and do not fit the data, which match what is recorded: it was made of something else", len(misfits))},
	}
	var named []string
	for _, m := range misfits {
		if m.Blob == "" {
			continue
		}
		what := fmt.Sprintf("all parity agrees that shard %d of %q was other bytes when it was made: a write that was lost, or went elsewhere", m.Shard, m.Blob)
		if !slices.Contains(named, what) && len(named) < 3 {
			named = append(named, what)
		}
	}
	f.Evidence = append(f.Evidence, named...)
	return f
}
