package verify

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/urfave/cli/v2"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
	"bitmend/scrub/report"
)

// writeFlags are those of verify --write.
func writeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "write", Usage: "write lists of the files in a folder, instead of checking; --format is then " + styleNames() + ", and --algorithm may be repeated"},
		&cli.StringFlag{Name: "out", Usage: "with --write: put the list at `FILE`, which the names in it are not below"},
		&cli.BoolFlag{Name: "force", Usage: "with --write: write over lists that are there"},
	}
}

func styleNames() string {
	var names []string
	for _, s := range manifest.Styles() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// ParseStyle returns the style that a flag names, and the algorithms that
// others do; gnu, and none, where they name none.
func ParseStyle(format string, algorithms []string) (manifest.Style, []hashsets.Algorithm, error) {
	style := manifest.StyleGNU
	if format != "" {
		style = manifest.Style(format)
	}
	var all []hashsets.Algorithm
	for _, names := range algorithms {
		for name := range strings.SplitSeq(names, ",") {
			a := manifest.ParseAlgorithm(name, 0)
			if a == "" {
				return "", nil, report.Misused("--algorithm %q: bitmend cannot compute such a checksum", name)
			}
			all = append(all, a)
		}
	}
	asked := all
	if len(asked) == 0 {
		asked = style.DefaultAlgorithms()
	}
	if _, err := style.Lists(asked); err != nil {
		return "", nil, report.Misused("--format %s, of %s: %w", style, styleNames(), err)
	}
	return style, all, nil
}

// writeLists is verify --write.
func writeLists(c *cli.Context) error {
	style, algorithms, err := ParseStyle(c.String("format"), c.StringSlice("algorithm"))
	if err != nil {
		return err
	}
	opts := WriteOptions{Folder: ".", Style: style, Algorithms: algorithms, Out: c.String("out"), Overwrite: c.Bool("force")}
	switch {
	case c.NArg() > 1:
		return report.Misused("verify --write takes one folder, and was given %d", c.NArg())
	case c.NArg() == 1:
		opts.Folder = c.Args().First()
	}
	out := &output{to: c.App.Writer}
	var rep Reporter = &Text{Out: out, Err: c.App.ErrWriter, Quiet: c.Bool("quiet"), Verbose: c.Bool("verbose")}
	if c.Bool("json") {
		rep = NewJSON(out)
	}
	sum, err := Write(c.Context, opts, rep)
	exit := report.Exit(sum.Exit)
	var name *manifest.NameError
	switch {
	case errors.Is(err, ErrOptions), errors.Is(err, fs.ErrExist), errors.As(err, &name):
		exit = report.ExitUsage
	case err == nil:
		err = out.err
	case errors.Is(err, context.Canceled):
		err = nil
	}
	if err != nil {
		return &report.Status{Exit: exit, Err: err}
	}
	return report.Ended(exit, nil)
}
