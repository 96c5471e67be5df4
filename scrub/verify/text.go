package verify

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"bitmend/hashsets/manifest"
	"bitmend/scrub/report"
)

// Text is a Reporter for people: a line for each problem, and at the end a
// table by list and status.
type Text struct {
	Out, Err io.Writer
	Quiet    bool // say nothing at all when all is well
	Verbose  bool // name the good files too

	held []string // notes, until something is wrong
}

// Result writes a line for what is wrong or strange.
func (t *Text) Result(r *Result) {
	if r.Status == OK && !t.Verbose || r.Status == NotPresent && !t.Verbose {
		return
	}
	if r.Status == SizeOnly && !t.Verbose {
		return
	}
	line := fmt.Sprintf("%-14s %s\n", r.Status, sentence(r))
	if !r.Status.Failure() {
		t.note(line)
		return
	}
	t.release()
	fmt.Fprint(t.Out, line)
}

// Note writes a sentence to Err; when quiet only once something is wrong.
func (t *Text) Note(format string, args ...any) {
	t.note(escape(fmt.Sprintf(format, args...)) + "\n")
}

// heldNotes bounds the notes that are held back.
const heldNotes = 100

func (t *Text) note(line string) {
	if !t.Quiet {
		fmt.Fprint(t.Err, line)
	} else if len(t.held) < heldNotes {
		t.held = append(t.held, line)
	}
}

func (t *Text) release() {
	for _, line := range t.held {
		fmt.Fprint(t.Err, line)
	}
	t.held = nil
}

// Summary writes the table.
func (t *Text) Summary(s *Summary) {
	if t.Quiet && s.Exit == int(report.ExitClean) {
		return
	}
	t.release()
	fmt.Fprint(t.Out, tableText(s))
}

// sentence says what is wrong with a file, in one line.
func sentence(r *Result) string {
	var b strings.Builder
	where := whereListed(r)
	switch {
	case r.line && len(r.Said) > 0 && r.Path() == r.Said[0].List.Name:
		b.WriteString(where)
	case where == "":
		b.WriteString(report.Name(r.Path()))
	default:
		b.WriteString(report.Name(r.Path()) + " (" + where + ")")
	}
	var words []string
	if r.Reason != "" {
		words = append(words, r.Reason)
	}
	words = append(words, r.Evidence...)
	switch r.Status {
	case Bad:
		for _, d := range r.mismatches() {
			words = append(words, fmt.Sprintf("%s is %s, recorded %s", d.Algorithm, brief(d.Computed), brief(d.Sum)))
		}
	case Conflict:
		words = append(words, agreement(r))
	case Unsupported:
		for _, s := range r.Said {
			for _, d := range s.Digests {
				if d.Computed == nil {
					words = append(words, fmt.Sprintf("%s cannot be computed", d.Algorithm))
				}
			}
		}
	case Extra:
		words = append(words, "no list covers it")
	}
	words = slices.DeleteFunc(slices.Compact(words), func(w string) bool { return w == "" })
	if len(words) > 0 {
		b.WriteString(": " + escape(strings.Join(words, "; ")))
	}
	return b.String()
}

// agreement says which checksums match and which do not.
func agreement(r *Result) string {
	var good, bad []string
	for _, s := range r.Said {
		for _, d := range s.Digests {
			name := string(d.Algorithm)
			switch {
			case d.Matches && !slices.Contains(good, name):
				good = append(good, name)
			case d.Computed != nil && !d.Matches && !slices.Contains(bad, name):
				bad = append(bad, name)
			}
		}
		if s.Size >= 0 && s.Size != r.Size && !slices.Contains(bad, "the size") {
			bad = append(bad, "the size")
		}
	}
	if len(good)+len(bad) == 0 {
		return ""
	}
	return fmt.Sprintf("%s as recorded, and another record says otherwise: %s", strings.Join(good, ", "), strings.Join(bad, ", "))
}

// brief shortens a digest to what tells two apart.
func brief(sum []byte) string {
	text := hex.EncodeToString(sum)
	if len(text) > 16 {
		return text[:16] + "…"
	}
	return text
}

