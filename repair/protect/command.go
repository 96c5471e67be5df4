package protect

import (
	"github.com/urfave/cli/v2"

	"bitmend/scrub/report"
	"bitmend/scrub/verb"
)

// Command is the verb protect.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "protect",
		Usage:     "record hash sets of new and changed blobs, and write parity",
		ArgsUsage: "[DIR]",
		Description: "On first use of a DIR the vault DIR.bitmend is made beside it. Later only what is new or changed is read.\n" +
			"Content that differs under the same modification time is damage: it is reported and not recorded.\n" +
			"Exit status: 0 all is recorded, 2 some blobs could not be, 4 damage was met, 8 operational error, 16 usage,\n" +
			"32 cancelled, 64 a gate refused; a sum of these.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "accept", Usage: "record the blob `NAME` as it is now, though its change or its loss looks like damage (repeatable)"},
		},
		Action: act,
	}
}

func act(c *cli.Context) error {
	v, err := verb.OpenOrInit(c, "protect")
	if err != nil {
		return err
	}
	defer v.Close()
	rep := verb.Reporter(c)
	summary, err := Run(c.Context, v, Options{Accept: c.StringSlice("accept")}, rep)
	rep.Summary(summary)
	return report.Ended(report.Exit(summary.Exit), err)
}
