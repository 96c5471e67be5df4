package vault

import (
	"cmp"
	"time"

	"bitmend/hashsets"
	"bitmend/scrub/pace"
)

// ConfigFile is the name of the configuration in a vault.
const ConfigFile = "bitmend.toml"

// configVersion is the version of the configuration that this program reads
// and writes.
const configVersion = 1

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

// HoldConfig is the command that keeps what copies to lagged stores from
// running, when something opens a gate that may spread to them.
type HoldConfig struct {
	Command []string // the program and its arguments; nil for none
	Timeout time.Duration
}

// NotifyConfig says who is told how a run ended.
type NotifyConfig struct {
	Command   []string // run on trouble: the program and its arguments; nil for none
	URL       string   // gets a POST on trouble; "" for none
	Heartbeat string   // is fetched when a scrub is done; "" for none
	Timeout   time.Duration
}

// HistoryLimits say how long ended generations are kept: one goes when it is
// beyond both.
type HistoryLimits struct {
	KeepGenerations int64         // so many ended generations of each blob that is recorded still
	KeepFor         time.Duration // since it was superseded or vanished
}

// QuarantineLimits say how long damaged originals are kept: none goes before
// KeepFor, and none while all of them together take no more than MaxSize bytes.
type QuarantineLimits struct {
	KeepFor time.Duration
	MaxSize int64
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
	Mirrors      []string // URLs of places, apart from the vault, that are given what it is made anew from
	MassDamage   GateLimits
	MassMissing  GateLimits
	MassChange   GateLimits
	Encrypted    int64 // more changed blobs than these that look encrypted open mass-change
	Poisoned     GateLimits
	BadRepairs   int64 // so many repaired blobs that do not verify in their place open bad-repair
	BadRecords   int64 // so many records that no copy heals open the gate catalog
	Hold         HoldConfig
	Notify       NotifyConfig
	History      HistoryLimits
	Quarantine   QuarantineLimits
	MaxAge       time.Duration // the promise: every blob is looked at within it; 0 promises nothing
	Pace         pace.Limits   // of scrubs
}

// DefaultConfig is the configuration of a vault for which nothing was chosen
// but its stores.
func DefaultConfig(stores ...StoreConfig) Config {
	return Config{
		Algorithms:  []hashsets.Algorithm{hashsets.XXH64, hashsets.SHA256},
		ShardSize:   hashsets.DefaultShardSize,
		Overhead:    0.1,
		Stores:      stores,
		MassDamage:  GateLimits{Count: 10, Percent: 1},
		MassMissing: GateLimits{Count: 10, Percent: 0.5},
		MassChange:  GateLimits{Count: 10, Percent: 10},
		Encrypted:   20,
		Poisoned:    GateLimits{Count: 1},
		BadRepairs:  1,
		BadRecords:  1,
		Hold:        HoldConfig{Timeout: time.Minute},
		Notify:      NotifyConfig{Timeout: 30 * time.Second},
		History:     HistoryLimits{KeepGenerations: 10, KeepFor: ninetyDays},
		Quarantine:  QuarantineLimits{KeepFor: ninetyDays, MaxSize: 10 << 30},
	}
}

const ninetyDays = 90 * 24 * time.Hour

// primary returns the primary store of a configuration that was checked.
func (c *Config) primary() StoreConfig {
	for _, s := range c.Stores {
		if s.Role == Primary {
			return s
		}
	}
	return StoreConfig{}
}

// fillIn gives zero fields that cannot be meant as zero their defaults. An
// Overhead of zero is meant: it turns parity off, unless k and m are given.
func (c *Config) fillIn() {
	d := DefaultConfig()
	if len(c.Algorithms) == 0 {
		c.Algorithms = d.Algorithms
	}
	if c.ShardSize == 0 {
		c.ShardSize = d.ShardSize
	}
	if c.Data > 0 && c.Parity > 0 {
		c.Overhead = float64(c.Parity) / float64(c.Data)
	}
	for _, g := range []struct{ limits, standard *GateLimits }{
		{&c.MassDamage, &d.MassDamage},
		{&c.MassMissing, &d.MassMissing},
		{&c.MassChange, &d.MassChange},
		{&c.Poisoned, &d.Poisoned},
	} {
		if *g.limits == (GateLimits{}) {
			*g.limits = *g.standard
		}
	}
	c.Encrypted = cmp.Or(c.Encrypted, d.Encrypted)
	c.BadRepairs = cmp.Or(c.BadRepairs, d.BadRepairs)
	c.BadRecords = cmp.Or(c.BadRecords, d.BadRecords)
	c.Hold.Timeout = cmp.Or(c.Hold.Timeout, d.Hold.Timeout)
	c.Notify.Timeout = cmp.Or(c.Notify.Timeout, d.Notify.Timeout)
	c.History.KeepGenerations = cmp.Or(c.History.KeepGenerations, d.History.KeepGenerations)
	c.History.KeepFor = cmp.Or(c.History.KeepFor, d.History.KeepFor)
	c.Quarantine.KeepFor = cmp.Or(c.Quarantine.KeepFor, d.Quarantine.KeepFor)
	c.Quarantine.MaxSize = cmp.Or(c.Quarantine.MaxSize, d.Quarantine.MaxSize)
	c.giveRoles()
}

// giveRoles gives a role to the stores that have none: without a primary the
// first of them is it, the others are replicas.
func (c *Config) giveRoles() {
	havePrimary := c.primary().Name != ""
	for i := range c.Stores {
		if c.Stores[i].Role != "" {
			continue
		}
		c.Stores[i].Role = Replica
		if !havePrimary {
			c.Stores[i].Role = Primary
			havePrimary = true
		}
	}
}
