package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// said is what a text reporter writes to out and to err.
func said(opts report.TextOptions, say func(t *report.Text)) (string, string) {
	var out, err bytes.Buffer
	say(report.NewText(&out, &err, opts))
	return out.String(), err.String()
}

func TestAFindingNamesBlobStoreRangeMeaningAndCommand(t *testing.T) {
	no := false
	lost := fullFinding()
	lost.Verdict, lost.Diagnosis, lost.Reason, lost.Evidence = finding.Missing, "", "", nil
	for _, c := range []struct {
		f    finding.Finding
		opts report.TextOptions
		want string
	}{
		{
			finding.Finding{
				Store: "primary", Blob: "2024/a.raw", Verdict: finding.Corrupt, Diagnosis: finding.BitFlip, Size: 1 << 20,
				Ranges: []store.Range{{Offset: 65536, Length: 65536}}, Evidence: []string{"bit 3 of byte 70000 differs"},
				Repairable: yes(), Sources: []string{"parity", "replica"},
			},
			report.TextOptions{Tree: "/srv/my photos"},
			`corrupt (bit-flip)  primary: 2024/a.raw
    its bytes changed though nobody wrote it since it was recorded
    damaged: bytes 65536-131071 (64 KiB)
    bit 3 of byte 70000 differs
    can be rebuilt from parity, replica
    next: bitmend repair '/srv/my photos'
`,
		},
		{
			lost, report.TextOptions{Vault: "/v"},
			`missing  primary: 2024/a.raw
    it is recorded and not there
    damaged: bytes 65536-131071 (64 KiB)
    lost: stripe 17 of set 3 has 6 bad shards, parity bears 4
    next: bitmend --vault /v repair --donor DIR   (with a folder that holds a good copy)
`,
		},
		{
			finding.Finding{
				Store: "dr", Blob: "b", Verdict: finding.Corrupt, Diagnosis: finding.Unknown, Size: 20,
				Ranges: []store.Range{{Offset: 0, Length: 20}}, Repairable: &no,
			},
			report.TextOptions{Tree: "t", Repairs: true},
			`corrupt  dr: b
    its bytes changed though nobody wrote it since it was recorded
    damaged: all of its 20 B
    no source is known that it can be rebuilt from
    next: bitmend repair t --donor DIR   (with a folder that holds a good copy)
`,
		},
		{
			finding.Finding{Store: "primary", Blob: "c", Verdict: finding.Stale, Diagnosis: finding.StaleContent},
			report.TextOptions{Tree: "t", Repairs: true},
			`stale  primary: c
    its bytes are those of an earlier generation: a lost write, or an unfinished restore
`,
		},
		{
			finding.Finding{Store: "primary", Blob: "new", Verdict: finding.Unrecorded},
			report.TextOptions{Tree: "t"},
			`unrecorded  primary: new
    it is there and nothing is recorded of it
    next: bitmend protect t   (if its present bytes are the right ones)
`,
		},
		{
			finding.Finding{Store: "primary", Blob: "m", Verdict: finding.Modified, Ranges: []store.Range{{Offset: 0, Length: 9}}, Size: 20},
			report.TextOptions{Tree: "t"},
			`modified  primary: m
    it was written since it was recorded, so nothing vouches for its bytes
    differing: bytes 0-8 (9 B)
    next: bitmend protect t   (if its present bytes are the right ones)
`,
		},
		{
			finding.Finding{Store: "primary", Blob: "x", Verdict: finding.Unreadable, Reason: "opening it: permission denied"},
			report.TextOptions{Tree: "t"},
			`unreadable  primary: x
    it could not be read, after several tries
    opening it: permission denied
    next: bitmend repair t
`,
		},
		{
			finding.Finding{
				Store: "primary", Blob: "many", Verdict: finding.Corrupt, Evidence: []string{"1", "2", "3", "4"},
				Ranges: []store.Range{{Offset: 0, Length: 1}, {Offset: 2, Length: 1}, {Offset: 4, Length: 1}, {Offset: 6, Length: 1}, {Offset: 8, Length: 1}, {Offset: 10, Length: 1}},
			},
			report.TextOptions{},
			`corrupt  primary: many
    its bytes changed though nobody wrote it since it was recorded
    damaged: bytes 0-0, 2-2, 4-4, 6-6 and 2 ranges more (6 B)
    1
    2
    3
    next: bitmend repair
`,
		},
	} {
		out, err := said(c.opts, func(r *report.Text) { r.Finding(c.f) })
		if out != c.want || err != "" {
			t.Errorf("%s of %s is said as\n%s%s\nwant\n%s", c.f.Verdict, c.f.Blob, out, err, c.want)
		}
	}
}

