package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/stripe"
	"bitmend/scrub"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// RestoreOptions say what a restore brings back, from when and where to.
type RestoreOptions struct {
	At     time.Time     // the time whose records are wanted
	Said   string        // the time in the person's words: the same words go on with an unfinished restore
	To     string        // the directory, missing or empty, or one in which such a restore is unfinished
	Only   []string      // globs on blob names; nil means all
	Donors []store.Store // further sources of good bytes

	Workers int                                       // blobs in work at a time; 0 chooses
	Open    func(name string) (store.Writable, error) // opens the stores; nil opens those of the vault
	Target  func(store.Writable) store.Writable       // stands before the target, in tests
	Now     func() time.Time                          // the clock; nil is time.Now
}

// restoreStore is what the target of a restore is called in events.
const restoreStore = "restore"

// Restore rebuilds blobs as they were recorded at a time, in a new place: from
// the stores, the versions that they keep, donors, the quarantine and the
// stripes, whoever has the bytes still. Every blob is held against the hash set
// of that time before it gets its name. What cannot be had is reported, with
// the reason, and the rest goes on. A restore that was interrupted goes on
// where it stopped; nothing that stands in the target is ever replaced.
//
// It writes nothing but the target and the record of the run, so that open
// gates do not keep it from its work.
func Restore(ctx context.Context, v *vault.Vault, asked RestoreOptions, rep report.Reporter) (report.Summary, error) {
	opts := Options{Workers: asked.Workers, Now: asked.Now, Donors: asked.Donors, Open: asked.Open}
	s := &restoring{run: newRun(v, opts.withDefaults(), rep), asked: asked}
	s.summary.Verb = "restore"
	err := s.all(ctx)
	s.close(err)
	return s.summary, err
}

// A restoring is one execution of restore.
type restoring struct {
	*run
	asked  RestoreOptions
	names  scrub.Names
	target store.Writable

	total  int64                  // bytes of the files that are wanted
	other  map[content]recordedAs // where else content is recorded now, of generations that ended
	shared map[inode]*firstName   // files that had several names
	above  map[string]bool        // directories above what was asked for
	denied int                    // blobs whose owner or extended attributes could not be given
	had    int64                  // wanted blobs that are there by now
	lacked int64                  // wanted blobs that could not be had
}

func (s *restoring) all(ctx context.Context) (err error) {
	if s.names, err = scrub.ParseNames(s.asked.Only); err != nil {
		return err
	}
	mark, err := s.openTarget(ctx)
	if err != nil {
		return err
	}
	if err := s.openStores(ctx); err != nil {
		return err
	}
	if err := s.startRun(ctx); err != nil {
		return err
	}
	err = s.everything(ctx)
	if err == nil && s.lacked == 0 {
		err = mark.remove()
	}
	s.close(err)
	return errors.Join(err, s.finishRun(context.WithoutCancel(ctx)))
}

// everything restores files and links, and gives directories what belongs to
// them last, when nothing is put into them any more.
func (s *restoring) everything(ctx context.Context) error {
	if err := s.survey(ctx); err != nil {
		return fmt.Errorf("look up what was recorded at %s: %w", s.asked.At.UTC().Format(time.RFC3339), err)
	}
	if s.summary.Blobs == 0 {
		s.rep.Note("nothing that was asked for was recorded at %s", s.asked.At.UTC().Format(time.RFC3339))
	}
	var files, followers []catalog.Past
	var bytes int64
	for then, err := range s.vault.Catalog.RecordsAt(ctx, s.asked.At, catalog.Span{}) {
		if err != nil {
			return err
		}
		switch {
		case then.Kind == hashsets.Directory || !s.names.Has(then.Name):
			continue
		case s.follows(&then):
			followers = append(followers, then)
			continue
		}
		files = append(files, then)
		bytes += then.Hashes.Size
		if len(files) == batchBlobs || bytes > batchBytes {
			if err := s.batch(ctx, files); err != nil {
				return err
			}
			files, bytes = files[:0], 0
		}
	}
	if err := s.batch(ctx, files); err != nil {
		return err
	}
	if err := s.furtherNames(ctx, followers); err != nil {
		return err
	}
	return s.directories(ctx)
}

// survey counts what is wanted, and finds what needs to be known of all of it:
// which files had several names, and which content has another name now.
func (s *restoring) survey(ctx context.Context) error {
	s.other, s.above = make(map[content]recordedAs), make(map[string]bool)
	sizes := make(map[int64]bool)
	var inodes []inode
	for then, err := range s.vault.Catalog.RecordsAt(ctx, s.asked.At, catalog.Span{}) {
		if err != nil {
			return err
		}
		if !s.names.Has(then.Name) {
			continue
		}
		for dir := parent(then.Name); dir != "" && !s.above[dir]; dir = parent(dir) {
			s.above[dir] = true
		}
		if then.Kind == hashsets.Directory {
			continue
		}
		s.summary.Blobs++
		if then.Kind != hashsets.File || then.Damage != nil {
			continue
		}
		s.total += then.Hashes.Size
		if len(s.asked.Donors) > 0 {
			sizes[then.Hashes.Size] = true
		}
		if !then.Current {
			s.other[contentOf(&then.Hashes)] = recordedAs{}
		}
		if then.Identity.Inode != 0 {
			inodes = append(inodes, inode{then.Identity.Device, then.Identity.Inode})
		}
	}
	s.donors = newDonors(s.asked.Donors, sizes)
	s.shared = severalNames(inodes)
	return s.findOther(ctx)
}

