package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bitmend/hashsets"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/report/eventschema"
	"bitmend/scrub/store"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 5, time.FixedZone("somewhere", 7200))

func yes() *bool { v := true; return &v }

// fullFinding has every field.
func fullFinding() finding.Finding {
	return finding.Finding{
		Store: "primary", Blob: "2024/a.raw", Verdict: finding.Corrupt, Diagnosis: finding.BitFlip,
		Ranges:  []store.Range{{Offset: 65536, Length: 65536}},
		Digests: []finding.Compared{{Algorithm: "sha256", Recorded: []byte{0xab, 1}, Computed: []byte{0xcd, 2}}, {Algorithm: "md5", Recorded: []byte{3}}},
		Evidence: []string{
			"one bit differs",
		},
		Reason: "a reason", Generation: 3, Kind: hashsets.File, Size: 73400320,
		Repairable: yes(), Sources: []string{"parity"}, Lost: "stripe 17 of set 3 has 6 bad shards, parity bears 4",
	}
}

func fullRepair() report.Repair {
	return report.Repair{
		Store: "primary", Blob: "2024/a.raw", Outcome: report.Repaired, Sources: map[string]int{"parity": 1, "replica": 2},
		Receipt: "r-1", Reason: "a reason", Ranges: []store.Range{{Offset: 0, Length: 9}},
	}
}

func fullGate() report.Gate {
	return report.Gate{ID: 7, Name: "mass-damage", Store: "primary", Reason: "12 of 40 blobs are damaged", Opened: noon,
		Meaning: "so much damage at once", WaysOut: []string{"look", "clear it"}, Held: noon}
}

func fullProgress() report.Progress {
	return report.Progress{Verb: "scrub", Store: "primary", Blobs: 5, Bytes: 100, Total: 200, Findings: 1, Elapsed: 1500 * time.Millisecond, Workers: 2, Left: time.Minute,
		Stores: []report.StoreProgress{{Store: "primary", Blobs: 3, Bytes: 60, Total: 100, Findings: 4, Workers: 5}, {Store: "dr"}}}
}

func fullSummary() report.Summary {
	return report.Summary{
		Verb: "scrub", Blobs: 1200, Of: 5000, Earlier: 17, Unfinished: 18, Standing: 15, Overdue: 16, Bytes: 73400320, Intact: 1199, Damaged: 1, Repaired: 2, Lost: 3, Restored: 3, Skipped: 4, Unchecked: 5,
		Verdicts: map[finding.Verdict]int64{finding.Corrupt: 1, finding.Intact: 1199},
		Parity:   report.ParityCount{Files: 4, Damaged: 6, Repaired: 7},
		New:      8, Changed: 9, Vanished: 10, Moved: 11, Unchanged: 12, Deferred: 15, FindingsGap: true, BytesRead: 13, BytesWritten: 14,
		Lists:    []report.ListCount{{List: "SHA256SUMS", Format: "sum", Entries: 3, Statuses: map[string]int64{"ok": 2, "bad": 1}}},
		Statuses: map[string]int64{"ok": 2, "bad": 1, "extra": 4},
		Traffic:  []store.Traffic{{Store: "dr", Requests: 12, Fetched: 34, Sent: 56, Retried: 7}}, Estimate: []store.Traffic{},
		Plan: "c1ec", Elapsed: 2 * time.Second, Cancelled: true, Failed: true, Refused: true, Exit: 4,
	}
}

