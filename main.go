// Bitmend finds damaged data and rebuilds it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"bitmend/repair"
	"bitmend/repair/exchange"
	"bitmend/repair/protect"
	"bitmend/scrub"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/status"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
	"bitmend/scrub/verify"
)

// version is set at release time.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	crashAsKilled()
	exit := guarded(os.Stderr, func() int { return run(ctx, os.Args, os.Stdout, os.Stderr) })
	stop()
	os.Exit(exit)
}

// run is the whole program: it parses args, runs one verb, and returns the
// exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var out *output
	if !report.IsTerminal(stdout) { // a terminal is asked for its width and colours
		out = &output{to: stdout}
		stdout = out
	}
	app := application(stdout, stderr)
	var running running
	everyCommand(app.Commands, running.note)
	say := func(format string, args ...any) { fmt.Fprintf(stderr, "bitmend: "+format+"\n", args...) }
	app.Before = func(c *cli.Context) error {
		if err := verb.CheckGlobalFlags(c); err != nil {
			return err
		}
		if log := verb.Log(c); log != nil {
			say = log.Failure
		}
		return nil
	}
	err := app.RunContext(ctx, arrange(app, args))
	exit := verb.ExitOf(err)
	var status *report.Status
	if err != nil && (!errors.As(err, &status) || status.Err != nil) {
		say("%v", running.explain(ctx, err))
	}
	if out != nil && out.failed() != nil && exit&report.ExitOperational == 0 {
		say("write the report: %v", out.failed())
		exit |= report.ExitOperational
	}
	return int(exit)
}

func application(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:                   "bitmend",
		Usage:                  "find damaged data and rebuild it",
		UsageText:              "bitmend [--vault DIR] [--json] [--quiet] [--verbose] [--log text|json] VERB [DIR] [flags]",
		Version:                version,
		Flags:                  verb.GlobalFlags(),
		UseShortOptionHandling: true,
		// A comma may be in the name of a blob, in a glob and in a URL.
		DisableSliceFlagSeparator: true,
		HideHelpCommand:           true,
		Writer:                    stdout,
		ErrWriter:                 stderr,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              misused,
		CommandNotFound:           func(*cli.Context, string) {},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return report.Misused("%q is no verb of bitmend; see bitmend --help", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		Commands: []*cli.Command{
			vault.Command(),
			protect.Command(repair.Recover),
			scrub.Command(repair.Healer{}),
			repair.Command(),
			repair.RestoreCommand(),
			repair.QuarantineCommand(),
			status.Command(),
			verify.Command(),
			exchange.ExportCommand(),
			exchange.ImportCommand(),
			gate.Command(),
			protect.CatalogCommand(),
		},
	}
	everyCommand(app.Commands, func(c *cli.Command) {
		c.OnUsageError = misused
		c.HideHelpCommand = true
	})
	return app
}

func everyCommand(commands []*cli.Command, do func(*cli.Command)) {
	for _, c := range commands {
		do(c)
		everyCommand(c.Subcommands, do)
	}
}

// misused is what the parser of flags calls instead of printing the whole
// help.
func misused(c *cli.Context, err error, _ bool) error {
	help := "bitmend --help"
	if c.Command != nil && c.Command.Name != "" {
		help = "bitmend " + c.Command.FullName() + " --help"
	}
	return report.Misused("%w; see %s", err, help)
}
