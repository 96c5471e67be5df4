package repair

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// A job is one planned repair of a file or a link while it is carried out.
type job struct {
	planned  *Planned
	target   store.Writable
	record   catalog.Record
	seen     *store.Entry         // what stands in the place; nil for nothing
	was      *hashsets.Attributes // of what stands in the place
	attrs    hashsets.Attributes  // of the replacement
	entry    *entry
	staged   *stagedFile // nil for a link
	kept     bool        // what stands in the place is in the quarantine
	other    recordedAs  // restore: where the content is recorded now; zero when it is there only
	sought   shardSet    // what the finding says must be rebuilt
	missing  shardSet    // what is still to be found
	whole    bool        // the whole blob was found, where no shard sums are recorded
	sources  map[SourceKind]int
	likeness likeness // of the current copies with what stands in the place

	guard   sync.Mutex // guards missing, sources, lost and unknown while stripes deliver
	lost    []error    // why shards cannot be rebuilt
	unknown error      // an error of the host, for which nothing can be called lost; nil when there was none
}

// An ending says how a repair ended when it did not end in a repaired blob.
type ending struct {
	outcome report.Outcome
	reason  string
	ranges  []store.Range // what is lost
}

func (e *ending) Error() string { return e.reason }

func skipped(format string, args ...any) *ending {
	return &ending{outcome: report.Skipped, reason: fmt.Sprintf(format, args...)}
}

// changedInRepair ends the repair of a blob that somebody wrote meanwhile.
func changedInRepair() *ending {
	return skipped("somebody changed it while it was repaired: nothing was changed; scrub again")
}

// errCatalog marks errors after which the run must not go on: what was put in
// place cannot be recorded, and the journal keeps it for the next run.
var errCatalog = errors.New("the repair could not be recorded")

// newJob looks at the target once more and makes the repair ready to begin.
// The error is an *ending when there is nothing to repair.
func (r *run) newJob(ctx context.Context, p *Planned) (*job, error) {
	j := &job{planned: p, target: r.stores[p.Store], sources: make(map[SourceKind]int)}
	record, err := r.vault.Catalog.Generation(ctx, p.Blob, p.Generation)
	if err != nil {
		return nil, fmt.Errorf("look up the record of %q: %w", p.Blob, err)
	}
	if record.Damage != nil {
		return nil, skipped("its record is damaged: %v", record.Damage)
	}
	j.record = record
	if j.seen, err = statOrNil(ctx, j.target, p.Blob); err != nil {
		return nil, err
	}
	if !stands(p.Expect, j.seen) {
		return nil, r.changedMeanwhile(ctx, j)
	}
	if j.seen != nil && j.seen.Kind == hashsets.Directory {
		return nil, skipped("a directory stands in the place of the %s: move it away and run repair again", record.Kind)
	}
	if err := r.chooseAttributes(ctx, j); err != nil {
		return nil, err
	}
	j.sought = shardsIn(&record.Hashes, p.Ranges)
	j.missing = allShards(&record.Hashes)
	j.entry = r.newEntry(j)
	return j, nil
}

