package repair

import (
	"encoding/json"
	"slices"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

// reportLeft tells why findings are left alone.
func (r *run) reportLeft() {
	for _, l := range r.plan.Left {
		r.rep.Repair(report.Repair{Store: l.Store, Blob: l.Blob, Outcome: report.Skipped, Reason: l.Reason})
	}
}

// show tells what the plan would do: each finding with its sources, and what
// would be done about it.
func (r *run) show() {
	for _, p := range r.plan.Repairs {
		r.rep.Finding(p.finding())
	}
	for _, l := range r.plan.Left {
		f := findingIn(l.found)
		f.Evidence = append(f.Evidence, "plan: leave it alone: "+l.Reason)
		r.rep.Finding(f)
	}
	r.summary.Plan = r.plan.ID
}

// finding is the finding that the repair is planned for, as the plan sees it.
func (p *Planned) finding() finding.Finding {
	f := findingIn(p.found)
	f.Ranges = p.Ranges
	f.Sources = nil
	for _, s := range p.Sources {
		if !slices.Contains(f.Sources, string(s.Kind)) {
			f.Sources = append(f.Sources, string(s.Kind))
		}
	}
	f.Repairable = nil // that is known when it has been done
	f.Evidence = append(f.Evidence, "plan: "+sentence(p))
	return f
}

// findingIn reads what scrub said. take has left out what cannot be read.
func findingIn(kept catalog.Finding) finding.Finding {
	f := finding.Finding{Store: kept.Store, Blob: kept.Name, Verdict: finding.Verdict(kept.Verdict)}
	_ = json.Unmarshal(kept.Detail, &f)
	f.Lost = kept.Lost
	return f
}

// sentence says what is planned for a finding.
func sentence(p *Planned) string {
	text := string(p.Action)
	for i, s := range p.Sources {
		if i == 0 {
			text += " from "
		} else {
			text += ", then "
		}
		text += s.String()
	}
	if len(p.Sources) == 0 {
		text += ", no source is known"
	}
	text += ": " + string(p.Grade)
	if p.Reason != "" {
		text += ", " + p.Reason
	}
	return text
}
