package page

import (
	"slices"
	"time"

	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

// shortName writes a blob's name as a terminal would get it, with its middle
// left out when it is very long: folders and endings are what tells.
func shortName(blob string) string { return shorten(report.Name(blob), nameLength) }

func shorten(text string, length int) string {
	text = report.Escape(text)
	runes := []rune(text)
	if len(runes) <= length {
		return text
	}
	half := (length - 1) / 2
	return string(runes[:half]) + "…" + string(runes[len(runes)-half:])
}

func ageText(d time.Duration) string { return report.Span(d) }

// sentenceLength bounds what is told in a sentence. Commands are told whole, or
// they would be others.
const sentenceLength = 400

func sentence(text string) string { return shorten(text, sentenceLength) }

// plain is the page with all of its text made safe to look at: what html/template
// leaves alone may still turn text around or be no UTF-8. Blobs of findings stay
// as they are, and are made safe in their rows.
func (p *Page) plain() *Page {
	q := *p
	q.Vault, q.Sentence = report.Escape(p.Vault), sentence(p.Sentence)
	q.Next = each(p.Next, func(s *Step) { s.Command, s.Why = report.Escape(s.Command), sentence(s.Why) })
	q.Facts = each(p.Facts, func(f *Fact) { f.Name, f.Value = sentence(f.Name), sentence(f.Value) })
	q.Stores = each(p.Stores, func(s *Store) { s.Name, s.Role, s.Note = sentence(s.Name), sentence(s.Role), sentence(s.Note) })
	q.Findings = each(p.Findings, func(f *Finding) { f.Store, f.Device = sentence(f.Store), sentence(f.Device) })
	q.Gates = each(p.Gates, func(g *Gate) {
		g.Name, g.Store, g.Reason, g.Command = sentence(g.Name), sentence(g.Store), sentence(g.Reason), report.Escape(g.Command)
	})
	q.Runs = each(p.Runs, func(r *Run) { r.Verb, r.Meaning = sentence(r.Verb), sentence(r.Meaning) })
	return &q
}

// plain is the finding with what its row shows besides the name made safe.
func (f *Finding) plain() *Finding {
	g := *f
	g.Verdict, g.Diagnosis = finding.Verdict(sentence(string(f.Verdict))), finding.Diagnosis(sentence(string(f.Diagnosis)))
	g.Sources, g.Lost = shorten(f.Sources, detailLength), shorten(f.Lost, detailLength)
	return &g
}

// each changes copies.
func each[T any](all []T, change func(*T)) []T {
	changed := slices.Clone(all)
	for i := range changed {
		change(&changed[i])
	}
	return changed
}
