package notice

import (
	"errors"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/report"
	"bitmend/scrub/status"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
)

// End closes a run of a verb: it writes the metrics and the page that flags ask
// for, tells who is to be told, and says the summary. runErr is why the run did
// not finish, or nil. What could not be written or told is bit 8 of the exit
// status, and changes nothing else.
func End(c *cli.Context, v *vault.Vault, rep report.Reporter, s report.Summary, runErr error) error {
	told := status.WriteFiles(c, v)
	notice := Notice{Vault: v.Dir, Summary: s, Heartbeat: s.Verb == "scrub" && !c.Bool("light") && !c.Bool("plan")}
	if !c.Bool("plan") {
		told = errors.Join(told, New(v.Config.Notify).Tell(c.Context, notice))
	}
	if told != nil {
		s.Exit |= int(report.ExitOperational)
	}
	rep.Summary(s)
	return report.Ended(report.Exit(s.Exit), errors.Join(vault.WithWayOut(runErr, v.Dir), told))
}

// NotBegun closes a run that could not begin because of err: the vault could
// not be opened. Nothing is known of it then but its configuration, and where
// that cannot be read either, nobody is told.
func NotBegun(c *cli.Context, dir, name string, err error) error {
	exit := verb.ExitOf(err)
	cfg, unreadable := vault.LoadConfig(dir)
	if !Trouble(exit) || exit == report.ExitUsage || unreadable != nil {
		return err
	}
	s := report.NotBegun(name, err)
	told := New(cfg.Notify).Tell(c.Context, Notice{Vault: dir, Summary: s})
	if told == nil {
		return err
	}
	return report.Ended(exit|report.ExitOperational, errors.Join(err, told))
}
