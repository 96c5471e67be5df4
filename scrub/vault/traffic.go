package vault

import (
	"context"

	"bitmend/scrub/pace"
	"bitmend/scrub/store"
	"bitmend/scrub/store/s3"
)

// LimitDownload bounds the bytes of blobs that are fetched from stores behind a
// network, from all of them together. It comes before any of them is opened.
func (v *Vault) LimitDownload(bytes int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.allowance = store.NewAllowance(bytes)
}

// Allowance is what may still be fetched; nil where nothing bounds it.
func (v *Vault) Allowance() *store.Allowance {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.allowance
}

// HoldTo holds all that is read from stores and donors and written to them, and
// to the parity files, to a pace for as long as the run's context lasts. It
// comes before any of them is opened.
func (v *Vault) HoldTo(run context.Context, p *pace.Pacer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pacer, v.hold = p, p.During(run)
}

// Pace is what the run is held to; nil where nothing holds it.
func (v *Vault) Pace() *pace.Pacer {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pacer
}

// Hold is the pace for a place that is none of the vault's.
func (v *Vault) Hold() store.Pace {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.hold
}

// OpenDonor opens a store that is none of the vault's, for reading, until the
// vault is closed. A location that is relative is below base.
func (v *Vault) OpenDonor(location, base string) (store.Store, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	donor, err := v.openStore("donor "+location, location, base, s3.Options{Allowance: v.allowance, Pace: v.hold})
	if err != nil {
		return nil, err
	}
	v.donors = append(v.donors, donor)
	return donor, nil
}

// Traffic is what the stores behind a network were asked for since the vault
// was opened, in the order of the configuration; nil without any.
func (v *Vault) Traffic() []store.Traffic {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []store.Traffic
	add := func(s store.Store) {
		remote, ok := s.(store.Remote)
		if !ok {
			return
		}
		if traffic := remote.Traffic(); traffic.Requests > 0 {
			all = append(all, traffic)
		}
	}
	for _, c := range v.Config.Stores {
		add(v.opened[c.Name])
	}
	add(v.home)
	for _, m := range v.mirrors {
		add(m)
	}
	for _, donor := range v.donors {
		add(donor)
	}
	return all
}
