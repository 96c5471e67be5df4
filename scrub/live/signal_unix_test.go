//go:build unix

package live_test

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"bitmend/scrub/live"
	"bitmend/scrub/report"
)

// lines passes each write on.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestASignalHasItSayALine(t *testing.T) {
	for name, with := range map[string]func(lines) (report.Reporter, io.Writer){
		"text": func(l lines) (report.Reporter, io.Writer) {
			return report.NewText(io.Discard, l, report.TextOptions{}), io.Discard
		},
		"quiet": func(l lines) (report.Reporter, io.Writer) {
			return report.NewText(io.Discard, l, report.TextOptions{Quiet: true}), io.Discard
		},
		"json": func(l lines) (report.Reporter, io.Writer) { return report.NewJSON(io.Discard), l },
	} {
		t.Run(name, func(t *testing.T) {
			v, _ := open(t)
			said := make(lines, 10)
			rep, out := with(said)
			w := live.Begin(v, rep)
			stop := w.OnSignal(out)
			defer func() { stop(); w.End() }()
			w.Progress(report.Progress{Verb: "scrub", Store: "pri\x1bmary", Bytes: 5 << 20, Total: 10 << 20, Findings: 2, Elapsed: time.Second})
			if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			select {
			case line := <-said:
				if !strings.HasPrefix(line, `scrub pri\x1bmary  50%  5.0 MiB of 10 MiB  `) || !strings.Contains(line, "2 findings") || strings.Count(line, "\n") != 1 {
					t.Errorf("it says %q", line)
				}
			case <-time.After(time.Minute):
				t.Error("it says nothing")
			}
		})
	}
}
