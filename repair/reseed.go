package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// ErrReseed is wrapped when a store is not one that may be filled anew.
var ErrReseed = errors.New("cannot be reseeded")

// reseedVerb is what the IDs begin with under which files are staged.
const reseedVerb = "reseed"

// reseedChunk is how many records are looked at, and repaired, at a time.
const reseedChunk = 4096

// Reseed fills an empty or replaced store with all that is recorded: each blob
// that is not there is rebuilt and proven as any missing blob is, from the other
// stores, donors and the stripes. It is a person's word that the store is right
// as it is, so the gates that say that it is empty, or on another file system,
// are cleared by it; any other gate refuses it. A store that holds anything
// which is not recorded is refused, and nothing that is there is replaced.
//
// A run that was killed is gone on with by the next: what it recorded is not
// read again, what it did not is.
func Reseed(ctx context.Context, v *vault.Vault, storeName string, opts Options, rep report.Reporter) (report.Summary, error) {
	s := &reseeding{run: newRun(v, opts.withDefaults(), rep), name: storeName}
	err := s.all(ctx)
	s.close(err)
	return s.summary, err
}

// A reseeding is one execution of reseed.
type reseeding struct {
	*run
	name   string
	target store.Writable
	total  int64 // bytes that are recorded
	shared map[inode]*firstName
	missed []string // names that no source had, to be tried again
	final  bool     // what no source has in this pass is lost
}

func (s *reseeding) all(ctx context.Context) error {
	c := s.config(s.name)
	if c == nil || c.Role == vault.Lagged {
		return fmt.Errorf("store %q %w: it is behind on purpose and never written", s.name, ErrReseed)
	}
	target, err := s.open(s.name)
	if err != nil {
		return err
	}
	s.target = target
	if err := s.accept(ctx); err != nil {
		return err
	}
	if err := s.recoverAll(ctx); err != nil {
		return err
	}
	if err := s.openStores(ctx); err != nil {
		return err
	}
	if err := s.survey(ctx); err != nil {
		return err
	}
	if err := s.startRun(ctx); err != nil {
		return err
	}
	if err := s.vault.BeginStaging(reseedVerb, s.name); err != nil {
		return err
	}
	err = s.passes(ctx)
	if err == nil {
		err = s.vault.EndStaging(reseedVerb, s.name)
	}
	err = errors.Join(err, s.putBackDirectories(context.WithoutCancel(ctx)))
	s.close(err)
	err = errors.Join(err, s.finishRun(context.WithoutCancel(ctx)))
	if err == nil && s.summary.Refused {
		return fmt.Errorf("repair: %w", gate.ErrRefused)
	}
	return err
}

// accept looks at the store and takes it as it is.
func (s *reseeding) accept(ctx context.Context) error {
	if _, err := s.target.Probe(ctx); err != nil {
		return fmt.Errorf("store %q %w: make its root, or mount it, first: %w", s.name, ErrReseed, err)
	}
	if err := s.refuseUnknown(ctx); err != nil {
		return err
	}
	others, err := gate.Accept(ctx, s.vault.Catalog, s.target, "repair --reseed: it is to be filled anew", s.opts.Now())
	if err != nil {
		return err
	}
	if len(others) > 0 {
		s.tellGates(others)
		s.summary.Refused = true
		return fmt.Errorf("repair: %w", gate.ErrRefused)
	}
	return nil
}

// shownUnknown is how many of the names that refuse a reseed are named.
const shownUnknown = 5

// refuseUnknown refuses a store that holds anything but what is recorded.
// Directories are no content: a new file system comes with some.
func (s *reseeding) refuseUnknown(ctx context.Context) error {
	var unknown []string
	count := 0
	for seen, err := range s.target.List(ctx, store.ListOptions{}) {
		if err != nil {
			return fmt.Errorf("list store %q: %w", s.name, err)
		}
		if seen.Kind == hashsets.Directory {
			continue
		}
		why, err := s.unknown(ctx, &seen)
		if err != nil {
			return err
		}
		if why == "" {
			continue
		}
		if count++; count <= shownUnknown {
			unknown = append(unknown, fmt.Sprintf("%q, which %s", seen.Name, why))
		}
	}
	if count == 0 {
		return nil
	}
	return fmt.Errorf("store %q %w: it holds %d files that are not what is recorded: %s; move them away, or scrub and repair it as it is",
		s.name, ErrReseed, count, strings.Join(unknown, "; "))
}

// unknown says why what stands in the store is not what is recorded, as far as
// that can be told without reading it; "" when it may be.
func (s *reseeding) unknown(ctx context.Context, seen *store.Entry) (string, error) {
	if seen.Err != nil {
		return fmt.Sprintf("cannot be looked at (%v)", seen.Err), nil
	}
	record, err := s.vault.Catalog.Current(ctx, seen.Name)
	switch {
	case errors.Is(err, catalog.ErrNotRecorded):
		return "is not recorded", nil
	case err != nil:
		return "", fmt.Errorf("look up the record of %q: %w", seen.Name, err)
	case record.Damage != nil:
		return "", nil // its bytes are left alone, and its record is scrub's to judge
	case seen.Kind != record.Kind:
		return fmt.Sprintf("is recorded as a %s", record.Kind), nil
	case seen.Kind == hashsets.File && seen.Identity.Size != record.Hashes.Size:
		return fmt.Sprintf("has %d bytes and is recorded with %d", seen.Identity.Size, record.Hashes.Size), nil
	}
	return "", nil
}

