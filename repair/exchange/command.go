package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
	"bitmend/scrub/verify"
)

// ExportCommand is the verb export.
func ExportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "write what is recorded as a checksum list that other tools check",
		ArgsUsage: "[DIR]",
		Description: "The names in the list are below the root of the store: check it there. Without --out the list is the standard\n" +
			"output. A blob that the list cannot have, for no checksum of an algorithm is recorded, is told of.\n" +
			"Exit status: 0 all that is recorded is in the list, 2 some of it is not, 4 a record is damaged, 8 operational\n" +
			"error, 16 usage (a name that the format cannot hold, too), 32 cancelled; a sum of these.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Value: string(manifest.StyleGNU), Usage: "gnu, gnu-z, bsd, sfv, hashdeep or bagit"},
			&cli.StringSliceFlag{Name: "algorithm", Usage: "`NAME` of a recorded algorithm (repeatable); all that the format has"},
			&cli.StringFlag{Name: "out", Usage: "write the list to `FILE`"},
			&cli.BoolFlag{Name: "force", Usage: "write over a FILE that is there"},
			&cli.StringFlag{Name: "store", Usage: "only what the store `NAME` was last seen to hold as recorded"},
		},
		Action: exportList,
	}
}

// ImportCommand is the verb import.
func ImportCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "record the hash sets that checksum lists hold",
		ArgsUsage: "[DIR] LIST…",
		Description: "Any list that verify reads. Only blobs of which nothing is recorded get a record; what contradicts a record is\n" +
			"refused and told of, and so are lists that contradict each other. Where a list tells sizes nothing is read:\n" +
			"scrub then verifies. Else each blob is read, and recorded if it matches. A file that was written later than\n" +
			"its list counts as modified where it does not match, any other as corrupt.\n" +
			"Exit status: 0 everything listed is recorded, 2 some of it was not taken, 4 a blob does not match its list,\n" +
			"8 operational error, 16 usage, 32 cancelled, 64 a gate refused; a sum of these.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "root", Usage: "the names in the lists are below `DIR`, instead of each list's own folder"},
			&cli.StringFlag{Name: "strip", Usage: "take `PREFIX` off the front of names in lists"},
			&cli.StringFlag{Name: "algorithm", Usage: "`NAME` of the algorithm of checksums that name none"},
			&cli.BoolFlag{Name: "little-endian", Usage: "checksums that name no byte order are reversed (xxhsum --little-endian)"},
		},
		Action: importLists,
	}
}

func exportList(c *cli.Context) error {
	style, algorithms, err := verify.ParseStyle(c.String("format"), c.StringSlice("algorithm"))
	if err != nil {
		return err
	}
	if c.String("out") == "" && c.Bool("json") {
		return report.Misused("with --json the list goes to a file: say --out FILE")
	}
	dir, err := verb.Dir(c)
	if err != nil {
		return err
	}
	v, err := vault.OpenReadOnly(c.Context, dir)
	if err != nil {
		return err
	}
	defer v.Close()
	if name := c.String("store"); name != "" {
		if err := verb.KnownStores(v, []string{name}); err != nil {
			return err
		}
	}
	list, err := listOf(v, style, algorithms)
	if err != nil {
		return err
	}
	opts := ExportOptions{List: list, Store: c.String("store")}
	if c.String("out") == "" {
		return exportTo(c, v, opts)
	}
	return exportFile(c, v, opts)
}

// listOf is the one list that is exported.
func listOf(v *vault.Vault, style manifest.Style, algorithms []hashsets.Algorithm) (manifest.List, error) {
	lists, err := style.Lists(algorithms)
	if len(algorithms) == 0 {
		lists, err = Usual(v, style)
	}
	switch {
	case err != nil:
		return manifest.List{}, report.Misused("%w", err)
	case len(lists) > 1:
		return manifest.List{}, report.Misused("a list of the format %s has one algorithm: name one, or take --format bsd", style)
	}
	return lists[0], nil
}

// exportTo writes the list to the standard output. What people read goes to
// the error output.
func exportTo(c *cli.Context, v *vault.Vault, opts ExportOptions) error {
	rep := report.NewText(io.Discard, c.App.ErrWriter, report.TextOptions{Quiet: true})
	if !c.Bool("quiet") {
		rep = report.NewText(c.App.ErrWriter, c.App.ErrWriter, report.TextOptions{Verbose: c.Bool("verbose")})
	}
	w := manifest.NewWriter(c.App.Writer, opts.List)
	summary, err := Export(c.Context, v, opts, rep, w.Write)
	if err == nil {
		err = w.Close()
	}
	rep.Summary(summary)
	return ended(summary, err)
}

func exportFile(c *cli.Context, v *vault.Vault, opts ExportOptions) error {
	file, err := verify.CreateList(c.String("out"), opts.List, c.Bool("force"))
	if err != nil {
		return ended(report.Summary{}, err)
	}
	rep := verb.Reporter(c)
	summary, err := Export(c.Context, v, opts, rep, file.Write)
	if err == nil && summary.Blobs > 0 {
		err = file.Commit()
	}
	err = errors.Join(err, file.Discard())
	rep.Summary(summary)
	return ended(summary, err)
}

// ended is how an export ended. What the format or the place does not take is
// wrong use.
func ended(summary report.Summary, err error) error {
	var name *manifest.NameError
	if errors.As(err, &name) || errors.Is(err, fs.ErrExist) {
		return &report.Status{Exit: report.ExitUsage, Err: err}
	}
	exit := report.Exit(summary.Exit)
	if err != nil && !errors.Is(err, context.Canceled) {
		exit |= report.ExitOperational
	}
	return report.Ended(exit, err)
}

func importLists(c *cli.Context) error {
	trees, lists := verb.TreeAndRest(c)
	if len(lists) == 0 {
		return report.Misused("which list? give [DIR] LIST…")
	}
	opts := ImportOptions{Lists: verify.Options{
		Paths: lists, Root: c.String("root"),
		Read: manifest.Options{Strip: c.String("strip"), LittleEndian: c.Bool("little-endian")},
	}}
	if name := c.String("algorithm"); name != "" {
		if opts.Lists.Read.Algorithm = manifest.ParseAlgorithm(name, 0); opts.Lists.Read.Algorithm == "" {
			return report.Misused("--algorithm %q: bitmend cannot compute such a checksum", name)
		}
	}
	for _, name := range lists {
		if _, err := os.Stat(name); err != nil {
			return report.Misused("looking for the list: %w", err)
		}
	}
	v, err := opened(c, trees)
	if err != nil {
		return err
	}
	defer v.Close()
	rep := verb.Reporter(c)
	summary, err := Import(c.Context, v, opts, rep)
	rep.Summary(summary)
	if err != nil {
		err = fmt.Errorf("import: %w", err)
	}
	return report.Ended(report.Exit(summary.Exit), err)
}

// opened opens the vault that a command line means, and makes it when a tree
// is given that has none.
func opened(c *cli.Context, trees []string) (*vault.Vault, error) {
	dir, err := verb.DirOf(c, trees)
	if err != nil {
		return nil, err
	}
	if len(trees) == 0 {
		return vault.Open(c.Context, dir, "import")
	}
	v, _, err := vault.OpenOrInitAt(c.Context, dir, trees[0], "import")
	return v, err
}