// statOrNil looks at a name; nil when there is none.
func statOrNil(ctx context.Context, s store.Store, name string) (*store.Entry, error) {
	seen, err := s.Stat(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &seen, nil
}

// stands tells whether what was judged is still what stands in the place. The
// number of a device may be another after a reboot; inode, size and times tell.
func stands(expect *hashsets.Identity, seen *store.Entry) bool {
	if expect == nil || seen == nil {
		return expect == nil && seen == nil
	}
	now := seen.Identity
	now.Device = expect.Device
	if expect.ChangeTime == 0 {
		now.ChangeTime = 0
	}
	return now == *expect
}

// changedMeanwhile says what became of a target that is not what was judged.
// When it is intact by now, its finding is dropped.
func (r *run) changedMeanwhile(ctx context.Context, j *job) error {
	if j.seen != nil {
		whole, err := r.isRecorded(ctx, j)
		if err != nil {
			return err
		}
		if whole {
			return r.foundIntact(ctx, j, *j.seen)
		}
	}
	return skipped("it changed since it was judged: scrub again")
}

// isRecorded tells whether the target is what is recorded.
func (r *run) isRecorded(ctx context.Context, j *job) (bool, error) {
	if j.seen.Kind != j.record.Kind {
		return false, nil
	}
	switch j.record.Kind {
	case hashsets.Link:
		target, err := j.target.ReadLink(ctx, j.record.Name)
		return target == j.record.Target, err
	case hashsets.Directory:
		return true, nil
	}
	return r.intact(ctx, j.target, *j.seen, &j.record.Hashes)
}

// foundIntact records that a blob was read and found intact, and says so.
func (r *run) foundIntact(ctx context.Context, j *job, seen store.Entry) error {
	now := r.opts.Now()
	err := r.vault.Catalog.Update(ctx, func(tx *catalog.Tx) error {
		err := tx.PutCoverage(catalog.Coverage{
			Store: j.planned.Store, Name: j.record.Name, Generation: j.record.Generation,
			Identity: seen.Identity, VerifiedAt: now, Depth: catalog.DeepBuffered, Run: r.id,
		})
		if err != nil {
			return err
		}
		return tx.DropFinding(j.planned.Store, j.record.Name)
	})
	if err != nil {
		return fmt.Errorf("record that %q is intact: %w", j.record.Name, err)
	}
	return skipped("it was read again and is intact: nothing to repair")
}

// chooseAttributes chooses the attributes of the replacement: those of the
// damaged original, for a change of mode is no damage, and else the recorded
// ones. The modification time is the recorded one, for so is the content.
func (r *run) chooseAttributes(ctx context.Context, j *job) error {
	modTime, err := r.recordedModTime(ctx, j)
	if err != nil {
		return err
	}
	j.attrs = j.record.Attributes
	if store.Keeps(j.target, hashsets.Directory) && r.fromBucket() {
		j.attrs = hashsets.Attributes{} // an object has no mode and no owner to give
	}
	if j.seen != nil && j.seen.Kind == j.record.Kind {
		was, err := j.target.Attributes(ctx, j.record.Name)
		switch {
		case err == nil:
			j.was, j.attrs = &was, was
		case errors.Is(err, store.ErrMedium): // the recorded ones then
		case errors.Is(err, store.ErrNotFound):
			return changedInRepair()
		default:
			return fmt.Errorf("read the attributes of %q: %w", j.record.Name, err)
		}
	}
	if !reflect.DeepEqual(j.attrs, hashsets.Attributes{}) {
		j.attrs.ModTime = modTime
	}
	return nil
}

// fromBucket tells whether attributes were recorded of objects.
func (r *run) fromBucket() bool {
	primary := r.stores[r.vault.Primary().Name]
	return primary != nil && !store.Keeps(primary, hashsets.Directory)
}

// recordedModTime returns the modification time under which this generation
// was last verified in the target store, or that of the record. A replica may
// have its own.
func (r *run) recordedModTime(ctx context.Context, j *job) (int64, error) {
	seen, err := r.vault.Catalog.Coverage(ctx, j.planned.Store, j.record.Name)
	switch {
	case errors.Is(err, catalog.ErrNotRecorded):
		return j.record.Attributes.ModTime, nil
	case err != nil:
		return 0, fmt.Errorf("look up when %q was last verified: %w", j.record.Name, err)
	case seen.Generation == j.record.Generation && seen.Identity.ModTime != 0:
		return seen.Identity.ModTime, nil
	}
	return j.record.Attributes.ModTime, nil
}

// newEntry is what the journal will know of the repair.
func (r *run) newEntry(j *job) *entry {
	e := &entry{
		ID: newID(r.opts.Now()), Store: j.planned.Store, named: nameOf(j.record.Name), Names: linkedNames(j.planned.Names),
		Action: j.planned.Action, Phase: begun, Run: r.id, Begun: r.opts.Now(), Generation: j.record.Generation,
		Size: j.record.Hashes.Size, Digests: digestsOf(&j.record.Hashes), Attributes: attributesOf(j.attrs),
	}
	if j.seen != nil {
		e.Expect = identityOf(&j.seen.Identity)
	}
	if j.record.Kind == hashsets.Link {
		e.LinkTarget = []byte(j.record.Target)
	}
	return e
}

// side describes the damaged original for the quarantine.
func (j *job) side(r *run) sidecar {
	s := sidecar{
		Receipt: j.entry.ID, Store: j.entry.Store, named: j.entry.named, Verdict: j.planned.Verdict,
		Diagnosis: j.planned.Diagnosis, Generation: j.record.Generation, KeptAt: r.opts.Now(),
	}
	if j.was != nil {
		was := attributesOf(*j.was)
		s.Attributes = &was
	}
	return s
}

// detail is the receipt of the repair.
func (j *job) detail(plan string) *detail {
	d := &detail{
		Plan: plan, Action: j.entry.Action, Names: j.entry.Names, Sources: j.sources, Proofs: j.planned.Proofs,
		Before: before{
			Verdict: j.planned.Verdict, Diagnosis: j.planned.Diagnosis, Generation: j.record.Generation,
			Identity: j.entry.Expect, Ranges: j.planned.Ranges,
		},
		After: after{Size: j.entry.Size, Digests: j.entry.Digests, LinkTarget: j.entry.LinkTarget, Attributes: j.entry.Attributes},
	}
	if j.was != nil {
		was := attributesOf(*j.was)
		d.Before.Attributes = &was
	}
	if j.seen != nil && !j.stays() {
		d.Quarantine = j.entry.ID
	}
	return d
}

// stays tells whether the store itself keeps the damaged original, as a version
// beside the replacement. Before.Identity then says which.
func (j *job) stays() bool {
	copier, some := j.target.(store.Copier)
	return some && j.seen != nil && copier.KeepsReplaced(j.seen.Identity)
}
