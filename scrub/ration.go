package scrub

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// A ration says which blobs a run reads from stores behind a network when it
// may not fetch all of them: those that were not verified for longest, so that
// each has its turn. The others are only looked at. nil reads all.
type ration struct {
	until  time.Time // blobs that were verified before are due
	left   int64     // bytes of blobs that may still be read
	parity int64     // bytes of parity files
	large  int64     // blobs that are larger than all that may be fetched
}

// newRation makes a ration of what the vault may fetch; nil when it may fetch
// anything. Parity files have the part of it that they are of all bytes.
func newRation(ctx context.Context, v *vault.Vault, opts Options) (*ration, error) {
	if v.Allowance() == nil || opts.Light {
		return nil, nil
	}
	due := dues{}
	var blobs, parity, large int64
	for _, cfg := range chosen(v.Config.Stores, opts.Stores) {
		s, err := open(v, opts, cfg.Name)
		if err != nil {
			return nil, fmt.Errorf("open store %q: %w", cfg.Name, err)
		}
		if _, remote := s.(store.Remote); !remote {
			continue
		}
		for known, err := range v.Catalog.Records(ctx, catalog.Query{Store: cfg.Name}) {
			if err != nil {
				return nil, fmt.Errorf("look up when blobs were verified: %w", err)
			}
			if known.Kind == hashsets.File && opts.Names.Has(known.Name) {
				due[hourOf(&known)] += known.Hashes.Size
				blobs += known.Hashes.Size
				if known.Hashes.Size > v.Allowance().Left() {
					large++
				}
			}
		}
	}
	if opts.readsParity(v) {
		var err error
		if parity, err = remoteParity(ctx, v); err != nil {
			return nil, err
		}
	}
	r := &ration{left: v.Allowance().Left(), large: large}
	if blobs+parity > r.left {
		r.parity = int64(float64(r.left) * float64(parity) / float64(blobs+parity))
		r.left -= r.parity
	} else {
		r.parity = parity
	}
	r.until = due.until(r.left)
	return r, nil
}

// remoteParity returns the bytes of all parity files, 0 when they are on disk.
func remoteParity(ctx context.Context, v *vault.Vault) (bytes int64, err error) {
	home, err := v.ParityHome()
	if err != nil {
		return 0, fmt.Errorf("open the parity files: %w", err)
	}
	if _, remote := home.(store.Remote); !remote {
		return 0, nil
	}
	for band, err := range v.Catalog.Bands(ctx, 0) {
		if err != nil {
			return 0, fmt.Errorf("read the bands from the catalog: %w", err)
		}
		for _, file := range band.Files {
			bytes += file.Hashes.Size
		}
	}
	return bytes, nil
}

// dues are bytes of blobs by the hour in which they were last verified, since
// 1970; 0 for never.
type dues map[int64]int64

func hourOf(k *catalog.Known) int64 {
	if k.Seen == nil || k.Seen.Generation != k.Generation || k.Seen.VerifiedAt.IsZero() {
		return 0
	}
	return k.Seen.VerifiedAt.Unix() / 3600
}

// until returns the end of the hour whose blobs are the last that bytes are
// enough for, in part.
func (d dues) until(bytes int64) time.Time {
	hour := int64(0)
	for _, hour = range slices.Sorted(maps.Keys(d)) {
		if bytes -= d[hour]; bytes < 0 {
			break
		}
	}
	return time.Unix((hour+1)*3600, 0)
}

// admits tells whether a blob is to be read, and takes its bytes if it is.
func (r *ration) admits(s store.Store, p pair) bool {
	if _, remote := s.(store.Remote); r == nil || !remote || p.known == nil || p.entry == nil && !p.unlisted || p.entry != nil && p.entry.Archived != "" {
		return true
	}
	size := p.size()
	if size > r.left || !time.Unix(hourOf(p.known)*3600, 0).Before(r.until) {
		return false
	}
	r.left -= size
	return true
}

// admitsParity tells whether a parity file is to be read, and takes its bytes if
// it is.
func (r *ration) admitsParity(size int64) bool {
	if r == nil {
		return true
	}
	if size > r.parity {
		return false
	}
	r.parity -= size
	return true
}
