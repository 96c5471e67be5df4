package vault

import (
	"errors"
	"fmt"
	"math/bits"
	"net/url"
	"regexp"
	"slices"

	"bitmend/hashsets"
)

// Limits of what a configuration may ask for.
const (
	minShardSize = 4 << 10
	maxShardSize = 16 << 20
	maxColumns   = 256 // k + m: the shards that a Reed-Solomon stripe over GF(2^8) can have
	maxWorkers   = 256
	maxOverhead  = 10 // parity bytes per data byte: more is a slip of the pen
)

// storeName is what a store may be called: its name stands in keys, in file
// names and in output, and is typed on command lines.
var storeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// check finds what is wrong with a configuration whose defaults are filled in.
func (c *Config) check(r *complaints) {
	c.checkChecksums(r)
	c.checkParity(r)
	c.checkStores(r)
	c.checkMirrors(r)
	checkGate(r, "gates.mass-damage", c.MassDamage)
	checkGate(r, "gates.mass-missing", c.MassMissing)
	checkGate(r, "gates.mass-change", c.MassChange)
	checkGate(r, "gates.poisoned", c.Poisoned)
	for _, n := range []int64{c.Encrypted, c.BadRepairs, c.BadRecords} {
		if n < 1 {
			r.add("gates", "a gate opens at %d; it must be at least 1", n)
		}
	}
	if len(c.Hold.Command) > 0 && c.Hold.Command[0] == "" {
		r.add("hold.command", "command names no program")
	}
	if c.Hold.Timeout < 0 {
		r.add("hold.timeout", "timeout is %v; it must be more than nothing", c.Hold.Timeout)
	}
	c.checkNotify(r)
	c.checkScrub(r)
	c.checkRetention(r)
}

func (c *Config) checkNotify(r *complaints) {
	if len(c.Notify.Command) > 0 && c.Notify.Command[0] == "" {
		r.add("notify.command", "command names no program")
	}
	if c.Notify.Timeout < 0 {
		r.add("notify.timeout", "timeout is %v; it must be more than nothing", c.Notify.Timeout)
	}
	for key, location := range map[string]string{"notify.url": c.Notify.URL, "notify.heartbeat": c.Notify.Heartbeat} {
		if err := CheckHook(location); location != "" && err != nil {
			r.add(key, "%w", err)
		}
	}
}

// CheckHook refuses what is no address that a notification can be sent to. It
// does not repeat the address: who knows it may be all that is asked.
func CheckHook(location string) error {
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("it is not an address such as \"https://hooks.example.org/bitmend\"")
	}
	return nil
}

// checkRetention is for a configuration that was not parsed: parse has refused
// what is not positive.
func (c *Config) checkRetention(r *complaints) {
	if c.History.KeepGenerations < 0 || c.History.KeepFor < 0 {
		r.add("history", "what is kept of history must not be negative")
	}
	if c.Quarantine.KeepFor < 0 || c.Quarantine.MaxSize < 0 {
		r.add("quarantine", "what is kept in quarantine must not be negative")
	}
}

func (c *Config) checkScrub(r *complaints) {
	if c.MaxAge < 0 {
		r.add("scrub.max_age", "max_age is %s; it cannot be negative", durationText(c.MaxAge))
	}
	if c.Pace.Rate < 0 {
		r.add("scrub.limit_rate", "limit_rate is %d bytes a second; it cannot be negative", c.Pace.Rate)
	}
	if c.Pace.IOPS < 0 {
		r.add("scrub.limit_iops", "limit_iops is %d; it cannot be negative", c.Pace.IOPS)
	}
	if c.Pace.Workers < 0 || c.Pace.Workers > maxWorkers {
		r.add("scrub.workers", "workers must be from 1 to %d", maxWorkers)
	}
	if c.Pace.BackOff < 0 {
		r.add("scrub.back_off", "back_off is %s; it cannot be negative", durationText(c.Pace.BackOff))
	}
}

