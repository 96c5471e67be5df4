package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/hashsets/manifest"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// An outcome is what is to be done about one listed blob: it is recorded, or
// there is a finding, or both are nil and it is recorded as listed already.
type outcome struct {
	record   *catalog.Record
	verified bool // the primary store holds what the record says: it was read
	finding  *finding.Finding
	read     int64 // bytes
}

// look says what is to be done about one blob. An error is of the host.
func (i *importing) look(ctx context.Context, l listed) (outcome, error) {
	said, why := hashSet(l)
	if why != "" {
		return i.leave(l, finding.Unverifiable, why), nil
	}
	recorded, err := i.vault.Catalog.Current(ctx, l.name)
	switch {
	case errors.Is(err, catalog.ErrNotRecorded):
		return i.lookAtNew(ctx, l, said)
	case ctx.Err() != nil:
		return outcome{}, ctx.Err()
	case err != nil && !errors.Is(err, catalog.ErrDamaged):
		return outcome{}, err
	case err != nil || recorded.Damage != nil:
		return i.leave(l, finding.RecordDamaged, "what is recorded of it fails its check, and a list does not heal it"), nil
	}
	return i.compare(l, said, &recorded), nil
}

// hashSet is what lists say of a blob, in the algorithms that a vault records.
// It returns why there is nothing to record.
func hashSet(l listed) (said hashsets.HashSet, why string) {
	said.Size = l.said.Size
	for _, d := range l.said.Digests {
		switch {
		case d.Algorithm.Size() != len(d.Sum):
			continue // one that a vault does not record
		case d.Guessed:
			why = fmt.Sprintf("%s does not name the algorithm, and no file of it tells: say --algorithm", d.List.Name)
			continue
		}
		if _, twice := said.Digest(d.Algorithm); !twice {
			said.Digests = append(said.Digests, hashsets.Digest{Algorithm: d.Algorithm, Sum: bytes.Clone(d.Sum)})
		}
	}
	slices.SortFunc(said.Digests, func(a, b hashsets.Digest) int { return bytes.Compare([]byte(a.Algorithm), []byte(b.Algorithm)) })
	switch {
	case len(said.Digests) > 0:
		why = ""
	case why == "":
		why = "the lists have no checksum of it that a vault records"
	}
	return said, why
}

// leave is the outcome of a blob of which nothing is recorded anew.
func (i *importing) leave(l listed, verdict finding.Verdict, why string) outcome {
	return outcome{finding: &finding.Finding{
		Store: i.stores[0].Name(), Blob: l.name, Kind: hashsets.File, Verdict: verdict, Reason: why, Size: max(0, l.said.Size),
	}}
}

// compare holds what lists say against what is recorded, which stays as it is.
func (i *importing) compare(l listed, said hashsets.HashSet, recorded *catalog.Record) outcome {
	if recorded.Kind != hashsets.File {
		return i.leave(l, finding.Undecided, fmt.Sprintf("a %s is recorded, and lists know of files alone", recorded.Kind))
	}
	var contradicted []finding.Compared
	for _, a := range recorded.Hashes.Mismatches(&said) {
		was, _ := recorded.Hashes.Digest(a)
		is, _ := said.Digest(a)
		contradicted = append(contradicted, finding.Compared{Algorithm: a, Recorded: was, Computed: is})
	}
	differs := said.Size >= 0 && said.Size != recorded.Hashes.Size
	switch {
	case differs || len(contradicted) > 0:
		o := i.leave(l, finding.Undecided, fmt.Sprintf("%s contradicts generation %d, which stays recorded as it is", listsOf(l), recorded.Generation))
		o.finding.Digests, o.finding.Generation, o.finding.Size = contradicted, recorded.Generation, recorded.Hashes.Size
		if differs {
			o.finding.Evidence = append(o.finding.Evidence, fmt.Sprintf("%d bytes are listed, and %d are recorded", said.Size, recorded.Hashes.Size))
		}
		return o
	case len(recorded.Hashes.Matches(&said)) == 0:
		return i.leave(l, finding.Unverifiable, fmt.Sprintf("%s and generation %d have no algorithm in common, so that nothing could be compared", listsOf(l), recorded.Generation))
	}
	return outcome{}
}

// listsOf names the lists that speak of a blob.
func listsOf(l listed) string {
	var names []string
	for _, d := range l.said.Digests {
		if !slices.Contains(names, d.List.Name) {
			names = append(names, d.List.Name)
		}
	}
	const most = 3
	text := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}

