package vault

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// render writes the configuration as the commented file that parse reads.
func (c *Config) render() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }

	line("# The configuration of a bitmend vault. Keys that bitmend does not know are errors.")
	line("# Paths may be relative to the folder of this file. No secrets belong in here.")
	line("version = %d", configVersion)
	line("")
	line("[checksums]")
	line("# Each blob is recorded and checked under all of these, in one read. Also known:")
	line("# crc32, crc32c, crc64nvme, md5, sha1, sha512, blake3, xxh128.")
	line("algorithms = [%s]", strings.Join(quotedAll(c.Algorithms), ", "))
	line("# The unit of damage and of repair: a power of two from %s to %s.", sizeText(minShardSize), sizeText(maxShardSize))
	line("shard_size = %s", tomlString(sizeText(c.ShardSize)))
	line("")
	line("[parity]")
	line("# Bytes of parity for the bytes of data. \"0%%\" turns parity off.")
	line("overhead = %s", tomlString(percentText(c.Overhead*100)))
	line("# The shape of new parity sets; bitmend chooses what is not given. With both data")
	line("# and parity columns given, they decide, and overhead does not.")
	line("%s", optional(c.Data > 0, "data = %d", c.Data, 40))
	line("%s", optional(c.Parity > 0, "parity = %d", c.Parity, 4))
	line("%s", optional(c.ColumnSize > 0, "column_size = %s", tomlString(sizeText(c.ColumnSize)), tomlString("1GiB")))
	line("# Where parity files live; the folder parity/ of the vault unless given.")
	line("%s", optional(c.ParityURL != "", "url = %s", tomlString(storable(c.ParityURL)), tomlString("/mnt/other-disk/parity")))
	line("")
	line("# The places that hold blobs. One is the primary, from which blobs are recorded:")
	line("# the first unless roles say otherwise. The others hold the same blobs under the")
	line("# same names: role \"replica\", or \"lagged\" for one that is behind on purpose, by")
	line("# lag = \"168h\"; a lagged store is a source for repair and is never written.")
	line("# In a store with immutable = true every changed or vanished blob is a finding.")
	for _, s := range c.Stores {
		line("[[store]]")
		line("name = %s", tomlString(s.Name))
		line("url = %s", tomlString(storable(s.URL)))
		line("role = %s", tomlString(string(s.Role)))
		if s.Lag > 0 {
			line("lag = %s", tomlString(durationText(s.Lag)))
		}
		if s.Immutable {
			line("immutable = true")
		}
		line("")
	}
	line("# Places apart from the vault, a folder on another disk or a bucket, one table each. What")
	line("# the catalog records and this file are copied there, so that the vault can be made anew")
	line("# when it is lost. Each vault needs mirrors of its own.")
	for _, location := range c.Mirrors {
		line("[[mirror]]")
		line("url = %s", tomlString(storable(location)))
	}
	if len(c.Mirrors) == 0 {
		line("# [[mirror]]")
		line("# url = %s", tomlString("/mnt/other-disk/photos.mirror"))
	}
	line("")
	line("# Gates: bitmend stops writing to a store, until a person has looked, when at least")
	line("# count blobs and more than percent of those looked at are damaged, missing or")
	line("# changed. percent = \"100%%\" keeps a gate from opening.")
	gate := func(name string, limits GateLimits) {
		line("[gates.%s]", name)
		line("count = %d", limits.Count)
		line("percent = %s", tomlString(percentText(limits.Percent)))
	}
	gate("mass-damage", c.MassDamage)
	line("")
	gate("mass-missing", c.MassMissing)
	line("")
	gate("mass-change", c.MassChange)
	line("# It opens too when more changed blobs than these look encrypted.")
	line("encrypted = %d", c.Encrypted)
	line("")
	line("# All current copies of blobs agree with each other and not with what is recorded: a")
	line("# bad write that spread. It stops writing to every store.")
	gate("poisoned", c.Poisoned)
	line("")
	line("# So many repaired blobs did not verify after they were put in place.")
	line("[gates.bad-repair]")
	line("count = %d", c.BadRepairs)
	line("")
	line("# So many records fail their checks, and no copy heals them.")
	line("[gates.catalog]")
	line("count = %d", c.BadRecords)
	line("")
	line("# A command that keeps the next synchronisation from reaching a lagged store. It is run")
	line("# once when damage, loss or change opens a gate; there is no shell. It finds the gate in")
	line("# BITMEND_GATE, its store in BITMEND_STORE, and its output stays in the vault's hold/.")
	line("[hold]")
	line("%s", optional(c.Hold.Command != nil, "command = [%s]", strings.Join(quotedAll(c.Hold.Command), ", "), `"/usr/local/bin/hold-sync", "photos"`))
	line("timeout = %s", tomlString(durationText(c.Hold.Timeout)))
	line("")
	line("# Who is told how protect, scrub and repair end. On trouble, which is any exit status but")
	line("# 0, the command is run, with the summary as JSON on its standard input and without a")
	line("# shell, and the url gets the same in a POST. The heartbeat is fetched when a scrub has")
	line("# done all it was to do. BITMEND_NOTIFY_URL and BITMEND_HEARTBEAT_URL go before url and")
	line("# heartbeat. What could not be sent is said, and is bit 8 of the exit status.")
	line("[notify]")
	line("%s", optional(c.Notify.Command != nil, "command = [%s]", strings.Join(quotedAll(c.Notify.Command), ", "), `"/usr/local/bin/tell-me", "photos"`))
	line("%s", optional(c.Notify.URL != "", "url = %s", tomlString(c.Notify.URL), tomlString("https://hooks.example.org/bitmend")))
	line("%s", optional(c.Notify.Heartbeat != "", "heartbeat = %s", tomlString(c.Notify.Heartbeat), tomlString("https://ping.example.org/photos")))
	line("timeout = %s", tomlString(durationText(c.Notify.Timeout)))
	line("")
	line("# What protect keeps of the generations of a blob that are not current any more, for")
	line("# restore --at. One is forgotten when it is beyond both bounds; the current one never.")
	line("[history]")
	line("keep_generations = %d", c.History.KeepGenerations)
	line("keep_for = %s", tomlString(durationText(c.History.KeepFor)))
	line("")
	line("# Damaged originals that repair replaced. quarantine prune removes the oldest when all")
	line("# of them take more than max_size, none before keep_for, and never the only copy of")
	line("# bytes that no proof covers.")
	line("[quarantine]")
	line("keep_for = %s", tomlString(durationText(c.Quarantine.KeepFor)))
	line("max_size = %s", tomlString(sizeText(c.Quarantine.MaxSize)))
	line("")
	line("[scrub]")
	line("# The promise: every blob is looked at within this time. A scrub ends with exit bit 2")
	line("# when blobs are overdue, and status says when all will have been read.")
	line("%s", optional(c.MaxAge > 0, "max_age = %s", tomlString(durationText(c.MaxAge)), tomlString("30d")))
	line("# What a scrub may take of this host. A scrub that is running reads these again on")
	line("# SIGHUP, but for idle and hours.")
	line("%s", optional(c.Pace.Rate > 0, "limit_rate = %s", tomlString(sizeText(c.Pace.Rate)+"/s"), tomlString("50MB/s")))
	line("%s", optional(c.Pace.IOPS > 0, "limit_iops = %d", c.Pace.IOPS, 200))
	line("# How many blobs of a store are read at once; on a rotating disk one unless given.")
	line("%s", optional(c.Pace.Workers > 0, "workers = %d", c.Pace.Workers, 4))
	line("# Slow down while the device takes longer than this to answer.")
	line("%s", optional(c.Pace.BackOff > 0, "back_off = %s", tomlString(durationText(c.Pace.BackOff)), tomlString("35ms")))
	line("# The idle class of I/O and the lowest priority.")
	line("%s", optional(c.Pace.Idle, "idle = %t", c.Pace.Idle, true))
	line("# Read only in this part of the day; what is left is for the next one.")
	line("%s", optional(!c.Pace.Hours.WholeDay(), "hours = %s", tomlString(c.Pace.Hours.String()), tomlString("01:00-06:00")))
	return b.String()
}

// optional is a setting, or an example of it in a comment when it is not set.
func optional(set bool, format string, value, example any) string {
	if set {
		return fmt.Sprintf(format, value)
	}
	return "# " + fmt.Sprintf(format, example)
}

func quotedAll[T ~string](words []T) []string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = tomlString(string(w))
	}
	return quoted
}

// storable is a location as it can stand in a TOML file, which is UTF-8.
func storable(location string) string {
	if utf8.ValidString(location) {
		return location
	}
	return fileURL(location)
}

// durationText writes whole days as "30d" and whole hours as "36h", where Go
// has "36h0m0s".
func durationText(d time.Duration) string {
	const day = 24 * time.Hour
	if d > 0 && d%day == 0 && d/day < 1<<15 {
		return fmt.Sprintf("%dd", d/day)
	}
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}
