package repair

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"bitmend/scrub"
	"bitmend/scrub/live"
	"bitmend/scrub/notice"
	"bitmend/scrub/pace"
	"bitmend/scrub/report"
	"bitmend/scrub/status"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
)

// Command is the verb repair.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "repair",
		Usage:     "plan and rebuild, from what the last scrub found",
		ArgsUsage: "[DIR | FILE]",
		Description: "Rebuilds damaged shards from other copies and from parity. Every replacement is complete and verified against all\n" +
			"recorded checksums before it is put in place; the damaged original is kept in the vault's quarantine.\n" +
			"A FILE that --plan --out wrote is carried out as it is: what is not as it was planned any more is left alone.\n" +
			"--store NAME --reseed fills an empty or replaced store with all that is recorded, and clears the gate that says so.\n" +
			"Exit status: 0 nothing to repair, 1 all damage was repaired, 2 the last scrub did not check everything or blobs are\n" +
			"not as recorded, 4 damage is left, 8 operational error, 16 usage, 32 cancelled, 64 a gate refused; a sum of these.",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "plan", Aliases: []string{"dry-run"}, Usage: "show the plan, with what it takes of object storage, and change nothing"},
			verb.DownloadFlag(),
			&cli.StringFlag{Name: "out", Usage: "with --plan: write the plan to a new `FILE`, for review and for repair FILE"},
			&cli.StringFlag{Name: "approve", Usage: "also apply what the plan `ID` grades as to be investigated"},
			&cli.StringSliceFlag{Name: "donor", Usage: "a directory or bucket `URL` that may hold good bytes (repeatable)"},
			&cli.StringSliceFlag{Name: "revert", Usage: "also plan to have back the recorded content of blobs that `GLOB` selects and somebody wrote since (repeatable)"},
			&cli.StringSliceFlag{Name: "store", Usage: "only the store `NAME` (repeatable)"},
			&cli.StringSliceFlag{Name: "only", Usage: "only blobs that `GLOB` selects (repeatable)"},
			&cli.BoolFlag{Name: "reseed", Usage: "with --store: fill an empty or replaced store with all that is recorded, and accept it as it is"},
			rateFlag(),
		}, slices.Concat(status.FileFlags(), verb.LockFlags())...),
		Action: act,
	}
}

func act(c *cli.Context) error {
	if c.Bool("reseed") {
		return actReseed(c)
	}
	limits, err := rateOf(c)
	if err != nil {
		return err
	}
	if file := planArgument(c); file != "" {
		return actOnPlan(c, file, limits)
	}
	dir, err := verb.Dir(c)
	if err != nil {
		return err
	}
	for _, flag := range []string{"only", "revert"} {
		if _, err := scrub.ParseNames(c.StringSlice(flag)); err != nil {
			return report.Misused("--%s: %v", flag, err)
		}
	}
	out := c.String("out")
	if out != "" && !c.Bool("plan") {
		return report.Misused("--out writes a plan to a file: it goes with --plan")
	}
	if _, err := os.Lstat(out); out != "" && err == nil {
		return report.Misused("--out %s: it is there already, and is not overwritten", out)
	}
	v, err := verb.Open(c, dir, "repair")
	if err != nil {
		return notice.NotBegun(c, dir, "repair", err)
	}
	defer v.Close()
	if err := verb.KnownStores(v, c.StringSlice("store")); err != nil {
		return err
	}
	if err := verb.LimitDownload(c, v); err != nil {
		return err
	}
	v.HoldTo(c.Context, pace.New(limits))
	donors, err := openDonors(v, c.StringSlice("donor"))
	if err != nil {
		return err
	}
	opts := Options{
		PlanOnly: c.Bool("plan"), Approve: c.String("approve"), Donors: donors,
		Stores: c.StringSlice("store"), Only: c.StringSlice("only"), Revert: c.StringSlice("revert"),
	}
	rep := verb.Reporter(c)
	if out != "" {
		opts.OnPlan = func(p *Plan) error {
			rep.Note("the plan goes to %s; to carry it out as it is: bitmend repair %s", out, out)
			return writePlan(p, out)
		}
	}
	return runAndReport(c, v, opts, rep)
}

func runAndReport(c *cli.Context, v *vault.Vault, opts Options, rep report.Reporter) error {
	rep, over := live.Watched(c, v, rep)
	defer over()
	summary, err := Run(c.Context, v, opts, rep)
	return notice.End(c, v, rep, summary, err)
}

// planArgument returns the argument when it is a plan and not a DIR. A tree is
// never a regular file, and a plan never a directory.
func planArgument(c *cli.Context) string {
	if c.NArg() != 1 {
		return ""
	}
	info, err := os.Stat(c.Args().First())
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return c.Args().First()
}

// actOnPlan carries out the plan in a file, in the vault that it names or the
// one that --vault does.
func actOnPlan(c *cli.Context, file string, limits pace.Limits) error {
	for _, flag := range []string{"plan", "out", "approve", "donor", "store", "only", "revert"} {
		if c.IsSet(flag) {
			return report.Misused("the plan in %s says what is to be done: leave out --%s", file, flag)
		}
	}
	plan, err := readPlan(file)
	if err != nil {
		return err
	}
	dir := plan.Vault
	if verb.VaultFlag(c) != "" {
		dir = verb.VaultFlag(c)
	}
	v, err := verb.Open(c, dir, "repair")
	if err != nil {
		return notice.NotBegun(c, dir, "repair", err)
	}
	defer v.Close()
	if err := verb.LimitDownload(c, v); err != nil {
		return err
	}
	v.HoldTo(c.Context, pace.New(limits))
	donors, err := openDonors(v, plan.Asked.Donors)
	if err != nil {
		return err
	}
	opts := Options{Exactly: plan, Donors: donors, Stores: plan.Asked.Stores, Only: plan.Asked.Only, Revert: plan.Asked.Revert}
	err = runAndReport(c, v, opts, verb.ReporterFor(c, "", dir))
	if errors.Is(err, ErrOtherVault) {
		return &report.Status{Exit: report.ExitUsage, Err: err}
	}
	return err
}

// readPlan reads a plan file. One that cannot be carried out is a misuse.
func readPlan(file string) (*Plan, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plan, err := ReadPlan(f)
	if errors.Is(err, ErrNoPlan) {
		return nil, report.Misused("%s: %v; a DIR is a directory, and a FILE is what repair --plan --out wrote", file, err)
	}
	return plan, err
}

// writePlan writes a plan to a file that is not there yet.
func writePlan(p *Plan, file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	err = errors.Join(p.Write(f), f.Sync())
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// openDonors opens the directories and buckets that are offered as sources.
func openDonors(v *vault.Vault, urls []string) ([]store.Store, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("open donors: %w", err)
	}
	var donors []store.Store
	for _, url := range urls {
		donor, err := v.OpenDonor(url, here)
		if err != nil {
			return nil, report.Misused("--donor: %v", err)
		}
		donors = append(donors, donor)
	}
	return donors, nil
}
