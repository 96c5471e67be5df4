package exchange

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/protect"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
	"bitmend/scrub/verify"
)

// ImportOptions say what is imported.
type ImportOptions struct {
	Lists verify.Options // which lists, and how they are read
}

// batch is how many blobs are looked at, and recorded, at once.
const batch = 512

// Import records the hash sets that lists hold. What contradicts a record or
// another list is reported and not recorded. The error is gate.ErrRefused when
// the primary store is not mounted.
func Import(ctx context.Context, v *vault.Vault, opts ImportOptions, rep report.Reporter) (report.Summary, error) {
	r := newRun(v, "import", rep)
	i, err := r.newImport(opts)
	if err != nil {
		r.conclude(err)
		return r.summary, err
	}
	return r.booked(ctx, i.all)
}

// importing is one import.
type importing struct {
	*run
	opts    ImportOptions
	stores  []store.Store // the primary one first
	root    string        // of the primary store, with no symbolic link in it; "" of a bucket
	pending []listed
	outside int
}

// listed is what lists say of one blob.
type listed struct {
	name string // of the blob
	said verify.Collected
}

func (r *run) newImport(opts ImportOptions) (*importing, error) {
	i := &importing{run: r, opts: opts}
	primary, err := r.vault.Store(r.vault.Primary().Name)
	if err != nil {
		return nil, err
	}
	i.stores = []store.Store{primary}
	for _, cfg := range r.vault.Config.Stores {
		if cfg.Name == primary.Name() {
			continue
		}
		if other, err := r.vault.Store(cfg.Name); err == nil { // one that cannot be opened proves nothing
			i.stores = append(i.stores, other)
		}
	}
	if store.Keeps(primary, hashsets.Directory) {
		if i.root, err = filepath.EvalSymlinks(primary.URL()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("looking for the root of store %q: %w", primary.Name(), err)
		}
	}
	return i, nil
}

// all imports all lists, and leaves the export that every run leaves which
// changed the catalog.
func (i *importing) all(ctx context.Context) error {
	mounted, err := gate.Mounted(ctx, i.vault.Catalog, i.stores[0], i.started)
	if err != nil {
		return err
	}
	if !mounted {
		return i.refused(ctx)
	}
	err = verify.Collect(ctx, i.opts.Lists, lists{i.run}, func(c verify.Collected) error { return i.take(ctx, c) })
	if err == nil {
		err = i.flush(ctx)
	}
	if i.outside > 0 {
		i.rep.Note("%d files that the lists speak of are not in the store %q and were left out; --root says where the names in lists are", i.outside, i.stores[0].Name())
	}
	if i.summary.New == 0 {
		return err
	}
	if exported := protect.WriteExport(context.WithoutCancel(ctx), i.vault); exported != nil {
		return errors.Join(err, exported)
	}
	_, mirrored := protect.Mirror(ctx, i.vault) // nothing bounds an import
	return errors.Join(err, mirrored)
}

// refused reports the gates that are in the way.
func (i *importing) refused(ctx context.Context) error {
	open, err := gate.InTheWay(ctx, i.vault.Catalog, i.stores[0].Name())
	if err != nil {
		return err
	}
	for _, g := range open {
		i.rep.Gate(report.Gate{ID: g.ID, Name: g.Name, Store: g.Store, Reason: g.Reason, Opened: g.OpenedAt})
	}
	return fmt.Errorf("import: %w", gate.ErrRefused)
}

// take notes what lists say of a file, if it is a blob of the store.
func (i *importing) take(ctx context.Context, c verify.Collected) error {
	name, ok := i.blobName(c)
	if !ok {
		i.outside++
		i.summary.Unchecked++
		return nil
	}
	i.pending = append(i.pending, listed{name: name, said: c})
	if len(i.pending) < batch {
		return nil
	}
	return i.flush(ctx)
}

// blobName is the name of a listed file below the root of the primary store. Of
// a bucket, names are as the lists have them.
func (i *importing) blobName(c verify.Collected) (string, bool) {
	if i.root == "" {
		return c.Name, true
	}
	folder, err := filepath.Rel(i.root, c.Folder)
	if err != nil {
		return "", false
	}
	full := c.Name
	if folder != "." {
		full = filepath.ToSlash(folder) + "/" + c.Name
	}
	if strings.HasPrefix(full, "../") {
		// The list's folder is above the store: the name itself may lead into it.
		up, err := filepath.Rel(c.Folder, i.root)
		if err != nil {
			return "", false
		}
		rest, ok := strings.CutPrefix(c.Name, filepath.ToSlash(up)+"/")
		return rest, ok
	}
	return full, true
}

// flush looks at what was noted, several at a time, and records it in order.
func (i *importing) flush(ctx context.Context) error {
	outcomes := make([]outcome, len(i.pending))
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(2 * runtime.GOMAXPROCS(0))
	for n := range i.pending {
		group.Go(func() (err error) {
			outcomes[n], err = i.look(inGroup, i.pending[n])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	i.pending = i.pending[:0]
	return i.record(ctx, outcomes)
}

// record saves a batch in one step, and then reports and counts it.
func (i *importing) record(ctx context.Context, outcomes []outcome) error {
	err := i.vault.Catalog.Update(ctx, func(tx *catalog.Tx) error {
		if err := protect.ToPlace(tx); err != nil {
			return err
		}
		for _, o := range outcomes {
			if o.record == nil {
				continue
			}
			if err := tx.PutRecord(*o.record); err != nil {
				return err
			}
			if o.verified {
				err := tx.PutCoverage(catalog.Coverage{
					Store: i.stores[0].Name(), Name: o.record.Name, Generation: o.record.Generation, Identity: o.record.Identity,
					VerifiedAt: i.started, Depth: catalog.DeepBuffered, Run: i.id,
				})
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record what lists say: %w", err)
	}
	for _, o := range outcomes {
		i.summary.Blobs++
		i.summary.Bytes += o.read
		i.summary.BytesRead += o.read
		switch {
		case o.record != nil && o.verified:
			i.summary.New++
			i.summary.Intact++
		case o.record != nil:
			i.summary.New++
			i.summary.Unverified++
		case o.finding == nil:
			i.summary.Unchanged++
		}
		if o.finding != nil {
			i.found(*o.finding)
		}
	}
	return nil
}

// lists tells of what is wrong with lists.
type lists struct{ run *run }

func (l lists) Result(res *verify.Result) {
	switch res.Status {
	case verify.Warned:
		l.run.rep.Note("%s: %s", res.Path(), res.Reason)
	case verify.Conflict: // nothing is recorded on it: no damage is known
		f := res.Finding()
		f.Verdict, f.Reason = finding.Undecided, res.Reason
		l.run.found(f)
	default:
		f := res.Finding()
		f.Reason = res.Reason
		l.run.found(f)
	}
}

func (l lists) Note(format string, args ...any) { l.run.rep.Note(format, args...) }
func (l lists) Summary(*verify.Summary)         {}
