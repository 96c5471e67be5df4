package status

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

// Bounds of what the text names; the rest is counted.
const (
	shownInText = 10
	runsInText  = 5
	setsInText  = 8
)

// textWidth is how many columns the text takes at most, but for words that are
// longer than a line by themselves.
const textWidth = 80

// Show writes the state for people, in 80 columns. command writes command lines
// for this vault.
func (s *State) Show(w io.Writer, command func(verb string) string) error {
	t := &sheet{}
	t.paragraph("", s.Sentence())
	for _, step := range s.Next(command) {
		t.paragraph("  next: ", step.Command)
		t.paragraph("        ", step.Why)
	}
	t.text.WriteString("\n")
	t.entry("vault", "%s", report.Name(s.Vault))
	t.entry("protected", "%s blobs, %s, under %s", humanize.Comma(s.Totals.Blobs), humanize.IBytes(uint64(s.Totals.Bytes)), s.algorithms())
	t.entry("parity", "%s", s.parity())
	s.showSets(t)
	for i := range s.Stores {
		s.showStore(t, &s.Stores[i])
	}
	for i, line := range s.Promise.describe(s.At) {
		t.entry([]string{"coverage", ""}[min(i, 1)], "%s", line)
	}
	t.entry("last scrub", "%s", s.lastRun())
	s.showRuns(t)
	t.entry("findings", "%s", s.findings())
	for _, f := range s.Findings[:min(len(s.Findings), shownInText)] {
		t.more("%s", describe(f.Finding))
	}
	if more := s.total() - shownInText; more > 0 {
		t.more("and %s more; --json and --report FILE.html list them", humanize.Comma(more))
	}
	for _, g := range s.Gates {
		t.entry(fmt.Sprintf("gate %d", g.ID), "%s%s: %s", g.Name, ofStore(g.Store), g.Reason)
	}
	if len(s.Gates) == 0 {
		t.entry("gates", "none is open")
	}
	_, err := io.WriteString(w, t.String())
	return err
}

func ofStore(store string) string {
	if store == "" {
		return ""
	}
	return " of " + report.Name(store)
}

// showSets says what each parity set can still bear.
func (s *State) showSets(t *sheet) {
	for _, set := range s.Sets[:min(len(s.Sets), setsInText)] {
		left := fmt.Sprintf("%d of %d", max(set.Left, 0), set.Parity)
		if set.AtMost {
			left = "at most " + left
		}
		if set.Left < 0 {
			left += fmt.Sprintf(", and %d too many are bad", -set.Left)
		}
		t.more("set %d: %d+%d columns, redundancy left %s", set.ID, set.Data, set.Parity, left)
	}
	if more := len(s.Sets) - setsInText; more > 0 {
		t.more("and %d more sets", more)
	}
}

// showStore says how lately the blobs of a store were looked at, with a bar for
// each age.
func (s *State) showStore(t *sheet, one *Store) {
	t.entry("store "+report.Name(one.Name), "%s", one.describe(s.At))
	if one.Rewind != nil {
		t.more("%s", one.Rewind.describe(s.At))
	}
	if one.Blobs == 0 {
		return
	}
	most := int64(0)
	groups := one.Ages.Groups()
	for _, g := range groups {
		most = max(most, g.Blobs)
	}
	for _, g := range groups {
		if g.Blobs > 0 {
			t.more("%-17s %11s  %s", g.Ages, humanize.Comma(g.Blobs), strings.Repeat("#", int(max(1, g.Blobs*24/most))))
		}
	}
}

// showRuns says how the newest runs ended.
func (s *State) showRuns(t *sheet) {
	for _, r := range s.Runs[:min(len(s.Runs), runsInText)] {
		began := r.Started.Local().Format("2006-01-02 15:04")
		if r.Finished.IsZero() {
			t.more("%s %-7s runs, or was killed", began, r.Verb)
			continue
		}
		t.more("%s %-7s %8s %8s/s %d damaged, exit %d", began, r.Verb, humanize.IBytes(uint64(r.Bytes)), humanize.IBytes(uint64(r.Rate())), r.Damaged, r.Exit)
	}
}

func (s *State) algorithms() string {
	names := make([]string, len(s.Algorithms))
	for i, a := range s.Algorithms {
		names[i] = string(a)
	}
	return strings.Join(names, " and ")
}

func (s *State) parity() string {
	if s.Parity.Files == 0 {
		return "none: damage can be found, and repaired from other copies alone"
	}
	share := ""
	if s.Totals.Bytes > 0 {
		share = fmt.Sprintf(", %.1f %% of the data", 100*float64(s.Parity.Bytes)/float64(s.Totals.Bytes))
	}
	damaged := ""
	if s.BadParity > 0 {
		damaged = fmt.Sprintf("; %d damaged", s.BadParity)
	}
	return fmt.Sprintf("%s in %d files%s%s", humanize.IBytes(uint64(s.Parity.Bytes)), s.Parity.Files, share, damaged)
}