// lookAtNew makes the record of a blob of which nothing is recorded.
func (i *importing) lookAtNew(ctx context.Context, l listed, said hashsets.HashSet) (outcome, error) {
	record := catalog.Record{Name: l.name, Generation: 1, RecordedAt: i.started, Kind: hashsets.File, Hashes: said}
	newest := int64(0)
	for earlier, err := range i.vault.Catalog.History(ctx, l.name) {
		if err != nil {
			return outcome{}, err
		}
		newest = earlier.Generation
		break
	}
	asOf, err := i.asOf(l)
	if err != nil {
		return outcome{}, err
	}
	if newest > 0 {
		record.Generation = newest + 1
	} else if asOf.Before(i.started) {
		record.RecordedAt = asOf
	}
	entry, err := i.stores[0].Stat(ctx, l.name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		entry = store.Entry{}
	case ctx.Err() != nil:
		return outcome{}, ctx.Err()
	case err != nil:
		return i.leave(l, finding.Unreadable, err.Error()), nil
	case entry.Kind != hashsets.File:
		return i.leave(l, finding.Undecided, "it is no file in the store"), nil
	}
	if entry.Kind == hashsets.File {
		if record.Attributes, err = i.stores[0].Attributes(ctx, l.name); err != nil {
			return i.leave(l, finding.Unreadable, err.Error()), nil
		}
		// Written after the list, it is no witness of what the list speaks of: scrub
		// then says that it was modified, and not that it rotted.
		if entry.Identity.ModTime <= asOf.UnixNano() {
			record.Identity = entry.Identity
		}
	}
	if said.Size != manifest.NoSize {
		return outcome{record: &record}, nil
	}
	return i.measure(ctx, l, record, entry)
}

// asOf is when the newest of the lists that speak of a blob was written.
func (i *importing) asOf(l listed) (asOf time.Time, err error) {
	for _, d := range l.said.Digests {
		info, err := os.Stat(d.List.Path())
		if err != nil {
			return asOf, fmt.Errorf("looking at the list %s: %w", d.List.Name, err)
		}
		if info.ModTime().After(asOf) {
			asOf = info.ModTime()
		}
	}
	return asOf, nil
}

// measure reads a blob whose size no list tells, in the first of the stores
// that holds what the lists say. What was read is then recorded whole.
func (i *importing) measure(ctx context.Context, l listed, record catalog.Record, entry store.Entry) (outcome, error) {
	var read int64
	for n, s := range i.stores {
		if n == 0 && entry.Kind != hashsets.File {
			continue
		}
		got, after, err := i.hash(ctx, s, l.name, record.Hashes.Algorithms())
		read += got.Size
		if ctx.Err() != nil {
			return outcome{}, ctx.Err()
		}
		if err != nil || len(got.Matches(&record.Hashes)) != len(record.Hashes.Digests) {
			continue // it proves nothing
		}
		record.Hashes = got
		if n == 0 {
			record.Identity, record.RecordedAt = after.Identity, i.started
		}
		return outcome{record: &record, verified: n == 0, read: read}, nil
	}
	o := i.leave(l, finding.Missing, "no list tells its size, and no store holds it: there is nothing to record")
	if entry.Kind == hashsets.File {
		o.finding.Verdict = finding.Modified
		if record.Identity != (hashsets.Identity{}) {
			o.finding.Verdict = finding.Corrupt
		}
		o.finding.Identity, o.finding.Size = entry.Identity, entry.Identity.Size
		o.finding.Reason = "it is not what the list says; no list tells its size and no store holds what is listed: there is nothing to record"
	}
	o.read = read
	return o, nil
}

// blockBytes is how much is read at once.
const blockBytes = 1 << 20

// hash reads a blob to its end, under the algorithms of the vault and others.
func (i *importing) hash(ctx context.Context, s store.Store, name string, others []hashsets.Algorithm) (got hashsets.HashSet, after store.Entry, err error) {
	algorithms := slices.Clone(i.vault.Config.Algorithms)
	for _, a := range others {
		if !slices.Contains(algorithms, a) {
			algorithms = append(algorithms, a)
		}
	}
	hasher, err := hashsets.NewHasher(algorithms, i.vault.Config.ShardSize)
	if err != nil {
		return got, after, err
	}
	blob, err := s.Open(ctx, name, store.Access{Whole: true})
	if err != nil {
		return got, after, err
	}
	defer blob.Close() // it was only read from
	before, err := blob.Entry()
	if err != nil {
		return got, after, err
	}
	hasher.Expect(before.Identity.Size)
	buffer := store.NewBuffer(blockBytes)
	defer buffer.Free()
	for at := int64(0); at < before.Identity.Size; {
		if err := ctx.Err(); err != nil {
			return got, after, err
		}
		p := buffer.Bytes()[:min(blockBytes, before.Identity.Size-at)]
		n, err := blob.ReadAt(p, at)
		if n < len(p) {
			return got, after, errors.Join(io.ErrUnexpectedEOF, err)
		}
		hasher.Write(p)
		at += int64(n)
	}
	if after, err = blob.Entry(); err == nil && after.Identity != before.Identity {
		err = store.ErrChanged
	}
	return hasher.Take(), after, err
}
