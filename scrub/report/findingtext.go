package report

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// shownRanges and shownEvidence bound what is said of one blob unless all is
// asked for.
const (
	shownRanges   = 4
	shownEvidence = 3
)

// Finding says what is wrong with one blob: the blob, the store, the range,
// what it means, and the command to run next.
func (t *Text) Finding(f finding.Finding) {
	what := string(f.Verdict)
	if f.Diagnosis != "" && f.Diagnosis != finding.Unknown && string(f.Diagnosis) != what {
		what += " (" + string(f.Diagnosis) + ")"
	}
	color := yellow
	if f.Verdict.Damaged() {
		color = red
	}
	b := t.block(t.paint(color, what), f.Store, f.Blob)
	if meaning := meaningOf(f); meaning != "" {
		b.line("%s", meaning)
	}
	if f.Reason != "" {
		b.line("%s", f.Reason)
	}
	if len(f.Ranges) > 0 {
		b.line("%s: %s", differing(f.Verdict), rangesText(f.Ranges, f.Size, t.opts.Verbose))
	}
	t.evidence(b, f)
	if f.Lost != "" {
		b.line("lost: %s", f.Lost)
	} else if f.Repairable != nil && *f.Repairable {
		b.line("can be rebuilt from %s", cmp.Or(strings.Join(f.Sources, ", "), "a source that is known"))
	} else if f.Repairable != nil {
		b.line("no source is known that it can be rebuilt from")
	}
	if next := t.nextFor(f); next != "" {
		b.next(next)
	}
	if t.opts.Accepts && f.Verdict.Damaged() && f.Verdict != finding.Unreadable {
		b.next(fmt.Sprintf("%s --accept %s   (if it is right as it is now)", t.opts.command("protect"), shellWord(f.Blob)))
	}
	t.sayOf(b)
}

// meaningOf is the sentence for the verdict of a finding. What has a record is
// unverifiable for a reason of its own.
func meaningOf(f finding.Finding) string {
	if f.Verdict == finding.Unverifiable && f.Reason != "" {
		return "it cannot be verified now, and nothing is said of its bytes"
	}
	return meanings[f.Verdict]
}

// differing says of ranges what they are, which is damage only where the
// verdict says so.
func differing(v finding.Verdict) string {
	if v.Damaged() {
		return "damaged"
	}
	return "differing"
}

// meanings say in a sentence what a verdict is.
var meanings = map[finding.Verdict]string{
	finding.Corrupt:       "its bytes changed though nobody wrote it since it was recorded",
	finding.Modified:      "it was written since it was recorded, so nothing vouches for its bytes",
	finding.Stale:         "its bytes are those of an earlier generation: a lost write, or an unfinished restore",
	finding.Missing:       "it is recorded and not there",
	finding.Unrecorded:    "it is there and nothing is recorded of it",
	finding.Unreadable:    "it could not be read, after several tries",
	finding.RecordDamaged: "its bytes are proven, but a part of what is recorded of it is damaged",
	finding.Undecided:     "the witnesses disagree, so nothing will be written; compare its copies by hand",
	finding.Unverifiable:  "nothing is recorded that it could be checked against",
	finding.Busy:          "it changed twice while it was being read",
	finding.Flaky:         "a damaged shard read well on re-reading: suspect the disk, its cable or the memory, not the data",
}

func (t *Text) evidence(b *block, f finding.Finding) {
	evidence := f.Evidence
	if !t.opts.Verbose && len(evidence) > shownEvidence {
		evidence = evidence[:shownEvidence]
	}
	for _, sentence := range evidence {
		b.line("%s", sentence)
	}
	if !t.opts.Verbose {
		return
	}
	for _, d := range f.Digests {
		computed := "not computed"
		if d.Computed != nil {
			computed = hex.EncodeToString(d.Computed)
		}
		b.line("%s recorded %x, now %s", d.Algorithm, d.Recorded, computed)
	}
}

// nextFor is the command to run next, "" when this run does it.
func (t *Text) nextFor(f finding.Finding) string {
	switch {
	case f.Verdict.Damaged() && (f.Lost != "" || f.Repairable != nil && !*f.Repairable):
		return t.opts.command("repair") + " --donor DIR   (with a folder that holds a good copy)"
	case f.Verdict.Damaged():
		if t.opts.Repairs {
			return ""
		}
		return t.opts.command("repair")
	case f.Verdict == finding.Unverifiable && f.Reason != "":
		return ""
	}
	if f.Verdict == finding.Modified && f.Diagnosis == finding.EncryptedLooking {
		return t.opts.command("repair") + " --plan --revert GLOB   (if nobody meant to encrypt it)"
	}
	switch f.Verdict {
	case finding.Modified, finding.Unrecorded, finding.Unverifiable:
		return t.opts.command("protect") + "   (if its present bytes are the right ones)"
	case finding.Busy, finding.Flaky:
		return t.opts.command("scrub")
	case finding.Undecided:
		return t.opts.command("repair") + " --plan"
	}
	return ""
}

// rangesText writes byte ranges: "bytes 65536-131071 (64 KiB)". size is the
// blob's, to say when it is all of it; 0 when not known.
func rangesText(ranges []store.Range, size int64, all bool) string {
	total := int64(0)
	for _, r := range ranges {
		total += r.Length
	}
	if size > 0 && total == size {
		return fmt.Sprintf("all of its %s", byteText(size))
	}
	shown := ranges
	if !all && len(shown) > shownRanges {
		shown = shown[:shownRanges]
	}
	words := make([]string, len(shown))
	for i, r := range shown {
		words[i] = fmt.Sprintf("%d-%d", r.Offset, r.Offset+r.Length-1)
	}
	more := ""
	if n := len(ranges) - len(shown); n > 0 {
		more = fmt.Sprintf(" and %s more", plural(int64(n), "range"))
	}
	return fmt.Sprintf("bytes %s%s (%s)", strings.Join(words, ", "), more, byteText(total))
}

// sourceCounts writes "parity 3, replica 1".
func sourceCounts(sources map[string]int) string {
	words := make([]string, 0, len(sources))
	for _, kind := range slices.Sorted(maps.Keys(sources)) {
		words = append(words, fmt.Sprintf("%s (%s)", kind, plural(int64(sources[kind]), "shard")))
	}
	return strings.Join(words, ", ")
}