// whereListed names the lists, with lines, that speak of a file.
func whereListed(r *Result) string {
	const most = 3
	var words []string
	for _, s := range r.Said {
		if r.Status != s.Status && len(words) > 0 {
			continue
		}
		if len(words) == most {
			words = append(words, "…")
			break
		}
		word := report.Name(s.List.Name)
		if s.Line > 0 {
			word += fmt.Sprintf(":%d", s.Line)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// shownLists is how many lists in which all is well get a line in the table.
const shownLists = 20

// tableText is the table of a summary: lists down, statuses across.
func tableText(s *Summary) string {
	var shown []Status
	for _, status := range statuses() {
		if s.Counts[status] > 0 {
			shown = append(shown, status)
		}
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, counts map[Status]int64) {
		fmt.Fprintf(w, "%s\t%s", name, format)
		for _, status := range shown {
			n := "-"
			if counts[status] > 0 {
				n = humanize.Comma(counts[status])
			}
			fmt.Fprintf(w, "\t%s", n)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "LIST\tFORMAT")
	for _, status := range shown {
		fmt.Fprintf(w, "\t%s", strings.ToUpper(string(status)))
	}
	fmt.Fprintln(w)
	rest := &List{Counts: map[Status]int64{}}
	others, well := 0, 0
	for _, l := range s.Lists {
		if l.troubled() || well < shownLists {
			row(report.Name(l.Name), string(l.Format), l.Counts)
			if !l.troubled() {
				well++
			}
			continue
		}
		others++
		for status, n := range l.Counts {
			rest.Counts[status] += n
		}
	}
	if others > 0 {
		row(fmt.Sprintf("%d more", others), "", rest.Counts)
	}
	if s.Counts[Extra] > 0 {
		row("in no list", "", map[Status]int64{Extra: s.Counts[Extra]})
	}
	if len(s.Lists) > 0 {
		w.Flush() // into memory
	}
	fmt.Fprintf(&b, "%s, %s, %s read in %.1f s\n", plural(int64(len(s.Lists)), "list"), plural(s.Blobs, "file"),
		humanize.IBytes(uint64(s.Bytes)), s.Elapsed.Seconds())
	if s.Exit != int(report.ExitClean) {
		fmt.Fprintf(&b, "%s (exit status %d)\n", report.Exit(s.Exit), s.Exit)
	}
	return b.String()
}

func (l *List) troubled() bool {
	for status, n := range l.Counts {
		if n > 0 && status.Failure() {
			return true
		}
	}
	return false
}

func plural(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return humanize.Comma(n) + " " + thing
}

// escape makes a sentence safe to print: a list is not to be trusted.
func escape(text string) string {
	quoted := fmt.Sprintf("%q", text)
	if len(quoted) == len(text)+2 {
		return text
	}
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// Explain is a Reporter that shows every checksum that is known of the files
// it is told of, from which list, and what it says.
type Explain struct{ Text }

// Result writes all that is known of a file.
func (t *Explain) Result(r *Result) {
	if r.line {
		t.Text.Result(r)
		return
	}
	fmt.Fprintf(t.Out, "%s: %s, %s\n", report.Name(r.Path()), r.Status, plural(r.Size, "byte"))
	for _, sentence := range append([]string{r.Reason}, r.Evidence...) {
		if sentence != "" {
			fmt.Fprintf(t.Out, "    %s\n", escape(sentence))
		}
	}
	w := tabwriter.NewWriter(t.Out, 0, 0, 2, ' ', 0)
	for _, s := range r.Said {
		where := report.Name(s.List.Name)
		if s.Line > 0 {
			where += fmt.Sprintf(":%d", s.Line)
		}
		if s.Size != manifest.NoSize {
			fmt.Fprintf(w, "    size\t%d\t%s\t%s\n", s.Size, verdictOf(s.Size == r.Size || r.Status == Missing, r), where)
		}
		for _, d := range s.Digests {
			verdict := verdictOf(d.Matches, r)
			if d.Computed == nil && r.Read > 0 {
				verdict = "cannot be computed"
			}
			guessed := ""
			if d.Guessed {
				guessed = " (algorithm guessed)"
			}
			fmt.Fprintf(w, "    %s\t%x\t%s\t%s%s\n", d.Algorithm, d.Sum, verdict, where, guessed)
			if d.Computed != nil && !d.Matches {
				fmt.Fprintf(w, "    \t%x\tcomputed\t\n", d.Computed)
			}
		}
	}
	w.Flush() // an error in writing shows in the next write
}

func verdictOf(matches bool, r *Result) string {
	switch {
	case r.Status == Missing || r.Status == NotPresent || r.Status == Unreadable || r.Status == UnsafePath:
		return "not checked"
	case matches:
		return "matches"
	}
	return "DIFFERS"
}
