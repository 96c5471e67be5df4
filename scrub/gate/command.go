package gate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
)

// Command is the verb gates.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "gates",
		Usage:     "list the gates that are open, or clear one",
		ArgsUsage: "[DIR]",
		Flags:     []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "also those that were cleared"}},
		Action:    list,
		Subcommands: []*cli.Command{{
			Name:      "clear",
			Usage:     "clear a gate, so that bitmend may write again",
			ArgsUsage: "[DIR] ID",
			Flags:     []cli.Flag{&cli.StringFlag{Name: "reason", Usage: "why it is right to go on, in a `SENTENCE` that is kept"}},
			Action:    clearOne,
		}},
	}
}

func list(c *cli.Context) error {
	dir, err := verb.Dir(c)
	if err != nil {
		return err
	}
	v, err := vault.OpenReadOnly(c.Context, dir)
	if err != nil {
		return err
	}
	defer v.Close()
	gates, err := v.Catalog.Gates(c.Context, c.Bool("all"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		rep := verb.Reporter(c)
		for _, g := range gates {
			rep.Gate(event(g))
		}
		rep.Summary(report.Summary{Verb: "gates"})
		return nil
	}
	return show(c, gates)
}

func show(c *cli.Context, gates []catalog.Gate) error {
	if len(gates) == 0 {
		if !c.Bool("quiet") {
			fmt.Fprintln(c.App.Writer, "no gate is open")
		}
		return nil
	}
	table := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tGATE\tSTORE\tOPENED\tWHY")
	for _, g := range gates {
		why := g.Reason
		if !g.ClearedAt.IsZero() {
			why += fmt.Sprintf(" (cleared %s: %s)", g.ClearedAt.UTC().Format(time.RFC3339), g.ClearReason)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", g.ID, g.Name, g.Store, g.OpenedAt.UTC().Format(time.RFC3339), why)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(c.App.Writer, "\nNothing is written to these stores until a person has looked and says: bitmend gates clear ID --reason \"…\"")
	return nil
}

func event(g catalog.Gate) report.Gate {
	return report.Gate{ID: g.ID, Name: g.Name, Store: g.Store, Reason: g.Reason, Opened: g.OpenedAt}
}

// clearOne clears the gate whose ID is the last argument.
func clearOne(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) == 0 {
		return report.Misused("which gate? give its ID; bitmend gates lists them")
	}
	id, err := strconv.ParseInt(args[len(args)-1], 10, 64)
	if err != nil {
		return report.Misused("%q is no ID of a gate; bitmend gates lists them", args[len(args)-1])
	}
	reason := strings.TrimSpace(c.String("reason"))
	if reason == "" {
		return report.Misused("a gate is cleared for a reason: add --reason \"…\"")
	}
	dir, err := verb.DirOf(c, args[:len(args)-1])
	if err != nil {
		return err
	}
	v, err := vault.Open(c.Context, dir, "gates clear")
	if err != nil {
		return err
	}
	defer v.Close()
	g, err := Clear(c.Context, v.Catalog, id, reason, time.Now())
	if errors.Is(err, ErrNoGate) {
		return report.Misused("%v; bitmend gates lists those that are open", err)
	}
	if err != nil {
		return err
	}
	if !c.Bool("quiet") && !c.Bool("json") {
		fmt.Fprintf(c.App.Writer, "gate %d (%s, store %q) is cleared\n", g.ID, g.Name, g.Store)
	}
	return nil
}
