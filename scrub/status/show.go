package status

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

// shownInText is how many findings the text names; the others are counted.
const shownInText = 10

// Show writes the state for people, in 80 columns.
func (s *State) Show(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "vault\t%s\n", report.Name(s.Vault))
	fmt.Fprintf(t, "protected\t%s blobs, %s, under %s\n", humanize.Comma(s.Totals.Blobs), humanize.IBytes(uint64(s.Totals.Bytes)), s.algorithms())
	fmt.Fprintf(t, "parity\t%s\n", s.parity())
	for _, store := range s.Stores {
		fmt.Fprintf(t, "store %s\t%s\n", report.Name(store.Name), store.describe(s.At))
		if store.Rewind != nil {
			fmt.Fprintf(t, "\t%s\n", store.Rewind.describe(s.At))
		}
	}
	for i, line := range s.Promise.describe(s.At) {
		fmt.Fprintf(t, "%s\t%s\n", []string{"coverage", ""}[min(i, 1)], line)
	}
	fmt.Fprintf(t, "last scrub\t%s\n", s.lastRun(s.At))
	fmt.Fprintf(t, "findings\t%s\n", s.findings())
	for _, f := range s.Findings[:min(len(s.Findings), shownInText)] {
		fmt.Fprintf(t, "\t%s\n", describe(f))
	}
	if more := s.total() - shownInText; more > 0 {
		fmt.Fprintf(t, "\tand %s more; --json lists them\n", humanize.Comma(more))
	}
	for _, g := range s.Gates {
		fmt.Fprintf(t, "gate %d\t%s: %s\n", g.ID, g.Name, g.Reason)
	}
	if len(s.Gates) == 0 {
		fmt.Fprintf(t, "gates\tnone is open\n")
	}
	return t.Flush()
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

func (s *State) lastRun(now time.Time) string {
	if s.LastRun == nil {
		return "never"
	}
	return fmt.Sprintf("%s, exit status %d", humanize.RelTime(s.LastRun.Finished, now, "ago", "from now"), s.LastRun.Exit)
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
