package protect

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// Mirrors that are never written over.
var (
	ErrForeignMirror = errors.New("it holds the export of another catalog")
	ErrNewerMirror   = errors.New("it holds a newer export of this catalog")
)

// Mirror brings every mirror of the vault up to date: the export of its
// catalog and its configuration, with which the vault can be made anew when it
// is lost. A mirror that has them is only looked at. One that cannot be reached
// or written does not keep the others from being. late are those that the bound
// on what may be fetched leaves for the next run.
func Mirror(ctx context.Context, v *vault.Vault) (late int, err error) {
	mirrors, err := v.Mirrors()
	if err != nil || len(mirrors) == 0 {
		return 0, err
	}
	before, err := v.Catalog.Setting(ctx, exportsBefore)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, m := range mirrors {
		c := mirroring{to: m, mine: append(strings.Fields(before), v.Catalog.ID())}
		err := c.bringUpToDate(ctx, v)
		if errors.Is(err, store.ErrAllowance) {
			late++
		} else if err != nil {
			errs = append(errs, fmt.Errorf("bring the mirror %s up to date: %w", m.URL(), err))
		}
	}
	return late, errors.Join(errs...)
}

// exportsBefore is the setting that has the IDs of the catalogs of whose
// exports this one was rebuilt: a mirror that holds one of them is its own.
const exportsBefore = "exports-before"

// A mirroring brings one mirror up to date.
type mirroring struct {
	to   store.Remover
	mine []string // IDs of catalogs whose exports may be replaced
}

func (m *mirroring) bringUpToDate(ctx context.Context, v *vault.Vault) error {
	export, err := os.Open(ExportPath(v))
	if errors.Is(err, os.ErrNotExist) {
		return nil // nothing was recorded yet
	}
	if err != nil {
		return err
	}
	defer export.Close()
	ours, err := catalog.ReadExportHeader(export)
	if err != nil {
		return fmt.Errorf("the export %s: %w", ExportPath(v), err)
	}
	there, err := m.exportThere(ctx)
	if err != nil {
		return err
	}
	if there.Catalog == ours.Catalog && there.Epoch > ours.Epoch {
		return fmt.Errorf("%w than this vault has, which is left as it is: the vault is an older state of itself; run catalog rebuild", ErrNewerMirror)
	}
	if there != ours {
		if err := m.put(ctx, exportName, export); err != nil {
			return err
		}
	}
	return m.mirrorConfig(ctx, filepath.Join(v.Dir, vault.ConfigFile))
}

// exportThere returns the header of the export that the mirror holds, the zero
// one when it holds none. One that may be another's is an error.
func (m *mirroring) exportThere(ctx context.Context) (catalog.ExportHeader, error) {
	from, err := openMirrored(ctx, m.to)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNotMounted) {
		return catalog.ExportHeader{}, nil
	}
	if err != nil {
		return catalog.ExportHeader{}, err
	}
	defer from.Close()
	there, err := catalog.ReadExportHeader(from)
	if err != nil {
		return catalog.ExportHeader{}, fmt.Errorf("%s cannot be read, and is left as it is: %w; look at it, then move it away", exportName, err)
	}
	if slices.Contains(m.mine, there.Catalog) {
		return there, nil
	}
	return catalog.ExportHeader{}, fmt.Errorf("%w (%s), which is left as it is: each vault needs a mirror of its own; "+
		"if it is of this vault before it was lost, remove the folder export of the vault and run catalog rebuild; else move it away",
		ErrForeignMirror, there.Catalog)
}

func (m *mirroring) mirrorConfig(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	same, err := m.holds(ctx, vault.ConfigFile, string(text))
	if err != nil || same {
		return err
	}
	return m.put(ctx, vault.ConfigFile, strings.NewReader(string(text)))
}

// holds tells whether a small file of the mirror has that text.
func (m *mirroring) holds(ctx context.Context, name, text string) (bool, error) {
	there, err := m.to.Open(ctx, name, store.Access{})
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNotMounted) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer there.Close()
	entry, err := there.Entry()
	if err != nil || entry.Identity.Size != int64(len(text)) {
		return false, err
	}
	p := make([]byte, len(text))
	if err := readFull(there, p, 0, name); err != nil {
		return false, err
	}
	return string(p) == text, nil
}

// put puts a file into the mirror in one step, after it was read back.
func (m *mirroring) put(ctx context.Context, name string, from io.ReadSeeker) error {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	expect, err := m.identityOf(ctx, name)
	if err != nil {
		return err
	}
	staged, err := m.to.Stage(ctx, name, "mirror-"+name)
	if err != nil {
		return err
	}
	defer staged.Close()
	err = copyVerified(ctx, staged, from)
	if err == nil {
		_, err = staged.Publish(ctx, expect)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), staged.Discard(context.WithoutCancel(ctx)))
	}
	return nil
}

func (m *mirroring) identityOf(ctx context.Context, name string) (*hashsets.Identity, error) {
	entry, err := m.to.Stat(ctx, name)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNotMounted) {
		return nil, nil
	}
	return &entry.Identity, err
}

// copyVerified writes all of from and holds what can be read back against it.
func copyVerified(ctx context.Context, to store.Staged, from io.Reader) error {
	wrote, size := sha256.New(), int64(0)
	block := make([]byte, tileBytes)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(from, block)
		wrote.Write(block[:n])
		if _, err := to.WriteAt(block[:n], size); err != nil {
			return err
		}
		size += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := to.Seal(ctx, size, hashsets.Attributes{}); err != nil {
		return err
	}
	read := sha256.New()
	if _, err := io.CopyBuffer(read, io.NewSectionReader(to, 0, size), block); err != nil {
		return fmt.Errorf("read it back: %w", err)
	}
	if [sha256.Size]byte(read.Sum(nil)) != [sha256.Size]byte(wrote.Sum(nil)) {
		return errors.New("what was written does not read back as it was")
	}
	return nil
}

// CheckExports reads the exports of a vault and its mirrors to their ends, and
// returns what is damaged of them. The error says which could not be read.
func CheckExports(ctx context.Context, v *vault.Vault) (damage []error, err error) {
	all, err := exportPlaces(v)
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, x := range all {
		err := x.check(ctx)
		switch {
		case err == nil || isAbsent(err):
		case ctx.Err() != nil:
			return damage, ctx.Err()
		case errors.Is(err, catalog.ErrExportDamaged), errors.Is(err, catalog.ErrNotExport):
			damage = append(damage, fmt.Errorf("the export %s: %w", x.where, err))
		default:
			failed = append(failed, fmt.Errorf("read the export %s: %w", x.where, err))
		}
	}
	return damage, errors.Join(failed...)
}

// openMirrored opens the export that a mirror holds.
func openMirrored(ctx context.Context, mirror store.Store) (io.ReadCloser, error) {
	from, err := mirror.Open(ctx, exportName, store.Access{})
	if err != nil {
		return nil, err
	}
	entry, err := from.Entry()
	if err != nil {
		return nil, errors.Join(err, from.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(from, 0, entry.Identity.Size), from}, nil
}
