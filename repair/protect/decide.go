package protect

import (
	"context"
	"errors"
	"fmt"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/diagnose"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/store"
)

// action says what is to be done about a name.
type action uint8

const (
	leave   action = 0 // nothing: it is reported and stays as it is recorded
	renew   action = 1 // record its content anew
	refresh action = 2 // its content is what is recorded: record its state and attributes
	vanish  action = 3 // end its record
	move    action = 4 // give the record of another name to it
)

// A decision is what is to be done about a name.
type decision struct {
	action     action
	entry      store.Entry // as the store has it now
	generation int64       // recorded; of a move, under the old name; 0 when nothing is
	from       string      // of a move
	attributes hashsets.Attributes
	target     string           // of a link
	settled    bool             // an open finding of it is over
	completes  bool             // its content is what is recorded, of which the record has no shard sums
	found      *finding.Finding // to be kept in the catalog
	encrypted  bool             // its new content looks encrypted
}

func (e *encoder) decision(d decision) {
	e.uint(uint64(d.action))
	e.entry(d.entry)
	e.int(d.generation)
	e.text(d.from)
	e.attributes(d.attributes)
	e.text(d.target)
	e.bool(d.settled)
	e.bool(d.completes)
}

func (d *decoder) decision() decision {
	return decision{
		action: action(d.uint()), entry: d.entry(), generation: d.int(), from: d.text(),
		attributes: d.attributes(), target: d.text(), settled: d.bool(), completes: d.bool(),
	}
}

// decided is what is to be done about every name that is not as it was.
type decided struct {
	*spool[decision]
	counts   gate.Counts
	findings []finding.Finding // to be kept in the catalog
	kept     map[inode]string  // a name of each file of several names that is recorded
	coming   parity.Coming     // what is to be recorded
	bytes    int64             // of the blobs that the store has
}

// inode tells a file of several names from all others.
type inode struct{ device, number uint64 }

// severalNames bounds how many files of several names are remembered. Beyond
// it the names of one file are recorded as so many files.
const severalNames = 1 << 20

