package verify

import (
	"fmt"

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
			"(a file that no list covers, a line that cannot be read, nothing to check); 4 when a file is damaged or missing.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "root", Usage: "the names in given lists are below `DIR`, instead of the list's own folder"},
			&cli.StringFlag{Name: "strip", Usage: "take `PREFIX` off the front of names in lists"},
			&cli.StringFlag{Name: "algorithm", Usage: "`NAME` of the algorithm of checksums that name none"},
			&cli.BoolFlag{Name: "little-endian", Usage: "checksums that name no byte order are reversed (xxhsum --little-endian)"},
			&cli.BoolFlag{Name: "allow-extra", Usage: "files that no list covers are no failure"},
			&cli.BoolFlag{Name: "ignore-missing", Usage: "files that are not there are no failure"},
			&cli.StringFlag{Name: "format", Usage: "how to say it: `text`, junit, github, tap"},
		},
		Action: verifyPaths,
	}
}

func verifyPaths(c *cli.Context) error {
	opts, err := optionsOf(c)
	if err != nil {
		return err
	}
	rep, err := reporterOf(c)
	if err != nil {
		return err
	}
	sum, err := Run(c.Context, opts, rep)
	if err != nil {
		return &report.Status{Exit: report.Exit(sum.Exit), Err: err}
	}
	if writer, ok := rep.(interface{ Err() error }); ok && writer.Err() != nil {
		return writer.Err()
	}
	return report.Ended(report.Exit(sum.Exit), nil)
}

func optionsOf(c *cli.Context) (Options, error) {
	opts := Options{
		Paths: c.Args().Slice(), Root: c.String("root"),
		AllowExtra: c.Bool("allow-extra"), IgnoreMissing: c.Bool("ignore-missing"),
		Read: manifest.Options{Strip: c.String("strip"), LittleEndian: c.Bool("little-endian")},
	}
	if name := c.String("algorithm"); name != "" {
		if opts.Read.Algorithm = manifest.ParseAlgorithm(name, 0); opts.Read.Algorithm == "" {
			return opts, report.Misused("--algorithm %q: bitmend cannot compute such a checksum", name)
		}
	}
	return opts, nil
}

func reporterOf(c *cli.Context) (Reporter, error) {
	text := Text{Out: c.App.Writer, Err: c.App.ErrWriter, Quiet: c.Bool("quiet"), Verbose: c.Bool("verbose")}
	format := c.String("format")
	if c.Bool("json") {
		if format != "" {
			return nil, report.Misused("--json and --format %s exclude each other", format)
		}
		return NewJSON(c.App.Writer), nil
	}
	switch format {
	case "", "text":
		return &text, nil
	case "github":
		return &GitHub{text}, nil
	case "tap":
		return &TAP{Out: c.App.Writer}, nil
	case "junit":
		return NewJUnit(c.App.Writer)
	}
	return nil, report.Misused("%w", fmt.Errorf("--format %q is none of text, junit, github, tap", format))
}
