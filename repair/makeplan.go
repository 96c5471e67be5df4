package repair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// MakePlan plans the repairs that the catalog's findings call for, as opts
// bounds them. It changes no blob; stores that are not mounted open their gate.
func MakePlan(ctx context.Context, v *vault.Vault, opts Options) (*Plan, error) {
	opts = opts.withDefaults()
	r := newRun(v, opts, nil)
	return r.makePlan(ctx)
}

func (r *run) makePlan(ctx context.Context) (*Plan, error) {
	if r.names == nil {
		names, err := r.opts.selects()
		if err != nil {
			return nil, err
		}
		r.names = names
	}
	reverted, err := scrub.ParseNames(r.opts.Revert)
	if err != nil {
		return nil, fmt.Errorf("the blobs to revert: %w", err)
	}
	if err := r.openStores(ctx); err != nil {
		return nil, err
	}
	m, err := r.newPlanner(ctx)
	if err != nil {
		return nil, err
	}
	m.reverted = reverted
	for f, err := range r.vault.Catalog.Findings(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("read findings: %w", err)
		}
		if !r.asked(f) {
			continue
		}
		if err := m.take(ctx, f); err != nil {
			return nil, err
		}
	}
	if err := m.joinNames(ctx); err != nil {
		return nil, err
	}
	if err := m.weigh(ctx); err != nil {
		return nil, err
	}
	m.sort()
	r.donors = newDonors(r.opts.Donors, m.plan.sizes())
	return m.plan, m.plan.seal()
}

// asked tells whether the options ask for the finding's store and name.
func (r *run) asked(f catalog.Finding) bool {
	if r.opts.Stores != nil && !slices.Contains(r.opts.Stores, f.Store) {
		return false
	}
	return r.names.Has(f.Name)
}

// planner turns findings into a plan.
type planner struct {
	*run
	plan     *Plan
	reverted scrub.Names         // what a person wants back though somebody wrote it since; all when nobody said so
	damaged  map[string][]damage // by blob, where there is more than one store: what not to expect of a replica
}

// damage is what a finding says of a blob in one store.
type damage struct {
	store  string
	ranges []store.Range
}

func (r *run) newPlanner(ctx context.Context) (*planner, error) {
	m := &planner{run: r, plan: &Plan{Repairs: []Planned{}}, damaged: make(map[string][]damage)}
	m.plan.Vault, m.plan.Catalog = r.vault.Dir, r.vault.Catalog.ID()
	m.plan.Asked = Asked{Stores: r.opts.Stores, Only: r.opts.Only, Revert: r.opts.Revert}
	for _, d := range r.opts.Donors {
		m.plan.Asked.Donors = append(m.plan.Asked.Donors, d.URL())
	}
	if len(r.vault.Config.Stores) < 2 {
		return m, nil
	}
	for f, err := range r.vault.Catalog.Findings(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("read findings: %w", err)
		}
		m.damaged[f.Name] = append(m.damaged[f.Name], damage{f.Store, rangesOf(f)})
	}
	return m, nil
}

// whyLeft says why verdicts are not repaired, and what to do about them.
var whyLeft = map[finding.Verdict]string{
	finding.Modified:     "somebody wrote it since it was recorded: run protect to accept it, or plan with --revert to have its old content back",
	finding.Unrecorded:   "it is not recorded: run protect to record it",
	finding.Undecided:    "the witnesses disagree, and nothing is written on that: compare the copies by hand",
	finding.Unverifiable: "nothing is recorded that a replacement could be held against",
	finding.Busy:         "it was being written while it was read: scrub again when it is quiet",
}

