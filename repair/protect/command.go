package protect

import (
	"context"
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/live"
	"bitmend/scrub/notice"
	"bitmend/scrub/report"
	"bitmend/scrub/status"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
)

// A Recovery ends the repairs that an interrupted run left in the journal.
type Recovery func(context.Context, *vault.Vault, report.Reporter) (Recovered, error)

// Recovered is what became of interrupted repairs.
type Recovered struct {
	Summary report.Summary
	// Open are the blobs, by store and name, whose repair could be neither
	// finished nor rolled back: what stands there may be half healed.
	Open map[[2]string]bool
}

// Command is the verb protect.
func Command(recovery Recovery) *cli.Command {
	return &cli.Command{
		Name:      "protect",
		Usage:     "record hash sets of new and changed blobs, and write parity",
		ArgsUsage: "[DIR]",
		Description: "On first use of a DIR the vault DIR.bitmend is made beside it. Later only what is new or changed is read.\n" +
			"Content that differs under the same modification time is damage: it is reported and not recorded.\n" +
			"Exit status: 0 all is recorded, 2 some blobs could not be, 4 damage was met, 8 operational error, 16 usage,\n" +
			"32 cancelled, 64 a gate refused; a sum of these.",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "plan", Aliases: []string{"dry-run"}, Usage: "say what would be recorded and what that takes of object storage, and record nothing"},
			verb.DownloadFlag(),
			&cli.StringSliceFlag{Name: "accept", Usage: "record what `GLOB` selects as it is now, though its change or its loss looks like damage: the blob of that very name, or else as --only of scrub does (repeatable)"},
		}, slices.Concat(status.FileFlags(), verb.LockFlags())...),
		Action: func(c *cli.Context) error { return act(c, recovery) },
	}
}

func act(c *cli.Context, recovery Recovery) error {
	open := verb.OpenOrInit
	if c.Bool("plan") {
		open = openForPlan
	}
	v, err := open(c, "protect")
	if err != nil {
		return notBegun(c, err)
	}
	defer v.Close()
	if err := verb.LimitDownload(c, v); err != nil {
		return err
	}
	rep, over := live.Reporter(c, v)
	defer over()
	opts := Options{Accept: c.StringSlice("accept")}
	var summary report.Summary
	if c.Bool("plan") {
		summary, err = Plan(c.Context, v, opts, rep)
	} else {
		summary, err = recoverAndRun(c.Context, v, recovery, opts, rep)
	}
	if errors.Is(err, ErrAccept) {
		rep.Summary(summary)
		return report.Misused("--accept: %w", err)
	}
	return notice.End(c, v, rep, summary, err)
}

// openForPlan opens a vault that is there: a plan makes none.
func openForPlan(c *cli.Context, name string) (*vault.Vault, error) {
	dir, err := verb.Dir(c)
	if err != nil {
		return nil, err
	}
	return verb.Open(c, dir, name)
}

// notBegun tells of a run that could not begin, where the vault is known.
func notBegun(c *cli.Context, err error) error {
	dir, unknown := verb.Dir(c)
	if unknown != nil {
		return err
	}
	return notice.NotBegun(c, dir, "protect", err)
}

// recoverAndRun ends interrupted repairs before it compares anything: a file
// that is half healed looks as if somebody had written it.
func recoverAndRun(ctx context.Context, v *vault.Vault, recovery Recovery, opts Options, rep report.Reporter) (report.Summary, error) {
	ended, err := recovery(ctx, v, rep)
	if err != nil {
		return report.NotBegun("protect", err), err
	}
	opts.HalfHealed = ended.Open
	summary, err := Run(ctx, v, opts, rep)
	summary.CountEnded(ended.Summary)
	return summary, err
}