// findOther finds the names that content of ended generations is recorded
// under now: it was renamed, or copied, or put back.
func (s *restoring) findOther(ctx context.Context) error {
	if len(s.other) == 0 {
		return nil
	}
	for known, err := range s.vault.Catalog.Records(ctx, catalog.Query{}) {
		if err != nil {
			return err
		}
		if known.Kind != hashsets.File || known.Damage != nil {
			continue
		}
		key := contentOf(&known.Hashes)
		if there, wanted := s.other[key]; wanted && there.name == "" {
			s.other[key] = recordedAs{known.Name, known.Generation}
		}
	}
	return nil
}

// batch restores files and links that are in work together.
func (s *restoring) batch(ctx context.Context, wanted []catalog.Past) error {
	return s.rebuild(ctx, len(wanted), intoNothing{
		begin: func(ctx context.Context, b *batch, i int) error { return s.one(ctx, b, &wanted[i]) },
		place: s.place,
		miss: func(ctx context.Context, j *job, end *ending) error {
			if len(j.lost) > 0 && errors.Is(j.lost[0], stripe.ErrNoParity) && end.outcome == report.Lost {
				end.reason = "no store, version, donor or quarantined copy has its bytes still, and no stripe holds them any more"
			}
			return s.settleRestore(ctx, &j.record, end)
		},
		ended: func(ctx context.Context, j *job, i int, err error) error {
			if j != nil {
				return s.settleRestore(ctx, &j.record, err)
			}
			return s.settleRestore(ctx, &wanted[i].Record, err)
		},
	})
}

// settleRestore turns the end of one blob into its event and its count. It
// returns only errors that end the run: what it met in the target will meet
// every other blob too.
func (s *restoring) settleRestore(ctx context.Context, record *catalog.Record, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, store.ErrNoSpace) || errors.Is(err, store.ErrNotMounted) {
		return fmt.Errorf("restore %q: %w", record.Name, err)
	}
	var end *ending
	if !errors.As(err, &end) {
		end = skipped("%v", err)
	}
	s.mu.Lock()
	s.lacked++
	if end.outcome == report.Lost {
		s.summary.Lost++
	} else {
		s.summary.Unchecked++
	}
	s.mu.Unlock()
	s.rep.Repair(report.Repair{
		Store: restoreStore, Blob: record.Name, Outcome: end.outcome, Reason: end.reason, Ranges: end.ranges,
		Next: "the same command again, with --donor DIR for a folder that may hold it",
	})
	return nil
}

// restored counts and reports a blob that stands in the target now.
func (s *restoring) restored(record *catalog.Record, sources map[SourceKind]int) {
	s.mu.Lock()
	s.stands(record)
	s.summary.Restored++
	s.summary.Bytes += record.Hashes.Size
	p := report.Progress{Verb: "restore", Store: restoreStore, Blobs: s.had, Bytes: s.summary.Bytes, Total: s.total, Findings: s.lacked, Elapsed: s.opts.Now().Sub(s.started)}
	s.mu.Unlock()
	s.rep.Repair(report.Repair{Store: restoreStore, Blob: record.Name, Outcome: report.Restored, Sources: sourceCounts(sources)})
	s.rep.Progress(p)
}

// directories gives the directories that were asked for, and those above what
// was, their attributes, the deepest first.
func (s *restoring) directories(ctx context.Context) error {
	var all []catalog.Record
	for then, err := range s.vault.Catalog.RecordsAt(ctx, s.asked.At, catalog.Span{}) {
		if err != nil {
			return err
		}
		if then.Kind == hashsets.Directory && then.Damage == nil && (s.names.Has(then.Name) || s.above[then.Name]) {
			all = append(all, catalog.Record{Name: then.Name, Attributes: then.Attributes})
		}
	}
	for _, d := range slices.Backward(all) {
		err := s.withAttributes(d.Attributes, func(attrs hashsets.Attributes) error {
			return s.target.PutDirectory(ctx, d.Name, attrs)
		})
		if err := s.settleRestore(ctx, &d, err); err != nil {
			return err
		}
	}
	if s.denied > 0 {
		s.rep.Note("the owners or extended attributes of %d files and directories could not be given as recorded; run it as root for that", s.denied)
	}
	return nil
}
