package repair

import (
	"context"
	"encoding/json"
	"fmt"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
)

// chunk repairs what is missing, and then gives further names to files.
func (s *reseeding) chunk(ctx context.Context, missing, followers []catalog.Known) error {
	if err := s.apply(ctx, missing); err != nil {
		return err
	}
	var alone []catalog.Known
	for _, f := range followers {
		linked, err := s.link(ctx, &f)
		if err != nil {
			return err
		}
		if !linked {
			alone = append(alone, f)
		}
	}
	return s.apply(ctx, alone)
}

// link gives a file that is in the store already a further name. It is false
// when that cannot be done, and the name gets a file of its own.
func (s *reseeding) link(ctx context.Context, f *catalog.Known) (bool, error) {
	first := s.shared[inode{f.Identity.Device, f.Identity.Inode}]
	covered, err := s.vault.Catalog.Coverage(ctx, s.name, first.name)
	if err != nil {
		return false, ctx.Err()
	}
	seen, err := statOrNil(ctx, s.target, first.name)
	if err != nil || seen == nil || !stands(&covered.Identity, seen) {
		return false, err
	}
	if putName(ctx, s.target, f.Name, first.name) != nil {
		return false, ctx.Err()
	}
	// A further name changes the inode-change time under the first one.
	placed, err := s.target.Stat(ctx, f.Name)
	if err != nil {
		return false, err
	}
	e := &entry{ID: newID(s.opts.Now()), Store: s.name, named: nameOf(f.Name), Action: Replace, Run: s.id, Generation: f.Generation,
		Size: f.Hashes.Size, Digests: digestsOf(&f.Hashes), Attributes: attributesOf(f.Attributes)}
	e.Receipt = &detail{Action: Replace, Sources: map[SourceKind]int{FromRecord: 1},
		Before: before{Verdict: finding.Missing, Generation: f.Generation}, After: after{Size: e.Size, Digests: e.Digests, Attributes: e.Attributes}}
	if err := s.record(ctx, e, placed); err != nil {
		return false, err
	}
	if err := s.recordThere(ctx, first.name, covered.Generation, placed); err != nil {
		return false, err
	}
	s.repaired(e)
	return true, nil
}

// apply plans and carries out the repair of missing blobs.
func (s *reseeding) apply(ctx context.Context, missing []catalog.Known) error {
	if len(missing) == 0 {
		return nil
	}
	m := &planner{run: s.run, plan: &Plan{Repairs: []Planned{}}}
	for _, known := range missing {
		p, err := s.plan(ctx, m, &known.Record)
		if err != nil {
			return err
		}
		m.plan.Repairs = append(m.plan.Repairs, p)
	}
	m.sort()
	if err := m.plan.seal(); err != nil {
		return err
	}
	m.plan.Writes = s.total // of all chunks, for the progress
	s.run.plan = m.plan
	admitted, err := s.admit(ctx)
	if err != nil {
		return err
	}
	var files, links []*Planned
	for _, p := range admitted {
		switch p.Action {
		case MakeDirectory:
			err = s.settle(ctx, p, s.makeDirectory(ctx, p))
		case MakeLink:
			links = append(links, p)
		default:
			files = append(files, p)
		}
		if err != nil {
			return err
		}
	}
	lost, err := s.files(ctx, files)
	if err != nil {
		return err
	}
	if _, err := s.applyOnce(ctx, links); err != nil {
		return err
	}
	if s.final {
		return s.settleLost(ctx, lost)
	}
	for _, l := range lost {
		s.missed = append(s.missed, l.planned.Blob)
	}
	return nil
}

// plan plans the repair of one missing blob.
func (s *reseeding) plan(ctx context.Context, m *planner, record *catalog.Record) (Planned, error) {
	p := Planned{
		Store: s.name, Blob: record.Name, Kind: record.Kind, Verdict: finding.Missing, Generation: record.Generation,
		Action: actionFor(record.Kind, 0), Grade: Good, Sources: []Source{},
	}
	detail, err := json.Marshal(finding.Finding{Store: s.name, Blob: record.Name, Verdict: finding.Missing,
		Generation: record.Generation, Kind: record.Kind, Size: record.Hashes.Size})
	if err != nil {
		return p, fmt.Errorf("note that %q is missing: %w", record.Name, err)
	}
	now := s.opts.Now()
	p.found = catalog.Finding{Store: s.name, Name: record.Name, Verdict: string(finding.Missing), Generation: record.Generation,
		Detail: detail, FirstSeen: now, LastSeen: now, Run: s.id}
	if err := m.findSources(ctx, &p, record); err != nil {
		return p, err
	}
	m.proofs(&p, record)
	return p, m.askGates(ctx, &p)
}
