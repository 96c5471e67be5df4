package repair

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"bitmend/scrub/report"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
)

// QuarantineCommand is the verb quarantine.
func QuarantineCommand() *cli.Command {
	return &cli.Command{
		Name:      "quarantine",
		Usage:     "list the damaged originals that repair kept, put one back, or remove those that may go",
		ArgsUsage: "[DIR]",
		Description: "A copy may go when what was wrong with it was damage, and its recorded content is verified in a store to this day.\n" +
			"How long copies are kept, and how much they may take, is set in [quarantine] of bitmend.toml.",
		Action: actQuarantine,
		Subcommands: []*cli.Command{
			{
				Name:      "restore",
				Usage:     "put a damaged original back, beside the blob",
				ArgsUsage: "[DIR] ID",
				Description: "The copy comes beside the blob, as NAME.quarantined-ID. With --in-place it takes the blob's own name; what stands\n" +
					"there goes into the quarantine first. ID may be shortened to what no other begins with.",
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "in-place", Usage: "under the blob's own name, keeping what stands there"}},
				Action: actPutBack,
			},
			{
				Name:      "prune",
				Usage:     "remove the oldest copies, as far as they may go, until no more than max_size is taken",
				ArgsUsage: "[DIR]",
				Description: "None goes before keep_for, and none whose bytes no proof covers. Every one that goes is recorded in the catalog.\n" +
					"Exit status: 0 no more than max_size is taken, 2 more is and nothing else may go, 8 operational error, 16 usage.",
				Action: actPrune,
			},
			{
				Name:      "discard",
				Usage:     "remove one copy for a reason, though no proof covers its bytes; not before keep_for",
				ArgsUsage: "[DIR] ID",
				Flags:     []cli.Flag{&cli.StringFlag{Name: "reason", Usage: "why nobody will miss it, in a `SENTENCE` that is kept"}},
				Action:    actDiscard,
			},
		},
	}
}

func actQuarantine(c *cli.Context) error {
	v, err := openQuarantine(c, c.Args().Slice(), "quarantine")
	if err != nil {
		return err
	}
	defer v.Close()
	all, err := ListQuarantine(c.Context, v)
	if err != nil {
		return err
	}
	return tellKept(c, all, report.Summary{Verb: "quarantine", Blobs: int64(len(all))})
}

func openQuarantine(c *cli.Context, trees []string, name string) (*vault.Vault, error) {
	dir, err := verb.DirOf(c, trees)
	if err != nil {
		return nil, err
	}
	return vault.Open(c.Context, dir, name)
}

// tellKept tells of copies, as events or as a table.
func tellKept(c *cli.Context, all []Kept, summary report.Summary) error {
	if c.Bool("json") {
		rep := report.NewJSON(c.App.Writer)
		for _, k := range all {
			rep.Kept(k.event())
		}
		rep.Summary(summary)
		return rep.Err()
	}
	if len(all) == 0 {
		if !c.Bool("quiet") {
			fmt.Fprintln(c.App.Writer, "the quarantine is empty")
		}
		return nil
	}
	table := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tKEPT\tSIZE\tSTORE\tBLOB\tWHY\tMAY GO")
	for _, k := range all {
		why := string(k.Verdict)
		if k.Diagnosis != "" && string(k.Diagnosis) != why {
			why += " (" + string(k.Diagnosis) + ")"
		}
		if why == "" {
			why = "put aside"
		}
		may := "no: "
		if k.MayGo {
			may = "yes: "
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.At.Format(time.RFC3339), humanize.IBytes(uint64(k.Size)),
			k.Store, report.Name(k.Blob), why, may+k.Why)
	}
	return table.Flush()
}

func (k *Kept) event() report.Kept {
	return report.Kept{ID: k.ID, Store: k.Store, Blob: k.Blob, Kind: kindText(k.Kind), Verdict: k.Verdict, Diagnosis: k.Diagnosis,
		Generation: k.Generation, At: k.At, Size: k.Size, Receipt: k.Receipt, MayGo: k.MayGo, Why: k.Why}
}

