package live

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"bitmend/scrub/report"
	"bitmend/scrub/vault"
	"bitmend/scrub/verb"
)

// Reporter returns who is told what a run on the vault does, among them who
// asks from outside. stop comes when the run is over.
func Reporter(c *cli.Context, v *vault.Vault) (rep report.Reporter, stop func()) {
	return Watched(c, v, verb.Reporter(c))
}

// Watched is Reporter for a Reporter that there is already.
func Watched(c *cli.Context, v *vault.Vault, rep report.Reporter) (report.Reporter, func()) {
	w := Begin(v, rep)
	silent := w.OnSignal(c.App.ErrWriter)
	return w, func() {
		silent()
		w.End()
	}
}

// Show tells of the run that goes on in the vault: on a terminal until it ends,
// elsewhere once.
func Show(c *cli.Context, dir string) error {
	if err := show(c, dir); err != nil {
		return err
	}
	if c.Bool("json") || !report.IsTerminal(c.App.Writer) {
		return nil
	}
	for {
		select {
		case <-c.Context.Done():
			return nil // who looks has seen enough
		case <-time.After(writeEvery):
		}
		_, holder, err := Read(dir)
		if err != nil || holder == nil {
			return err
		}
		fmt.Fprint(c.App.Writer, "\x1b[H\x1b[J")
		if err := show(c, dir); err != nil {
			return err
		}
	}
}

func show(c *cli.Context, dir string) error {
	state, holder, err := Read(dir)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		rep := verb.Reporter(c)
		if state != nil {
			rep.Progress(state.Progress)
		}
		rep.Summary(report.Summary{Verb: "status"})
		return nil
	}
	return write(c.App.Writer, state, holder, time.Now())
}

// write says in a few lines how far the run is, if any.
func write(w io.Writer, s *State, holder *vault.LockedError, now time.Time) error {
	if holder == nil {
		_, err := fmt.Fprintln(w, "no run is going on")
		return err
	}
	who := report.Escape(fmt.Sprintf("bitmend %s, process %d on %s", holder.Verb, holder.PID, holder.Host))
	if s == nil {
		_, err := fmt.Fprintf(w, "%s holds the vault and tells nothing of how far it is\n", who)
		return err
	}
	text := fmt.Sprintf("%s, for %s\n", who, report.TimeText(now.Sub(s.Started)))
	for _, line := range s.Lines {
		text += report.Escape(line) + "\n"
	}
	if silent := now.Sub(s.Updated); silent > 3*stillEvery {
		text += fmt.Sprintf("it said nothing for %s: it may hang\n", report.TimeText(silent))
	}
	if len(s.Lines) == 0 {
		text += "nothing was read yet\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
