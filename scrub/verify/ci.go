package verify

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// GitHub is a Reporter that writes workflow commands, which GitHub shows on
// the file and on the line of the list ("Workflow commands for GitHub
// Actions", docs.github.com), and the table.
type GitHub struct{ Text }

// Result writes an annotation on the file, and one on each line of a list that
// speaks of it.
func (g *GitHub) Result(r *Result) {
	level := "error"
	switch {
	case r.Status == Warned:
		level = "warning"
	case !r.Status.Failure():
		return
	}
	message := string(r.Status) + ": " + sentence(r)
	if !r.line {
		g.annotate(level, r.Path(), 0, r.Status, message)
	}
	for _, s := range r.Said {
		if s.Status.Failure() || r.line {
			g.annotate(level, s.List.Name, max(1, s.Line), r.Status, message)
		}
	}
}

func (g *GitHub) annotate(level, file string, line int, status Status, message string) {
	at := "file=" + commandProperty(file)
	if line > 0 {
		at += fmt.Sprintf(",line=%d", line)
	}
	fmt.Fprintf(g.Out, "::%s %s,title=%s::%s\n", level, at, commandProperty("bitmend verify: "+string(status)), commandData(message))
}

// commandData escapes the message of a workflow command.
func commandData(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(strings.ToValidUTF8(text, "\ufffd"))
}

// commandProperty escapes a property of a workflow command.
func commandProperty(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(commandData(text))
}

// TAP is a Reporter that writes the Test Anything Protocol, version 13: one
// test a file, and one for each line that is wrong.
type TAP struct {
	Out   io.Writer
	tests int
}

// Result writes a test.
func (t *TAP) Result(r *Result) {
	if r.Status == Warned {
		fmt.Fprintf(t.Out, "# %s\n", sentence(r))
		return
	}
	t.begin()
	t.tests++
	switch {
	case r.Status == NotPresent:
		fmt.Fprintf(t.Out, "ok %d - %s # SKIP %s\n", t.tests, tapText(r.Path()), r.Status)
	case !r.Status.Failure():
		fmt.Fprintf(t.Out, "ok %d - %s\n", t.tests, tapText(r.Path()))
	default:
		fmt.Fprintf(t.Out, "not ok %d - %s\n  ---\n  status: %s\n  message: %q\n  ...\n", t.tests, tapText(r.Path()), r.Status, sentence(r))
	}
}

func (t *TAP) begin() {
	if t.tests == 0 {
		fmt.Fprintln(t.Out, "TAP version 13")
	}
}

// tapText keeps a name from being read as a directive.
func tapText(name string) string { return strings.ReplaceAll(escape(name), "#", `\#`) }

// Note writes a comment.
func (t *TAP) Note(format string, args ...any) {
	fmt.Fprintf(t.Out, "# %s\n", escape(fmt.Sprintf(format, args...)))
}

// Summary writes the plan and the counts. A run that is not good without a
// failed test bails out.
func (t *TAP) Summary(s *Summary) {
	t.begin()
	fmt.Fprintf(t.Out, "1..%d\n", t.tests)
	for line := range strings.Lines(tableText(s)) {
		fmt.Fprintf(t.Out, "# %s", line)
	}
	if s.Exit != 0 && !s.failed() {
		fmt.Fprintf(t.Out, "Bail out! exit status %d\n", s.Exit)
	}
}

func (s *Summary) failed() bool {
	for status, n := range s.Counts {
		if n > 0 && status.Failure() {
			return true
		}
	}
	return false
}

// JUnit is a Reporter that writes JUnit's XML as Jenkins and GitLab read it.
// Tests are kept in a temporary file until their number is known, which stands
// before them.
type JUnit struct {
	out    io.Writer
	body   *os.File
	tests  int
	failed int
	skips  int
	notes  []string
	err    error
}

// NewJUnit returns a Reporter that writes to w.
func NewJUnit(w io.Writer) (*JUnit, error) {
	body, err := os.CreateTemp("", "bitmend-junit-*")
	if err != nil {
		return nil, fmt.Errorf("making room for the tests of a JUnit report: %w", err)
	}
	return &JUnit{out: w, body: body}, nil
}

type junitCase struct {
	XMLName   xml.Name      `xml:"testcase"`
	Class     string        `xml:"classname,attr"`
	Name      string        `xml:"name,attr"`
	File      string        `xml:"file,attr,omitempty"`
	Failure   *junitFailure `xml:"failure,omitempty"`
	Skipped   *struct{}     `xml:"skipped,omitempty"`
	SystemOut string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Result keeps a test.
func (j *JUnit) Result(r *Result) {
	if r.Status == Warned {
		j.Note("%s", sentence(r))
		return
	}
	c := junitCase{Class: "bitmend.verify", Name: xmlText(r.Path()), File: xmlText(r.Path())}
	if len(r.Said) > 0 {
		c.Class = xmlText(r.Said[0].List.Name)
	}
	j.tests++
	switch {
	case r.Status == NotPresent:
		c.Skipped = &struct{}{}
		j.skips++
	case r.Status.Failure():
		text := xmlText(sentence(r))
		c.Failure = &junitFailure{Type: string(r.Status), Message: string(r.Status) + ": " + text, Text: text}
		j.failed++
	}
	encoded, err := xml.Marshal(c)
	if err == nil {
		_, err = j.body.Write(append(encoded, '\n'))
	}
	if err != nil && j.err == nil {
		j.err = fmt.Errorf("keeping a test of the JUnit report: %w", err)
	}
}

// xmlText makes of a name what XML may hold: any other byte becomes an escape.
func xmlText(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\t' || r == 0xfffe || r == 0xffff || unicode.Is(unicode.Cf, r) {
			b.WriteString(escape(text[:n]))
		} else {
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

// Note keeps a sentence for the end.
func (j *JUnit) Note(format string, args ...any) {
	if len(j.notes) < heldNotes {
		j.notes = append(j.notes, xmlText(fmt.Sprintf(format, args...)))
	}
}

// Summary writes the report. A run that is not good without a failed test is
// an error of its own.
func (j *JUnit) Summary(s *Summary) {
	defer os.Remove(j.body.Name()) // a leftover in the temporary folder is no failure
	defer j.body.Close()
	errors := 0
	if s.Exit != 0 && j.failed == 0 {
		errors = 1
	}
	fmt.Fprintf(j.out, "%s<testsuites>\n<testsuite name=\"bitmend verify\" tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" time=\"%.3f\">\n",
		xml.Header, j.tests+errors, j.failed, errors, j.skips, s.Elapsed.Seconds())
	_, err := j.body.Seek(0, io.SeekStart)
	if err == nil {
		_, err = io.Copy(j.out, j.body)
	}
	if err != nil && j.err == nil {
		j.err = fmt.Errorf("writing the JUnit report: %w", err)
	}
	if errors > 0 {
		fmt.Fprintf(j.out, "<testcase classname=\"bitmend.verify\" name=\"the run\"><error message=\"exit status %d\"/></testcase>\n", s.Exit)
	}
	fmt.Fprint(j.out, "<system-out>")
	xml.EscapeText(j.out, []byte(xmlText(strings.Join(append(j.notes, tableText(s)), "\n")))) // as any write, looked at by Err
	fmt.Fprint(j.out, "</system-out>\n</testsuite>\n</testsuites>\n")
}

// Err returns the first error in keeping or writing the report.
func (j *JUnit) Err() error { return j.err }
