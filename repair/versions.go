package repair

import (
	"context"
	"errors"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// maxVersions bounds how many older versions of one blob are asked for its
// bytes.
const maxVersions = 16

// olderVersions returns the versions of a blob that may have its recorded
// bytes, the newest first: those of its size that are not what stands there
// now. A store that keeps none, or does not let us see them, has none.
func olderVersions(ctx context.Context, s store.Store, name string, size int64) (store.Versioned, []store.Version, error) {
	keeper, some := s.(store.Versioned)
	if !some {
		return nil, nil, nil
	}
	all, err := keeper.Versions(ctx, name)
	if err != nil {
		return nil, nil, ctx.Err() // no source
	}
	var older []store.Version
	for _, v := range all {
		if !v.Current && !v.Deleted && v.Identity.Size == size && len(older) < maxVersions {
			older = append(older, v)
		}
	}
	return keeper, older, nil
}

// findVersions adds older versions in the target's own store to the sources.
func (m *planner) findVersions(ctx context.Context, p *Planned) error {
	record, err := m.vault.Catalog.Generation(ctx, p.Blob, p.Generation)
	if err != nil {
		return err
	}
	_, older, err := olderVersions(ctx, m.stores[p.Store], p.Blob, record.Hashes.Size)
	if len(older) > 0 {
		p.Sources = append(p.Sources, Source{Kind: FromVersion, From: p.Store, Ranges: p.Ranges})
	}
	return err
}

// copyVersion has the store put an older version in the place of the damaged
// blob, without its bytes going through this host. done is false where that
// cannot be, and nothing has changed then.
func (r *run) copyVersion(ctx context.Context, j *job) (done bool, err error) {
	copier, some := j.target.(store.Copier)
	if !some || j.planned.Action != Replace || j.record.Kind != hashsets.File || j.record.Hashes.Size == 0 {
		return false, nil
	}
	_, older, err := olderVersions(ctx, j.target, j.record.Name, j.record.Hashes.Size)
	if err != nil || len(older) == 0 {
		return false, err
	}
	if err := r.step(j.entry, Journalled, func() error { return r.journal.put(j.entry) }); err != nil {
		return false, err
	}
	if err := r.keepOriginal(ctx, j); err != nil {
		return false, err
	}
	j.sources = map[SourceKind]int{FromVersion: max(1, j.sought.count())}
	if err := r.announcePlacing(j); err != nil {
		return false, err
	}
	for _, v := range older {
		var placed store.Entry
		err = r.step(j.entry, Placed, func() error {
			placed, err = copier.CopyVersion(context.WithoutCancel(ctx), j.record.Name, v.Identity.Version, j.record.Hashes.Digests, j.entry.Expect.plain())
			return err
		})
		switch {
		case err == nil:
			return true, r.conclude(context.WithoutCancel(ctx), j.entry, placed)
		case errors.Is(err, store.ErrChanged):
			return false, changedInRepair()
		case errors.Is(err, store.ErrDiffers):
			return false, r.badRepair(ctx, j.entry, err.Error())
		case ctx.Err() != nil:
			return false, ctx.Err()
		}
	}
	// Nothing has changed: it goes on as with any other source.
	j.entry.Phase, j.entry.Receipt, j.sources = begun, nil, make(map[SourceKind]int)
	return false, nil
}

// fillFromVersions takes what is missing from older versions of the object.
// They are only read: the replacement becomes a version of its own.
func (r *run) fillFromVersions(ctx context.Context, j *job) error {
	return r.fillFromVersionsIn(ctx, j, j.target)
}

func (r *run) fillFromVersionsIn(ctx context.Context, j *job, from store.Store) error {
	if j.complete() {
		return nil
	}
	keeper, older, err := olderVersions(ctx, from, j.record.Name, j.record.Hashes.Size)
	if err != nil {
		return err
	}
	for _, v := range older {
		if j.complete() {
			return nil
		}
		whole := j.missing.count() == len(j.record.Hashes.ShardSums)
		reader, err := keeper.OpenVersion(ctx, j.record.Name, v.Identity.Version, store.Access{Direct: true, Whole: whole, Size: v.Identity.Size})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue // a version that cannot be opened has nothing
		}
		err = r.fill(ctx, j, FromVersion, reader)
		reader.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
