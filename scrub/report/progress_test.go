package report_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

func TestOffATerminalThereIsNoProgressAndNoColor(t *testing.T) {
	out, err := said(report.TextOptions{}, func(r *report.Text) {
		r.Progress(fullProgress())
		r.Finding(fullFinding())
		r.Summary(fullSummary())
	})
	if err != "" || strings.Contains(out, "\x1b") {
		t.Errorf("err is %q, out\n%q", err, out)
	}
	if colored, _ := said(report.TextOptions{Color: true}, func(r *report.Text) { r.Finding(fullFinding()) }); !strings.HasPrefix(colored, "\x1b[31mcorrupt") {
		t.Errorf("with color it begins %q", colored)
	}
}

// screen does what a terminal does with what it is given.
func screen(text string) []string {
	lines, line, column := []string{}, []rune{}, 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\n':
			lines, line, column = append(lines, string(line)), nil, 0
		case text[i] == '\r':
			column = 0
		case strings.HasPrefix(text[i:], "\x1b[K"):
			line = line[:column]
			i += 2
		default:
			line = append(line[:column], rune(text[i]))
			column++
		}
	}
	return append(lines, string(line))
}

func TestTheProgressLineNeverMixesWithOutput(t *testing.T) {
	var terminal bytes.Buffer // both streams are one terminal
	r := report.NewText(&terminal, &terminal, report.TextOptions{Terminal: true})
	for i := range 10 {
		at := time.Duration(i+1) * time.Second
		r.Progress(report.Progress{Verb: "scrub", Store: "primary", Bytes: int64(i+1) << 20, Total: 100 << 20, Findings: int64(i), Elapsed: at})
		if i%4 == 0 {
			r.Finding(finding.Finding{Store: "primary", Blob: fmt.Sprint("blob", i), Verdict: finding.Missing})
		}
		if i == 5 {
			r.Note("a note")
		}
	}
	shown := screen(terminal.String())
	if last := shown[len(shown)-1]; last != "scrub primary  10%  10 MiB of 100 MiB  1.0 MiB/s  1 min 30 s left  9 findings" {
		t.Errorf("the progress line is %q", last)
	}
	for _, line := range shown[:len(shown)-1] {
		if strings.Contains(line, "MiB") {
			t.Errorf("progress is left in the output: %q", line)
		}
	}
	r.Summary(report.Summary{Verb: "scrub", Blobs: 1})
	if shown := screen(terminal.String()); shown[len(shown)-1] != "" || !strings.HasPrefix(shown[len(shown)-4], "scrub: 1 blob") && !strings.HasPrefix(shown[len(shown)-3], "scrub: 1 blob") {
		t.Errorf("the screen ends\n%s", strings.Join(shown[len(shown)-5:], "\n"))
	}
}

func TestTheProgressLineIsDrawnFiveTimesASecondAndFitsTheTerminal(t *testing.T) {
	_, err := said(report.TextOptions{Terminal: true}, func(r *report.Text) {
		for i := range 2000 {
			r.Progress(report.Progress{Verb: "scrub", Store: strings.Repeat("long", 40), Bytes: int64(i), Elapsed: time.Duration(i+1) * time.Millisecond})
		}
	})
	draws := strings.Split(err, "\r\x1b[K")[1:]
	if len(draws) < 9 || len(draws) > 11 {
		t.Errorf("two seconds have %d drawings, want about 10", len(draws))
	}
	for _, line := range draws {
		if len(line) > 79 {
			t.Errorf("a line has %d columns: it would wrap and stay", len(line))
		}
	}
}

