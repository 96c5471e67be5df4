package repair

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"bitmend/scrub"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
)

// Command is the verb repair.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "repair",
		Usage:     "plan and rebuild, from what the last scrub found",
		ArgsUsage: "[DIR]",
		Description: "Rebuilds damaged shards from other copies and from parity. Every replacement is complete and verified against all\n" +
			"recorded checksums before it is put in place; the damaged original is kept in the vault's quarantine.\n" +
			"Exit status: 0 nothing to repair, 1 all damage was repaired, 4 damage is left, 8 operational error, 16 usage,\n" +
			"32 cancelled, 64 a gate refused; a sum of these.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "plan", Usage: "show the plan and change nothing"},
			&cli.StringFlag{Name: "approve", Usage: "also apply what the plan `ID` grades as to be investigated"},
			&cli.StringSliceFlag{Name: "donor", Usage: "a directory `URL` that may hold good bytes (repeatable)"},
			&cli.StringSliceFlag{Name: "store", Usage: "only the store `NAME` (repeatable)"},
			&cli.StringSliceFlag{Name: "only", Usage: "only blobs that `GLOB` selects (repeatable)"},
		},
		Action: act,
	}
}

func act(c *cli.Context) error {
	dir, err := verb.Dir(c)
	if err != nil {
		return err
	}
	if _, err := scrub.ParseNames(c.StringSlice("only")); err != nil {
		return report.Misused("--only: %v", err)
	}
	v, err := vault.Open(c.Context, dir, "repair")
	if err != nil {
		return err
	}
	defer v.Close()
	if err := verb.KnownStores(v, c.StringSlice("store")); err != nil {
		return err
	}
	donors, err := openDonors(c.StringSlice("donor"))
	if err != nil {
		return err
	}
	opts := Options{
		PlanOnly: c.Bool("plan"), Approve: c.String("approve"), Donors: donors,
		Stores: c.StringSlice("store"), Only: c.StringSlice("only"),
	}
	rep := verb.Reporter(c)
	summary, err := Run(c.Context, v, opts, rep)
	rep.Summary(summary)
	return report.Ended(report.Exit(summary.Exit), err)
}

// openDonors opens the directories that are offered as sources.
func openDonors(urls []string) ([]store.Store, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("open donors: %w", err)
	}
	var donors []store.Store
	for _, url := range urls {
		donor, err := vault.OpenStore("donor "+url, url, here)
		if err != nil {
			return nil, report.Misused("--donor: %v", err)
		}
		donors = append(donors, donor)
	}
	return donors, nil
}
