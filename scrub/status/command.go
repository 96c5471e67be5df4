package status

import (
	"time"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/live"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
)

// Command is the verb status.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "say what is protected, how lately it was verified, what is damaged or lost, and which gates are open",
		ArgsUsage: "[DIR]",
		Description: "Reads no blob: it tells what earlier runs found.\n" +
			"Exit status: 0 nothing is known to be wrong, 2 some blobs cannot be vouched for, 4 damage is known and left,\n" +
			"8 operational error, 16 usage; a sum of these.",
		Flags: append(FileFlags(),
			&cli.BoolFlag{Name: "live", Usage: "say how far the run is that goes on now; on a terminal until it ends"}),
		Action: act,
	}
}

func act(c *cli.Context) error {
	dir, err := verb.Dir(c)
	if err != nil {
		return err
	}
	if c.Bool("live") {
		return live.Show(c, dir)
	}
	v, err := vault.OpenReadOnly(c.Context, dir)
	if err != nil {
		return err
	}
	defer v.Close()
	state, err := Look(c.Context, v, time.Now())
	if err != nil {
		return err
	}
	if err := state.writeFiles(c.String("metrics"), c.String("report"), report.CommandFor("", v.Dir)); err != nil {
		return err
	}
	summary := state.summary()
	if c.Bool("json") {
		rep := verb.Reporter(c)
		for _, f := range state.Findings {
			rep.Finding(f.Finding)
		}
		for _, g := range state.Gates {
			rep.Gate(report.Gate{ID: g.ID, Name: g.Name, Store: g.Store, Reason: g.Reason, Opened: g.OpenedAt})
		}
		rep.Summary(summary)
	} else if err := state.Show(c.App.Writer, commands(c)); err != nil {
		return err
	}
	return report.Ended(report.Exit(summary.Exit), nil)
}

// commands writes command lines as this one was given.
func commands(c *cli.Context) func(verb string) string {
	if c.NArg() > 0 && verb.VaultFlag(c) == "" {
		return report.CommandFor(c.Args().First(), "")
	}
	return report.CommandFor("", c.String("vault"))
}

// summary is the state in the figures that every verb closes with.
func (s *State) summary() report.Summary {
	summary := report.Summary{
		Verb: "status", Blobs: s.Totals.Blobs, Bytes: s.Totals.Bytes,
		Damaged: s.Damaged(), Overdue: s.Promise.Overdue.Blobs, Lost: s.Lost, Verdicts: s.Verdicts,
		Parity:      report.ParityCount{Files: s.Parity.Files, Damaged: s.BadParity},
		FindingsGap: s.brokeOff(),
	}
	summary.Exit = int(report.ExitOf(summary))
	return summary
}
