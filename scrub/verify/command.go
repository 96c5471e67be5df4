package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"bitmend/hashsets/manifest"
	"bitmend/scrub/report"
)

// Command is the verb verify.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check files against checksum lists that are found there or given; needs no vault",
		ArgsUsage: "[PATH…]",
		Description: "A PATH that is a file is a checksum list; one that is a folder is searched for lists, and every file in it\n" +
			"must be covered by one. Formats are found out: sums of coreutils, BSD, OpenSSL, b3sum, xxhsum and rclone, SFV,\n" +
			"hashdeep, BagIt, MHL, ASC-MHL, Debian, npm, go.sum, Python RECORD, OCFL, OCI, Git LFS.\n\n" +
			"Exit status: 0 only when every entry was checked and matches; 2 when something could not be vouched for\n" +
			"(a file that no list covers, a line that cannot be read, nothing to check); 4 when a file is damaged or missing.\n" +
			"With --changed-since it is 0 also when nothing that a list covers was touched.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "root", Usage: "the names in given lists are below `DIR`, instead of the list's own folder"},
			&cli.StringFlag{Name: "strip", Usage: "take `PREFIX` off the front of names in lists"},
			&cli.StringSliceFlag{Name: "algorithm", Usage: "`NAME` of the algorithm of checksums that name none"},
			&cli.BoolFlag{Name: "little-endian", Usage: "checksums that name no byte order are reversed (xxhsum --little-endian)"},
			&cli.BoolFlag{Name: "allow-extra", Usage: "files that no list covers are no failure"},
			&cli.BoolFlag{Name: "ignore-missing", Usage: "files that are not there are no failure"},
			&cli.StringFlag{Name: "changed-since", Usage: "only files that differ from `REV` of Git, and those whose lists do"},
			&cli.StringFlag{Name: "explain", Usage: "show every checksum known of `FILE`, from which list, and the verdict of each"},
			&cli.StringFlag{Name: "format", Usage: "how to say it: `text`, junit, github, tap"},
		}, writeFlags()...),
		Action: verifyPaths,
	}
}

func verifyPaths(c *cli.Context) error {
	if c.Bool("write") {
		return writeLists(c)
	}
	opts, err := optionsOf(c)
	if err != nil {
		return err
	}
	if err := limit(c, &opts); err != nil {
		return err
	}
	out := &output{to: c.App.Writer}
	rep, err := reporterOf(c, out)
	if err != nil {
		return err
	}
	sum, err := Run(c.Context, opts, rep)
	if junit, ok := rep.(*JUnit); ok && out.err == nil {
		err = errors.Join(err, junit.Err())
	}
	exit := report.Exit(sum.Exit)
	if err = errors.Join(err, out.err); err != nil {
		if !errors.Is(err, context.Canceled) {
			exit |= report.ExitOperational
		}
		return &report.Status{Exit: exit, Err: err}
	}
	return report.Ended(exit, nil)
}

func optionsOf(c *cli.Context) (Options, error) {
	opts := Options{
		Paths: c.Args().Slice(), Root: c.String("root"),
		AllowExtra: c.Bool("allow-extra"), IgnoreMissing: c.Bool("ignore-missing"),
		Read: manifest.Options{Strip: c.String("strip"), LittleEndian: c.Bool("little-endian")},
	}
	if len(opts.Paths) == 0 {
		opts.Paths = []string{"."}
	}
	names := c.StringSlice("algorithm")
	if len(names) > 1 || c.Bool("force") || c.String("out") != "" {
		return opts, report.Misused("several --algorithm, --out and --force go with --write")
	}
	for _, name := range names {
		if opts.Read.Algorithm = manifest.ParseAlgorithm(name, 0); opts.Read.Algorithm == "" {
			return opts, report.Misused("--algorithm %q: bitmend cannot compute such a checksum", name)
		}
	}
	return opts, nil
}

// limit makes the run one of some files only.
func limit(c *cli.Context, opts *Options) error {
	file, rev := c.String("explain"), c.String("changed-since")
	switch {
	case file != "" && (c.IsSet("changed-since") || c.IsSet("format") || c.Bool("json")):
		return report.Misused("--explain is for people and of one file: leave out --changed-since, --format and --json")
	case file != "":
		full, err := fullPath(file)
		if err != nil {
			return fmt.Errorf("looking for %s: %w", file, err)
		}
		opts.Only = func(path string, _ []string) bool { return path == full }
	case c.IsSet("changed-since"):
		changes, err := ChangedSince(c.Context, rev, opts.Paths)
		switch {
		case errors.Is(err, ErrRevision):
			return report.Misused("--changed-since: %w", err)
		case err != nil:
			return err
		case changes != nil:
			opts.Only, opts.NoneIsFine = changes.Touched, true
		}
	}
	return nil
}

func reporterOf(c *cli.Context, out io.Writer) (Reporter, error) {
	text := Text{Out: out, Err: c.App.ErrWriter, Quiet: c.Bool("quiet"), Verbose: c.Bool("verbose")}
	format := c.String("format")
	switch {
	case c.String("explain") != "":
		return &Explain{Text: text, File: c.String("explain")}, nil
	case c.Bool("json") && format != "":
		return nil, report.Misused("--json and --format %s exclude each other", format)
	case c.Bool("json"):
		return NewJSON(out), nil
	}
	switch format {
	case "", "text":
		return &text, nil
	case "github":
		return NewGitHub(text, workspaceFolder(os.Getenv("GITHUB_WORKSPACE"))), nil
	case "tap":
		return &TAP{Out: out}, nil
	case "junit":
		return NewJUnit(out)
	}
	return nil, report.Misused("--format %q is none of text, junit, github, tap", format)
}

// workspaceFolder is the working directory as seen from the folder that the
// runner checked the repository out to, "" where that is it, or is not known.
func workspaceFolder(workspace string) string {
	if workspace == "" {
		return ""
	}
	top, err := filepath.EvalSymlinks(workspace)
	if err != nil {
		return ""
	}
	here, err := filepath.Abs(".")
	if err == nil {
		here, err = filepath.EvalSymlinks(here)
	}
	if err != nil {
		return ""
	}
	folder, err := filepath.Rel(top, here)
	if err != nil || !filepath.IsLocal(folder) || folder == "." {
		return ""
	}
	return filepath.ToSlash(folder)
}
