// Package vault is a vault on disk: its configuration, its lock, its folders,
// and the stores and the catalog that it opens.
//
// It does not scan, judge or repair.
package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/pace"
	"bitmend/scrub/store"
	"bitmend/scrub/store/s3"
)

// Names in a vault, besides ConfigFile.
const (
	catalogFile      = "catalog.db"
	lockFile         = "lock"
	parityFolder     = "parity"
	quarantineFolder = "quarantine"
	journalFolder    = "journal"
	scratchFolder    = "scratch"
	uploadsFolder    = "uploads" // of what is being sent to buckets in parts
)

func folders() []string {
	return []string{parityFolder, quarantineFolder, journalFolder, scratchFolder, uploadsFolder}
}

// ErrNoVault is returned where a vault was to be opened and there is none.
var ErrNoVault = errors.New("there is no vault")

func noVault(dir string) error {
	if lostConfig(dir) {
		return fmt.Errorf("%w in %s that can be opened: it has a catalog but its %s is gone; put that back",
			ErrNoVault, dir, ConfigFile)
	}
	if tree, ok := strings.CutSuffix(dir, suffix); ok && filepath.Base(dir) != suffix {
		return fmt.Errorf("%w at %s; make it with: bitmend protect %s", ErrNoVault, dir, tree)
	}
	return fmt.Errorf("%w at %s; make it with: bitmend init %s --store primary=DIR", ErrNoVault, dir, dir)
}

// lostConfig tells whether dir is a vault but for its configuration. Nothing
// is made anew there: its catalog is worth more than the trouble.
func lostConfig(dir string) bool {
	gone := !exists(filepath.Join(dir, ConfigFile)) && !exists(filepath.Join(dir, unfinishedFile))
	return gone && exists(filepath.Join(dir, catalogFile))
}

// Vault is an open vault.
type Vault struct {
	Dir     string // absolute
	Config  Config
	Catalog *catalog.Catalog // nil after OpenLocked
	lock    *lock            // nil after OpenReadOnly

	mu        sync.Mutex
	opened    map[string]store.Writable // stores by name
	home      store.Remover             // nil until it is asked for
	mirrors   []store.Remover           // nil until they are asked for
	donors    []store.Store
	allowance *store.Allowance // for what is fetched from stores behind a network; nil for any number of bytes
	pacer     *pace.Pacer      // nil for none
	hold      store.Pace       // of the pacer; nil for none
}

// Open opens the vault in dir for a run of verb and holds its lock until
// Close. LockedError says who holds it otherwise; ErrNoVault that there is
// none.
func Open(ctx context.Context, dir, verb string, opts ...LockOption) (*Vault, error) {
	v, err := OpenLocked(ctx, dir, verb, opts...)
	if err != nil {
		return nil, err
	}
	if v.Catalog, err = catalog.Open(ctx, v.CatalogPath()); err != nil {
		return nil, errors.Join(catalogError(v.Dir, err), v.Close())
	}
	return v, nil
}

// OpenReadOnly opens the vault beside a run.
func OpenReadOnly(ctx context.Context, dir string) (*Vault, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the vault: %w", err)
	}
	c, _, err := load(dir)
	if err != nil {
		return nil, err
	}
	v := &Vault{Dir: dir, Config: c}
	if v.Catalog, err = catalog.OpenReadOnly(ctx, v.CatalogPath()); err != nil {
		return nil, catalogError(dir, err)
	}
	return v, nil
}

// OpenLocked is Open without a catalog (nil), for verbs that rebuild it.
func OpenLocked(ctx context.Context, dir, verb string, opts ...LockOption) (*Vault, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the vault: %w", err)
	}
	c, complaints, err := load(dir)
	if err != nil {
		return nil, err
	}
	c.checkPlaces(dir, complaints)
	if err := complaints.err(); err != nil {
		return nil, err
	}
	v := &Vault{Dir: dir, Config: c}
	if v.lock, err = takeLock(ctx, dir, filepath.Join(dir, lockFile), verb, opts...); err != nil {
		return nil, err
	}
	if err := v.prepareFolders(); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// Abandoned returns who held the vault's lock before and died without letting
// go of it; nil when that run ended as it should.
func (v *Vault) Abandoned() *LockedError {
	if v.lock == nil {
		return nil
	}
	return v.lock.abandoned
}

// LoadConfig reads the configuration of the vault in dir and nothing else.
func LoadConfig(dir string) (Config, error) {
	c, _, err := load(dir)
	return c, err
}

func catalogError(dir string, err error) error {
	return WithWayOut(fmt.Errorf("opening the vault %s: %w", dir, err), dir)
}

// WithWayOut adds to an error, by which a run ended on the vault in dir, what to
// do when the catalog is gone or damaged. Other errors, and nil, are as they
// are.
func WithWayOut(err error, dir string) error {
	if errors.Is(err, catalog.ErrNoCatalog) || errors.Is(err, catalog.ErrDamaged) {
		return fmt.Errorf("%w; make its catalog anew with: bitmend --vault %s catalog rebuild", err, dir)
	}
	return err
}

