package report_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

func logged(format string, quiet bool, say func(l *report.Log)) string {
	var b strings.Builder
	say(report.NewLog(&b, format, quiet))
	return b.String()
}

func sayAll(l *report.Log) {
	evil := "a\x1b[31m\n\u202e\xff"
	f := fullFinding()
	f.Blob, f.Store, f.Reason = evil, evil, evil
	l.Note("about %s", evil)
	l.Finding(f)
	l.Finding(finding.Finding{Store: "primary", Blob: "b", Verdict: finding.Modified})
	l.Repair(report.Repair{Store: evil, Blob: evil, Outcome: report.Lost, Reason: evil, Sources: map[string]int{evil: 1}})
	l.Repair(report.Repair{Store: "primary", Blob: "c", Outcome: report.Repaired, Receipt: "r-1"})
	l.Gate(report.Gate{ID: 7, Name: "mass-damage", Store: evil, Reason: evil})
	l.Progress(report.Progress{Verb: "scrub", Bytes: 60 << 20, Total: 120 << 20, Elapsed: time.Minute})
	l.Interject(evil)
	l.Summary(fullSummary())
	l.Failure("%s", evil)
}

func TestALogIsARecordALine(t *testing.T) {
	text := logged("json", false, sayAll)
	var got []string
	for line := range strings.Lines(text) {
		var record struct{ Time, Level, Msg, Blob string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if _, err := time.Parse(time.RFC3339Nano, record.Time); err != nil {
			t.Error(err)
		}
		got = append(got, record.Level+" "+record.Msg)
	}
	want := "INFO note, ERROR finding, WARN finding, ERROR repair, WARN repair, ERROR gate, INFO progress, INFO progress, ERROR summary, ERROR failed"
	if all := strings.Join(got, ", "); all != want {
		t.Errorf("logged %s\nwant   %s", all, want)
	}
	if !strings.Contains(text, `"found_damaged_before":15`) || !strings.Contains(text, `"overdue":16`) {
		t.Errorf("the summary has other keys:\n%s", text)
	}
}

func TestNothingInALogIsObeyed(t *testing.T) {
	for _, format := range report.LogFormats() {
		text := logged(format, false, sayAll)
		if lines := strings.Count(text, "\n"); lines != 10 {
			t.Errorf("%s: %d lines, want 10", format, lines)
		}
		for _, c := range text {
			if c != '\n' && (c < ' ' || c >= 0x7f && c < 0xa0 || c == 0x202e || c == '\ufffd') {
				t.Fatalf("%s: %U is written: %q", format, c, text)
			}
		}
	}
}

func TestAQuietLogHasNoGoodNews(t *testing.T) {
	well := func(l *report.Log) {
		l.Note("a new vault was made")
		l.Progress(report.Progress{Verb: "scrub", Elapsed: time.Hour})
		l.Summary(report.Summary{Verb: "scrub", Blobs: 1})
	}
	if text := logged("text", true, well); text != "" {
		t.Errorf("it says %s", text)
	}
	if text := logged("text", false, well); strings.Count(text, "level=INFO") != 3 {
		t.Errorf("one that is not quiet says %s", text)
	}
	text := logged("text", true, func(l *report.Log) {
		l.Note("a new vault was made")
		l.Summary(report.Summary{Verb: "scrub", Blobs: 1, Exit: 2})
	})
	if !strings.Contains(text, `msg=note text="a new vault was made"`) || !strings.Contains(text, "level=WARN msg=summary") {
		t.Errorf("of trouble it says %s", text)
	}
}

func TestALogTellsOfProgressOnceAMinute(t *testing.T) {
	text := logged("text", false, func(l *report.Log) {
		for i := range 600 {
			l.Progress(report.Progress{Verb: "scrub", Bytes: int64(i) << 20, Elapsed: time.Duration(i) * time.Second})
		}
	})
	if n := strings.Count(text, "msg=progress"); n != 9 || !strings.Contains(text, "bytes_per_second=1048576") {
		t.Errorf("ten minutes have %d records:\n%s", n, text)
	}
}
