package scrub

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/live"
	"bitmend/scrub/notice"
	"bitmend/scrub/pace"
	"bitmend/scrub/report"
	"bitmend/scrub/status"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
)

// A Healer applies the plan that a scrub's findings call for, in the same run.
type Healer interface {
	// Rescue says what could be rebuilt, while the scrub runs.
	Rescue(v *vault.Vault) Rescue
	// Stripes is what holds the parity against the data.
	Stripes(v *vault.Vault) StripeCheck
	// Recover ends the repairs that an interrupted run left in the journal, and
	// returns what it counted.
	Recover(ctx context.Context, v *vault.Vault, rep report.Reporter) (report.Summary, error)
	// Heal repairs what the plan grades good and returns the summary of both.
	Heal(ctx context.Context, v *vault.Vault, found report.Summary, opts Options, rep report.Reporter) (report.Summary, error)
}

// Command is the verb scrub.
func Command(healer Healer) *cli.Command {
	return &cli.Command{
		Name:      "scrub",
		Usage:     "read blobs and check them",
		ArgsUsage: "[DIR]",
		Description: "Checks every blob of every store against all its recorded checksums, and the parity files too.\n" +
			"Exit status: 0 intact, 1 damage found and all repaired, 2 some blobs cannot be vouched for, 4 damage is left,\n" +
			"8 operational error, 16 usage, 32 cancelled, 64 a gate refused; a sum of these.",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "repair", Usage: "also apply the plan, as far as it is graded good"},
			&cli.BoolFlag{Name: "plan", Aliases: []string{"dry-run"}, Usage: "say what it would take of object storage, and read nothing"},
			verb.DownloadFlag(),
			&cli.BoolFlag{Name: "light", Usage: "look at names, sizes, times and the checksums that a service keeps; read no bytes"},
			&cli.StringSliceFlag{Name: "store", Usage: "only the store `NAME` (repeatable)"},
			&cli.StringSliceFlag{Name: "only", Usage: "only blobs that `GLOB` selects (repeatable)"},
			&cli.BoolFlag{Name: "stripes", Usage: "also hold the parity against the data, stripe by stripe, which reads both once more"},
			&cli.BoolFlag{Name: "restart", Usage: "read everything, also what a scrub verified that was cut off"},
			&cli.BoolFlag{Name: "buffered", Usage: "read through the page cache: faster on cached files, but it may test the cache and not the medium"},
		}, slices.Concat(boundFlags(), paceFlags(), status.FileFlags(), verb.LockFlags())...),
		Action: func(c *cli.Context) error { return act(c, healer) },
	}
}

func act(c *cli.Context, healer Healer) error {
	dir, err := verb.Dir(c)
	if err != nil {
		return err
	}
	names, err := ParseNames(c.StringSlice("only"))
	if err != nil {
		return report.Misused("--only: %v", err)
	}
	bounds, err := boundsOf(c)
	if err != nil {
		return err
	}
	if c.Bool("light") && bounds.Any() {
		return report.Misused("--light reads no bytes, so that there is nothing to bound; leave one of the two out")
	}
	if c.Bool("light") && c.Bool("repair") {
		return report.Misused("--light reads no bytes, so that there is nothing to repair by; leave one of --light and --repair out")
	}
	everything := !c.Bool("light") && names.All() && !bounds.Any() && len(c.StringSlice("store")) == 0
	if c.Bool("stripes") && !everything {
		return report.Misused("--stripes reads all data and parity; leave out --light, --only, --store and what bounds a run")
	}
	limits, err := scrubLimits(c, dir)
	if err != nil {
		return err
	}
	var hoursEnd time.Time
	if reads := !c.Bool("light") && !c.Bool("plan"); reads && !limits.Hours.WholeDay() {
		if hoursEnd, err = awaitHours(c, limits.Hours); err != nil {
			return err
		}
		bounds.Until = readUntil(time.Now(), hoursEnd, c.Bool("repair"))
	}
	v, err := verb.Open(c, dir, "scrub")
	if err != nil {
		return notice.NotBegun(c, dir, "scrub", err)
	}
	defer v.Close()
	if err := verb.KnownStores(v, c.StringSlice("store")); err != nil {
		return err
	}
	v.HoldTo(c.Context, pace.New(limits))
	opts := Options{
		Light: c.Bool("light"), Buffered: c.Bool("buffered"),
		Stores: c.StringSlice("store"), Names: names, Bounds: bounds, Restart: c.Bool("restart"),
		Rescue: healer.Rescue(v), HealUntil: hoursEnd,
	}
	if err := verb.LimitDownload(c, v); err != nil {
		return err
	}
	rep, over := live.Reporter(c, v)
	defer over()
	unproven := false
	if everything && !c.Bool("plan") {
		if unproven, err = parityUnproven(c.Context, v, rep); err != nil {
			return err
		}
	}
	if c.Bool("stripes") || unproven {
		opts.Stripes = healer.Stripes(v)
	}
	if limits.Idle {
		if err := pace.BeIdle(); err != nil {
			rep.Note("%v; the scrub goes on without", err)
		}
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	defer followConfig(c.Context, v, v.Pace(), hangups, rep)()
	var summary report.Summary
	if c.Bool("plan") {
		summary, err = Estimate(c.Context, v, opts, rep)
	} else if c.Bool("repair") {
		summary, err = runAndHeal(c.Context, v, healer, opts, rep)
	} else {
		summary, err = Run(c.Context, v, opts, rep)
	}
	return notice.End(c, v, rep, summary, err)
}

// runAndHeal scrubs and repairs what it finds. Repairs that were interrupted
// are ended before: a file that is half healed would be judged by the time of
// its last write.
func runAndHeal(ctx context.Context, v *vault.Vault, healer Healer, opts Options, rep report.Reporter) (report.Summary, error) {
	ended, err := healer.Recover(ctx, v, rep)
	if err != nil {
		return report.NotBegun("scrub", err), err
	}
	summary, err := Run(ctx, v, opts, rep)
	summary.CountEnded(ended)
	if ctx.Err() != nil {
		return summary, err
	}
	// What was found is sound, also where a store could not be reached.
	healed, healErr := healer.Heal(ctx, v, summary, opts, rep)
	return healed, errors.Join(err, healErr)
}

// scrubLimits returns what the run may take of its host, as the configuration
// and the flags say.
func scrubLimits(c *cli.Context, dir string) (pace.Limits, error) {
	cfg, err := vault.LoadConfig(dir)
	if err != nil {
		return pace.Limits{}, err
	}
	return limitsOf(c, cfg.Pace)
}

// healShare is what is left of the hours of a run to its repairs: a tenth. Were
// all of them spent on reading, nothing would ever be repaired.
const healShare = 10

// readUntil returns when a run that has begun stops reading, so that repairs
// have their part of its hours.
func readUntil(begun, end time.Time, repairs bool) time.Time {
	if !repairs {
		return end
	}
	return end.Add(-end.Sub(begun) / healShare)
}

// awaitHours waits for the hours in which the run may read, and returns when
// they end. It comes before the vault's lock is taken, so that other runs are
// not kept from it.
func awaitHours(c *cli.Context, hours pace.Hours) (end time.Time, err error) {
	begin, end := hours.Next(time.Now())
	wait := time.Until(begin)
	if wait <= 0 {
		return end, nil
	}
	verb.Tell(c, "it is not %v; waiting until %s (--hours any does not wait)", hours, begin.Format(time.DateTime))
	select {
	case <-time.After(wait):
		return end, nil
	case <-c.Context.Done():
		return end, c.Context.Err()
	}
}
