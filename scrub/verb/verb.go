// Package verb is what the verbs of the command line have in common: which
// vault is meant, who is told what happens, and how errors become exit
// statuses.
//
// It knows of no verb in particular.
package verb

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// vaultVariable names the vault where no flag does.
const vaultVariable = "BITMEND_VAULT"

// GlobalFlags are those of every verb, which may stand anywhere on the command line.
func GlobalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "vault", Usage: "the vault `DIR`; a positional DIR stands for the vault DIR.bitmend", EnvVars: []string{vaultVariable}},
		&cli.BoolFlag{Name: "json", Usage: "one JSON object a line on standard output"},
		&cli.BoolFlag{Name: "quiet", Usage: "print nothing when all is well"},
		&cli.StringFlag{Name: "log", Usage: "say what people are told as log records on standard error: `text|json`"},
		&cli.BoolFlag{Name: "verbose", Usage: "say more of what is done"},
	}
}

// ExitOf returns the exit status that an error of an action stands for.
func ExitOf(err error) report.Exit {
	var status *report.Status
	var locked *vault.LockedError
	switch {
	case err == nil:
		return report.ExitClean
	case errors.As(err, &status):
		return status.Exit
	case errors.Is(err, context.Canceled):
		return report.ExitCancelled
	case errors.As(err, &locked):
		return report.ExitOperational
	case errors.Is(err, vault.ErrNoVault), vault.IsConfigError(err):
		return report.ExitUsage
	}
	return report.ExitOperational
}

// Dir returns the vault that a command line means: the one named by --vault or
// BITMEND_VAULT, or the one that stands for the tree in the only argument.
func Dir(c *cli.Context) (string, error) { return DirOf(c, c.Args().Slice()) }

// DirOf is Dir for a verb that takes other arguments than DIR too. A vault
// that keeps other stores than the given tree is an error.
func DirOf(c *cli.Context, trees []string) (string, error) {
	dir, err := meant(c, trees)
	if err == nil && len(trees) == 1 {
		err = vault.CheckTree(dir, trees[0])
	}
	return dir, err
}

// meant is DirOf without a look at the vault. --vault says where it stands; the
// variable only where no tree is given.
func meant(c *cli.Context, trees []string) (string, error) {
	named, flagged := named(c)
	switch {
	case len(trees) > 1:
		return "", report.Misused("%s takes one DIR, and was given %d", c.Command.FullName(), len(trees))
	case len(trees) == 0 && named == "":
		return "", report.Misused("which vault? give a DIR, or --vault DIR")
	case len(trees) == 0 || flagged:
		return filepath.Abs(named)
	}
	dir, err := vault.PathFor(trees[0])
	if err != nil {
		return "", &report.Status{Exit: report.ExitUsage, Err: err}
	}
	return dir, nil
}

// named returns the vault that --vault or the variable names, and whether it
// was the flag.
func named(c *cli.Context) (dir string, flagged bool) {
	dir = c.String("vault")
	return dir, dir != "" && dir != os.Getenv(vaultVariable)
}

// TreeAndRest splits the arguments of a verb that takes others after DIR: the
// first is DIR unless the vault is named by a flag or the environment.
func TreeAndRest(c *cli.Context) (trees, rest []string) {
	args := c.Args().Slice()
	if c.String("vault") == "" && len(args) > 0 {
		return args[:1], args[1:]
	}
	return nil, args
}

// OpenOrInit opens the vault that a command line means, and makes it when a
// tree is given that has none.
func OpenOrInit(c *cli.Context, name string) (*vault.Vault, error) {
	dir, err := meant(c, c.Args().Slice())
	if err != nil {
		return nil, err
	}
	if c.NArg() == 0 {
		return Open(c, dir, name)
	}
	return openAs(c, name, func(opts ...vault.LockOption) (*vault.Vault, error) {
		v, _, err := vault.OpenOrInitAt(c.Context, dir, c.Args().First(), name, opts...)
		return v, err
	})
}

// KnownStores returns a usage error unless the vault has stores of all names.
func KnownStores(v *vault.Vault, names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(v.Config.Stores, func(s vault.StoreConfig) bool { return s.Name == name }) {
			return report.Misused("--store %q: the vault %s has no such store", name, v.Dir)
		}
	}
	return nil
}

// VaultFlag returns the vault that --vault names; "" where only the variable
// does, which a DIR or a FILE on the command line goes before.
func VaultFlag(c *cli.Context) string {
	dir, flagged := named(c)
	if !flagged {
		return ""
	}
	return dir
}

// Reporter returns who is told what a run does.
func Reporter(c *cli.Context) report.Reporter {
	dir, flagged := named(c)
	if c.NArg() > 0 && !flagged {
		dir = "" // the tree says it
	}
	return ReporterFor(c, c.Args().First(), dir)
}

// ReporterFor is Reporter for a run on a tree or else a vault, which the
// commands that it names are given.
func ReporterFor(c *cli.Context, tree, dir string) report.Reporter {
	log := Log(c)
	switch {
	case c.Bool("json") && log != nil:
		return report.Several{report.NewJSON(c.App.Writer), log}
	case c.Bool("json"):
		return report.Several{report.NewJSON(c.App.Writer), text(c, tree, dir, io.Discard)} // notes and progress are for people
	case log != nil:
		return log
	}
	return text(c, tree, dir, c.App.Writer)
}

// text is a Reporter for people, whose notes and progress go to standard error
// and all else to out.
func text(c *cli.Context, tree, dir string, out io.Writer) *report.Text {
	return report.NewText(out, c.App.ErrWriter, report.TextOptions{
		Terminal: report.IsTerminal(c.App.ErrWriter),
		Color:    report.WantsColor(c.App.Writer, os.Getenv),
		Quiet:    c.Bool("quiet"),
		Verbose:  c.Bool("verbose"),
		Tree:     tree,
		Vault:    dir,
		Repairs:  c.Bool("repair"),
		Accepts:  c.Command.Name == "protect",
	})
}

// CheckGlobalFlags refuses values of global flags that mean nothing.
func CheckGlobalFlags(c *cli.Context) error {
	if format := c.String("log"); format != "" && !slices.Contains(report.LogFormats(), format) {
		return report.Misused("--log %q: a log is %s", format, strings.Join(report.LogFormats(), " or "))
	}
	return nil
}

// Log returns the log that --log asks for; nil when it does not.
func Log(c *cli.Context) *report.Log {
	if c.String("log") == "" {
		return nil
	}
	return report.NewLog(c.App.ErrWriter, c.String("log"), c.Bool("quiet"))
}

// DownloadFlag is that of the verbs that read blobs.
func DownloadFlag() cli.Flag {
	return &cli.StringFlag{Name: "max-download", Usage: "fetch at most `SIZE` bytes of blobs from object storage in this run"}
}

// LimitDownload bounds what the stores of the vault may fetch, if the flag says
// so.
func LimitDownload(c *cli.Context, v *vault.Vault) error {
	if !c.IsSet("max-download") {
		return nil
	}
	bytes, err := vault.ParseSize(c.String("max-download"))
	if err != nil {
		return report.Misused("--max-download: %v", err)
	}
	v.LimitDownload(bytes)
	return nil
}
