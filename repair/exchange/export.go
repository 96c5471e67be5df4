package exchange

import (
	"context"
	"fmt"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/hashsets/manifest"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// ExportOptions say what is exported.
type ExportOptions struct {
	List  manifest.List // its style and its algorithms
	Store string        // only blobs that this store was last seen to hold as recorded; "" for all that is recorded
}

// Usual returns the list that a style has for what a vault records, where no
// algorithms were asked for: all of them, or the strongest where a list has
// one only. The error says that the style has none of them.
func Usual(v *vault.Vault, style manifest.Style) ([]manifest.List, error) {
	var all []hashsets.Algorithm
	for _, a := range v.Config.Algorithms {
		if _, err := style.Lists([]hashsets.Algorithm{a}); err == nil {
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the vault records %v, and the format %s has none of them", v.Config.Algorithms, style)
	}
	lists, err := style.Lists(all)
	if err != nil || len(lists) == 1 {
		return lists, err
	}
	strongest := slices.MaxFunc(all, func(a, b hashsets.Algorithm) int { return manifest.Strength(a) - manifest.Strength(b) })
	return style.Lists([]hashsets.Algorithm{strongest})
}

// Export hands every current record of a file to write, in the order of names
// as bytes. What is recorded and cannot stand in the list is reported, and the
// rest goes on; an error of write ends it.
func Export(ctx context.Context, v *vault.Vault, opts ExportOptions, rep report.Reporter, write func(manifest.Entry) error) (report.Summary, error) {
	r := newRun(v, "export", rep)
	links := 0
	err := func() error {
		for k, err := range v.Catalog.Records(ctx, catalog.Query{Store: opts.Store}) {
			switch {
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case k.Damage == nil && k.Kind == hashsets.Link:
				links++
			case k.Damage == nil && k.Kind != hashsets.File:
			case opts.Store != "" && !heldAsRecorded(&k):
			default:
				if err := r.export(&k, opts.List, write); err != nil {
					return err
				}
			}
		}
		return nil
	}()
	if links > 0 {
		rep.Note("%d symbolic links are recorded, of which checksum lists know nothing", links)
	}
	r.conclude(err)
	return r.summary, err
}

// heldAsRecorded tells whether the store was seen to hold what is recorded.
func heldAsRecorded(k *catalog.Known) bool {
	return k.Seen != nil && k.Seen.Generation == k.Generation
}

// export hands one record on.
func (r *run) export(k *catalog.Known, list manifest.List, write func(manifest.Entry) error) error {
	r.summary.Blobs++
	f := finding.Finding{
		Store: r.vault.Primary().Name, Blob: k.Name, Kind: k.Kind, Generation: k.Generation, Size: k.Hashes.Size, Identity: k.Identity,
	}
	if k.Damage != nil {
		f.Verdict, f.Reason = finding.RecordDamaged, k.Damage.Error()
		r.found(f)
		return nil
	}
	e := manifest.Entry{Name: k.Name, Size: k.Hashes.Size}
	for _, a := range list.Algorithms {
		sum, ok := k.Hashes.Digest(a)
		if !ok {
			f.Verdict, f.Reason = finding.Unverifiable, fmt.Sprintf("no %s of it is recorded, so that the list does not have it", a)
			r.found(f)
			return nil
		}
		e.Digests = append(e.Digests, manifest.Digest{Algorithm: a, Sum: sum})
	}
	return write(e)
}
