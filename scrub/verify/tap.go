package verify

import (
	"fmt"
	"io"
	"strings"

	"bitmend/scrub/report"
)

// TAP is a Reporter that writes the Test Anything Protocol, version 14
// (testanything.org): one test a file, and one for each line of a list that is
// wrong.
type TAP struct {
	Out   io.Writer
	begun bool
	tests int
}

// Result writes a test.
func (t *TAP) Result(r *Result) {
	if r.Status == Warned {
		t.Note("%s", sentence(r))
		return
	}
	t.begin()
	t.tests++
	name := tapText(report.Name(r.Path()))
	switch {
	case r.Status == NotPresent:
		fmt.Fprintf(t.Out, "ok %d - %s # SKIP %s\n", t.tests, name, r.Status)
	case !r.Status.Failure():
		fmt.Fprintf(t.Out, "ok %d - %s\n", t.tests, name)
	default:
		fmt.Fprintf(t.Out, "not ok %d - %s\n%s", t.tests, name, diagnostic(r))
	}
}

// diagnostic is what follows a failed test, in YAML. Strings are quoted as Go
// does, which is how YAML reads them when they hold nothing but ASCII escapes.
func diagnostic(r *Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  ---\n  message: %q\n  status: %s\n", sentence(r), r.Status)
	if r.Diagnosis != "" {
		fmt.Fprintf(&b, "  diagnosis: %s\n", r.Diagnosis)
	}
	if len(r.Said) > 0 {
		fmt.Fprintf(&b, "  at:\n    file: %q\n", report.Escape(r.Said[0].List.Name))
		if line := r.Said[0].Line; line > 0 {
			fmt.Fprintf(&b, "    line: %d\n", line)
		}
	}
	b.WriteString("  ...\n")
	return b.String()
}

// begin writes what must be the first line.
func (t *TAP) begin() {
	if !t.begun {
		t.begun = true
		fmt.Fprintln(t.Out, "TAP version 14")
	}
}

// tapText keeps a description from being read as a directive.
func tapText(text string) string {
	return strings.NewReplacer(`\`, `\\`, "#", `\#`).Replace(text)
}

// Note writes a comment.
func (t *TAP) Note(format string, args ...any) {
	t.begin()
	fmt.Fprintf(t.Out, "# %s\n", report.Escape(fmt.Sprintf(format, args...)))
}

// Summary writes the plan and the counts. A run that is not good without a
// failed test is a failed test of its own: a plan of none would be a success.
func (t *TAP) Summary(s *Summary) {
	t.begin()
	if s.Exit != 0 && !s.failed() {
		t.tests++
		fmt.Fprintf(t.Out, "not ok %d - the run\n  ---\n  message: %q\n  ...\n", t.tests, exitText(s))
	}
	fmt.Fprintf(t.Out, "1..%d\n", t.tests)
	for line := range strings.Lines(tableText(s)) {
		fmt.Fprintf(t.Out, "# %s", line)
	}
	if s.Cancelled || s.Failed {
		fmt.Fprintf(t.Out, "Bail out! %s\n", exitText(s))
	}
}
