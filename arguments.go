package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// arrange puts the arguments into the order that the parser of flags takes:
// flags of a verb may follow its DIR, and global flags may stand anywhere. All
// that follows "--" stays as it is.
func arrange(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	var global, verbs, flags, positional []string
	known, commands := app.Flags, app.Commands
	rest := args[1:]
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		switch {
		case arg == "--":
			positional = append(positional, rest...)
			rest = nil
		case len(arg) > 1 && arg[0] == '-':
			words := []string{arg}
			if takesValue(known, arg) && len(rest) > 0 {
				words = append(words, rest[0])
				rest = rest[1:]
			}
			if len(verbs) == 0 || named(app.Flags, arg) != nil {
				global = append(global, words...)
			} else {
				flags = append(flags, words...)
			}
		default:
			command := find(commands, arg)
			if command == nil {
				positional = append(positional, arg)
				commands = nil // a verb comes before what it works on
				continue
			}
			verbs = append(verbs, arg)
			known = append(slices.Clone(known), command.Flags...)
			commands = command.Subcommands
		}
	}
	if len(positional) > 0 {
		flags = append(flags, "--")
	}
	return slices.Concat(args[:1], global, verbs, flags, positional)
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// takesValue tells whether the flag's value is the next argument.
func takesValue(flags []cli.Flag, arg string) bool {
	if strings.Contains(arg, "=") {
		return false
	}
	flag, ok := named(flags, arg).(cli.DocGenerationFlag)
	return ok && flag.TakesValue()
}

func named(flags []cli.Flag, arg string) cli.Flag {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}
