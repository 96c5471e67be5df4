package scrub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"bitmend/hashsets"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// Estimate says what a scrub would ask of stores behind a network. It lists
// them, reads no blob, and changes nothing but that a store which is not
// mounted opens its gate.
func Estimate(ctx context.Context, v *vault.Vault, opts Options, rep report.Reporter) (report.Summary, error) {
	begun := time.Now()
	summary := report.Summary{Verb: "scrub", Estimate: []store.Traffic{}}
	err := estimateStores(ctx, v, opts, rep, &summary)
	if err == nil && opts.readsParity(v) {
		err = estimateParity(ctx, v, &summary)
	}
	if allowance := v.Allowance(); allowance != nil {
		rep.Note("of that, %s at most may be fetched in one run", humanize.IBytes(uint64(allowance.Left())))
	}
	summary.Elapsed = time.Since(begun)
	summary.Cancelled = errors.Is(err, context.Canceled)
	summary.Failed = summary.Failed || err != nil && !summary.Cancelled
	summary.Exit = int(report.ExitOf(summary))
	return summary, err
}

func estimateStores(ctx context.Context, v *vault.Vault, opts Options, rep report.Reporter, summary *report.Summary) error {
	for _, cfg := range chosen(v.Config.Stores, opts.Stores) {
		s, err := open(v, opts, cfg.Name)
		if err != nil {
			return fmt.Errorf("open store %q: %w", cfg.Name, err)
		}
		remote, ok := s.(store.Remote)
		if !ok {
			continue
		}
		here, err := gate.Mounted(ctx, v.Catalog, s, time.Now())
		if err != nil {
			return err
		}
		if !here {
			summary.Failed = true
			rep.Note("store %q is not mounted", cfg.Name)
			continue
		}
		if err := estimateStore(ctx, v, remote, opts, rep, summary); err != nil {
			return fmt.Errorf("estimate the scrub of store %q: %w", cfg.Name, err)
		}
	}
	return nil
}

// estimateStore adds up what the blobs take that are recorded and there.
func estimateStore(ctx context.Context, v *vault.Vault, s store.Remote, opts Options, rep report.Reporter, summary *report.Summary) error {
	total := store.Traffic{Store: s.Name()}
	var listed, archived int64
	for p, err := range pairs(ctx, v.Catalog, s, opts.Names, false) {
		if err != nil {
			return err
		}
		if p.entry == nil {
			continue
		}
		listed++
		switch {
		case p.known == nil, p.known.Kind != hashsets.File, !opts.Names.Has(p.name()):
		case p.entry.Archived != "":
			archived++
		case opts.Light:
			summary.Blobs++
			total.Requests++ // what the service keeps of it
		default:
			summary.Blobs++
			total = total.Plus(s.Reading(p.entry.Identity.Size))
		}
	}
	if archived > 0 {
		rep.Note("store %q: %d blobs are in archive tiers and will not be read", s.Name(), archived)
	}
	summary.Estimate = append(summary.Estimate, total.Plus(s.Listing(listed)))
	return nil
}

// estimateParity adds what the parity files take.
func estimateParity(ctx context.Context, v *vault.Vault, summary *report.Summary) error {
	home, err := v.ParityHome()
	if err != nil {
		return fmt.Errorf("open the parity files: %w", err)
	}
	remote, ok := home.(store.Remote)
	if !ok {
		return nil
	}
	total := store.Traffic{Store: home.Name()}
	for band, err := range v.Catalog.Bands(ctx, 0) {
		if err != nil {
			return fmt.Errorf("read the bands from the catalog: %w", err)
		}
		for _, file := range band.Files {
			total = total.Plus(remote.Reading(file.Hashes.Size))
			total.Requests++ // whether it is there
		}
	}
	summary.Estimate = append(summary.Estimate, total)
	return nil
}
