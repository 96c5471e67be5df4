package verify_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"bitmend/scrub/report/eventschema"
	"bitmend/scrub/verify"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hostile are names that a terminal, a workflow runner, an XML parser or a test
// harness could take for something else.
func hostile() []string {
	return []string{
		"a,b:c%d.txt", "new\nline.txt", "cr\r::error::x.txt", "esc\x1b[31mred.txt", "bad\xffutf.txt", "#hash # TODO x", // the last one as a directive of TAP
		"<xml>&\"q'.txt", "rtl\u202egpj.exe", "::error file=x::pwn", "##[error]pwn", " lead and trail ", `back\slash`,
		"]]>cdata", "c1\u0085x", "del\x7f", "日本語.txt", "nonchar\uffff", "Bail out! now",
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Skipf("this file system has no such name %q: %v", name, err)
	}
}

// sumLine is a line of sha256sum for a name and a content.
func sumLine(name, content string) string {
	sum := sha256.Sum256([]byte(content))
	escaped := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
	mark := ""
	if escaped != name {
		mark = `\`
	}
	return mark + hex.EncodeToString(sum[:]) + "  " + escaped + "\n"
}

// hostileTree has every status that verify knows, under hostile names. It
// makes the tree the working directory.
func hostileTree(t *testing.T) {
	t.Chdir(t.TempDir())
	var list strings.Builder
	for i, name := range hostile() {
		write(t, name, "content\n")
		switch i % 3 {
		case 0:
			list.WriteString(sumLine(name, "other\n"))
		case 1:
			list.WriteString(sumLine(name, "content\n"))
		case 2:
			list.WriteString(sumLine(name+".missing", "content\n")) // and the file is extra
		}
	}
	list.WriteString("this is \x1b[31m no line\n")
	list.WriteString(sumLine("../outside\x1b.txt", "x"))
	list.WriteString(sumLine("C:\\outside.txt", "x"))
	list.WriteString("HMAC-SHA256(twice.txt)= " + strings.Repeat("00", 32) + "\n")
	list.WriteString(sumLine("twice.txt", "content\n") + sumLine("twice.txt", "content\n"))
	list.WriteString(sumLine("folder", "x"))
	write(t, "twice.txt", "content\n")
	write(t, "folder/in", "x")
	write(t, "SHA256SUMS", list.String())
	write(t, "::warning::list.sha256", sumLine("a,b:c%d.txt", "content\n"))
	write(t, "##[group]two.sha256", sumLine("a,b:c%d.txt", "content\n")+sumLine("conflict.txt", "content\n"))
	write(t, "stale.md5", "00000000000000000000000000000000  conflict.txt\n")
	write(t, "conflict.txt", "content\n")
}

// formats are the Reporters, by the name of their format.
func formats(t *testing.T, out io.Writer) map[string]verify.Reporter {
	t.Setenv("TMPDIR", t.TempDir()) // what those keep that nobody ends
	junit, err := verify.NewJUnit(out)
	if err != nil {
		t.Fatal(err)
	}
	text := verify.Text{Out: out, Err: out}
	return map[string]verify.Reporter{
		"text": &text, "github": verify.NewGitHub(text, ""), "junit": junit, "tap": &verify.TAP{Out: out}, "json": verify.NewJSON(out),
		"explain": &verify.Explain{Text: text},
	}
}

// say runs verify and returns what a format says, and the summary.
func say(t *testing.T, format string, opts verify.Options) (string, *verify.Summary) {
	t.Helper()
	var out bytes.Buffer
	rep := formats(t, &out)[format]
	sum, err := verify.Run(context.Background(), opts, rep)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), sum
}

var notFixed = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`read in [0-9.]+ s`), "read in 0.0 s"},
	{regexp.MustCompile(` time="[0-9.]+">`), ` time="0.000">`},
	{regexp.MustCompile(`timestamp="[-0-9T:]+"`), `timestamp="2026-01-02T03:04:05"`},
	{regexp.MustCompile(`{"event":"summary".*`), `the summary, which other verbs have fields in too`},
}

func TestEveryFormatIsAsItWas(t *testing.T) {
	golden, err := filepath.Abs("testdata/formats")
	if err != nil {
		t.Fatal(err)
	}
	hostileTree(t)
	for _, format := range slices.Sorted(maps.Keys(formats(t, io.Discard))) {
		got, _ := say(t, format, verify.Options{})
		for _, f := range notFixed {
			got = f.pattern.ReplaceAllString(got, f.instead)
		}
		file := filepath.Join(golden, format+".golden")
		if *update {
			write(t, file, got)
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not as in %s (go test ./scrub/verify -update writes it anew):\n%s", format, filepath.Base(file), firstDifference(got, string(want)))
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n got %q\nwant %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// No format writes what a terminal obeys, nor bytes that are no UTF-8.
func TestNoFormatWritesWhatATerminalObeys(t *testing.T) {
	hostileTree(t)
	for format := range formats(t, io.Discard) {
		got, _ := say(t, format, verify.Options{})
		if !utf8.ValidString(got) {
			t.Errorf("%s is not UTF-8", format)
		}
		for _, line := range strings.Split(got, "\n") {
			if strings.ContainsFunc(line, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf) }) {
				t.Errorf("%s: %q", format, line)
			}
		}
	}
}

// The same run comes to the same counts in every format.
func TestEveryFormatCountsTheSame(t *testing.T) {
	hostileTree(t)
	counts := map[string]func(t *testing.T, said string) map[string]int64{
		"text": tableCounts, "github": tableCounts, "explain": tableCounts,
		"tap": func(t *testing.T, said string) map[string]int64 {
			return tableCounts(t, strings.ReplaceAll(said, "\n# ", "\n"))
		},
		"junit": junitCounts, "json": jsonCounts,
	}
	for format := range formats(t, io.Discard) {
		said, sum := say(t, format, verify.Options{})
		want := map[string]int64{}
		for status, n := range sum.Counts {
			want[string(status)] = n
		}
		if len(want) < 8 {
			t.Fatalf("the tree has only %v", want)
		}
		if got := counts[format](t, said); !maps.Equal(got, want) {
			t.Errorf("%s counts %v, want %v", format, got, want)
		}
	}
}

// tableCounts reads the row "all", which is a table or, where that would be
// wider than 80 columns, a list.
func tableCounts(t *testing.T, said string) map[string]int64 {
	t.Helper()
	counts := map[string]int64{}
	_, rows, _ := strings.Cut(said, "\nall\n")
	for _, line := range strings.Split(rows, "\n") {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			break
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		counts[fields[1]] = n
	}
	return counts
}

func junitCounts(t *testing.T, said string) map[string]int64 {
	t.Helper()
	var suites junitSuites
	if err := xml.Unmarshal([]byte(said), &suites); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, p := range suites.Suite.Properties {
		counts[p.Name] = p.Value
	}
	return counts
}

func jsonCounts(t *testing.T, said string) map[string]int64 {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(said), "\n")
	var summary struct {
		Event    string
		Statuses map[string]int64
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &summary); err != nil || summary.Event != "summary" {
		t.Fatalf("the last line is no summary: %v", err)
	}
	return summary.Statuses
}

func TestJSONKeepsToTheSchema(t *testing.T) {
	schema, err := eventschema.Read("../report/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	hostileTree(t)
	said, _ := say(t, "json", verify.Options{})
	for line := range strings.Lines(said) {
		if err := schema.Check([]byte(line)); err != nil {
			t.Errorf("%v\nin %s", err, line)
		}
	}
}

// junitSuites is a report as its schema has it.
type junitSuites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suite   struct {
		Tests      int `xml:"tests,attr"`
		Failures   int `xml:"failures,attr"`
		Errors     int `xml:"errors,attr"`
		Skipped    int `xml:"skipped,attr"`
		Properties []struct {
			Name  string `xml:"name,attr"`
			Value int64  `xml:"value,attr"`
		} `xml:"properties>property"`
		Cases []struct {
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// What the schema of JUnit reports (JUnit.xsd) asks for: elements in this
// order, with these attributes and no others.
var junitElements = map[string]string{
	"testsuites": "",
	"testsuite":  "errors failures hostname id name package skipped tests time timestamp",
	"properties": "", "property": "name value",
	"testcase": "classname name time",
	"failure":  "message type", "error": "message type", "skipped": "",
	"system-out": "", "system-err": "",
}

func TestJUnitKeepsToItsSchema(t *testing.T) {
	hostileTree(t)
	for name, opts := range map[string]verify.Options{
		"hostile": {}, "absent": {Paths: []string{"SHA256SUMS"}, IgnoreMissing: true}, "nothing": {Paths: []string{"folder"}},
	} {
		said, sum := say(t, "junit", opts)
		var order []string
		for decoder := xml.NewDecoder(strings.NewReader(said)); ; {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			start, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			var attributes []string
			for _, a := range start.Attr {
				attributes = append(attributes, a.Name.Local)
			}
			slices.Sort(attributes)
			want, known := junitElements[start.Name.Local]
			if !known || strings.Join(attributes, " ") != want {
				t.Errorf("%s: <%s> has attributes %v, want %s", name, start.Name.Local, attributes, want)
			}
			order = append(order, start.Name.Local)
		}
		pattern := `^testsuites testsuite properties( property)*( testcase( failure| error| skipped)?)* system-out system-err$`
		if !regexp.MustCompile(pattern).MatchString(strings.Join(order, " ")) {
			t.Errorf("%s: the order of elements is %v", name, order)
		}
		var suites junitSuites
		if err := xml.Unmarshal([]byte(said), &suites); err != nil {
			t.Fatal(err)
		}
		failures, wrong, skipped := 0, 0, 0
		for _, c := range suites.Suite.Cases {
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				wrong++
			}
			if c.Skipped != nil {
				skipped++
			}
		}
		s := suites.Suite
		if s.Tests != len(s.Cases) || s.Failures != failures || s.Errors != wrong || s.Skipped != skipped {
			t.Errorf("%s: it says %d tests, %d failures, %d errors, %d skipped and has %d, %d, %d, %d", name,
				s.Tests, s.Failures, s.Errors, s.Skipped, len(s.Cases), failures, wrong, skipped)
		}
		if absent := int(sum.Counts[verify.NotPresent]); skipped != absent || name == "absent" && absent == 0 {
			t.Errorf("%s: %d skipped, and %d are not there", name, skipped, absent)
		}
		if (sum.Exit == 0) != (failures+wrong == 0) {
			t.Errorf("%s: exit status %d with %d failures and %d errors", name, sum.Exit, failures, wrong)
		}
	}
}

// readTAP reads a report as a harness does: it returns how many tests passed
// and failed.
func readTAP(t *testing.T, said string) (passed, failed int) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(said, "\n"), "\n")
	if lines[0] != "TAP version 14" {
		t.Errorf("the first line is %q", lines[0])
	}
	test := regexp.MustCompile(`^(not )?ok (\d+) - (?:[^\\#]|\\[\\#])*( # SKIP .*)?$`)
	plan, yaml := -1, false
	for i, line := range lines[1:] {
		m := test.FindStringSubmatch(line)
		switch {
		case yaml:
			yaml = line != "  ..."
		case line == "  ---":
			yaml = true
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "Bail out! "):
		case strings.HasPrefix(line, "1.."):
			if plan >= 0 {
				t.Error("there are two plans")
			}
			fmt.Sscanf(line, "1..%d", &plan)
		case m == nil || plan >= 0:
			t.Errorf("line %d is no TAP: %q", i+2, line)
		default:
			if m[1] != "" {
				failed++
			} else {
				passed++
			}
			if m[2] != strconv.Itoa(passed+failed) {
				t.Errorf("test %d has the number %s", passed+failed, m[2])
			}
		}
	}
	if plan != passed+failed {
		t.Errorf("the plan is %d, and there are %d tests", plan, passed+failed)
	}
	return passed, failed
}

func TestTAPIsReadAsItIsMeant(t *testing.T) {
	hostileTree(t)
	said, sum := say(t, "tap", verify.Options{})
	if passed, failed := readTAP(t, said); passed == 0 || failed == 0 || sum.Exit == 0 {
		t.Errorf("%d passed, %d failed, exit status %d", passed, failed, sum.Exit)
	}
	said, sum = say(t, "tap", verify.Options{Paths: []string{"folder"}})
	if _, failed := readTAP(t, said); failed != 1 || sum.Exit != 2 {
		t.Errorf("nothing checked: %d failed, exit status %d\n%s", failed, sum.Exit, said)
	}
}

// GitHub's runner finds no other commands than those that are meant: it looks
// for "::" at the beginning of a line, and for "##[" anywhere in it.
func TestNoNameIsAWorkflowCommand(t *testing.T) {
	hostileTree(t)
	said, sum := say(t, "github", verify.Options{})
	ours := regexp.MustCompile(`^::(error|warning) file=[^:,]*(,line=\d+)?,title=bitmend verify%3A [a-z-]+::`)
	commands := 0
	for line := range strings.Lines(said) {
		switch isCommand := strings.HasPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::"); {
		case isCommand && !ours.MatchString(line):
			t.Errorf("a name is a command: %q", line)
		case isCommand:
			commands++
		case strings.Contains(line, "##["):
			t.Errorf("a name is a command of old: %q", line)
		}
	}
	if int64(commands) < sum.Counts[verify.Bad]+sum.Counts[verify.Extra] {
		t.Errorf("%d annotations for %v", commands, sum.Counts)
	}
	for _, want := range []string{
		"::error file=##[error]pwn,title=", // within a command the runner looks for no other
		"::error file=a%2Cb%3Ac%25d.txt,title=",
		"::error file=SHA256SUMS,line=19,title=bitmend verify%3A malformed-line::",
		"\n" + `\x3a:warning::list.sha256`,
		"\n" + `#\x23[group]two.sha256`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

// An annotation is on the path as the repository has it.
func TestAnnotationsAreBelowTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "SHA256SUMS", sumLine("a", "x"))
	var out bytes.Buffer
	rep := verify.NewGitHub(verify.Text{Out: &out, Err: &out}, "sub/module")
	if _, err := verify.Run(context.Background(), verify.Options{}, rep); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"::error file=sub/module/a,title=", "::error file=sub/module/SHA256SUMS,line=1,"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %s in\n%s", want, &out)
		}
	}
}

// The table keeps to 80 columns whatever lists are called, and a long run of
// good lists to a few lines.
func TestTheTableIsNarrow(t *testing.T) {
	t.Chdir(t.TempDir())
	for i := range 30 {
		dir := fmt.Sprintf("%s/%02d", strings.Repeat("long-", 20), i)
		write(t, dir+"/a", "x")
		write(t, dir+"/SHA256SUMS", sumLine("a", "x"))
	}
	said, _ := say(t, "text", verify.Options{})
	lines := strings.Split(said, "\n")
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("%d columns: %s", utf8.RuneCountInString(line), line)
		}
	}
	if len(lines) > 26 || !strings.Contains(said, "10 more") || !strings.Contains(said, "/07/SHA256SUMS") {
		t.Errorf("%d lines:\n%s", len(lines), said)
	}
}
