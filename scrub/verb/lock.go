package verb

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// LockFlags say what a verb does when another run holds the vault's lock.
func LockFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "wait", Usage: "when another run holds the vault, wait for it to end"},
		&cli.BoolFlag{Name: "if-idle", Usage: "when another run holds the vault, do nothing, and that is no failure"},
	}
}

// Open opens the vault in dir for a run of a verb that has LockFlags.
func Open(c *cli.Context, dir, name string) (*vault.Vault, error) {
	return openAs(c, name, func(opts ...vault.LockOption) (*vault.Vault, error) {
		return vault.Open(c.Context, dir, name, opts...)
	})
}

// openAs opens a vault as the flags say, and says when the run before it died.
func openAs(c *cli.Context, name string, open func(...vault.LockOption) (*vault.Vault, error)) (*vault.Vault, error) {
	if c.Bool("wait") && c.Bool("if-idle") {
		return nil, report.Misused("--wait waits for a run that --if-idle would leave alone; leave one of them out")
	}
	var opts []vault.LockOption
	if c.Bool("wait") {
		opts = append(opts, vault.Wait(func(holder *vault.LockedError) { Tell(c, "%v; waiting for it", holder) }))
	}
	v, err := open(opts...)
	var locked *vault.LockedError
	if c.Bool("if-idle") && errors.As(err, &locked) {
		Tell(c, "%v; nothing was done", locked)
		if c.Bool("json") {
			Reporter(c).Summary(report.Summary{Verb: name})
		}
		return nil, &report.Status{Exit: report.ExitClean}
	}
	if err != nil {
		return nil, err
	}
	if before := v.Abandoned(); before != nil {
		say(c, "%q (process %d on %s, since %s) ended without letting go of the vault %s; its lock is taken over",
			"bitmend "+before.Verb, before.PID, before.Host, before.Since.Local().Format(time.DateTime), v.Dir)
	}
	return v, nil
}

// Tell writes a sentence for people where they look for such.
func Tell(c *cli.Context, format string, args ...any) {
	if !c.Bool("quiet") {
		say(c, format, args...)
	}
}

// say writes a sentence to standard error, or to the log.
func say(c *cli.Context, format string, args ...any) {
	if log := Log(c); log != nil {
		log.Warn(format, args...)
		return
	}
	fmt.Fprintf(c.App.ErrWriter, "bitmend: "+format+"\n", args...)
}
