package vault

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bitmend/hashsets"
	"bitmend/scrub/pace"

	"github.com/BurntSushi/toml"
)

// load reads the configuration of the vault in dir.
func load(dir string) (Config, *complaints, error) {
	if err := requirePlain(dir); err != nil {
		return Config{}, nil, err
	}
	file := filepath.Join(dir, ConfigFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return Config{}, nil, noVault(dir)
	}
	if err != nil {
		return Config{}, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return parse(file, string(text))
}

// parse reads a configuration. The complaints that it returns are empty; they
// are for what is found wrong later, when lines are still wanted.
func parse(file, text string) (Config, *complaints, error) {
	r := &complaints{file: file}
	var values map[string]any
	if _, err := toml.Decode(text, &values); err != nil {
		return Config{}, nil, syntaxError(file, err)
	}
	r.lines = linesOf(text)
	c := DefaultConfig()
	readConfig(&section{r: r, values: values}, &c)
	if err := r.err(); err != nil {
		return Config{}, nil, err // what could not be read would only be complained of again
	}
	c.fillIn()
	c.check(r)
	if err := r.err(); err != nil {
		return Config{}, nil, err
	}
	return c, r, nil
}

func syntaxError(file string, err error) error {
	var p toml.ParseError
	if errors.As(err, &p) {
		return &ConfigError{File: file, Line: p.Position.Line, Err: errors.New(p.Message)}
	}
	return &ConfigError{File: file, Err: err}
}

func readConfig(s *section, c *Config) {
	s.knows("version", "checksums", "parity", "store", "mirror", "gates", "hold", "history", "quarantine", "scrub", "notify")
	readVersion(s)

	checksums := s.table("checksums", "algorithms", "shard_size")
	checksums.list("algorithms", func(names []string) {
		c.Algorithms = nil
		for _, name := range names {
			c.Algorithms = append(c.Algorithms, hashsets.Algorithm(name))
		}
	})
	text(checksums, "shard_size", &c.ShardSize, ParseSize)

	parity := s.table("parity", "overhead", "data", "parity", "column_size", "url")
	percent := c.Overhead * 100
	text(parity, "overhead", &percent, ParsePercent)
	c.Overhead = percent / 100
	parity.columns("data", &c.Data)
	parity.columns("parity", &c.Parity)
	text(parity, "column_size", &c.ColumnSize, ParseSize)
	text(parity, "url", &c.ParityURL, asWritten)
	if percent == 0 && c.Data > 0 && c.Parity > 0 {
		s.r.add("parity.overhead", `overhead "0%%" turns parity off, but data and parity ask for columns`)
	}

	for _, t := range s.tables("store", "name", "url", "role", "lag", "immutable") {
		c.Stores = append(c.Stores, readStore(t))
	}
	for _, t := range s.tables("mirror", "url") {
		location := ""
		text(t, "url", &location, asWritten)
		c.Mirrors = append(c.Mirrors, location)
	}
	gates := s.table("gates", "mass-damage", "mass-missing", "mass-change", "poisoned", "bad-repair", "catalog")
	readGate(gates, "mass-damage", &c.MassDamage)
	readGate(gates, "mass-missing", &c.MassMissing)
	readGate(gates, "mass-change", &c.MassChange, "encrypted").positive("encrypted", &c.Encrypted)
	readGate(gates, "poisoned", &c.Poisoned)
	gates.table("bad-repair", "count").positive("count", &c.BadRepairs)
	gates.table("catalog", "count").positive("count", &c.BadRecords)
	hold := s.table("hold", "command", "timeout")
	hold.list("command", func(words []string) { c.Hold.Command = words })
	hold.span("timeout", &c.Hold.Timeout)

	notify := s.table("notify", "command", "url", "heartbeat", "timeout")
	notify.list("command", func(words []string) { c.Notify.Command = words })
	text(notify, "url", &c.Notify.URL, asWritten)
	text(notify, "heartbeat", &c.Notify.Heartbeat, asWritten)
	notify.span("timeout", &c.Notify.Timeout)

	history := s.table("history", "keep_generations", "keep_for")
	history.positive("keep_generations", &c.History.KeepGenerations)
	history.span("keep_for", &c.History.KeepFor)
	quarantine := s.table("quarantine", "keep_for", "max_size")
	quarantine.span("keep_for", &c.Quarantine.KeepFor)
	text(quarantine, "max_size", &c.Quarantine.MaxSize, ParseSize)
	readScrub(s.table("scrub", "max_age", "limit_rate", "limit_iops", "workers", "back_off", "idle", "hours"), c)
}

func readScrub(t *section, c *Config) {
	text(t, "max_age", &c.MaxAge, ParseDuration)
	text(t, "limit_rate", &c.Pace.Rate, ParseRate)
	t.integer("limit_iops", &c.Pace.IOPS)
	workers := int64(c.Pace.Workers)
	t.integer("workers", &workers)
	c.Pace.Workers = int(min(max(workers, -1), maxWorkers+1))
	text(t, "back_off", &c.Pace.BackOff, ParseDuration)
	t.boolean("idle", &c.Pace.Idle)
	text(t, "hours", &c.Pace.Hours, pace.ParseHours)
}

func readVersion(s *section) {
	version := int64(0)
	s.integer("version", &version)
	switch {
	case s.values["version"] == nil:
		s.r.add("version", "no version; the first line should be: version = %d", configVersion)
	case version > configVersion:
		s.r.add("version", "version %d is of a later bitmend; this one reads version %d", version, configVersion)
	case version != configVersion:
		s.r.add("version", "unknown version %d; this bitmend reads version %d", version, configVersion)
	}
}

func readStore(t *section) StoreConfig {
	var store StoreConfig
	text(t, "name", &store.Name, asWritten)
	text(t, "url", &store.URL, asWritten)
	role := ""
	text(t, "role", &role, func(text string) (string, error) {
		if text == "" {
			return "", errors.New("is empty")
		}
		return text, nil
	})
	store.Role = Role(role)
	text(t, "lag", &store.Lag, ParseDuration)
	t.boolean("immutable", &store.Immutable)
	return store
}

// readGate reads the limits of one gate, whose table may have more keys.
func readGate(gates *section, name string, limits *GateLimits, more ...string) *section {
	gate := gates.table(name, append([]string{"count", "percent"}, more...)...)
	gate.integer("count", &limits.Count)
	text(gate, "percent", &limits.Percent, ParsePercent)
	// Zeros that were written are not to be taken for absent.
	if *limits == (GateLimits{}) {
		gates.r.add(gate.key("count"), "count is 0; it must be at least 1")
	}
	return gate
}

func asWritten(text string) (string, error) { return text, nil }

// section is one table of the file. What is wrong in it is added to r; what is
// absent leaves its target alone.
type section struct {
	r      *complaints
	path   string // "" at the top
	values map[string]any
}

func (s *section) key(name string) string {
	if s.path == "" {
		return name
	}
	return s.path + "." + name
}

// knows complains of all keys but the given ones.
func (s *section) knows(keys ...string) {
	for name := range s.values {
		if !slices.Contains(keys, name) {
			where := ""
			if s.path != "" {
				where = " in " + s.path
			}
			s.r.add(s.key(name), "unknown key %q%s%s", name, where, suggest(name, keys))
		}
	}
}

// table returns the table of that name, empty when it is absent.
func (s *section) table(name string, keys ...string) *section {
	t := &section{r: s.r, path: s.key(name)}
	switch value := s.values[name].(type) {
	case nil:
	case map[string]any:
		t.values = value
	default:
		s.wrong(name, "a table, [%s]", t.path)
	}
	t.knows(keys...)
	return t
}

// tables returns the array of tables of that name.
func (s *section) tables(name string, keys ...string) []*section {
	var all []*section
	switch value := s.values[name].(type) {
	case nil:
	case []map[string]any:
		for i, values := range value {
			t := &section{r: s.r, path: fmt.Sprintf("%s[%d]", s.key(name), i), values: values}
			t.knows(keys...)
			all = append(all, t)
		}
	default:
		s.wrong(name, "an array of tables, [[%s]]", name)
	}
	return all
}

// text reads a string through read.
func text[T any](s *section, name string, into *T, read func(string) (T, error)) {
	switch value := s.values[name].(type) {
	case nil:
	case string:
		v, err := read(value)
		if err != nil {
			s.r.add(s.key(name), "%s: %w", name, err)
			return
		}
		*into = v
	default:
		s.wrong(name, "a string in quotes")
	}
}

func (s *section) integer(name string, into *int64) {
	switch value := s.values[name].(type) {
	case nil:
	case int64:
		*into = value
	default:
		s.wrong(name, "a whole number")
	}
}

// columns reads a number of columns. It cannot be written as zero: absent is
// what lets bitmend choose.
func (s *section) columns(name string, into *int) {
	n := int64(1)
	if s.values[name] == nil {
		return
	}
	s.integer(name, &n)
	if n < 1 || n > math.MaxInt16 {
		s.r.add(s.key(name), "%s is %d; it must be from 1 to %d", name, n, maxColumns-1)
		return
	}
	*into = int(n)
}

// positive reads a number that cannot be written as zero.
func (s *section) positive(name string, into *int64) {
	s.integer(name, into)
	if *into < 1 {
		s.r.add(s.key(name), "%s is %d; it must be at least 1", name, *into)
	}
}

// span reads a time that cannot be written as zero.
func (s *section) span(name string, into *time.Duration) {
	text(s, name, into, ParseDuration)
	if *into <= 0 {
		s.r.add(s.key(name), "%s is %s; it must be more than nothing", name, durationText(*into))
	}
}

func (s *section) boolean(name string, into *bool) {
	switch value := s.values[name].(type) {
	case nil:
	case bool:
		*into = value
	default:
		s.wrong(name, "true or false")
	}
}

func (s *section) list(name string, use func([]string)) {
	if s.values[name] == nil {
		return
	}
	values, isList := s.values[name].([]any)
	words := make([]string, len(values))
	for i := range values {
		word, isText := values[i].(string)
		isList = isList && isText
		words[i] = word
	}
	switch {
	case !isList:
		s.wrong(name, "a list of strings")
	case len(words) == 0:
		s.r.add(s.key(name), "%s is empty", name)
	default:
		use(words)
	}
}

func (s *section) wrong(name, format string, args ...any) {
	s.r.add(s.key(name), "%s must be %s", name, fmt.Sprintf(format, args...))
}
