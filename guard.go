package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/report"
)

// guarded runs do, and makes the exit status of an operational error of a
// panic: the one that Go gives to it, 2, says something of blobs.
func guarded(stderr io.Writer, do func() int) (exit int) {
	defer func() {
		if fault := recover(); fault != nil {
			fmt.Fprintf(stderr, "bitmend: a fault of its own, which is worth a report: %v\n\n%s", fault, debug.Stack())
			exit = int(report.ExitOperational)
		}
	}()
	return do()
}

// crashAsKilled has a panic that nothing can catch, in another goroutine, end
// the program by SIGABRT instead of with status 2. A person's own choice of
// traceback stands.
func crashAsKilled() {
	if os.Getenv("GOTRACEBACK") == "" {
		debug.SetTraceback("crash")
	}
}

// resuming are the verbs that save what they did when they are stopped.
var resuming = []string{"protect", "scrub", "repair", "restore"}

// A running knows which verb runs.
type running struct{ verb string }

// note has every command say that it runs.
func (r *running) note(c *cli.Command) {
	action := c.Action
	if action == nil {
		return
	}
	c.Action = func(ctx *cli.Context) error {
		r.verb = ctx.Command.FullName()
		return action(ctx)
	}
}

// explain says of an error that a signal caused what was stopped, and what is
// left of it; other errors are as they are.
func (r *running) explain(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	rest := "nothing that it had not finished was changed"
	if slices.Contains(resuming, r.verb) {
		rest = "what was verified is saved, and the next run goes on from there"
	}
	return fmt.Errorf("%s was stopped (%w); %s", r.verb, context.Cause(ctx), rest)
}