// oneID splits the arguments of a verb whose last one is an ID.
func oneID(c *cli.Context) (trees []string, id string, err error) {
	args := c.Args().Slice()
	if len(args) == 0 {
		return nil, "", report.Misused("which one? give its ID; bitmend quarantine lists them")
	}
	return args[:len(args)-1], args[len(args)-1], nil
}

func actPutBack(c *cli.Context) error {
	trees, id, err := oneID(c)
	if err != nil {
		return err
	}
	v, err := openQuarantine(c, trees, "quarantine restore")
	if err != nil {
		return err
	}
	defer v.Close()
	rep := verb.Reporter(c)
	name, summary, err := PutBack(c.Context, v, id, c.Bool("in-place"), Options{}, rep)
	if errors.Is(err, ErrNotKept) || errors.Is(err, ErrPutBack) {
		return &report.Status{Exit: report.ExitUsage, Err: err}
	}
	if err == nil && !c.Bool("quiet") {
		rep.Note("it is there as %s now, and nothing vouches for it: the next scrub judges it, and protect records it", name)
	}
	rep.Summary(summary)
	return report.Ended(report.Exit(summary.Exit), err)
}

func actPrune(c *cli.Context) error {
	v, err := openQuarantine(c, c.Args().Slice(), "quarantine prune")
	if err != nil {
		return err
	}
	defer v.Close()
	done, err := PruneQuarantine(c.Context, v, time.Now())
	if err != nil {
		return err
	}
	summary := report.Summary{Verb: "quarantine prune", Blobs: int64(len(done.Gone))}
	if done.Over {
		summary.Exit = int(report.ExitCannotVouch)
	}
	if c.Bool("json") {
		rep := report.NewJSON(c.App.Writer)
		for _, k := range done.Gone {
			event := k.event()
			event.Pruned = true
			rep.Kept(event)
		}
		rep.Summary(summary)
		return report.Ended(report.Exit(summary.Exit), rep.Err())
	}
	for _, k := range done.Gone {
		fmt.Fprintf(c.App.Writer, "removed %s (%s: %s, %s): %s\n", k.ID, k.Store, report.Name(k.Blob), humanize.IBytes(uint64(k.Size)), k.Why)
	}
	if done.Over {
		why := "the others are too young, or no proof covers them; bitmend quarantine lists them"
		if done.Why != "" {
			why = done.Why
		}
		fmt.Fprintf(c.App.Writer, "the quarantine takes %s still, more than its max_size of %s: %s\n",
			humanize.IBytes(uint64(done.Left)), humanize.IBytes(uint64(v.Config.Quarantine.MaxSize)), why)
	} else if !c.Bool("quiet") {
		fmt.Fprintf(c.App.Writer, "%d removed, %s freed; the quarantine takes %s\n",
			len(done.Gone), humanize.IBytes(uint64(done.Freed)), humanize.IBytes(uint64(done.Left)))
	}
	return report.Ended(report.Exit(summary.Exit), nil)
}

func actDiscard(c *cli.Context) error {
	trees, id, err := oneID(c)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(c.String("reason"))
	if reason == "" {
		return report.Misused("a copy is discarded for a reason: add --reason \"…\"")
	}
	v, err := openQuarantine(c, trees, "quarantine discard")
	if err != nil {
		return err
	}
	defer v.Close()
	k, err := DiscardKept(c.Context, v, id, reason, time.Now())
	if errors.Is(err, ErrNotKept) || errors.Is(err, ErrTooYoung) {
		return &report.Status{Exit: report.ExitUsage, Err: err}
	}
	if err != nil {
		return err
	}
	if !c.Bool("quiet") && !c.Bool("json") {
		fmt.Fprintf(c.App.Writer, "removed %s (%s: %s)\n", k.ID, k.Store, report.Name(k.Blob))
	}
	return nil
}
