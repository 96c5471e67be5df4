package status

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/report"
	"bitmend/scrub/report/metrics"
	"bitmend/scrub/report/page"
	"bitmend/scrub/vault"
)

// FileFlags are those of verbs that leave the state in files.
func FileFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "metrics", Usage: "write the state of the vault to `FILE.prom` for node_exporter's textfile collector"},
		&cli.StringFlag{Name: "report", Usage: "write the state of the vault to `FILE.html`, a page that needs nothing else"},
	}
}

// WriteFiles writes the files that the flags of a verb ask for, which is after
// its run or without one.
func WriteFiles(c *cli.Context, v *vault.Vault) error {
	if c.String("metrics") == "" && c.String("report") == "" {
		return nil
	}
	// A run that was cancelled leaves a state that is worth telling.
	state, err := Look(context.WithoutCancel(c.Context), v, time.Now())
	if err != nil {
		return err
	}
	return state.writeFiles(c.String("metrics"), c.String("report"), report.CommandFor("", v.Dir))
}

// writeFiles writes what is asked for; "" is not. Commands on the page name the
// vault by its whole path: who reads it stands elsewhere.
func (s *State) writeFiles(metricsFile, pageFile string, command func(string) string) error {
	var errs []error
	if metricsFile != "" {
		errs = append(errs, report.WriteFile(metricsFile, func(w io.Writer) error { return metrics.Write(w, s.Metrics()) }))
	}
	if pageFile != "" {
		errs = append(errs, report.WriteFile(pageFile, func(w io.Writer) error { return page.Write(w, s.Page(command)) }))
	}
	return errors.Join(errs...)
}
