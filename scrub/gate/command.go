package gate

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
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
	told := make([]report.Gate, len(gates))
	for i, g := range gates {
		if told[i], err = explained(c, v, g); err != nil {
			return err
		}
	}
	if c.Bool("json") {
		rep := verb.Reporter(c)
		for _, g := range told {
			rep.Gate(g)
		}
		rep.Summary(report.Summary{Verb: "gates"})
		return nil
	}
	return show(c, v, gates, told)
}

// explained is a gate with what a person needs to know of it.
func explained(c *cli.Context, v *vault.Vault, g catalog.Gate) (report.Gate, error) {
	told := report.Gate{ID: g.ID, Name: g.Name, Store: g.Store, Reason: g.Reason, Opened: g.OpenedAt}
	if !g.ClearedAt.IsZero() {
		return told, nil
	}
	dir := verb.VaultFlag(c)
	if c.NArg() == 0 {
		dir = c.String("vault")
	}
	e := Explain(g, &v.Config, report.CommandFor(c.Args().First(), dir))
	told.Meaning, told.WaysOut = e.Meaning, e.WaysOut
	var err error
	told.Held, err = HeldAt(c.Context, v.Catalog, g.ID)
	return told, err
}

// show says of each gate what it is, what was seen, and the ways out.
func show(c *cli.Context, v *vault.Vault, gates []catalog.Gate, told []report.Gate) error {
	var b strings.Builder
	if len(gates) == 0 && !c.Bool("quiet") {
		b.WriteString("no gate is open\n")
	}
	for i, g := range gates {
		of := "every store"
		if g.Store != "" {
			of = "store " + report.Name(g.Store)
		}
		fmt.Fprintf(&b, "gate %d  %s of %s, open since %s\n", g.ID, g.Name, of, g.OpenedAt.UTC().Format(time.RFC3339))
		fmt.Fprintf(&b, "    seen: %s\n", g.Reason)
		if !g.ClearedAt.IsZero() {
			fmt.Fprintf(&b, "    cleared %s: %s\n", g.ClearedAt.UTC().Format(time.RFC3339), report.Name(g.ClearReason))
			continue
		}
		fmt.Fprintf(&b, "    %s\n    Until a person clears it, nothing is written there.\n", told[i].Meaning)
		if !told[i].Held.IsZero() {
			fmt.Fprintf(&b, "    held: the hold command was run %s, and its output is in %s\n", told[i].Held.Format(time.RFC3339), v.HoldDir())
		}
		for _, way := range told[i].WaysOut {
			fmt.Fprintf(&b, "    - %s\n", way)
		}
	}
	_, err := io.WriteString(c.App.Writer, b.String())
	return err
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
		of := "every store"
		if g.Store != "" {
			of = "store " + strconv.Quote(g.Store)
		}
		fmt.Fprintf(c.App.Writer, "gate %d (%s, %s) is cleared\n", g.ID, g.Name, of)
	}
	return nil
}
