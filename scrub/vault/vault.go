// Package vault is a vault on disk: its configuration, its lock, its folders,
// and the stores and the catalog that it opens.
//
// It does not scan, judge or repair.
package vault

import (
	"context"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/store"
)

// Role says what a store is to the vault.
type Role string

// The roles.
const (
	Primary Role = "primary" // where blobs are recorded from; exactly one, the first store unless roles say otherwise
	Replica Role = "replica" // the same blobs under the same names
	Lagged  Role = "lagged"  // behind on purpose; a source, never written by repair
)

// StoreConfig is one [[store]].
type StoreConfig struct {
	Name      string
	URL       string // a path, absolute or relative to the vault; or a URL with a scheme
	Role      Role
	Immutable bool
	Lag       time.Duration
}

// GateLimits are the thresholds of one gate: it opens at Count blobs that are
// also more than Percent of those looked at.
type GateLimits struct {
	Count   int64
	Percent float64
}

// Config is what bitmend.toml says, with defaults filled in.
type Config struct {
	Algorithms   []hashsets.Algorithm
	ShardSize    int64
	Overhead     float64 // 0.1 for "10%"; 0 turns parity off
	Data, Parity int     // k and m; 0 lets bitmend choose
	ColumnSize   int64   // 0 lets bitmend choose
	ParityURL    string  // "" is the folder parity/ of the vault
	Stores       []StoreConfig
	MassDamage   GateLimits
	MassMissing  GateLimits
	MassChange   GateLimits
}

// PathFor returns the vault that stands for the tree dir: dir.bitmend, beside
// it and not in it.
func PathFor(dir string) (string, error) { panic("stub") }

// Init makes a vault in dir with a commented bitmend.toml, an empty catalog
// and its folders. The directory must be missing or empty.
func Init(ctx context.Context, dir string, c Config) error { panic("stub") }

// Vault is an open vault.
type Vault struct {
	Dir     string
	Config  Config
	Catalog *catalog.Catalog
	_       struct{}
}

// Open opens the vault in dir for a run of verb and holds its lock until
// Close. LockedError says who holds it otherwise.
func Open(ctx context.Context, dir, verb string) (*Vault, error) { panic("stub") }

// OpenReadOnly opens the vault beside a run.
func OpenReadOnly(ctx context.Context, dir string) (*Vault, error) { panic("stub") }

// OpenLocked is Open without a catalog (nil), for verbs that rebuild it.
func OpenLocked(ctx context.Context, dir, verb string) (*Vault, error) { panic("stub") }

// Close closes what was opened and lets go of the lock.
func (v *Vault) Close() error { panic("stub") }

// Store opens the store of that name.
func (v *Vault) Store(name string) (store.Writable, error) { panic("stub") }

// Primary returns the configuration of the primary store.
func (v *Vault) Primary() StoreConfig { panic("stub") }

// ParityHome opens the place where parity files live.
func (v *Vault) ParityHome() (store.Remover, error) { panic("stub") }

// Folders of the vault, absolute.
func (v *Vault) CatalogPath() string   { panic("stub") }
func (v *Vault) QuarantineDir() string { panic("stub") }
func (v *Vault) JournalDir() string    { panic("stub") }
func (v *Vault) ScratchDir() string    { panic("stub") } // emptied at each Open
