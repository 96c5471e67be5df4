//go:build unix

package live

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// interjector is a Reporter that has a place for a line between its own.
type interjector interface{ Interject(line string) }

// OnSignal writes a line on SIGUSR1, until stop is called: through the
// Reporter where that draws on a terminal, and else to out.
func (w *Watch) OnSignal(out io.Writer) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	over := make(chan struct{})
	w.writing.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-signals:
				if on, ok := w.Reporter.(interjector); ok {
					on.Interject(w.Line())
				} else {
					fmt.Fprintln(out, w.Line())
				}
			}
		}
	})
	return func() {
		signal.Stop(signals)
		close(over)
	}
}