// decide reads what differs and says what is to be done about each name. It
// changes nothing.
func (r *run) decide(ctx context.Context, s *surveyed) (_ *decided, err error) {
	if err := r.followRenames(ctx, s); err != nil {
		return nil, err
	}
	spool, err := newSpool(r.vault.ScratchDir(), (*encoder).decision, (*decoder).decision)
	if err != nil {
		return nil, err
	}
	d := &decided{spool: spool, kept: make(map[inode]string), bytes: s.bytes}
	d.counts = gate.Counts{Store: r.source.Name(), Checked: s.recorded}
	decideOne := func(ctx context.Context, h *hand, m entryOf[matter]) (decision, error) {
		return r.decideOne(ctx, h, s, m)
	}
	err = inOrder(ctx, r.opts.Workers, r.newHand, s.all(), decideOne, func(one decision) error { return r.note(d, one) })
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// note counts a decision and writes it down.
func (r *run) note(d *decided, one decision) error {
	if f := one.found; f != nil {
		r.found(*f)
		switch {
		case f.Verdict == finding.Missing:
			d.counts.Missing++
			d.counts.Damaged++
		case f.Denied:
			d.counts.Partial = true
		case f.Verdict.Damaged():
			d.counts.Damaged++
		}
		if f.Verdict != finding.Busy && f.Verdict != finding.Unreadable && f.Verdict != finding.Unverifiable {
			d.findings = append(d.findings, *f)
		}
	}
	blob := one.entry.Kind != hashsets.Directory
	switch one.action {
	case leave:
		return nil
	case renew:
		if blob && one.generation > 0 && !one.completes && !r.accept.has(one.entry.Name) {
			d.counts.Changed++
			if one.encrypted {
				d.counts.Encrypted++
			}
		}
		if !r.affords(d, one) {
			r.deferred()
			return nil
		}
		d.coming.Add(sizeOf(one.entry), r.vault.Config.ShardSize)
	case vanish:
		if blob && !r.accept.has(one.entry.Name) {
			d.counts.Missing++
		}
	case refresh, move:
		if one.entry.Links > 1 && len(d.kept) < severalNames {
			d.kept[inodeOf(one.entry)] = one.entry.Name
		}
	}
	_, err := d.add(one)
	return err
}

func inodeOf(e store.Entry) inode { return inode{e.Identity.Device, e.Identity.Inode} }

// sizeOf returns how many bytes of a name are hashed and encoded: those of
// files alone.
func sizeOf(e store.Entry) int64 {
	if e.Kind != hashsets.File {
		return 0
	}
	return e.Identity.Size
}

// decideOne says what is to be done about one name.
func (r *run) decideOne(ctx context.Context, h *hand, s *surveyed, m entryOf[matter]) (decision, error) {
	one := decision{entry: m.value.entry, generation: m.value.generation}
	var err error
	if one.entry.Archived != "" && m.value.task != vanished {
		return r.leaveFor(one, fmt.Errorf("%w: storage class %s", store.ErrArchived, one.entry.Archived)), nil
	}
	switch m.value.task {
	case vanished:
		one = r.decideVanished(one, s, m)
	case appeared:
		one, err = r.decideAppeared(ctx, one, s, m)
	default:
		one, err = r.decideDiffers(ctx, h, one, m.value)
		if err == nil && one.action == renew {
			one.encrypted = r.looksEncrypted(ctx, one.entry)
		}
	}
	if err != nil && (r.blamesBlob(ctx, err) || errors.Is(err, store.ErrAllowance)) {
		return r.leaveFor(one, err), nil
	}
	return one, err
}

// looksEncrypted samples the new content of a file.
func (r *run) looksEncrypted(ctx context.Context, e store.Entry) bool {
	if e.Kind != hashsets.File {
		return false
	}
	blob, err := r.source.Open(ctx, e.Name, store.Access{})
	if err != nil {
		return false // it is met again when it is recorded
	}
	defer blob.Close()
	return diagnose.LooksEncrypted(blob, e.Identity.Size)
}

// leaveFor leaves a name as it is recorded because of an error.
func (r *run) leaveFor(one decision, why error) decision {
	one.action = leave
	f := finding.Finding{Store: r.source.Name(), Blob: one.entry.Name, Kind: one.entry.Kind,
		Generation: one.generation, Identity: one.entry.Identity, Size: one.entry.Identity.Size, Reason: why.Error()}
	switch {
	case errors.Is(why, store.ErrNotFound):
		return one // it went while we looked: the next run will say so
	case errors.Is(why, store.ErrAllowance):
		r.deferred()
		return one
	case errors.Is(why, errBusy), errors.Is(why, store.ErrChanged):
		f.Verdict = finding.Busy
	case errors.Is(why, store.ErrArchived):
		f.Verdict = finding.Unverifiable
	default:
		f.Verdict, f.Denied = finding.Unreadable, errors.Is(why, store.ErrPermission)
	}
	one.found = &f
	return one
}

func (r *run) decideVanished(one decision, s *surveyed, m entryOf[matter]) decision {
	if s.foundAgain(m) {
		one.action = leave // its record moves with the new name
		return one
	}
	name := one.entry.Name
	one.settled = m.value.verdict != ""
	one.action = vanish
	if r.halfHealed(name) {
		return r.keepRed(one, m.value.verdict, finding.Missing, unended)
	}
	if r.accept.has(name) || one.entry.Kind == hashsets.Directory {
		return one
	}
	if m.value.verdict.Damaged() {
		return r.keepRed(one, m.value.verdict, finding.Missing, "it was damaged when it was checked last, and is gone now")
	}
	if r.findingsLost && m.value.unverified {
		return r.keepRed(one, m.value.verdict, finding.Missing,
			"it is gone, and whether it was lost before is not known: the catalog that would say so could not be read")
	}
	if r.config.Immutable {
		return r.keepRed(one, m.value.verdict, finding.Missing, "the store is immutable, and the blob is gone")
	}
	return one
}

// unended says why nothing is recorded of a blob that may be half healed.
const unended = "a repair of it was interrupted and could be neither finished nor rolled back, so that it may be half healed"

func (r *run) halfHealed(name string) bool {
	return r.opts.HalfHealed[[2]string{r.source.Name(), name}]
}

// keepRed refuses to record what is there now.
func (r *run) keepRed(one decision, before, verdict finding.Verdict, why string) decision {
	one.action, one.settled = leave, false
	f := finding.Finding{
		Store: r.source.Name(), Blob: one.entry.Name, Verdict: verdict, Diagnosis: finding.Unknown,
		Generation: one.generation, Kind: one.entry.Kind, Identity: one.entry.Identity, Size: one.entry.Identity.Size,
		Evidence: []string{why, "if it is right as it is now, protect --accept records that; it takes globs"},
	}
	if verdict == finding.Missing {
		f.Diagnosis, f.Identity = "", hashsets.Identity{}
	}
	one.found = &f
	return one
}

func (r *run) decideAppeared(ctx context.Context, one decision, s *surveyed, m entryOf[matter]) (decision, error) {
	one.settled = m.value.verdict != ""
	from, generation, ok, err := s.moved(m)
	if err != nil {
		return one, err
	}
	if ok {
		one.action, one.from, one.generation = move, from, generation
		return r.withAttributes(ctx, one)
	}
	one.action = renew
	return r.withAttributes(ctx, one)
}

// withAttributes looks at what is not read as a file is.
func (r *run) withAttributes(ctx context.Context, one decision) (decision, error) {
	var err error
	if one.entry.Kind == hashsets.Link {
		if one.target, err = r.source.ReadLink(ctx, one.entry.Name); err != nil {
			return one, err
		}
	}
	if one.action == renew && one.entry.Kind == hashsets.File {
		return one, nil // they are taken when its bytes are read
	}
	one.attributes, err = r.source.Attributes(ctx, one.entry.Name)
	return one, err
}

// decideDiffers says what is to be done about a recorded name that is in
// another state.
func (r *run) decideDiffers(ctx context.Context, h *hand, one decision, m matter) (decision, error) {
	record, err := r.catalog.Current(ctx, one.entry.Name)
	if err != nil && !errors.Is(err, catalog.ErrDamaged) {
		return one, err
	}
	one.settled = m.verdict != ""
	one.action = renew
	if err != nil || record.Damage != nil {
		return r.keepRed(one, m.verdict, finding.RecordDamaged, "what is recorded of it fails its check"), nil
	}
	if r.halfHealed(one.entry.Name) {
		return r.keepRed(one, m.verdict, finding.Corrupt, unended), nil
	}
	if r.accept.has(one.entry.Name) {
		return r.withAttributes(ctx, one)
	}
	what := ""
	switch {
	case record.Kind != one.entry.Kind:
		what = fmt.Sprintf("a %s was recorded and a %s is there", record.Kind, one.entry.Kind)
	case record.Kind == hashsets.Directory:
		one.action = refresh
		return r.withAttributes(ctx, one)
	case record.Kind == hashsets.Link:
		if one, err = r.withAttributes(ctx, one); err != nil {
			return one, err
		}
		if one.target != record.Target {
			what = fmt.Sprintf("the link points to %q and was recorded as pointing to %q", one.target, record.Target)
		}
	default:
		return r.compare(ctx, h, one, m, &record)
	}
	if what == "" {
		one.action = refresh
		return r.withAttributes(ctx, one)
	}
	if why, meant := r.meant(one, m); !meant {
		return r.keepRed(one, m.verdict, finding.Corrupt, what+why), nil
	}
	return r.withAttributes(ctx, one)
}