func TestEveryVerdictIsExplained(t *testing.T) {
	for _, v := range []finding.Verdict{
		finding.Corrupt, finding.Modified, finding.Stale, finding.Missing, finding.Unrecorded, finding.Unreadable,
		finding.RecordDamaged, finding.Undecided, finding.Unverifiable, finding.Busy, finding.Flaky,
	} {
		out, _ := said(report.TextOptions{}, func(r *report.Text) { r.Finding(finding.Finding{Store: "s", Blob: "b", Verdict: v}) })
		if strings.Count(out, "\n") < 3 || !strings.Contains(out, "next: bitmend ") {
			t.Errorf("%s is said as\n%s", v, out)
		}
		summary, _ := said(report.TextOptions{}, func(r *report.Text) {
			r.Summary(report.Summary{Verdicts: map[finding.Verdict]int64{v: 12345}})
		})
		if !strings.Contains(summary, "12,345 "+string(v)+"\n") {
			t.Errorf("%s is summed up as\n%s", v, summary)
		}
	}
}

func TestVerboseTellsAll(t *testing.T) {
	f := fullFinding()
	f.Evidence = []string{"one", "two", "three", "four", "five"}
	out, _ := said(report.TextOptions{Verbose: true}, func(r *report.Text) { r.Finding(f) })
	for _, want := range []string{"five", "sha256 recorded ab01, now cd02", "md5 recorded 03, now not computed"} {
		if !strings.Contains(out, want) {
			t.Errorf("verbose says nothing of %q:\n%s", want, out)
		}
	}
}

func TestRepairsAndGates(t *testing.T) {
	for _, c := range []struct {
		say  func(r *report.Text)
		want string
	}{
		{
			func(r *report.Text) {
				r.Repair(report.Repair{Store: "primary", Blob: "a", Outcome: report.Repaired, Sources: map[string]int{"replica": 1, "parity": 1200}, Receipt: "x"})
			},
			"repaired  primary: a\n    from parity (1,200 shards), replica (1 shard)\n",
		},
		{
			func(r *report.Text) {
				r.Repair(report.Repair{Store: "primary", Blob: "a", Outcome: report.Lost, Reason: "no source", Ranges: []store.Range{{Offset: 0, Length: 65536}}})
			},
			"lost  primary: a\n    no source\n    lost: bytes 0-65535 (64 KiB)\n    next: bitmend repair photos/ --donor DIR\n",
		},
		{
			func(r *report.Text) { r.Repair(report.Repair{Store: "primary", Blob: "a", Outcome: report.Refused}) },
			"refused  primary: a\n    next: bitmend gates photos/\n",
		},
		{
			func(r *report.Text) { r.Gate(fullGate()) },
			"gate mass-damage for store primary: 12 of 40 blobs are damaged\n    nothing is written there until a person has looked\n" +
				"    next: bitmend gates clear photos/ 7 --reason TEXT\n",
		},
	} {
		if out, _ := said(report.TextOptions{Tree: "photos/"}, c.say); out != c.want {
			t.Errorf("got\n%s\nwant\n%s", out, c.want)
		}
	}
}

func TestSummaries(t *testing.T) {
	for _, c := range []struct {
		s    report.Summary
		want string
	}{
		{
			report.Summary{Verb: "scrub", Blobs: 1200, Bytes: 70 << 20, Intact: 1200, Parity: report.ParityCount{Files: 4}, Elapsed: 3500 * time.Millisecond},
			`scrub: 1,200 blobs, 70 MiB in 3.5 s (20 MiB/s)
    1,200 intact
    4 parity files, none damaged
`,
		},
		{
			report.Summary{
				Verb: "scrub", Blobs: 1200, Bytes: 70 << 20, Intact: 1195, Damaged: 5, Repaired: 3, Skipped: 2, Elapsed: 2 * time.Hour, Exit: 4,
				Verdicts: map[finding.Verdict]int64{finding.Missing: 1, finding.Corrupt: 4}, Parity: report.ParityCount{Files: 1, Damaged: 1, Repaired: 1},
			},
			`scrub: 1,200 blobs, 70 MiB in 2 h 0 min (10 KiB/s)
    1,195 intact
        4 corrupt
        1 missing
        3 repaired
        2 skipped: sockets, devices, FIFOs
    1 parity file, 1 damaged, 1 repaired
    damage is left (exit status 4)
    next: bitmend repair t
`,
		},
		{
			report.Summary{Verb: "protect", Blobs: 3, New: 1, Changed: 1, Unchanged: 1, Exit: 96, Elapsed: time.Second},
			`protect: 3 blobs, 0 B in 1.0 s
    1 new
    1 changed
    1 unchanged
    the run was cancelled; the next one goes on; an open gate refused to write (exit status 96)
    next: bitmend gates t
`,
		},
	} {
		if out, _ := said(report.TextOptions{Tree: "t"}, func(r *report.Text) { r.Summary(c.s) }); out != c.want {
			t.Errorf("got\n%s\nwant\n%s", out, c.want)
		}
	}
}

