package verify

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"bitmend/scrub/report"
)

const (
	tableWidth = 80 // columns
	shownLists = 20 // lists in which all is well that get a row in the table
	leastName  = 24 // columns that a list's name is given, however many statuses there are
)

// tableText is what every format for people ends with: a table with lists down
// and statuses across, and what the run came to.
func tableText(s *Summary) string {
	var b bytes.Buffer
	if len(s.Lists) > 0 {
		b.WriteString(rowsText(s, 0))
		if excess := widest(b.String()) - tableWidth; excess > 0 {
			longest := 0
			for _, row := range rowsOf(s) {
				longest = max(longest, utf8.RuneCountInString(row.name))
			}
			b.Reset()
			b.WriteString(rowsText(s, max(leastName, longest-excess)))
		}
		if widest(b.String()) > tableWidth {
			b.Reset()
			b.WriteString(tally(s))
		}
	}
	fmt.Fprintf(&b, "%s, %s, %s read in %.1f s\n", plural(int64(len(s.Lists)), "list"), plural(s.Blobs, "file"),
		humanize.IBytes(uint64(s.Bytes)), s.Elapsed.Seconds())
	if s.Exit != int(report.ExitClean) {
		fmt.Fprintln(&b, exitText(s))
	}
	return b.String()
}

func exitText(s *Summary) string {
	return fmt.Sprintf("%s (exit status %d)", report.Exit(s.Exit), s.Exit)
}

// row is one row of the table.
type row struct {
	name, format string
	counts       map[Status]int64
}

// rowsOf are the lists, what no list speaks of, and the sum of both.
func rowsOf(s *Summary) []row {
	var rows []row
	rest := map[Status]int64{}
	others, well := 0, 0
	for _, l := range s.Lists {
		if !l.troubled() {
			well++
		}
		if l.troubled() || well <= shownLists {
			rows = append(rows, row{report.Name(l.Name), string(l.Format), l.Counts})
			continue
		}
		others++
		for status, n := range l.Counts {
			rest[status] += n
		}
	}
	if others > 0 {
		rows = append(rows, row{fmt.Sprintf("%s more", humanize.Comma(int64(others))), "", rest})
	}
	if outside := outsideLists(s); len(outside) > 0 {
		rows = append(rows, row{"in no list", "", outside})
	}
	if len(rows) > 1 {
		rows = append(rows, row{"all", "", s.Counts})
	}
	return rows
}

// outsideLists counts what is in no list.
func outsideLists(s *Summary) map[Status]int64 {
	outside := map[Status]int64{}
	for status, n := range s.Counts {
		for _, l := range s.Lists {
			n -= l.Counts[status]
		}
		if n > 0 {
			outside[status] = n
		}
	}
	return outside
}

func shownStatuses(s *Summary) []Status {
	var shown []Status
	for _, status := range statuses() {
		if s.Counts[status] > 0 {
			shown = append(shown, status)
		}
	}
	return shown
}

// rowsText writes the rows, with names shortened to most columns; 0 for whole
// names and formats.
func rowsText(s *Summary, most int) string {
	shown := shownStatuses(s)
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, format string, cell func(status Status) string) {
		fmt.Fprint(w, shortened(name, most))
		if most == 0 {
			fmt.Fprintf(w, "\t%s", format)
		}
		for _, status := range shown {
			fmt.Fprintf(w, "\t%s", cell(status))
		}
		fmt.Fprintln(w)
	}
	line("LIST", "FORMAT", func(status Status) string { return strings.ToUpper(string(status)) })
	for _, r := range rowsOf(s) {
		line(r.name, r.format, func(status Status) string {
			if r.counts[status] == 0 {
				return "-"
			}
			return humanize.Comma(r.counts[status])
		})
	}
	w.Flush() // into memory
	return trimmed(b.String())
}

// tally writes the rows where the table would be too wide: each as a sentence.
func tally(s *Summary) string {
	var b strings.Builder
	for _, r := range rowsOf(s) {
		fmt.Fprintln(&b, r.name)
		for _, status := range statuses() {
			if n := r.counts[status]; n > 0 {
				fmt.Fprintf(&b, "  %9s %s\n", humanize.Comma(n), status)
			}
		}
	}
	return b.String()
}

// shortened keeps the end of a name, which tells lists apart.
func shortened(name string, most int) string {
	runes := []rune(name)
	if most == 0 || len(runes) <= most {
		return name
	}
	return "…" + string(runes[len(runes)-most+1:])
}

// trimmed is a text without the blanks that a table leaves at ends of lines.
func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

func widest(text string) int {
	width := 0
	for line := range strings.Lines(text) {
		width = max(width, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
	}
	return width
}

func (l *List) troubled() bool {
	for status, n := range l.Counts {
		if n > 0 && status.Failure() {
			return true
		}
	}
	return false
}

// failed tells whether anything has a status that keeps the exit status from
// being 0.
func (s *Summary) failed() bool {
	for status, n := range s.Counts {
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
