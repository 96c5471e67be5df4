package scrub

import (
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/pace"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// boundFlags are those that bound a run.
func boundFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "budget", Usage: "stop after `TIME` (2h, 90m); what was not looked at for longest comes first"},
		&cli.StringFlag{Name: "max-read", Usage: "stop after reading `SIZE` (500GiB), what was not looked at for longest first"},
		&cli.StringFlag{Name: "percent", Usage: "read `SHARE` (5) percent of what is recorded, what was not looked at for longest first"},
		&cli.StringFlag{Name: "older-than", Usage: "read only what was not looked at for `TIME` (30d)"},
		&cli.BoolFlag{Name: "only-damaged", Usage: "read only what has a finding"},
	}
}

// paceFlags are those that hold a run to what the host can spare.
func paceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "limit-rate", Usage: "read from stores at most `RATE` (50MB/s); repairs read and write at most as much"},
		&cli.Int64Flag{Name: "limit-iops", Usage: "make at most `N` reads a second, and writes of repairs"},
		&cli.IntFlag{Name: "workers", Usage: "read, or repair, at most `N` blobs at once"},
		&cli.StringFlag{Name: "back-off", Usage: "slow down while the device takes longer than `TIME` (35ms) to answer"},
		&cli.BoolFlag{Name: "idle", Usage: "take the idle class of I/O and the lowest priority"},
		&cli.StringFlag{Name: "hours", Usage: "read only in this part of the day, `FROM-TO` (01:00-06:00): wait for it, and stop when it ends, of which repairs have the last tenth; any for the whole day"},
	}
}

// limitsOf returns the limits of the configuration with what flags say instead.
func limitsOf(c *cli.Context, limits pace.Limits) (pace.Limits, error) {
	for _, err := range []error{
		flag(c, "limit-rate", &limits.Rate, vault.ParseRate),
		flag(c, "back-off", &limits.BackOff, vault.ParseDuration),
	} {
		if err != nil {
			return limits, err
		}
	}
	if c.IsSet("limit-iops") {
		limits.IOPS = c.Int64("limit-iops")
	}
	if c.IsSet("workers") {
		limits.Workers = c.Int("workers")
	}
	if c.IsSet("idle") {
		limits.Idle = c.Bool("idle")
	}
	if limits.IOPS < 0 || limits.Workers < 0 {
		return limits, report.Misused("--limit-iops and --workers must not be negative")
	}
	switch text := c.String("hours"); text {
	case "":
	case "any":
		limits.Hours = pace.Hours{}
	default:
		hours, err := pace.ParseHours(text)
		if err != nil {
			return limits, report.Misused("--hours: %v", err)
		}
		limits.Hours = hours
	}
	return limits, nil
}

// boundsOf reads the flags that bound a run.
func boundsOf(c *cli.Context) (Bounds, error) {
	b := Bounds{OnlyDamaged: c.Bool("only-damaged")}
	for _, err := range []error{
		flag(c, "budget", &b.Budget, vault.ParseDuration),
		flag(c, "max-read", &b.MaxRead, vault.ParseSize),
		flag(c, "percent", &b.Percent, parsePercent),
		flag(c, "older-than", &b.OlderThan, vault.ParseDuration),
	} {
		if err != nil {
			return Bounds{}, err
		}
	}
	return b, nil
}

// flag reads a flag of which zero and less would mean nothing.
func flag[T ~int64 | float64](c *cli.Context, name string, into *T, parse func(string) (T, error)) error {
	if !c.IsSet(name) {
		return nil
	}
	value, err := parse(c.String(name))
	if err != nil {
		return report.Misused("--%s: %v", name, err)
	}
	if value <= 0 {
		return report.Misused("--%s %s: it must be more than 0", name, c.String(name))
	}
	*into = value
	return nil
}

// parsePercent reads "5" and "5%".
func parsePercent(text string) (float64, error) {
	if _, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64); err == nil && !strings.HasSuffix(text, "%") {
		text += "%"
	}
	return vault.ParsePercent(text)
}
