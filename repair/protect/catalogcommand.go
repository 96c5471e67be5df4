package protect

import (
	"github.com/urfave/cli/v2"

	"bitmend/scrub/report"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
)

// CatalogCommand is the verb catalog.
func CatalogCommand() *cli.Command {
	return &cli.Command{
		Name:  "catalog",
		Usage: "look after the catalog",
		Subcommands: []*cli.Command{
			{
				Name:      "rebuild",
				Usage:     "make the catalog anew from the parity files, its last export, and the findings and gates that can still be read of the old one, which is kept aside",
				ArgsUsage: "[DIR]",
				Action:    rebuild,
			},
			{
				Name:      "check",
				Usage:     "read the whole catalog and its exports, in the vault and in mirrors, and say which of it is damaged",
				ArgsUsage: "[DIR]",
				Action:    check,
			},
		},
	}
}

func rebuild(c *cli.Context) error {
	dir, err := verb.Dir(c)
	if err != nil {
		return err
	}
	v, err := vault.OpenLocked(c.Context, dir, "catalog rebuild")
	if err != nil {
		return err
	}
	defer v.Close()
	rep := verb.Reporter(c)
	summary, err := RebuildCatalog(c.Context, v, rep)
	rep.Summary(summary)
	return report.Ended(report.Exit(summary.Exit), err)
}

func check(c *cli.Context) error {
	dir, err := verb.Dir(c)
	if err != nil {
		return err
	}
	v, err := vault.Open(c.Context, dir, "catalog check")
	if err != nil {
		return err
	}
	defer v.Close()
	damage, err := v.Catalog.Check(c.Context)
	if err != nil {
		return err
	}
	rep := verb.Reporter(c)
	for _, d := range damage {
		rep.Note("%v", d)
	}
	exit := report.Exit(0)
	if len(damage) > 0 {
		rep.Note("%d parts of the catalog are damaged; make it anew with: bitmend catalog rebuild", len(damage))
		exit = report.ExitDamageLeft
	}
	bad, err := CheckExports(c.Context, v)
	for _, b := range bad {
		rep.Note("%v", b)
	}
	if len(bad) > 0 {
		rep.Note("move what is damaged away; the next protect writes it anew")
		exit = report.ExitDamageLeft
	}
	return report.Ended(exit, err)
}
