package repair

import (
	"errors"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/live"
	"bitmend/scrub/notice"
	"bitmend/scrub/pace"
	"bitmend/scrub/report"
	"bitmend/scrub/verb"
)

// actReseed is repair --reseed.
func actReseed(c *cli.Context) error {
	for _, flag := range []string{"plan", "out", "approve", "only", "revert"} {
		if c.IsSet(flag) {
			return report.Misused("--reseed fills all of a store: leave out --%s", flag)
		}
	}
	names := c.StringSlice("store")
	if len(names) != 1 {
		return report.Misused("--reseed fills one store anew: name it with --store NAME")
	}
	limits, err := rateOf(c)
	if err != nil {
		return err
	}
	dir, err := verb.Dir(c)
	if err != nil {
		return err
	}
	v, err := verb.Open(c, dir, "repair")
	if err != nil {
		return notice.NotBegun(c, dir, "repair", err)
	}
	defer v.Close()
	if err := verb.KnownStores(v, names); err != nil {
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
	rep, over := live.Reporter(c, v)
	defer over()
	summary, err := Reseed(c.Context, v, names[0], Options{Donors: donors}, rep)
	if errors.Is(err, ErrReseed) {
		return &report.Status{Exit: report.ExitUsage, Err: err}
	}
	return notice.End(c, v, rep, summary, err)
}
