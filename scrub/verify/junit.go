package verify

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"bitmend/scrub/report"
)

// JUnit is a Reporter that writes JUnit's XML, valid under the schema of Apache
// Ant's reports (JUnit.xsd of windyroad/JUnit-Schema), which is the strictest
// of those in use: one test a file, and one for each line of a list that is
// wrong. Tests are kept in a temporary file until their number is known, which
// stands before them.
type JUnit struct {
	out     io.Writer
	started time.Time
	body    *os.File
	tests   int
	failed  int
	skips   int
	notes   []string
	err     error
}

// NewJUnit returns a Reporter that writes to w.
func NewJUnit(w io.Writer) (*JUnit, error) {
	body, err := os.CreateTemp("", "bitmend-junit-*")
	if err != nil {
		return nil, fmt.Errorf("making room for the tests of a JUnit report: %w", err)
	}
	return &JUnit{out: w, started: time.Now(), body: body}, nil
}

type junitCase struct {
	XMLName xml.Name      `xml:"testcase"`
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Skipped *struct{}     `xml:"skipped,omitempty"`
	Error   *junitFailure `xml:"error,omitempty"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// noClass is the class of a test of a file that no list speaks of.
const noClass = "bitmend.verify"

// explained is how many checksums of a file a failed test shows.
const explained = 100

// Result keeps a test.
func (j *JUnit) Result(r *Result) {
	if r.Status == Warned {
		j.Note("%s", sentence(r))
		return
	}
	c := junitCase{Class: noClass, Name: report.Name(r.Path()), Time: "0"}
	if len(r.Said) > 0 {
		c.Class = report.Name(r.Said[0].List.Name)
	}
	j.tests++
	switch {
	case r.Status == NotPresent:
		c.Skipped = &struct{}{}
		j.skips++
	case r.Status.Failure():
		c.Failure = &junitFailure{Type: string(r.Status), Message: string(r.Status) + ": " + sentence(r), Text: explanation(r, explained)}
		j.failed++
	}
	j.keep(c)
}

func (j *JUnit) keep(c junitCase) {
	encoded, err := xml.Marshal(c)
	if err == nil {
		_, err = j.body.Write(append(encoded, '\n'))
	}
	if err != nil && j.err == nil {
		j.err = fmt.Errorf("keeping a test of the JUnit report: %w", err)
	}
}

// Note keeps a sentence for the end.
func (j *JUnit) Note(format string, args ...any) {
	if len(j.notes) < heldNotes {
		j.notes = append(j.notes, report.Escape(fmt.Sprintf(format, args...))+"\n")
	}
}

// Summary writes the report. A run that is not good without a failed test is
// an error of its own.
func (j *JUnit) Summary(s *Summary) {
	defer os.Remove(j.body.Name()) // a leftover in the temporary folder is no failure
	defer j.body.Close()
	errors := 0
	if s.Exit != 0 && (j.failed == 0 || s.Cancelled || s.Failed) {
		errors = 1
		j.tests++
		j.keep(junitCase{Class: noClass, Name: "the run", Time: "0", Error: &junitFailure{Type: "exit status", Message: exitText(s)}})
	}
	fmt.Fprintf(j.out, "%s<testsuites>\n<testsuite name=\"bitmend verify\" package=\"bitmend\" id=\"0\" hostname=\"localhost\" timestamp=\"%s\""+
		" tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" time=\"%.3f\">\n",
		xml.Header, j.started.UTC().Format("2006-01-02T15:04:05"), j.tests, j.failed, errors, j.skips, s.Elapsed.Seconds())
	j.properties(s)
	_, err := j.body.Seek(0, io.SeekStart)
	if err == nil {
		_, err = io.Copy(j.out, j.body)
	}
	if err != nil && j.err == nil {
		j.err = fmt.Errorf("writing the JUnit report: %w", err)
	}
	fmt.Fprintf(j.out, "<system-out>%s</system-out>\n<system-err>%s</system-err>\n</testsuite>\n</testsuites>\n",
		xmlText(tableText(s)), xmlText(strings.Join(j.notes, "")))
}

// properties writes the counts by status.
func (j *JUnit) properties(s *Summary) {
	fmt.Fprintln(j.out, "<properties>")
	for _, status := range statuses() {
		if n := s.Counts[status]; n > 0 {
			fmt.Fprintf(j.out, "<property name=\"%s\" value=\"%d\"/>\n", status, n)
		}
	}
	fmt.Fprintln(j.out, "</properties>")
}

// xmlText escapes a text that was made safe to print, with its ends of lines.
func xmlText(text string) string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\ufffd")
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// Err returns the first error in keeping the report.
func (j *JUnit) Err() error { return j.err }