// take puts one finding into the plan.
func (m *planner) take(ctx context.Context, f catalog.Finding) error {
	var found finding.Finding
	if err := json.Unmarshal(f.Detail, &found); err != nil {
		m.leave(f, fmt.Sprintf("its finding cannot be read (%v): scrub again", err))
		return nil
	}
	p := Planned{
		Store: f.Store, Blob: f.Name, Kind: found.Kind, Verdict: finding.Verdict(f.Verdict), Diagnosis: found.Diagnosis,
		Generation: f.Generation, Ranges: found.Ranges, Grade: Good, Sources: []Source{}, found: f,
	}
	if f.Store == finding.ParityStore {
		p.Action, p.Sources, p.Proofs = RebuildParity, []Source{{Kind: FromParity}}, []string{"shard sums of the data"}
		if err := m.askGates(ctx, &p); err != nil {
			return err
		}
		m.plan.Repairs = append(m.plan.Repairs, p)
		return nil
	}
	if healable, err := m.hasDamagedRecord(ctx, &p); err != nil {
		return err
	} else if healable {
		p.Action, p.Sources = HealRecord, recordSources()
		if err := m.askGates(ctx, &p); err != nil {
			return err
		}
		m.plan.Repairs = append(m.plan.Repairs, p)
		return nil
	}
	p.Revert = p.Verdict == finding.Modified && !m.reverted.All() && m.reverted.Has(p.Blob)
	if why, ok := whyLeft[p.Verdict]; ok && !p.Revert {
		if p.Verdict == finding.Unverifiable && found.Reason != "" {
			why = found.Reason
		}
		m.leave(f, why)
		return nil
	}
	if m.stuck[[2]string{f.Store, f.Name}] {
		m.leave(f, "an interrupted repair of it is still in the journal: mend what keeps it from ending and run repair again")
		return nil
	}
	why, err := m.complete(ctx, &p)
	if err != nil {
		return err
	}
	if why != "" {
		m.leave(f, why)
		return nil
	}
	m.plan.Repairs = append(m.plan.Repairs, p)
	return nil
}

func (m *planner) leave(f catalog.Finding, why string) {
	m.plan.Left = append(m.plan.Left, Left{Store: f.Store, Blob: f.Name, Verdict: finding.Verdict(f.Verdict), Reason: why, found: f})
}

// complete fills in the action, the precondition, the sources and the proofs.
// It returns why the finding is left alone instead, if it is.
func (m *planner) complete(ctx context.Context, p *Planned) (why string, err error) {
	s, why := m.target(p.Store)
	if why != "" {
		return why, nil
	}
	if s == nil {
		p.Action = Replace
		return "", m.askGates(ctx, p) // the gate unmounted
	}
	if p.Verdict == finding.RecordDamaged {
		p.Action, p.Sources = HealRecord, recordSources()
		return "", m.askGates(ctx, p)
	}
	record, why, err := m.recordOf(ctx, p)
	if why != "" || err != nil {
		return why, err
	}
	p.Kind = record.Kind
	if p.Verdict == finding.Flaky {
		p.Action, p.Reads, p.Expect = ReadAgain, record.Hashes.Size, &p.found.Identity
		return "", nil
	}
	if p.Verdict != finding.Missing {
		p.Expect = &p.found.Identity
	}
	links := uint64(0)
	if p.Expect != nil {
		seen, why, err := m.lookAtTarget(ctx, s, p)
		if why != "" || err != nil {
			return why, err
		}
		links, p.seen = seen.Links, seen.Identity
	}
	p.Action = actionFor(record.Kind, links)
	if err := m.findSources(ctx, p, &record); err != nil {
		return "", err
	}
	m.proofs(p, &record)
	if p.Revert {
		p.Grade, p.Reason = Investigate, "somebody wrote it since it was recorded, and what they wrote goes into the quarantine"
	}
	return "", m.askGates(ctx, p)
}

// recordSources are where copies of a record are looked for.
func recordSources() []Source { return []Source{{Kind: FromParity}, {Kind: FromExport}} }

// hasDamagedRecord tells whether a blob is undecided because its record fails
// its own check: the record can then be healed, and the blob judged by it.
func (m *planner) hasDamagedRecord(ctx context.Context, p *Planned) (bool, error) {
	if p.Verdict != finding.Undecided || m.stores[p.Store] == nil {
		return false, nil
	}
	record, err := m.vault.Catalog.Current(ctx, p.Blob)
	if errors.Is(err, catalog.ErrNotRecorded) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up the record of %q: %w", p.Blob, err)
	}
	return record.Damage != nil && record.Kind == hashsets.File, nil
}

// target returns the store that a repair would write to, nil when it is not
// mounted, or why it must not be written.
func (m *planner) target(name string) (store.Writable, string) {
	c, s := m.config(name), m.stores[name]
	switch {
	case c == nil:
		return nil, fmt.Sprintf("store %q is not in the configuration any more", name)
	case c.Role == vault.Lagged:
		return nil, "the store is behind on purpose and never written"
	case m.unreachable[name] != nil:
		return nil, fmt.Sprintf("the store cannot be reached: %v", m.unreachable[name])
	}
	return s, ""
}

