package report_test

import (
	"strings"
	"testing"

	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

func TestExitOf(t *testing.T) {
	verdicts := func(v finding.Verdict) map[finding.Verdict]int64 { return map[finding.Verdict]int64{v: 1} }
	for name, c := range map[string]struct {
		s    report.Summary
		want report.Exit
	}{
		"all intact":                   {report.Summary{Verb: "scrub", Blobs: 3, Intact: 3}, 0},
		"nothing checked":              {report.Summary{Verb: "scrub"}, 2},
		"nothing to repair":            {report.Summary{Verb: "repair"}, 0},
		"a FIFO was skipped":           {report.Summary{Verb: "scrub", Blobs: 3, Skipped: 1}, 0},
		"damage left":                  {report.Summary{Verb: "scrub", Blobs: 3, Damaged: 1, Verdicts: verdicts(finding.Corrupt)}, 4},
		"all repaired":                 {report.Summary{Verb: "scrub", Blobs: 3, Damaged: 2, Repaired: 2}, 1},
		"some repaired":                {report.Summary{Verb: "scrub", Blobs: 3, Damaged: 2, Repaired: 1}, 4},
		"repaired and lost":            {report.Summary{Verb: "repair", Blobs: 3, Damaged: 2, Repaired: 1, Lost: 1}, 4},
		"damage of an earlier run":     {report.Summary{Verb: "scrub", Blobs: 3, Of: 9, Standing: 1}, 4},
		"which was repaired":           {report.Summary{Verb: "scrub", Blobs: 3, Of: 9, Standing: 1, Repaired: 1}, 1},
		"overdue":                      {report.Summary{Verb: "scrub", Blobs: 3, Overdue: 1}, 2},
		"nothing due":                  {report.Summary{Verb: "scrub", Of: 9, NothingDue: true}, 0},
		"nothing due of nothing":       {report.Summary{Verb: "scrub", NothingDue: true}, 2},
		"left for the next run":        {report.Summary{Verb: "protect", Blobs: 3, Deferred: 1}, 2},
		"due and not looked at":        {report.Summary{Verb: "scrub", Of: 9}, 2},
		"lost before":                  {report.Summary{Verb: "status", Blobs: 3, Lost: 1}, 4},
		"parity damaged":               {report.Summary{Verb: "scrub", Blobs: 3, Parity: report.ParityCount{Files: 4, Damaged: 1}}, 4},
		"parity repaired":              {report.Summary{Verb: "scrub", Blobs: 3, Parity: report.ParityCount{Files: 4, Damaged: 1, Repaired: 1}}, 1},
		"blob repaired, parity not":    {report.Summary{Verb: "scrub", Blobs: 3, Damaged: 1, Repaired: 1, Parity: report.ParityCount{Damaged: 1}}, 4},
		"parity repaired, blob not":    {report.Summary{Verb: "scrub", Blobs: 3, Damaged: 1, Parity: report.ParityCount{Damaged: 1, Repaired: 1}}, 4},
		"modified":                     {report.Summary{Blobs: 3, Verdicts: verdicts(finding.Modified)}, 2},
		"unrecorded":                   {report.Summary{Blobs: 3, Verdicts: verdicts(finding.Unrecorded)}, 2},
		"undecided":                    {report.Summary{Blobs: 3, Verdicts: verdicts(finding.Undecided)}, 2},
		"unverifiable":                 {report.Summary{Blobs: 3, Verdicts: verdicts(finding.Unverifiable)}, 2},
		"busy":                         {report.Summary{Blobs: 3, Verdicts: verdicts(finding.Busy)}, 2},
		"flaky":                        {report.Summary{Blobs: 3, Verdicts: verdicts(finding.Flaky)}, 2},
		"none modified after all":      {report.Summary{Blobs: 3, Verdicts: map[finding.Verdict]int64{finding.Modified: 0}}, 0},
		"intact among the verdicts":    {report.Summary{Blobs: 3, Verdicts: verdicts(finding.Intact)}, 2}, // no verdict of a summary
		"an error of the host":         {report.Summary{Blobs: 3, Unchecked: 1}, 2},
		"failed":                       {report.Summary{Blobs: 3, Failed: true}, 8},
		"cancelled":                    {report.Summary{Blobs: 3, Cancelled: true}, 32},
		"cancelled before the first":   {report.Summary{Verb: "scrub", Cancelled: true}, 32},
		"refused":                      {report.Summary{Blobs: 3, Damaged: 1, Refused: true}, 68},
		"repaired, one not vouched":    {report.Summary{Blobs: 3, Damaged: 1, Repaired: 1, Verdicts: verdicts(finding.Busy)}, 3},
		"damage left and not vouched":  {report.Summary{Blobs: 3, Damaged: 1, Unchecked: 1}, 6},
		"everything at once":           {report.Summary{Blobs: 3, Damaged: 1, Unchecked: 1, Failed: true, Cancelled: true, Refused: true}, 110},
		"store unreachable":            {report.Summary{Verb: "scrub", Failed: true}, 8},
		"more repaired than was found": {report.Summary{Blobs: 3, Damaged: 1, Repaired: 2}, 1},
	} {
		if got := report.ExitOf(c.s); got != c.want {
			t.Errorf("%s: exit status %d, want %d", name, got, c.want)
		}
	}
}

func TestTheBitsAreThoseOfTheDocumentation(t *testing.T) {
	for bit, want := range map[report.Exit]int{
		report.ExitClean: 0, report.ExitRepaired: 1, report.ExitCannotVouch: 2, report.ExitDamageLeft: 4,
		report.ExitOperational: 8, report.ExitUsage: 16, report.ExitCancelled: 32, report.ExitRefused: 64,
	} {
		if int(bit) != want {
			t.Errorf("%s is %d, want %d", bit, bit, want)
		}
	}
	said := (report.ExitDamageLeft | report.ExitCancelled).String()
	if !strings.Contains(said, "damage is left") || !strings.Contains(said, "cancelled") {
		t.Errorf("exit status 36 is said as %q", said)
	}
}
