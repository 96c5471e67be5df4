package verify

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

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
	switch r.Status {
	case OK, NotPresent, SizeOnly:
		if !t.Verbose {
			return
		}
	}
	line := fmt.Sprintf("%-8s %s\n", r.Status, sentence(r))
	if !r.Status.Failure() {
		t.note(line)
		return
	}
	t.release()
	fmt.Fprint(t.Out, line)
}

// Note writes a sentence to Err; when quiet only once something is wrong.
func (t *Text) Note(format string, args ...any) {
	t.note(report.Escape(fmt.Sprintf(format, args...)) + "\n")
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

// sentence says what is wrong with a file, in one line: its name, why, and
// where it is listed. Of a line of a list, that comes first.
func sentence(r *Result) string {
	var b strings.Builder
	where := whereListed(r)
	if r.line && where != "" {
		b.WriteString(where)
		if len(r.Said) > 0 && r.Path() != r.Said[0].List.Name {
			b.WriteString(": " + report.Name(r.Path()))
		}
		where = ""
	} else {
		b.WriteString(report.Name(r.Path()))
	}
	if words := reasons(r); len(words) > 0 {
		b.WriteString(": " + report.Escape(strings.Join(words, "; ")))
	}
	if where != "" {
		b.WriteString(" (" + where + ")")
	}
	return b.String()
}

// reasons say why a file has its status. Of a file that does not match, the
// checksums are shown only where there is nothing better to say.
func reasons(r *Result) []string {
	var words []string
	if r.Reason != "" {
		words = append(words, r.Reason)
	}
	words = append(words, r.Evidence...)
	switch r.Status {
	case Bad:
		if bad := r.mismatches(); len(bad) > 0 && r.Diagnosis == "" {
			d := strongest(bad)
			words = append(words, fmt.Sprintf("%s is %s, recorded %s", d.Algorithm, brief(d.Computed), brief(d.Sum)))
		}
	case Conflict:
		if !r.line {
			words = append(words, agreement(r)...)
		}
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
	return slices.Compact(words)
}

// agreement says which checksums match, of which list, and which do not.
func agreement(r *Result) []string {
	const most = 4
	var good, bad []string
	note := func(words *[]string, name string, s Said) {
		if word := name + " of " + whereSaid(s); len(*words) < most && !slices.Contains(*words, word) {
			*words = append(*words, word)
		}
	}
	for _, s := range r.Said {
		for _, d := range s.Digests {
			switch {
			case d.Matches:
				note(&good, string(d.Algorithm), s)
			case d.Computed != nil:
				note(&bad, string(d.Algorithm), s)
			}
		}
		if s.Size >= 0 && s.Size != r.Size {
			note(&bad, "the size", s)
		}
	}
	var words []string
	if len(good) > 0 {
		words = append(words, "it matches "+strings.Join(good, ", "))
	}
	if len(bad) > 0 {
		words = append(words, "it does not match "+strings.Join(bad, ", "))
	}
	return words
}

// brief shortens a digest to what tells two apart.
func brief(sum []byte) string {
	text := hex.EncodeToString(sum)
	if len(text) > 8 {
		return text[:8] + "…"
	}
	return text
}

// whereListed names the list that proves most of what is wrong with a file,
// with the line, and how many others speak of it; "" where that was said
// already.
func whereListed(r *Result) string {
	if len(r.Said) == 0 || r.Status == Conflict && !r.line {
		return ""
	}
	where := whereSaid(r.Said[telling(r)])
	if others := len(r.Said) - 1; others > 0 {
		where += fmt.Sprintf(" and %d more", others)
	}
	return where
}

// telling is the index of the entry that proves most of what is wrong.
func telling(r *Result) int {
	best, most := 0, -1
	for i, s := range r.Said {
		if s.Status != r.Status {
			continue
		}
		strength := 0
		for _, d := range s.Digests {
			if !d.Matches {
				strength = max(strength, 1+manifest.Strength(d.Algorithm))
			}
		}
		if strength > most {
			best, most = i, strength
		}
	}
	return best
}

// whereSaid is a list and the line of it.
func whereSaid(s Said) string {
	where := report.Name(s.List.Name)
	if s.Line > 0 {
		where += fmt.Sprintf(":%d", s.Line)
	}
	return where
}