// survey finds what must be known of all records: how much there is, and which
// files had several names.
func (s *reseeding) survey(ctx context.Context) error {
	var inodes []inode
	sizes := make(map[int64]bool)
	for known, err := range s.vault.Catalog.Records(ctx, catalog.Query{}) {
		if err != nil {
			return fmt.Errorf("read the records: %w", err)
		}
		if known.Kind != hashsets.File || known.Damage != nil {
			continue
		}
		s.total += known.Hashes.Size
		if len(s.opts.Donors) > 0 {
			sizes[known.Hashes.Size] = true
		}
		if known.Identity.Inode != 0 {
			inodes = append(inodes, inode{known.Identity.Device, known.Identity.Inode})
		}
	}
	s.shared = severalNames(inodes)
	s.donors = newDonors(s.opts.Donors, sizes)
	return nil
}

// passes goes over all records, and then over what no source had, as long as
// others of their stripes come back.
func (s *reseeding) passes(ctx context.Context) error {
	if err := s.firstPass(ctx); err != nil {
		return err
	}
	before := int64(0)
	for len(s.missed) > 0 {
		s.final = s.final || s.repairedSoFar() == before
		before = s.repairedSoFar()
		names := s.missed
		s.missed = nil
		for chunk := range slices.Chunk(names, reseedChunk) {
			var records []catalog.Known
			for _, name := range chunk {
				record, err := s.vault.Catalog.Current(ctx, name)
				if err != nil {
					return fmt.Errorf("look up the record of %q: %w", name, err)
				}
				records = append(records, catalog.Known{Record: record})
			}
			if err := s.chunk(ctx, records, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// firstPass takes the records in parts, since none can be written while a walk
// over them goes on without the log of the catalog growing.
func (s *reseeding) firstPass(ctx context.Context) error {
	for next, more := "", true; more; {
		var records, followers []catalog.Known
		more = false
		for known, err := range s.vault.Catalog.Records(ctx, catalog.Query{Store: s.name, From: next}) {
			if err != nil {
				return fmt.Errorf("read the records: %w", err)
			}
			next = known.Name + "\x00"
			if s.follows(&known) {
				followers = append(followers, known)
			} else {
				records = append(records, known)
			}
			if more = len(records)+len(followers) == reseedChunk; more {
				break
			}
		}
		missing, err := s.missing(ctx, records)
		if err != nil {
			return err
		}
		behind, err := s.missing(ctx, followers)
		if err != nil {
			return err
		}
		if err := s.chunk(ctx, missing, behind); err != nil {
			return err
		}
	}
	return nil
}

// follows tells whether the blob is a further name of a file that another name
// was met of.
func (s *reseeding) follows(known *catalog.Known) bool {
	file := inode{known.Identity.Device, known.Identity.Inode}
	first, several := s.shared[file]
	if !several || known.Kind != hashsets.File || known.Damage != nil {
		return false
	}
	if first == nil {
		s.shared[file] = &firstName{name: known.Name, content: contentOf(&known.Hashes)}
		return false
	}
	return first.content == contentOf(&known.Hashes)
}

// missing returns the records whose blobs are not there, and counts them all.
// What is there is read unless an earlier run recorded that it put it there.
func (s *reseeding) missing(ctx context.Context, records []catalog.Known) ([]catalog.Known, error) {
	var missing []catalog.Known
	for _, known := range records {
		if known.Damage != nil || !store.Keeps(s.target, known.Kind) {
			continue
		}
		seen, err := statOrNil(ctx, s.target, known.Name)
		if err != nil {
			return nil, err
		}
		if known.Kind == hashsets.Directory && seen != nil {
			continue
		}
		s.summary.Blobs++
		if seen == nil {
			s.summary.Damaged++
			s.summary.Verdicts[finding.Missing]++
			missing = append(missing, known)
			continue
		}
		if err := s.there(ctx, &known, *seen); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// there judges a blob that is in the store already.
func (s *reseeding) there(ctx context.Context, known *catalog.Known, seen store.Entry) error {
	if known.Seen != nil && known.Seen.Generation == known.Generation && stands(&known.Seen.Identity, &seen) {
		s.summary.Intact++
		return nil
	}
	j := &job{planned: &Planned{Store: s.name, Blob: known.Name}, target: s.target, record: known.Record, seen: &seen}
	whole, err := s.isRecorded(ctx, j)
	if err != nil {
		return fmt.Errorf("read what is there already: %w", err)
	}
	if !whole {
		s.summary.Damaged++
		s.summary.Verdicts[finding.Corrupt]++
		s.rep.Repair(report.Repair{Store: s.name, Blob: known.Name, Outcome: report.Skipped,
			Reason: "it is there already with other bytes than are recorded, and reseeding replaces nothing: scrub, and repair it"})
		return nil
	}
	s.summary.Intact++
	return s.recordThere(ctx, known.Name, known.Generation, seen)
}

// recordThere records that a blob in the store is what is recorded.
func (s *reseeding) recordThere(ctx context.Context, name string, generation int64, seen store.Entry) error {
	return s.ledger.post(ctx, func(tx *catalog.Tx) error {
		err := tx.PutCoverage(catalog.Coverage{
			Store: s.name, Name: name, Generation: generation, Identity: seen.Identity,
			VerifiedAt: s.opts.Now(), Depth: catalog.DeepBuffered, Run: s.id,
		})
		if err != nil {
			return err
		}
		return tx.DropFinding(s.name, name)
	})
}