// lines writes with a JSON reporter and returns its lines.
func lines(t *testing.T, say func(r report.Reporter)) []string {
	t.Helper()
	var out bytes.Buffer
	j := report.NewJSON(&out)
	say(j)
	if err := j.Err(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if text == "" {
		return nil
	}
	if !strings.HasSuffix(text, "\n") {
		t.Fatalf("the last line has no end: %q", text)
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func readSchema(t *testing.T) *eventschema.Schema {
	t.Helper()
	s, err := eventschema.Read("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryEventKeepsToTheSchemaAndEveryFieldIsUsed(t *testing.T) {
	s := readSchema(t)
	for name, say := range map[string]func(report.Reporter){
		"finding":          func(r report.Reporter) { r.Finding(fullFinding()) },
		"bare finding":     func(r report.Reporter) { r.Finding(finding.Finding{Store: "s", Blob: "b", Verdict: finding.Missing}) },
		"finding in bytes": func(r report.Reporter) { r.Finding(finding.Finding{Blob: "\xff\x00", Verdict: finding.Busy}) },
		"listed finding": func(r report.Reporter) {
			r.(*report.JSON).Listed(fullFinding(), "bad", []report.Listed{{List: "SHA256SUMS", Line: 3, Status: "bad"}, {List: "a.mhl", Status: "conflict"}})
		},
		"repair":          func(r report.Reporter) { r.Repair(fullRepair()) },
		"bare repair":     func(r report.Reporter) { r.Repair(report.Repair{Outcome: report.Lost}) },
		"repair in bytes": func(r report.Reporter) { r.Repair(report.Repair{Blob: "\xff", Outcome: report.Skipped}) },
		"kept": func(r report.Reporter) {
			r.(*report.JSON).Kept(report.Kept{ID: "20260101", Store: "s", Blob: "b", Kind: "file", Verdict: finding.Corrupt, Diagnosis: finding.BitFlip,
				Generation: 2, At: noon, Size: 9, Receipt: true, MayGo: true, Why: "a reason", Pruned: true})
		},
		"bare kept":     func(r report.Reporter) { r.(*report.JSON).Kept(report.Kept{Blob: "\xff"}) },
		"gate":          func(r report.Reporter) { r.Gate(fullGate()) },
		"bare gate":     func(r report.Reporter) { r.Gate(report.Gate{}) },
		"progress":      func(r report.Reporter) { r.Progress(fullProgress()) },
		"bare progress": func(r report.Reporter) { r.Progress(report.Progress{Elapsed: time.Second}) },
		"summary":       func(r report.Reporter) { r.Summary(fullSummary()) },
		"bare summary":  func(r report.Reporter) { r.Summary(report.Summary{}) },
	} {
		got := lines(t, say)
		if len(got) != 1 {
			t.Errorf("%s: %d lines, want 1", name, len(got))
			continue
		}
		if err := s.Check([]byte(got[0])); err != nil {
			t.Errorf("%s: %v\nin %s", name, err, got[0])
		}
	}
	if unseen := s.Unseen(); len(unseen) > 0 {
		t.Errorf("the schema has properties that no event has: %v", unseen)
	}
}

func TestEveryVerdictAndDiagnosisIsInTheSchema(t *testing.T) {
	s := readSchema(t)
	for _, v := range []finding.Verdict{
		finding.Corrupt, finding.Modified, finding.Stale, finding.Missing, finding.Unrecorded, finding.Unreadable,
		finding.RecordDamaged, finding.Undecided, finding.Unverifiable, finding.Busy, finding.Flaky,
	} {
		for _, d := range []finding.Diagnosis{
			finding.BitFlip, finding.Burst, finding.Zeroed, finding.Ones, finding.Truncated, finding.Extended, finding.Shifted,
			finding.TornTail, finding.Misplaced, finding.SwappedShards, finding.StaleContent, finding.NewlineConversion,
			finding.TextTranscoding, finding.LFSPointer, finding.EncryptedLooking, finding.Unknown, "",
		} {
			line := lines(t, func(r report.Reporter) { r.Finding(finding.Finding{Verdict: v, Diagnosis: d}) })[0]
			if err := s.Check([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestEventsAreAsDocumented(t *testing.T) {
	f := fullFinding()
	f.Digests = f.Digests[:1]
	f.Evidence, f.Reason, f.Generation, f.Kind, f.Lost = nil, "", 0, 0, ""
	for _, c := range []struct {
		want string
		say  func(report.Reporter)
	}{
		{`{"event":"finding","store":"primary","blob":"2024/a.raw","verdict":"corrupt","diagnosis":"bit-flip","ranges":[{"offset":65536,"length":65536}],` +
			`"digests":[{"algorithm":"sha256","recorded":"ab01","computed":"cd02"}],"repairable":true,"sources":["parity"],"size":73400320}`,
			func(r report.Reporter) { r.Finding(f) }},
		{`{"event":"repair","store":"primary","blob":"2024/a.raw","outcome":"repaired","sources":{"parity":1},"receipt":"r-1"}`,
			func(r report.Reporter) {
				r.Repair(report.Repair{Store: "primary", Blob: "2024/a.raw", Outcome: report.Repaired, Sources: map[string]int{"parity": 1}, Receipt: "r-1"})
			}},
		{`{"event":"gate","id":7,"gate":"mass-damage","store":"primary","reason":"12 of 40 blobs are damaged","opened":"2026-03-04T10:00:00.000000005Z","meaning":"so much damage at once","ways_out":["look","clear it"],"held":"2026-03-04T10:00:00.000000005Z"}`,
			func(r report.Reporter) { r.Gate(fullGate()) }},
		{`{"event":"progress","verb":"scrub","store":"primary","blobs":5,"bytes":100,"total":200,"findings":1,"elapsed_seconds":1.5,"workers":2,"left_seconds":60,"stores":[{"store":"primary","blobs":3,"bytes":60,"total":100,"findings":4,"workers":5},{"store":"dr","blobs":0,"bytes":0,"findings":0,"workers":0}]}`,
			func(r report.Reporter) { r.Progress(fullProgress()) }},
	} {
		if got := lines(t, c.say); got[0] != c.want {
			t.Errorf("got\n%s\nwant\n%s", got[0], c.want)
		}
	}
	var summary map[string]any
	if err := json.Unmarshal([]byte(lines(t, func(r report.Reporter) { r.Summary(fullSummary()) })[0]), &summary); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(summary["verdicts"]), "map[corrupt:1]"; got != want {
		t.Errorf("the verdicts are %s, want %s: intact is counted by itself", got, want)
	}
}

func TestNamesInJSONSurviveAndNothingInThemIsObeyed(t *testing.T) {
	for _, name := range []string{
		"plain", "", "new\nline", "esc\x1b[2J", "del\x7f", "c1\u009b2J", "bidi\u202e", "tag\U000e0001", "sep\u2028", "caf\xe9", "\xff\xfe", "<&>\"\\", "日本",
	} {
		line := lines(t, func(r report.Reporter) { r.Finding(finding.Finding{Blob: name, Verdict: finding.Corrupt}) })[0]
		for _, r := range line {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e || r == 0xe0001 || r == '\ufffd' {
				t.Errorf("the event of %q holds %U: %s", name, r, line)
			}
		}
		var e struct {
			Blob       *string
			BlobBase64 []byte `json:"blob_base64"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		got := string(e.BlobBase64)
		if e.Blob != nil {
			got = *e.Blob
		}
		if got != name {
			t.Errorf("%q is read back as %q", name, got)
		}
	}
}

func TestProgressIsReportedOnceASecond(t *testing.T) {
	got := lines(t, func(r report.Reporter) {
		for i := range 50 {
			r.Progress(report.Progress{Verb: "scrub", Elapsed: time.Duration(i) * 100 * time.Millisecond})
		}
	})
	if len(got) != 4 {
		t.Errorf("5 seconds give %d progress events, want 4:\n%s", len(got), strings.Join(got, "\n"))
	}
}

func TestTheSummaryIsTheLastLine(t *testing.T) {
	got := lines(t, func(r report.Reporter) {
		r.Note("not an event")
		r.Finding(fullFinding())
		r.Summary(fullSummary())
		r.Finding(fullFinding())
	})
	if len(got) != 2 || !strings.Contains(got[1], `"event":"summary"`) {
		t.Errorf("the lines are\n%s", strings.Join(got, "\n"))
	}
}

// countingWriter counts the writes that are not exactly one line.
type countingWriter struct {
	mu             sync.Mutex
	lines, strange int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines++
	if bytes.Count(p, []byte("\n")) != 1 || p[len(p)-1] != '\n' || !json.Valid(p) {
		w.strange++
	}
	return len(p), nil
}

func TestEachEventIsOneWrite(t *testing.T) {
	var w countingWriter
	j := report.NewJSON(&w)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				j.Finding(fullFinding())
				j.Repair(fullRepair())
			}
		})
	}
	wg.Wait()
	if w.lines != 1600 || w.strange != 0 {
		t.Errorf("%d writes, %d of them not one line; want 1600 and 0", w.lines, w.strange)
	}
}

type fullDisk struct{ writes int }

var errFull = errors.New("no space left")

func (w *fullDisk) Write([]byte) (int, error) { w.writes++; return 0, errFull }

func TestAnErrorInWritingIsKept(t *testing.T) {
	w := &fullDisk{}
	j := report.NewJSON(w)
	j.Finding(fullFinding())
	j.Finding(fullFinding())
	if err := j.Err(); !errors.Is(err, errFull) || w.writes != 1 {
		t.Errorf("after %d writes the error is %v; want 1 and %v", w.writes, err, errFull)
	}
	text := report.NewText(w, &bytes.Buffer{}, report.TextOptions{})
	text.Finding(fullFinding())
	if err := text.Err(); !errors.Is(err, errFull) {
		t.Errorf("the error of text is %v, want %v", err, errFull)
	}
}
