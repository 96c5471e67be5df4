package verify

import (
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"

	"bitmend/scrub/report"
)

// GitHub is a Reporter that writes workflow commands, which GitHub shows on
// the file and on the line of the list ("Workflow commands for GitHub
// Actions", docs.github.com), and the table.
//
// GitHub shows 10 errors of a step. So those on files come first, as they are
// found, and those on the lines of lists, which say the same, at the end.
type GitHub struct {
	text   Text
	out    io.Writer
	folder string
	lines  []string // annotations on lines of lists
}

// shownAnnotations is how many annotations GitHub shows of a run.
const shownAnnotations = 50

// NewGitHub returns a Reporter that writes as text does. folder is the working
// directory as seen from the top of the repository, "" for the top.
func NewGitHub(text Text, folder string) *GitHub {
	g := &GitHub{text: text, out: text.Out, folder: folder}
	g.text.Out, g.text.Err = noCommands{text.Out}, noCommands{text.Err}
	return g
}

// Result writes an annotation on the file, and keeps one on each line of a list
// that speaks of it.
func (g *GitHub) Result(r *Result) {
	level := "error"
	switch {
	case r.Status == Warned:
		level = "warning"
	case !r.Status.Failure():
		g.text.Result(r) // of interest when verbose
		return
	}
	message := string(r.Status) + ": " + sentence(r)
	if !r.line {
		fmt.Fprint(g.out, g.annotation(level, r.Path(), 0, r.Status, message))
	}
	for _, s := range r.Said {
		switch line := g.annotation(level, s.List.Name, max(1, s.Line), r.Status, message); {
		case r.line:
			fmt.Fprint(g.out, line)
		case s.Status.Failure() && len(g.lines) < shownAnnotations:
			g.lines = append(g.lines, line)
		}
	}
}

// Note writes a sentence for the log.
func (g *GitHub) Note(format string, args ...any) { g.text.Note(format, args...) }

// Summary writes the annotations on lists, and the table.
func (g *GitHub) Summary(s *Summary) {
	for _, line := range g.lines {
		fmt.Fprint(g.out, line)
	}
	g.text.Summary(s)
}

func (g *GitHub) annotation(level, file string, line int, status Status, message string) string {
	at := "file=" + commandProperty(g.inRepository(file))
	if line > 0 {
		at += fmt.Sprintf(",line=%d", line)
	}
	return fmt.Sprintf("::%s %s,title=%s::%s\n", level, at, commandProperty("bitmend verify: "+string(status)), commandData(message))
}

// inRepository is the path that GitHub knows a file by. A name that a terminal
// would obey is escaped, and then shown on no file.
func (g *GitHub) inRepository(file string) string {
	if g.folder != "" && !path.IsAbs(file) {
		file = g.folder + "/" + file
	}
	return report.Escape(file)
}

// commandData escapes the message of a workflow command.
func commandData(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(strings.ToValidUTF8(text, "\ufffd"))
}

// commandProperty escapes a property of a workflow command.
func commandProperty(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(commandData(text))
}

// noCommands writes whole lines in which GitHub's runner finds no command: it
// takes one from "::" at the beginning of a line, and from "##[" anywhere
// (ActionCommand.cs of actions/runner). Names in a list are not to be trusted.
type noCommands struct{ to io.Writer }

func (n noCommands) Write(p []byte) (int, error) {
	var b strings.Builder
	for line := range strings.Lines(string(p)) {
		text := strings.TrimLeftFunc(line, unicode.IsSpace)
		if rest, ok := strings.CutPrefix(text, "::"); ok {
			line = line[:len(line)-len(text)] + `\x3a:` + rest
		}
		b.WriteString(strings.ReplaceAll(line, "##[", `#\x23[`))
	}
	if _, err := io.WriteString(n.to, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}