func TestManyGoroutinesMaySayThings(t *testing.T) {
	var out bytes.Buffer
	r := report.Several{report.NewText(&out, io.Discard, report.TextOptions{Terminal: true, Verbose: true}), report.NewJSON(io.Discard)}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 50 {
				r.Finding(finding.Finding{Store: "s", Blob: "b", Verdict: finding.Missing})
				r.Progress(report.Progress{Elapsed: time.Duration(i) * time.Second})
				r.Note("n")
				r.Repair(report.Repair{Store: "s", Blob: "b", Outcome: report.Repaired})
				r.Gate(report.Gate{Name: "g"})
			}
		})
	}
	wg.Wait()
	r.Summary(report.Summary{Verb: "scrub", Blobs: 1})
	if got := strings.Count(out.String(), "missing  s: b\n    it is recorded and not there\n    next: bitmend repair\n"); got != 200 {
		t.Errorf("%d whole findings, want 200", got)
	}
}

// A run about several stores has a line for each, and all of them go away
// before anything else is written.
func TestProgressOfSeveralStores(t *testing.T) {
	var terminal bytes.Buffer
	r := report.NewText(&terminal, &terminal, report.TextOptions{Terminal: true})
	for i := range int64(5) {
		r.Progress(report.Progress{Verb: "scrub", Bytes: 30 << 20 * i, Total: 300 << 20, Findings: 1, Workers: 20, Elapsed: time.Duration(i+1) * time.Second, Stores: []report.StoreProgress{
			{Store: "primary", Bytes: 20 << 20 * i, Total: 100 << 20, Findings: 1, Workers: 16},
			{Store: "dr", Bytes: 10 << 20 * i, Workers: 4},
			{Store: "parity", Total: 10 << 20},
		}})
		if i == 2 {
			r.Finding(finding.Finding{Store: "primary", Blob: "a", Verdict: finding.Missing})
		}
	}
	r.Interject("a line")
	r.Progress(report.Progress{Verb: "scrub", Bytes: 500 << 20, Elapsed: time.Minute, Stores: make([]report.StoreProgress, 30)})
	r.Summary(report.Summary{Verb: "scrub", Blobs: 1})
	shown := screenOf(terminal.String())
	want := []string{"missing  primary: a", "    it is recorded and not there", "    next: bitmend repair", "a line", "scrub: 1 blob, 0 B in 0.0 s", "    0 intact", ""}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Error(diff)
	}
	var track report.Track
	track.Update(report.Progress{Verb: "scrub", Bytes: 40 << 20, Total: 100 << 20, Findings: 1, Workers: 4, Elapsed: 4 * time.Second, Left: 5 * time.Second, Stores: []report.StoreProgress{
		{Store: "primary", Bytes: 40 << 20, Total: 80 << 20, Findings: 1, Workers: 4}, {Store: "a-name-that-is-longer\x1b", Bytes: 0},
	}})
	lines := []string{
		"scrub  40%  40 MiB of 100 MiB  10 MiB/s  5.0 s left  4 workers  1 finding",
		"  primary           50%  40 MiB of 80 MiB  10 MiB/s  4.0 s left  4 workers  1 finding",
		"  a-name-that-is-l  0 B",
	}
	if diff := cmp.Diff(lines, track.Lines()); diff != "" {
		t.Error(diff)
	}
}

// screenOf is what a terminal shows after it got text.
func screenOf(text string) []string {
	lines, row, column := [][]rune{nil}, 0, 0
	for len(text) > 0 {
		switch {
		case strings.HasPrefix(text, "\x1b[K"):
			lines[row] = lines[row][:min(column, len(lines[row]))]
			text = text[3:]
			continue
		case strings.HasPrefix(text, "\x1b[1A"):
			row--
			text = text[4:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		switch r {
		case '\r':
			column = 0
		case '\n':
			if row++; row == len(lines) {
				lines = append(lines, nil)
			}
			column = 0
		default:
			for len(lines[row]) <= column {
				lines[row] = append(lines[row], ' ')
			}
			lines[row][column] = r
			column++
		}
	}
	var shown []string
	for _, line := range lines[:row+1] {
		shown = append(shown, string(line))
	}
	return shown
}