// prepareFolders makes the folders that are gone and empties the one for
// scratch.
func (v *Vault) prepareFolders() error {
	if err := os.RemoveAll(v.ScratchDir()); err != nil {
		return fmt.Errorf("emptying the vault's folder for scratch: %w", err)
	}
	return makeFolders(v.Dir)
}

func makeFolders(dir string) error {
	for _, name := range folders() {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("making a folder of the vault: %w", err)
		}
	}
	return nil
}

// Close closes what was opened, stores too, and lets go of the lock. It comes
// after all other use; closing again does nothing.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for _, s := range v.opened {
		errs = append(errs, closeStore(s))
	}
	for _, s := range v.donors {
		errs = append(errs, closeStore(s))
	}
	if v.home != nil {
		errs = append(errs, closeStore(v.home))
	}
	for _, m := range v.mirrors {
		errs = append(errs, closeStore(m))
	}
	if v.Catalog != nil {
		errs = append(errs, v.Catalog.Close())
	}
	if v.lock != nil {
		errs = append(errs, v.lock.release())
	}
	v.opened, v.home, v.mirrors, v.donors, v.Catalog, v.lock = nil, nil, nil, nil, nil, nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the vault %s: %w", v.Dir, err)
	}
	return nil
}

// closeStore closes a store that has something to close.
func closeStore(s store.Store) error {
	if c, ok := s.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Store returns the store of that name. It is opened once, and stays open until
// the vault is closed.
func (v *Vault) Store(name string) (store.Writable, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s, isOpen := v.opened[name]; isOpen {
		return s, nil
	}
	c, err := v.configOf(name)
	if err != nil {
		return nil, err
	}
	s, err := v.openStore(name, c.URL, v.Dir, v.bucketOptions(name))
	if err != nil {
		return nil, err
	}
	if d, ok := s.(*store.Directory); ok {
		d.KnowStaged(v.stagesIn(name))
	}
	if v.opened == nil {
		v.opened = map[string]store.Writable{}
	}
	v.opened[name] = s
	return s, nil
}

// ErrNoStore is returned for a name that no store of the vault has.
var ErrNoStore = errors.New("no such store")

func (v *Vault) configOf(name string) (StoreConfig, error) {
	names := make([]string, len(v.Config.Stores))
	for i, s := range v.Config.Stores {
		if s.Name == name {
			return s, nil
		}
		names[i] = s.Name
	}
	return StoreConfig{}, fmt.Errorf("%w in the vault %s: %q%s", ErrNoStore, v.Dir, name, suggest(name, names))
}

// Primary returns the configuration of the primary store.
func (v *Vault) Primary() StoreConfig { return v.Config.primary() }

// ParityHome returns the place where parity files live. It stays open until
// the vault is closed.
func (v *Vault) ParityHome() (store.Remover, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.home != nil {
		return v.home, nil
	}
	location := v.Config.ParityURL
	if location == "" {
		location = filepath.Join(v.Dir, parityFolder)
	}
	home, err := v.openHome(parityFolder, location, v.Dir, v.bucketOptions(parityFolder))
	if err != nil {
		return nil, fmt.Errorf("opening the parity folder: %w", err)
	}
	v.home = home
	return home, nil
}

// Mirrors returns the places that are given what the vault is made anew from
// when it is lost. They stay open until the vault is closed.
func (v *Vault) Mirrors() ([]store.Remover, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := len(v.mirrors); i < len(v.Config.Mirrors); i++ {
		location := v.Config.Mirrors[i]
		name := fmt.Sprintf("mirror %d", i+1) // no store can be named so
		m, err := v.openHome(name, location, v.Dir, v.bucketOptions(name))
		if err != nil {
			return nil, fmt.Errorf("opening the mirror %s: %w", location, err)
		}
		v.mirrors = append(v.mirrors, m)
	}
	return v.mirrors, nil
}

// bucketOptions say where a bucket keeps on disk what is on its way there.
func (v *Vault) bucketOptions(name string) s3.Options {
	return s3.Options{Scratch: filepath.Join(v.ScratchDir(), name), Uploads: filepath.Join(v.Dir, uploadsFolder, name), Allowance: v.allowance, Pace: v.hold}
}

// parityRoot returns the directory of the parity files, absolute. It is that
// of the vault when they are in a bucket.
func (c *Config) parityRoot(dir string) string {
	if c.ParityURL != "" {
		if root, err := rootOf(c.ParityURL, dir); err == nil { // it was checked with the configuration
			return root
		}
	}
	return filepath.Join(dir, parityFolder)
}

// CatalogPath is where the catalog is, absolute.
func (v *Vault) CatalogPath() string { return filepath.Join(v.Dir, catalogFile) }

// QuarantineDir is where damaged originals are kept, absolute.
func (v *Vault) QuarantineDir() string { return filepath.Join(v.Dir, quarantineFolder) }

// JournalDir is where repairs in progress are recorded, absolute.
func (v *Vault) JournalDir() string { return filepath.Join(v.Dir, journalFolder) }

// HoldDir is where the output of the hold command is kept, absolute.
func (v *Vault) HoldDir() string { return filepath.Join(v.Dir, "hold") }

// ScratchDir is for files that no later run needs, absolute. It is emptied at
// each Open.
func (v *Vault) ScratchDir() string { return filepath.Join(v.Dir, scratchFolder) }