func (c *Config) checkChecksums(r *complaints) {
	for i, a := range c.Algorithms {
		key := fmt.Sprintf("checksums.algorithms[%d]", i)
		if _, err := hashsets.ParseAlgorithm(string(a)); err != nil {
			r.add(key, "%w", err)
		}
		if slices.Contains(c.Algorithms[:i], a) {
			r.add(key, "algorithm %q is named twice", a)
		}
	}
	if c.ShardSize < minShardSize || c.ShardSize > maxShardSize || bits.OnesCount64(uint64(c.ShardSize)) != 1 {
		r.add("checksums.shard_size", "shard_size is %s; it must be a power of two from %s to %s",
			sizeText(c.ShardSize), sizeText(minShardSize), sizeText(maxShardSize))
	}
}

func (c *Config) checkParity(r *complaints) {
	if !(c.Overhead >= 0 && c.Overhead <= maxOverhead) {
		r.add("parity.overhead", "overhead is %s; it must be from 0%% (no parity) to %s",
			percentText(c.Overhead*100), percentText(maxOverhead*100))
	}
	if c.Data < 0 || c.Parity < 0 || c.Data+c.Parity > maxColumns {
		r.add("parity.data", "%d data and %d parity columns; both must be positive and together at most %d",
			c.Data, c.Parity, maxColumns)
	}
	if c.Overhead == 0 && c.Data+c.Parity > 0 {
		r.add("parity.overhead", `overhead "0%%" turns parity off, but data or parity ask for columns`)
	}
	if c.ColumnSize < 0 || c.ShardSize > 0 && c.ColumnSize%c.ShardSize != 0 {
		r.add("parity.column_size", "column_size is %s; it must be a multiple of the shard size, %s",
			sizeText(c.ColumnSize), sizeText(c.ShardSize))
	}
	if c.ParityURL != "" {
		if err := checkLocation(c.ParityURL); err != nil {
			r.add("parity.url", "%w", err)
		}
	}
}

func (c *Config) checkStores(r *complaints) {
	if len(c.Stores) == 0 {
		r.add("store", "no [[store]]: name at least one place that holds blobs")
		return
	}
	primaries, first := 0, map[string]int{}
	for i, s := range c.Stores {
		table := fmt.Sprintf("store[%d]", i)
		if !storeName.MatchString(s.Name) {
			r.add(table+".name", "store name %q; a name is 1 to 64 letters, digits, dots, dashes and underscores", s.Name)
		} else if s.Name == parityFolder {
			r.add(table+".name", "no store can be named %q: that is what parity files are reported under", s.Name)
		} else if _, twice := first[s.Name]; twice {
			r.add(table+".name", "two stores are named %q", s.Name)
		}
		first[s.Name] = i
		if s.URL == "" {
			r.add(table+".url", "store %q has no url", s.Name)
		} else if err := checkLocation(s.URL); err != nil {
			r.add(table+".url", "store %q: %w", s.Name, err)
		}
		roles := []string{string(Primary), string(Replica), string(Lagged)}
		if !slices.Contains(roles, string(s.Role)) {
			r.add(table+".role", "store %q has the unknown role %q%s", s.Name, s.Role, suggest(string(s.Role), roles))
		}
		if s.Role == Primary {
			if primaries++; primaries > 1 {
				r.add(table+".role", "store %q is a second primary; blobs are recorded from exactly one", s.Name)
			}
		}
		if s.Lag < 0 {
			r.add(table+".lag", "store %q has the negative lag %v", s.Name, s.Lag)
		}
		if s.Lag != 0 && s.Role != Lagged {
			r.add(table+".lag", `store %q has a lag, which only a store with role = "lagged" has`, s.Name)
		}
	}
	if primaries == 0 {
		r.add("store", "no store is the primary one, from which blobs are recorded")
	}
}

func (c *Config) checkMirrors(r *complaints) {
	for i, location := range c.Mirrors {
		key := fmt.Sprintf("mirror[%d].url", i)
		if location == "" {
			r.add(key, "a mirror has no url")
		} else if err := checkLocation(location); err != nil {
			r.add(key, "mirror: %w", err)
		}
	}
}

func checkGate(r *complaints, table string, g GateLimits) {
	if g.Count < 1 {
		r.add(table+".count", "count is %d; it must be at least 1", g.Count)
	}
	if !(g.Percent >= 0 && g.Percent <= 100) {
		r.add(table+".percent", "percent is %s; it must be from 0%% to 100%%", percentText(g.Percent))
	}
}