func TestQuietSaysNothingWhenAllIsWell(t *testing.T) {
	run := func(exit int, f ...finding.Finding) (string, string) {
		return said(report.TextOptions{Quiet: true, Terminal: true}, func(r *report.Text) {
			r.Note("a new vault was made")
			r.Progress(fullProgress())
			for _, f := range f {
				r.Finding(f)
			}
			r.Summary(report.Summary{Verb: "scrub", Blobs: 1, Exit: exit})
		})
	}
	if out, err := run(0); out+err != "" {
		t.Errorf("quiet success says %q", out+err)
	}
	out, err := run(4, fullFinding())
	if !strings.Contains(out, "2024/a.raw") || !strings.Contains(out, "exit status 4") || err != "a new vault was made\n" {
		t.Errorf("quiet damage says %q and %q", out, err)
	}
	if out, err := run(8); !strings.Contains(out, "exit status 8") || err == "" {
		t.Errorf("quiet failure says %q and %q", out, err)
	}
}

func TestNothingInNamesIsObeyed(t *testing.T) {
	evil := "a\x1b]0;owned\x07\r\n\xff\u202e\u009b"
	f := fullFinding()
	f.Blob, f.Store, f.Reason, f.Lost, f.Evidence = evil, evil, evil, evil, []string{evil}
	f.Sources = []string{evil}
	out, err := said(report.TextOptions{Terminal: true, Verbose: true, Tree: evil}, func(r *report.Text) {
		r.Finding(f)
		f.Lost = ""
		r.Finding(f)
		r.Repair(report.Repair{Store: evil, Blob: evil, Outcome: report.Lost, Reason: evil, Receipt: evil, Sources: map[string]int{evil: 1}})
		r.Gate(report.Gate{Name: evil, Store: evil, Reason: evil})
		r.Note("about %s", evil)
		r.Progress(report.Progress{Verb: evil, Store: evil, Elapsed: time.Second})
		r.Summary(report.Summary{Verb: evil, Exit: 4})
	})
	for _, c := range strings.ReplaceAll(out+err, "\r\x1b[K", "") { // the line is cleared on purpose
		if c != '\n' && (c < ' ' || c >= 0x7f && c < 0xa0 || c == 0x202e || c == '\ufffd') {
			t.Fatalf("%U is written: %q", c, out+err)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(out+err), "\n") {
		if strings.HasPrefix(line, "\xff") {
			t.Errorf("a name makes a line of its own: %q", line)
		}
	}
}

func TestName(t *testing.T) {
	for name, want := range map[string]string{
		"plain/name-1.txt": "plain/name-1.txt",
		"with space":       "with space",
		"日本/ü":             "日本/ü",
		"'quoted'":         "'quoted'",
		"":                 `""`,
		" lead":            `" lead"`,
		"back\\slash":      `"back\\slash"`,
		`dou"ble`:          `"dou\"ble"`,
		"a\nb":             `"a\nb"`,
		"a\x1b[m":          `"a\x1b[m"`,
		"caf\xe9":          `"caf\xe9"`,
		"\u202egnp":        `"\u202egnp"`,
		"nb\u00a0sp":       `"nb\u00a0sp"`,
	} {
		if got := report.Name(name); got != want {
			t.Errorf("Name(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestCommandsCanBePasted(t *testing.T) {
	for tree, want := range map[string]string{
		"photos":      "photos",
		"/srv/a b":    "'/srv/a b'",
		"it's":        `'it'\''s'`,
		"$HOME":       "'$HOME'",
		"caf\xe9\n\\": `$'caf\xe9\x0a\\'`,
		"ü'\x1b":      `$'\xc3\xbc\'\x1b'`,
	} {
		out, _ := said(report.TextOptions{Tree: tree}, func(r *report.Text) {
			r.Finding(finding.Finding{Verdict: finding.Corrupt})
		})
		if !strings.Contains(out, "next: bitmend repair "+want+"\n") {
			t.Errorf("the command for %q should end with %s:\n%s", tree, want, out)
		}
	}
}

// Of many findings the first are told in full and the others in a line each:
// a screen of them is still read.
func TestManyFindings(t *testing.T) {
	for _, test := range []struct {
		verbose bool
		want    int // blocks with a next command
	}{{false, 20}, {true, 25}} {
		var out, err strings.Builder
		text := report.NewText(&out, &err, report.TextOptions{Verbose: test.verbose})
		for i := range 25 {
			text.Finding(finding.Finding{Store: "primary", Blob: fmt.Sprintf("blob-%02d", i), Verdict: finding.Missing})
		}
		if got := strings.Count(out.String(), "next: "); got != test.want {
			t.Errorf("verbose %v: %d findings in full, want %d", test.verbose, got, test.want)
		}
		for i := range 25 {
			if !strings.Contains(out.String(), fmt.Sprintf("blob-%02d\n", i)) {
				t.Errorf("verbose %v: finding %d is not told of", test.verbose, i)
			}
		}
	}
}
