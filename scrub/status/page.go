package status

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"bitmend/scrub/finding"
	"bitmend/scrub/report/page"
)

// runsOnPage bounds the runs that a page lists.
const runsOnPage = 100

// Page is the state as a page shows it. command writes command lines for this
// vault.
func (s *State) Page(command func(verb string) string) *page.Page {
	p := &page.Page{
		Vault: s.Vault, At: s.At, Level: map[Level]page.Level{Good: page.Good, Warn: page.Warn, Bad: page.Bad}[s.Level()],
		Sentence: s.Sentence(), All: s.total(), MaxAge: s.Promise.MaxAge, Facts: s.facts(),
	}
	for _, step := range s.Next(command) {
		p.Next = append(p.Next, page.Step(step))
	}
	for i := range s.Stores {
		p.Stores = append(p.Stores, s.storeOnPage(&s.Stores[i]))
	}
	for i := range s.Findings {
		p.Findings = append(p.Findings, s.Findings[i].onPage())
	}
	for _, set := range s.Sets {
		p.Sets = append(p.Sets, page.Set{
			ID: set.ID, Data: set.Data, Parity: set.Parity, Files: set.Files, Bytes: set.Bytes,
			BadFiles: set.BadFiles, Left: set.Left, AtMost: set.AtMost, Hurt: set.Hurt,
		})
	}
	for _, g := range s.Gates {
		p.Gates = append(p.Gates, page.Gate{
			ID: g.ID, Name: g.Name, Store: g.Store, Reason: g.Reason, Opened: g.OpenedAt,
			Command: fmt.Sprintf("%s %d --reason TEXT", command("gates clear"), g.ID),
		})
	}
	for _, r := range s.Runs[:min(len(s.Runs), runsOnPage)] {
		p.Runs = append(p.Runs, page.Run{
			ID: r.ID, Verb: r.Verb, Started: r.Started, Over: !r.Finished.IsZero(), Elapsed: r.Elapsed, Blobs: r.Blobs, Bytes: r.Bytes,
			Rate: r.Rate(), Damaged: r.Damaged, Repaired: r.Repaired, Exit: int(r.Exit), Meaning: r.Exit.String(),
		})
	}
	return p
}

func (s *State) facts() []page.Fact {
	facts := []page.Fact{
		{Name: "Blobs", Value: fmt.Sprintf("%s, %s", humanize.Comma(s.Totals.Blobs), humanize.IBytes(uint64(s.Totals.Bytes)))},
		{Name: "Checksums", Value: s.algorithms()},
		{Name: "Parity", Value: s.parity()},
		{Name: "Last scrub", Value: s.lastRun()},
		{Name: "Coverage", Value: strings.Join(s.Promise.describe(s.At), "; ")},
	}
	for i := range s.Stores {
		one := &s.Stores[i]
		facts = append(facts, page.Fact{Name: "Store " + one.Name, Value: one.describe(s.At)})
	}
	return facts
}

func (s *State) storeOnPage(one *Store) page.Store {
	p := page.Store{
		Name: one.Name, Role: string(one.Role), Blobs: one.Blobs, Bytes: one.Bytes, Never: one.Never, Overdue: one.Overdue.Blobs,
		Days: one.Ages.Days(), Typical: one.Ages.Percentile(50), Oldest: one.Ages.Percentile(100),
	}
	for _, g := range one.Ages.Groups() {
		p.Groups = append(p.Groups, page.Group(g))
	}
	if one.Rewind != nil {
		p.Note = one.Rewind.describe(s.At)
	}
	return p
}

func (f *Found) onPage() page.Finding {
	p := page.Finding{
		Store: f.Store, Blob: f.Blob, Verdict: f.Verdict, Size: f.Size, Ranges: f.Ranges, Offset: f.Offset,
		Evidence: f.Evidence, Lost: f.Lost, Since: f.FirstSeen,
	}
	if f.Diagnosis != finding.Unknown {
		p.Diagnosis = f.Diagnosis
	}
	if f.Reason != "" {
		p.Evidence = append([]string{f.Reason}, p.Evidence...)
	}
	if f.Repairable != nil && *f.Repairable {
		p.Sources = cmp.Or(strings.Join(f.Sources, ", "), "a source that is known")
	}
	if f.Device != 0 {
		p.Device = deviceName(f.Device)
	}
	return p
}
