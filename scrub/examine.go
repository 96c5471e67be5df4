package scrub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/diagnose"
	"bitmend/scrub/finding"
	"bitmend/scrub/pace"
	"bitmend/scrub/store"
)

// An outcome is what examining one name gave: it is intact, or there is a
// finding, or it could not be checked for a reason that says nothing of it.
type outcome struct {
	pair
	verdict   finding.Verdict
	finding   *finding.Finding // nil when intact
	bytes     int64            // read
	direct    bool             // read past the page cache
	begun     time.Time        // when an earlier run read its first byte; zero when this one did
	unchecked error            // an error of the host; verdict and finding are then empty
	behind    bool             // that it is not there, or nothing is recorded of it, is no news of a lagged store
}

// An examiner examines the blobs of one store one after the other. It belongs
// to one goroutine.
type examiner struct {
	reader
	pace      *pace.Pacer // how many read at once; nil for any number
	catalog   *catalog.Catalog
	clinic    *clinic   // nil for what needs no diagnosis
	budget    *budget   // nil when the run is not bounded
	partials  *partials // nil for what is always read anew
	access    store.Access
	light     bool
	primary   bool
	immutable bool
	lag       *lag // nil but for a lagged store
}

// witnesses gathers what is known of a name before anything is read. A
// directory whose name something else bears now is not what is recorded of it.
func (x *examiner) witnesses(p pair) witnesses {
	w := witnesses{entry: p.entry, primary: x.primary, immutable: x.immutable}
	if p.known != nil && (p.known.Kind != hashsets.Directory || p.entry == nil || p.entry.Err != nil) {
		w.record, w.seen = &p.known.Record, p.known.Seen
	}
	if p.entry != nil {
		w.readErr = p.entry.Err
	}
	return w
}

// examine says what is to be said of one name, reading every byte of it.
func (x *examiner) examine(ctx context.Context, p pair) outcome {
	o := outcome{pair: p}
	w := x.witnesses(p)
	if w.readErr != nil && !blames(w.readErr) {
		return o.notChecked(w.readErr)
	}
	if w.entry == nil {
		if err := x.lookAgain(ctx, &o, &w); err != nil {
			return o.notChecked(err)
		}
	}
	if w.record == nil || w.entry == nil || w.readErr != nil || w.record.Kind != w.entry.Kind {
		return x.conclude(ctx, o, w, nil)
	}
	switch {
	case w.record.Kind == hashsets.Link:
		return x.examineLink(ctx, o, w)
	case w.entry.Archived != "":
		return o.with(x.archived(w, fmt.Sprintf("%v: storage class %s", store.ErrArchived, w.entry.Archived)))
	default:
		return x.examineFile(ctx, o, w)
	}
}

// lookAgain asks for a name that was not listed. Listings of object storage may
// lag behind, and a blob may have come since.
func (x *examiner) lookAgain(ctx context.Context, o *outcome, w *witnesses) error {
	now, err := x.store.Stat(ctx, w.record.Name)
	switch {
	case err == nil:
		w.entry, o.entry = &now, &now
	case errors.Is(err, store.ErrNotFound):
	case blames(err):
		w.entry, w.readErr = &store.Entry{Name: w.record.Name, Err: err}, err
	default:
		return err
	}
	return nil
}

func (x *examiner) examineLink(ctx context.Context, o outcome, w witnesses) outcome {
	target, err := x.store.ReadLink(ctx, w.record.Name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.entry = nil
	case err != nil && !blames(err):
		return o.notChecked(err)
	case err != nil:
		w.readErr = err
	}
	w.target = target
	return x.conclude(ctx, o, w, nil)
}

// examineFile reads a file to its end, once more if it changed meanwhile, and
// reads again what is to be accused.
func (x *examiner) examineFile(ctx context.Context, o outcome, w witnesses) outcome {
	const tries = 2
	var out readout
	for try := 0; ; try++ {
		var c *course
		if try == 0 {
			c = x.courseOf(o.pair, w.entry)
		}
		out = x.read(ctx, w.record.Name, w.entry.Identity.Size, &w.record.Hashes, x.access, c)
		o.bytes += out.bytes
		changed := errors.Is(out.err, store.ErrChanged)
		if out.err != nil && !changed || out.err == nil && out.after.Identity == w.entry.Identity {
			break
		}
		if try+1 == tries {
			return o.with(x.finding(w, finding.Busy, "it changed while it was being read, twice"))
		}
		now, err := x.store.Stat(ctx, w.record.Name)
		if err != nil {
			out.err = err
			break
		}
		w.entry, o.entry = &now, &now
	}
	o.direct, o.begun = out.direct, out.begun
	switch {
	case errors.Is(out.err, store.ErrNotFound):
		w.entry = nil
		return x.conclude(ctx, o, w, nil)
	case errors.Is(out.err, store.ErrAllowance):
		return o // what was fetched anew was not reckoned with
	case errors.Is(out.err, store.ErrArchived):
		return o.with(x.archived(w, out.err.Error()))
	case out.err != nil && !blames(out.err):
		return o.notChecked(out.err)
	case out.err == nil && w.record.Damage == nil && w.record.Hashes.Equal(out.computed):
		o.verdict = finding.Intact
		return o
	}
	w.computed, w.readErr = out.computed, out.err
	if w.computed != nil {
		var err error
		if w.earlier, err = before(x.catalog.History(ctx, w.record.Name), w.record.Generation); err != nil {
			return o.notChecked(fmt.Errorf("look up earlier generations of %q: %w", w.record.Name, err))
		}
	}
	return x.accuse(ctx, o, w)
}

