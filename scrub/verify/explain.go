package verify

import (
	"fmt"
	"strings"

	"bitmend/hashsets/manifest"
	"bitmend/scrub/report"
)

// Explain is a Reporter that shows every checksum that is known of the files
// it is told of, from which list and line, and the verdict of each.
type Explain struct {
	Text
	File string // that is asked for
	told bool
}

// Result writes all that is known of a file.
func (t *Explain) Result(r *Result) {
	if r.line {
		t.Text.Result(r)
		return
	}
	t.told = true
	fmt.Fprintf(t.Out, "%s: %s, %s\n%s", report.Name(r.Path()), r.Status, plural(r.Size, "byte"), explanation(r, 0))
}

// Summary writes the table, and says so where no list speaks of the file.
func (t *Explain) Summary(s *Summary) {
	if !t.told && !s.Failed && !s.Cancelled {
		fmt.Fprintf(t.Out, "%s: no list that was found speaks of it\n", report.Name(t.File))
	}
	t.Text.Summary(s)
}

// explanation is all that is known of a file, a line for each sentence and each
// checksum; of the entries of lists not more than most, 0 for all.
func explanation(r *Result, most int) string {
	var b strings.Builder
	for _, sentence := range append([]string{r.Reason}, r.Evidence...) {
		if sentence != "" {
			fmt.Fprintf(&b, "    %s\n", report.Escape(sentence))
		}
	}
	if r.Status == Extra {
		fmt.Fprintln(&b, "    no list covers it")
	}
	said := r.Said
	if most > 0 && len(said) > most {
		said = said[:most]
	}
	for i := range said {
		explainEntry(&b, r, &said[i])
	}
	if len(said) < len(r.Said) {
		fmt.Fprintf(&b, "    and %d more of lists\n", len(r.Said)-len(said))
	}
	return b.String()
}

// explainEntry writes what one entry says. A checksum that differs stands above
// the one that was computed, so that the eye can compare them.
func explainEntry(b *strings.Builder, r *Result, s *Said) {
	line := func(what, verdict, note string) {
		fmt.Fprintf(b, "    %-8s %-11s  %s%s\n", what, verdict, whereSaid(*s), note)
	}
	if s.Size != manifest.NoSize {
		line("size", verdictOf(s.Size == r.Size, r), "")
		fmt.Fprintf(b, "      recorded %d\n", s.Size)
	}
	for _, d := range s.Digests {
		verdict, note := verdictOf(d.Matches, r), ""
		if d.Computed == nil && r.Read > 0 {
			verdict = "not known" // how to compute it
		}
		if d.Guessed {
			note = " (algorithm guessed)"
		}
		line(string(d.Algorithm), verdict, note)
		fmt.Fprintf(b, "      recorded %x\n", d.Sum)
		if d.Computed != nil && !d.Matches {
			fmt.Fprintf(b, "      computed %x\n", d.Computed)
		}
	}
}

func verdictOf(matches bool, r *Result) string {
	switch r.Status {
	case Missing, NotPresent, Unreadable, UnsafePath:
		return "not checked"
	}
	if matches {
		return "matches"
	}
	return "DIFFERS"
}
