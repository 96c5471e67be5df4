package repair

import (
	"errors"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"bitmend/scrub"
	"bitmend/scrub/live"
	"bitmend/scrub/notice"
	"bitmend/scrub/pace"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
)

// RestoreCommand is the verb restore.
func RestoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "rebuild blobs as they were recorded at some time, in a new place",
		ArgsUsage: "[DIR] --at TIME --to DIR [GLOB…]",
		Description: "Takes the bytes from whatever has them still: the stores, the versions they keep, lagged stores, donors, the\n" +
			"quarantine, parity. Each blob is verified against the hash set of that time, and gets its mode, times and links\n" +
			"as they were recorded. TIME is RFC 3339, a date (its end), \"2006-01-02 15:04\", or an age such as 36h or 7d.\n" +
			"With --vault all arguments are globs. The same command goes on with a restore that was interrupted.\n" +
			"Exit status: 0 all of it is there, 2 nothing was asked for or some could not be looked for, 4 some could not be had,\n" +
			"8 operational error, 16 usage, 32 cancelled; a sum of these.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "at", Usage: "the `TIME` whose records are wanted"},
			&cli.StringFlag{Name: "to", Usage: "the `DIR` to restore to: missing or empty, and outside of stores and vault"},
			&cli.StringSliceFlag{Name: "donor", Usage: "a directory `URL` that may hold good bytes (repeatable)"},
			verb.DownloadFlag(),
			rateFlag(),
		}, verb.LockFlags()...),
		Action: actRestore,
	}
}

// rateFlag bounds the pace of verbs that move all there is.
func rateFlag() cli.Flag {
	return &cli.StringFlag{Name: "limit-rate", Usage: "read and write at most `RATE` (50MB/s)"}
}

// rateOf returns the limits that rateFlag sets; a size is one a second.
func rateOf(c *cli.Context) (limits pace.Limits, err error) {
	text := c.String("limit-rate")
	if text == "" {
		return limits, nil
	}
	if limits.Rate, err = vault.ParseRate(strings.TrimSuffix(text, "/s") + "/s"); err != nil {
		return limits, report.Misused("--limit-rate: %q is not a rate such as 50MB/s", text)
	}
	return limits, nil
}

func actRestore(c *cli.Context) error {
	opts := RestoreOptions{Said: c.String("at"), To: c.String("to")}
	if opts.Said == "" || opts.To == "" {
		return report.Misused("restore needs a time and a place: --at TIME --to DIR")
	}
	var err error
	if opts.At, err = ParseTime(opts.Said, time.Now()); err != nil {
		return report.Misused("--at: %v", err)
	}
	limits, err := rateOf(c)
	if err != nil {
		return err
	}
	trees, globs := verb.TreeAndRest(c)
	if _, err := scrub.ParseNames(globs); err != nil {
		return report.Misused("%v", err)
	}
	opts.Only = globs
	dir, err := verb.DirOf(c, trees)
	if err != nil {
		return err
	}
	v, err := verb.Open(c, dir, "restore")
	if err != nil {
		return notice.NotBegun(c, dir, "restore", err)
	}
	defer v.Close()
	if err := verb.LimitDownload(c, v); err != nil {
		return err
	}
	v.HoldTo(c.Context, pace.New(limits))
	if opts.Donors, err = openDonors(v, c.StringSlice("donor")); err != nil {
		return err
	}
	rep := verb.ReporterFor(c, "", dir)
	if len(trees) > 0 {
		rep = verb.ReporterFor(c, trees[0], "")
	}
	rep, over := live.Watched(c, v, rep)
	defer over()
	summary, err := Restore(c.Context, v, opts, rep)
	if errors.Is(err, ErrTarget) {
		return &report.Status{Exit: report.ExitUsage, Err: err}
	}
	return notice.End(c, v, rep, summary, err)
}
