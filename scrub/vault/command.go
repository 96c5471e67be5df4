package vault

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/report"
)

// Command is the verb init.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "make a vault and its commented bitmend.toml",
		ArgsUsage: "VAULT --store NAME=URL …",
		Description: "The first store is the primary one, from which blobs are recorded; the others are its replicas.\n" +
			"Everything else is set in bitmend.toml, which is written with comments.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "store", Usage: "a store, as `NAME=URL` (repeatable)"},
			&cli.StringFlag{Name: "parity", Usage: "where parity files live, as a `URL`; the vault itself by default"},
			&cli.StringSliceFlag{Name: "mirror", Usage: "a place apart from the vault, as a `URL`, that is given what the vault can be made anew from when it is lost (repeatable)"},
			&cli.StringFlag{Name: "overhead", Usage: "parity bytes per data byte, as a `PERCENTAGE`; 0% turns parity off", Value: "10%"},
		},
		Action: act,
	}
}

func act(c *cli.Context) error {
	if c.NArg() != 1 {
		return report.Misused("init takes one VAULT, the directory to make, and was given %d", c.NArg())
	}
	var stores []StoreConfig
	for _, s := range c.StringSlice("store") {
		name, url, ok := strings.Cut(s, "=")
		if !ok {
			return report.Misused("--store %q: write it as NAME=URL", s)
		}
		role := Replica
		if len(stores) == 0 {
			role = Primary
		}
		url, err := fromHere(url)
		if err != nil {
			return err
		}
		stores = append(stores, StoreConfig{Name: name, URL: url, Role: role})
	}
	if len(stores) == 0 {
		return report.Misused("init needs a store to protect: add --store primary=DIR")
	}
	config := DefaultConfig(stores...)
	percent, err := ParsePercent(c.String("overhead"))
	if err != nil {
		return report.Misused("--overhead: %v", err)
	}
	config.Overhead = percent / 100
	if config.ParityURL, err = fromHere(c.String("parity")); err != nil {
		return err
	}
	for _, location := range c.StringSlice("mirror") {
		location, err := fromHere(location)
		if err != nil {
			return err
		}
		config.Mirrors = append(config.Mirrors, location)
	}
	dir := c.Args().First()
	if err := Init(c.Context, dir, config); err != nil {
		return err
	}
	if !c.Bool("quiet") {
		fmt.Fprintf(c.App.ErrWriter, "made the vault %s; set it up in its %s, then run: bitmend --vault %s protect\n", dir, ConfigFile, dir)
	}
	return nil
}

// fromHere makes a path absolute, as it is meant on a command line; in the
// configuration a relative one would be below the vault.
func fromHere(url string) (string, error) {
	if url == "" || scheme.MatchString(url) {
		return url, nil
	}
	path, err := filepath.Abs(url)
	if err != nil {
		return "", fmt.Errorf("find the store %q: %w", url, err)
	}
	return path, nil
}
