package protect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// RebuildCatalog makes the catalog of a vault, opened with vault.OpenLocked,
// anew: from the heads and the lists of the parity files, from the export that
// the last run left in the vault and its mirrors, and, for what neither has (findings, gates, receipts), from
// what can still be read of the old one. Nothing that it records counts as
// verified. The catalog that was there is kept beside the new one.
func RebuildCatalog(ctx context.Context, v *vault.Vault, rep report.Reporter) (report.Summary, error) {
	started := time.Now()
	summary := report.Summary{Verb: "catalog rebuild", Verdicts: map[finding.Verdict]int64{}}
	err := rebuildCatalog(ctx, v, rep, started, &summary)
	summary.Elapsed = time.Since(started)
	summary.Cancelled = errors.Is(err, context.Canceled)
	summary.Failed = err != nil && !summary.Cancelled
	summary.Exit = exitOf(summary)
	return summary, err
}

func rebuildCatalog(ctx context.Context, v *vault.Vault, rep report.Reporter, started time.Time, summary *report.Summary) error {
	home, err := v.ParityHome()
	if err != nil {
		return err
	}
	anew := v.CatalogPath() + ".rebuilt"
	before, err := catalogBefore(v.CatalogPath(), anew)
	if err != nil {
		return err
	}
	if err := removeCatalog(anew); err != nil {
		return err
	}
	c, err := catalog.Create(ctx, anew)
	if err != nil {
		return err
	}
	b := &rebuilding{vault: v, catalog: c, home: home, rep: rep, summary: summary}
	if b.exports, err = exportsOf(ctx, v, rep); err == nil {
		err = b.run(ctx)
	}
	if err == nil {
		err = b.carryOver(ctx, before)
	}
	if err == nil {
		err = b.refuseDoubted(ctx, started)
	}
	if err = errors.Join(err, c.Close()); err != nil {
		return errors.Join(err, removeCatalog(anew))
	}
	aside := v.CatalogPath() + asideMark + started.UTC().Format("20060102T150405Z")
	if err := putAside(v.CatalogPath(), aside); err != nil {
		return err
	}
	if err := catalog.Replace(v.CatalogPath(), anew); err != nil {
		return err
	}
	if summary.Blobs == 0 {
		rep.Note("no parity file and no export says anything of blobs: the new catalog is empty; run protect to record them")
	}
	return nil
}

// catalogBefore returns the catalog that is replaced. When a kill fell between
// putting it aside and putting the new one in its place, it is the one that was
// put aside last.
func catalogBefore(path, anew string) (string, error) {
	for _, there := range []struct {
		path string
		want bool
	}{{path, false}, {anew, true}} {
		_, err := os.Lstat(there.path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("look for the old catalog: %w", err)
		}
		if (err == nil) != there.want {
			return path, nil
		}
	}
	aside, err := filepath.Glob(globLiteral(path) + asideMark + "*Z")
	if err != nil || len(aside) == 0 {
		return path, err
	}
	return slices.Max(aside), nil
}

// globLiteral is a pattern that only path itself matches.
func globLiteral(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// asideMark is between the name of a catalog and the time at which it was put
// aside.
const asideMark = ".before-"

// besides are the endings of the files that may stand beside a catalog's.
func besides() []string { return []string{"-epoch", "-wal", "-shm", "-journal"} }

func removeCatalog(path string) error {
	for _, ending := range append(besides(), "") {
		if err := os.Remove(path + ending); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove an unfinished catalog: %w", err)
		}
	}
	return nil
}

// putAside renames a catalog, the file itself first: a kill must not leave it
// in its place without its log and its mark, where it would pass for an older
// state.
func putAside(from, to string) error {
	for _, ending := range append([]string{""}, besides()...) {
		if err := os.Rename(from+ending, to+ending); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("put a catalog aside: %w", err)
		}
	}
	folder, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer folder.Close()
	return syncFolder(folder)
}

// A rebuilding makes a catalog from parity files.
type rebuilding struct {
	vault   *vault.Vault
	catalog *catalog.Catalog
	home    store.Store
	rep     report.Reporter
	summary *report.Summary
	exports []foundExport // the best first
	pending []func(tx *catalog.Tx) error
	silent  []string // stores that could not be asked
	doubted int64    // blobs of which the lists may be another vault's
}

// A versionFiles is what is there of one version of a band.
type versionFiles struct {
	version int64
	names   map[int]string // by parity column
	readers []*parity.File
}

