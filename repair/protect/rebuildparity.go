package protect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// ParityRebuild says what RebuildParity did.
type ParityRebuild struct {
	Rebuilt      []string         // parity files that were damaged and are whole under a new version
	Left         map[string]error // the others, each with the reason
	BytesRead    int64
	BytesWritten int64
}

// RebuildParity encodes the bands anew whose parity files, named below the
// parity folder, are damaged or missing. A band is replaced only when every
// byte of its data is proven, or rebuilt from what is left of its parity;
// otherwise it stays as it is. The damaged files are kept in the vault's
// quarantine.
func RebuildParity(ctx context.Context, v *vault.Vault, damaged []string, opts Options, rep report.Reporter) (ParityRebuild, error) {
	done := ParityRebuild{Left: make(map[string]error)}
	r, err := newRun(v, "repair", opts, rep)
	if err != nil {
		return done, err
	}
	e, err := r.openEncoding(ctx, &decided{})
	if err != nil {
		return done, err
	}
	err = e.rebuildParity(ctx, damaged, &done)
	done.BytesRead, done.BytesWritten = r.summary.BytesRead, r.summary.BytesWritten
	return done, errors.Join(err, e.close())
}

// bandNumber names a band of whatever version.
type bandNumber struct{ set, number int64 }

func (e *encoding) rebuildParity(ctx context.Context, damaged []string, done *ParityRebuild) error {
	byBand := make(map[bandNumber][]string)
	for _, name := range damaged {
		id, _, ok := parity.ParseFileName(name)
		if !ok {
			done.Left[name] = errors.New("it is no parity file by its name")
			continue
		}
		b := bandNumber{id.Set, id.Number}
		byBand[b] = append(byBand[b], name)
	}
	if len(byBand) == 0 {
		return nil
	}
	if err := e.tidy(ctx); err != nil {
		return fmt.Errorf("clear up after an earlier run: %w", err)
	}
	if err := e.begin(ctx); err != nil {
		return err
	}
	for b, names := range byBand {
		err := e.rebuildBand(ctx, b, names)
		switch {
		case err == nil:
			done.Rebuilt = append(done.Rebuilt, names...)
		case errors.Is(err, errNoBase), errors.Is(err, catalog.ErrNotRecorded):
			for _, name := range names {
				done.Left[name] = err
			}
		default:
			return err
		}
	}
	slices.Sort(done.Rebuilt)
	e.kept = true // whether places are left that nobody claims is for protect to find out
	return e.concluded(ctx)
}

// rebuildBand writes a new version of a band.
func (e *encoding) rebuildBand(ctx context.Context, b bandNumber, damaged []string) error {
	bands, err := e.bandsOf(ctx, b.set)
	if err != nil {
		return err
	}
	if _, ok := bands[b.number]; !ok {
		return fmt.Errorf("band %d of set %d: %w", b.number, b.set, catalog.ErrNotRecorded)
	}
	var anew *touched // the stripes that are encoded from their data though their parity passes its sums
	e.distrusted = slices.ContainsFunc(damaged, func(name string) bool { return slices.Contains(e.opts.Anew, name) })
	if e.distrusted {
		anew = new(touched)
		for n := range int64(parity.BandStripes) {
			anew.add(n)
		}
	}
	e.ends[b.set] = &ending{stripes: map[int64]*touched{b.number: anew}, held: make(map[int64]bool)}
	e.quarantined = damaged
	err = e.endIn(ctx, b.set)
	delete(e.ends, b.set)
	return err
}

// keepDamaged copies damaged parity files into the quarantine, where they are
// under the time and their name. One that is missing leaves nothing to keep.
func (e *encoding) keepDamaged(ctx context.Context) error {
	for _, name := range e.quarantined {
		if err := e.keepOne(ctx, name); err != nil {
			return fmt.Errorf("keep the damaged parity file %s in quarantine: %w", name, err)
		}
	}
	e.quarantined = nil
	return nil
}

func (e *encoding) keepOne(ctx context.Context, name string) error {
	from, err := e.home.Open(ctx, name, store.Access{})
	if err != nil {
		if e.blamesBlob(ctx, err) {
			return nil
		}
		return err
	}
	defer from.Close()
	entry, err := from.Entry()
	if err != nil {
		return err
	}
	dir := filepath.Join(e.vault.QuarantineDir(), "parity")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	to, err := os.OpenFile(filepath.Join(dir, parity.KeptName(e.started, name)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = copyReadable(to, from, entry.Identity.Size)
	return errors.Join(err, to.Sync(), to.Close())
}

// copyReadable copies what can be read and leaves holes for the rest.
func copyReadable(to io.WriterAt, from store.Reader, size int64) error {
	block := make([]byte, 64<<10)
	for off := int64(0); off < size; off += int64(len(block)) {
		n, err := from.ReadAt(block[:min(int64(len(block)), size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, store.ErrMedium) {
			return err
		}
		if _, err := to.WriteAt(block[:n], off); err != nil {
			return err
		}
	}
	return nil
}
