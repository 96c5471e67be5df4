package scrub

import (
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

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
