package scrub

import (
	"context"
	"errors"
	"fmt"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// A StripeCheck holds the parity of a vault against its data. A shard can pass
// its own sum and still not fit its stripe, when it is an older one or one that
// belongs elsewhere; only reading whole stripes shows that.
type StripeCheck func(ctx context.Context, found func(finding.Finding) error) (StripesChecked, error)

// StripesChecked says how a StripeCheck went.
type StripesChecked struct {
	Fitting   []string // parity files all of whose shards fit the data
	Unchecked int64    // stripes whose data could not be had whole
	BytesRead int64
}

// ParityUnproven is a setting: "1" when the catalog was made anew, so that
// parity files are on record that nobody has held against the data. One of
// another vault passes its own sums.
const ParityUnproven = "scrub/parity-unproven"

// parityUnproven tells whether a scrub of everything is to hold the parity
// against the data though nobody asked for it. Where that would fetch all of
// a bucket a second time, it is only said.
func parityUnproven(ctx context.Context, v *vault.Vault, rep report.Reporter) (bool, error) {
	unproven, err := v.Catalog.Setting(ctx, ParityUnproven)
	if err != nil || unproven == "" || v.Config.Overhead == 0 {
		return false, err
	}
	for _, c := range v.Config.Stores {
		if s, err := v.Store(c.Name); err == nil {
			if _, remote := s.(store.Remote); remote {
				rep.Note("the catalog was made anew, and the parity was not held against the data since: scrub --stripes does, which fetches both once more")
				return false, nil
			}
		}
	}
	rep.Note("the catalog was made anew: this scrub also holds the parity against the data, which reads both once more")
	return true, nil
}

// checkStripes books what the check finds. A parity file that was found
// damaged by itself is damaged already, and counted once.
func (l *ledger) checkStripes(ctx context.Context) error {
	if l.opts.Stripes == nil {
		return nil
	}
	done, err := l.opts.Stripes(ctx, func(f finding.Finding) error {
		known, err := l.catalog.Finding(ctx, f.Store, f.Blob)
		if err != nil && !errors.Is(err, catalog.ErrNotRecorded) {
			return fmt.Errorf("look up the finding of %q: %w", f.Blob, err)
		}
		if err == nil && known.Run == l.run {
			return nil
		}
		if err != nil || finding.Verdict(known.Verdict) != finding.Stale { // it was counted as it stands
			l.summary.Parity.Damaged++
		}
		l.rep.Finding(f)
		return l.note(outcome{verdict: f.Verdict, finding: &f})
	})
	l.summary.BytesRead += done.BytesRead
	if done.Unchecked > 0 {
		l.rep.Note("%d stripes could not be checked, since not all of their data can be had", done.Unchecked)
	}
	unfit := map[string]bool{}
	for _, f := range l.pending.findings {
		unfit[f.Name] = true
	}
	var settled []string
	for _, name := range done.Fitting {
		if known, err := l.catalog.Finding(ctx, finding.ParityStore, name); err == nil && known.Run != l.run && !unfit[name] {
			settled = append(settled, name)
		}
	}
	l.summary.Parity.Damaged -= int64(len(settled)) // they were counted as they stood
	save := context.WithoutCancel(ctx)
	err = errors.Join(err, l.save(save, l.takePending(nil)), l.drop(save, finding.ParityStore, settled))
	if err != nil {
		return err
	}
	return l.catalog.Update(save, func(tx *catalog.Tx) error { return tx.PutSetting(ParityUnproven, "") })
}