// recordOf returns the record that the finding was held against.
func (m *planner) recordOf(ctx context.Context, p *Planned) (record catalog.Record, why string, err error) {
	record, err = m.vault.Catalog.Current(ctx, p.Blob)
	switch {
	case errors.Is(err, catalog.ErrNotRecorded):
		return record, "it is not recorded any more: scrub again", nil
	case err != nil:
		return record, "", fmt.Errorf("look up the record of %q: %w", p.Blob, err)
	case record.Damage != nil:
		return record, "its record is damaged: scrub again, so that the record is healed first", nil
	case record.Generation != p.Generation:
		return record, "it was recorded anew since it was judged: scrub again", nil
	}
	return record, "", nil
}

// lookAtTarget looks at the damaged thing, so that an error of the host is not
// taken for damage.
func (m *planner) lookAtTarget(ctx context.Context, s store.Store, p *Planned) (seen store.Entry, why string, err error) {
	seen, err = s.Stat(ctx, p.Blob)
	if err == nil && seen.Kind == hashsets.File && p.Verdict == finding.Unreadable {
		err = tryOpen(ctx, s, p.Blob)
	}
	switch {
	case ctx.Err() != nil:
		return seen, "", ctx.Err()
	case errors.Is(err, store.ErrPermission):
		return seen, "the permission to read it is missing: that is no damage; grant it and scrub again", nil
	case err == nil, errors.Is(err, store.ErrMedium), errors.Is(err, store.ErrNotFound):
		// What is gone by now, or cannot be opened at all, is met again when
		// the repair looks before it writes.
		return seen, "", nil
	}
	return seen, fmt.Sprintf("it cannot be looked at: %v", err), nil
}

func tryOpen(ctx context.Context, s store.Store, name string) error {
	reader, err := s.Open(ctx, name, store.Access{})
	if err != nil {
		return err
	}
	return reader.Close()
}

func actionFor(k hashsets.Kind, links uint64) Action {
	switch {
	case k == hashsets.Link:
		return MakeLink
	case k == hashsets.Directory:
		return MakeDirectory
	case links > 1:
		return Overwrite
	}
	return Replace
}

// proofs says what the replacement will be held against, and grades it.
func (m *planner) proofs(p *Planned, record *catalog.Record) {
	switch p.Kind {
	case hashsets.Link:
		p.Proofs = []string{"target"}
		return
	case hashsets.Directory:
		p.Proofs = []string{"attributes"}
		return
	}
	strong := len(record.Hashes.ShardSums) > 0 || record.Hashes.Size == 0
	p.Digests = digestsOf(&record.Hashes)
	for _, a := range record.Hashes.Algorithms() {
		p.Proofs = append(p.Proofs, string(a))
		strong = strong || a.Cryptographic()
	}
	if n := len(record.Hashes.ShardSums); n > 0 {
		p.Proofs = append(p.Proofs, fmt.Sprintf("%d shard sums", n))
	}
	p.Writes = record.Hashes.Size
	p.Reads += 2 * record.Hashes.Size // what is good in place or elsewhere, and the reading back
	if !strong {
		p.Grade = Investigate
		p.Reason = "only a checksum against accidents is recorded, over the whole blob: nothing proves a replacement shard by shard"
	}
}

// askGates refuses the repair when a gate is in its way.
func (m *planner) askGates(ctx context.Context, p *Planned) error {
	gates, err := m.gatesOf(ctx, p.Store)
	if err != nil {
		return err
	}
	if len(gates) > 0 {
		p.Grade, p.Reason = Refused, refusedBy(gates)
	}
	return nil
}

func refusedBy(gates []catalog.Gate) string {
	g := gates[0]
	return fmt.Sprintf("gate %s is open since %s (%s): look into it, then run gates clear %d",
		g.Name, g.OpenedAt.UTC().Format("2006-01-02 15:04"), g.Reason, g.ID)
}

// gatesOf returns the gates in the way of writing to a store, asked once for
// each.
func (r *run) gatesOf(ctx context.Context, name string) ([]catalog.Gate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if gates, ok := r.gates[name]; ok {
		return gates, nil
	}
	gates, err := gate.InTheWay(ctx, r.vault.Catalog, name)
	if err != nil {
		return nil, fmt.Errorf("ask the gates of store %q: %w", name, err)
	}
	r.gates[name] = gates
	return gates, nil
}