// archived is what is said of a blob whose bytes are not read: nothing of them.
func (x *examiner) archived(w witnesses, why string) finding.Finding {
	f := x.finding(w, finding.Unverifiable, "")
	f.Reason = why + "; restore it, and scrub again"
	return f
}

// accuse reads again, past the page cache, whatever is about to be called
// damaged, and concludes.
func (x *examiner) accuse(ctx context.Context, o outcome, w witnesses) outcome {
	if w.readErr == nil {
		if verdict, _ := w.judge(); verdict != finding.Corrupt && verdict != finding.Undecided {
			return x.conclude(ctx, o, w, x.differing(w))
		}
	}
	reported := x.reportedOf(ctx, w)
	again := x.read(ctx, w.record.Name, w.entry.Identity.Size, withAlgorithms(&w.record.Hashes, reported), store.Access{Direct: true, Whole: true}, nil)
	o.bytes += again.bytes
	if again.err == nil && w.record.Damage == nil && match(&w.record.Hashes, again.computed).all {
		return o.with(x.finding(w, finding.Flaky, flakiness(w.readErr)))
	}
	if again.err != nil && !blames(again.err) {
		return o.notChecked(again.err)
	}
	bad, err := x.badShards(ctx, w, again.computed)
	if err != nil {
		return o.notChecked(err)
	}
	if again.computed != nil {
		w.computed, w.readErr = again.computed, nil
		w.service = testify(reported, &w.record.Hashes, again.computed)
	} else if w.readErr == nil {
		w.readErr = again.err
	}
	return x.conclude(ctx, o, w, bad)
}

// flakiness says what makes a blob flaky. readErr is what the first reading
// failed with, nil when it delivered other bytes.
func flakiness(readErr error) string {
	if readErr != nil {
		return fmt.Sprintf("it was read wholly only when it was read again, and matched: suspect the path to the medium (cable, controller, network), not the blob; at first: %v", readErr)
	}
	return "it did not match and matched when it was read again: suspect the path to the medium (memory, cable, controller), not the blob"
}

// differing returns the recorded shards that the computed hash set does not
// have, without reading again.
func (x *examiner) differing(w witnesses) []int {
	if w.computed == nil {
		return nil
	}
	return w.record.Hashes.BadShards(w.computed)
}

// badShards reads each recorded shard by itself and returns those that the
// store does not deliver as recorded. Where that takes a request for each, two
// readings of all bytes that agree are enough.
func (x *examiner) badShards(ctx context.Context, w witnesses, again *hashsets.HashSet) ([]int, error) {
	recorded := &w.record.Hashes
	if len(recorded.ShardSums) == 0 {
		return nil, nil
	}
	if x.remote && again != nil && w.computed != nil && sameShards(again, w.computed) {
		return recorded.BadShards(again), nil
	}
	blob, err := x.store.Open(ctx, w.record.Name, store.Access{Direct: true})
	if err != nil {
		if !blames(err) {
			return nil, err
		}
		return allShards(recorded), nil
	}
	defer blob.Close()
	var bad []int
	for i, sum := range recorded.ShardSums {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		offset, length := recorded.ShardRange(i)
		shard := x.shardBuffer(length)
		n, err := blob.ReadAt(shard, offset)
		if err != nil && int64(n) < length && !errors.Is(err, io.EOF) && !blames(err) {
			return nil, err
		}
		if int64(n) < length || hashsets.ShardSum(shard) != sum {
			bad = append(bad, i)
		}
	}
	return bad, nil
}

func allShards(h *hashsets.HashSet) []int {
	all := make([]int, len(h.ShardSums))
	for i := range all {
		all[i] = i
	}
	return all
}