func (s *Store) describe(now time.Time) string {
	if s.Oldest.IsZero() {
		return fmt.Sprintf("%s; no blob was looked at", s.Role)
	}
	oldest := humanize.RelTime(s.Oldest, now, "ago", "from now")
	if s.Never > 0 {
		return fmt.Sprintf("%s; %s blobs never looked at, of the others the oldest %s", s.Role, humanize.Comma(s.Never), oldest)
	}
	return fmt.Sprintf("%s; every blob was looked at, the oldest %s", s.Role, oldest)
}

// describe says how the promise is kept and when everything will have been
// read at the present rate.
func (p *Promise) describe(now time.Time) []string {
	var lines []string
	if p.Overdue.Blobs > 0 {
		lines = append(lines, fmt.Sprintf("%s blobs (%s) are overdue: not looked at for %s",
			humanize.Comma(p.Overdue.Blobs), humanize.IBytes(uint64(p.Overdue.Bytes)), days(p.MaxAge)))
	} else if p.MaxAge > 0 {
		lines = append(lines, fmt.Sprintf("every blob was looked at within %s, as promised", days(p.MaxAge)))
	}
	all, ok := p.Rate.ToRead(p.Bytes)
	if !ok {
		return append(lines, "too few scrubs to tell when all will have been read")
	}
	lines = append(lines, fmt.Sprintf("at %s a day all is read in %s, by %s",
		humanize.IBytes(uint64(p.Rate.PerDay())), days(all), now.Add(all).Local().Format(time.DateOnly)))
	if p.MaxAge > 0 && all > p.MaxAge {
		need := int64(float64(p.Bytes) * float64(24*time.Hour) / float64(p.MaxAge))
		lines = append(lines, fmt.Sprintf("that breaks the promise of %s; %s a day would keep it", days(p.MaxAge), humanize.IBytes(uint64(need))))
	}
	return lines
}

// days writes a time in days, or in hours when it is short.
func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%.0f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

func (s *State) lastRun() string {
	last := s.Last("scrub", Ended)
	if last == nil {
		return "never"
	}
	return fmt.Sprintf("%s, exit status %d", humanize.RelTime(last.Finished, s.At, "ago", "from now"), last.Exit)
}

func (s *State) total() int64 {
	n := s.BadParity
	for _, count := range s.Verdicts {
		n += count
	}
	return n
}

func (s *State) findings() string {
	if s.total() == 0 {
		return "none"
	}
	var parts []string
	for _, v := range slices.SortedFunc(maps.Keys(s.Verdicts), cmp.Compare[finding.Verdict]) {
		parts = append(parts, fmt.Sprintf("%s %s", humanize.Comma(s.Verdicts[v]), v))
	}
	if s.BadParity > 0 {
		parts = append(parts, fmt.Sprintf("%d parity files", s.BadParity))
	}
	if s.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%d of them lost", s.Lost))
	}
	return strings.Join(parts, ", ")
}

func describe(f finding.Finding) string {
	text := fmt.Sprintf("%s in %s: %s", report.Name(f.Blob), report.Name(f.Store), f.Verdict)
	if f.Diagnosis != "" {
		text += fmt.Sprintf(" (%s)", f.Diagnosis)
	}
	if f.Lost != "" {
		text += "; lost: " + f.Lost
	}
	return text
}

// A sheet is text in two columns: what it is about, and what is said of it.
type sheet struct{ text strings.Builder }

// nameWidth is how wide the first column is; a longer name moves what follows
// on its line.
const nameWidth = 15

func (t *sheet) String() string { return t.text.String() }

// entry begins something.
func (t *sheet) entry(name, format string, args ...any) {
	t.paragraph(fmt.Sprintf("%-*s ", nameWidth-1, name), fmt.Sprintf(format, args...))
}

// more goes on with it.
func (t *sheet) more(format string, args ...any) {
	t.paragraph(strings.Repeat(" ", nameWidth), fmt.Sprintf(format, args...))
}

// paragraph writes text after the name, in as many lines as it takes; those
// after the first are indented as far. Only blanks between words are given up
// for the end of a line, so that a bar and a table stay as they are.
func (t *sheet) paragraph(name, text string) {
	text = report.Escape(text)
	indent := min(utf8.RuneCountInString(name), nameWidth)
	room := textWidth - utf8.RuneCountInString(name)
	for line := name; ; line = strings.Repeat(" ", indent) {
		head, rest := lineOf(text, room)
		t.text.WriteString(strings.TrimRight(line+head, " ") + "\n")
		if rest == "" {
			return
		}
		text, room = rest, textWidth-indent
	}
}

// lineOf cuts text where it fits into the room, at a blank; a first word that
// does not fit stays whole.
func lineOf(text string, room int) (line, rest string) {
	if utf8.RuneCountInString(text) <= room {
		return text, ""
	}
	runes := []rune(text)
	for cut := min(room, len(runes)-1); cut > 0; cut-- {
		if runes[cut] == ' ' {
			return string(runes[:cut]), strings.TrimLeft(string(runes[cut:]), " ")
		}
	}
	line, rest, _ = strings.Cut(text, " ")
	return line, strings.TrimLeft(rest, " ")
}