func (b *rebuilding) run(ctx context.Context) error {
	sets, err := b.find(ctx)
	if err != nil {
		return err
	}
	// The sets that were written last first: what was laid out anew is in two
	// sets when the run was killed before it removed the older one.
	order := slices.SortedFunc(maps.Keys(sets), func(x, y int64) int {
		return cmp.Or(cmp.Compare(newest(sets[y]), newest(sets[x])), cmp.Compare(y, x))
	})
	for _, id := range order {
		if err := b.set(ctx, id, sets[id]); err != nil {
			return fmt.Errorf("read the parity files of set %d: %w", id, err)
		}
	}
	b.later(func(tx *catalog.Tx) error {
		return errors.Join(tx.PutSetting(historyKey, "1"), tx.PutSetting(unfinishedKey, "1"), tx.PutSetting(scrub.ParityUnproven, "1"))
	})
	if err := b.save(ctx, true); err != nil {
		return err
	}
	return b.addExports(ctx)
}

func newest(bands map[int64][]versionFiles) int64 {
	v := int64(0)
	for _, versions := range bands {
		v = max(v, versions[0].version)
	}
	return v
}

// find lists the versions of all bands, newest first.
func (b *rebuilding) find(ctx context.Context) (map[int64]map[int64][]versionFiles, error) {
	found := make(map[parity.BandID]map[int]string)
	for entry, err := range b.home.List(ctx, store.ListOptions{}) {
		if errors.Is(err, store.ErrNotMounted) {
			break
		}
		if err != nil {
			return nil, err
		}
		id, index, ok := parity.ParseFileName(entry.Name)
		if !ok || entry.Kind != hashsets.File {
			continue
		}
		if found[id] == nil {
			found[id] = make(map[int]string)
		}
		found[id][index] = entry.Name
	}
	sets := make(map[int64]map[int64][]versionFiles)
	for id, names := range found {
		if sets[id.Set] == nil {
			sets[id.Set] = make(map[int64][]versionFiles)
		}
		sets[id.Set][id.Number] = append(sets[id.Set][id.Number], versionFiles{version: id.Version, names: names})
	}
	for _, bands := range sets {
		for _, versions := range bands {
			slices.SortFunc(versions, func(x, y versionFiles) int { return cmp.Compare(y.version, x.version) })
		}
	}
	return sets, nil
}

// open opens the files of a version whose heads can be read. It tells whether
// all columns are there and one of them has a list.
func (b *rebuilding) open(ctx context.Context, v *versionFiles) (complete bool, err error) {
	listed := false
	for _, index := range slices.Sorted(maps.Keys(v.names)) {
		f, err := parity.OpenFile(ctx, b.home, v.names[index])
		if err != nil {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			continue
		}
		v.readers = append(v.readers, f)
		listed = listed || f.HasList
	}
	return listed && len(v.readers) == v.readers[0].Geometry.Parity, nil
}

func (v *versionFiles) close() error {
	var errs []error
	for _, f := range v.readers {
		errs = append(errs, f.Close())
	}
	v.readers = nil
	return errors.Join(errs...)
}

// choose opens the newest complete version of a band, or, when there is none,
// the newest of which anything can be read.
func (b *rebuilding) choose(ctx context.Context, versions []versionFiles) (*versionFiles, error) {
	best := -1
	for i := range versions {
		v := &versions[i]
		complete, err := b.open(ctx, v)
		if err != nil {
			return nil, errors.Join(err, v.close())
		}
		if complete {
			return v, nil
		}
		if best < 0 && len(v.readers) > 0 {
			best = i
		}
		if err := v.close(); err != nil {
			return nil, err
		}
	}
	if best < 0 {
		return nil, nil
	}
	_, err := b.open(ctx, &versions[best])
	return &versions[best], err
}

// set rebuilds what is known of one set.
func (b *rebuilding) set(ctx context.Context, id int64, bands map[int64][]versionFiles) error {
	s := &setRebuild{rebuilding: b, id: id, parts: make(map[blobKey]*parts)}
	for _, number := range slices.Sorted(maps.Keys(bands)) {
		v, err := b.choose(ctx, bands[number])
		if err != nil {
			return err
		}
		if v == nil {
			b.rep.Note("no parity file of band %d of set %d can be read", number, id)
			continue
		}
		err = b.leaveOutStrangers(ctx, v)
		if err == nil && len(v.readers) > 0 {
			err = s.band(ctx, number, v)
		}
		if err := errors.Join(err, v.close()); err != nil {
			return err
		}
	}
	return s.finish(ctx)
}

// later notes what is to be written; save writes it.
func (b *rebuilding) later(f func(tx *catalog.Tx) error) { b.pending = append(b.pending, f) }

func (b *rebuilding) save(ctx context.Context, all bool) error {
	if !all && len(b.pending) < updateEvery || len(b.pending) == 0 {
		return nil
	}
	err := b.catalog.Update(ctx, func(tx *catalog.Tx) error {
		for _, f := range b.pending {
			if err := f(tx); err != nil {
				return err
			}
		}
		return nil
	})
	clear(b.pending) // what they hold of large blobs may go
	b.pending = b.pending[:0]
	return err
}