// conclude judges and writes the finding.
func (x *examiner) conclude(ctx context.Context, o outcome, w witnesses, bad []int) outcome {
	verdict, reason := w.judge()
	if verdict == finding.Intact {
		o.verdict = verdict
		return o
	}
	if x.lag != nil {
		expected, err := x.expected(ctx, &o, w, verdict)
		if err != nil {
			return o.notChecked(fmt.Errorf("look up the generations of %q: %w", o.name(), err))
		}
		if expected {
			return o
		}
	}
	f := x.finding(w, verdict, reason)
	f.Ranges = ranges(w, verdict, bad)
	if w.computed != nil && w.record != nil {
		f.Digests = compared(&w.record.Hashes, w.computed)
	}
	if verdict == finding.Unreadable {
		f.Reason = reason
		if f.Denied = errors.Is(w.readErr, store.ErrPermission); f.Denied {
			f.Evidence = append(f.Evidence, "who runs this is not permitted to read it, which says nothing of its bytes: permit it, and scrub again")
		}
	}
	f.Evidence = append(f.Evidence, w.service.says...)
	if x.clinic != nil && w.computed != nil && verdict.Damaged() && verdict != finding.RecordDamaged {
		x.clinic.diagnose(ctx, x.store, &f, w)
	}
	if w.computed != nil && verdict == finding.Modified {
		x.lookForEncryption(ctx, &f)
	}
	return o.with(f)
}

// lookForEncryption says so where content that somebody wrote looks encrypted:
// many such blobs are no work of their owner.
func (x *examiner) lookForEncryption(ctx context.Context, f *finding.Finding) {
	blob, err := x.store.Open(ctx, f.Blob, store.Access{})
	if err != nil {
		return
	}
	defer blob.Close()
	if diagnose.LooksEncrypted(blob, f.Identity.Size) {
		f.Diagnosis = finding.EncryptedLooking
		f.Evidence = append(f.Evidence, "what was written looks random and begins like no known format")
	}
}

// ranges are the parts of the recorded blob that must be rebuilt.
func ranges(w witnesses, verdict finding.Verdict, bad []int) []store.Range {
	if w.record == nil || w.record.Kind != hashsets.File || w.record.Hashes.Size == 0 {
		return nil
	}
	whole := []store.Range{{Offset: 0, Length: w.record.Hashes.Size}}
	switch {
	case verdict == finding.Missing, w.entry != nil && w.entry.Kind != hashsets.File:
		return whole
	case verdict == finding.RecordDamaged:
		return nil
	case len(w.record.Hashes.ShardSums) == 0:
		return whole
	}
	return shardRanges(&w.record.Hashes, bad)
}

// shardRanges joins neighbouring shards into ranges.
func shardRanges(h *hashsets.HashSet, shards []int) []store.Range {
	var joined []store.Range
	for _, i := range shards {
		offset, length := h.ShardRange(i)
		if n := len(joined); n > 0 && joined[n-1].Offset+joined[n-1].Length == offset {
			joined[n-1].Length += length
			continue
		}
		joined = append(joined, store.Range{Offset: offset, Length: length})
	}
	return joined
}

func compared(recorded, computed *hashsets.HashSet) []finding.Compared {
	digests := make([]finding.Compared, 0, len(recorded.Digests))
	for _, d := range recorded.Digests {
		sum, _ := computed.Digest(d.Algorithm)
		digests = append(digests, finding.Compared{Algorithm: d.Algorithm, Recorded: d.Sum, Computed: sum})
	}
	return digests
}

// finding fills in what every finding has.
func (x *examiner) finding(w witnesses, verdict finding.Verdict, evidence string) finding.Finding {
	f := finding.Finding{Store: x.store.Name(), Verdict: verdict}
	if evidence != "" {
		f.Evidence = []string{evidence}
	}
	if w.entry != nil {
		f.Blob, f.Kind, f.Identity, f.Size = w.entry.Name, w.entry.Kind, w.entry.Identity, w.entry.Identity.Size
	}
	if w.record != nil {
		f.Blob, f.Kind, f.Generation, f.Size = w.record.Name, w.record.Kind, w.record.Generation, w.record.Hashes.Size
	}
	return f
}

func (o outcome) with(f finding.Finding) outcome {
	o.verdict, o.finding = f.Verdict, &f
	return o
}

func (o outcome) notChecked(err error) outcome {
	o.unchecked = err
	return o
}

// blames tells whether an error says something about the blob: the store
// refuses it, or fails to deliver all of it. Every other error is the host's.
func blames(err error) bool {
	for _, of := range []error{store.ErrMedium, store.ErrPermission, store.ErrNotABlob, io.ErrUnexpectedEOF} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}
