package diagnose

import (
	"bytes"
	"fmt"

	"bitmend/hashsets"
	"bitmend/scrub/finding"

	"github.com/cespare/xxhash/v2"
)

// shorter finds a blob whose end is gone and whose beginning is whole.
func (l *look) shorter() (Diagnosis, error) {
	size, missing := l.Computed.Size, l.Recorded.Size-l.Computed.Size
	if missing <= 0 {
		return undiagnosed()
	}
	gone := fmt.Sprintf("it ends at byte %d%s; the last %s are gone", size, boundary(size), bytesText(missing))
	if size == 0 {
		return diagnosed(finding.Truncated, fmt.Sprintf("it is empty; all of its %s are gone", bytesText(missing)))
	}
	if whole := l.wholeBefore(size); whole >= 0 {
		proof, known, err := l.beginsAsRecorded(int64(whole)*l.shardSize, size)
		switch {
		case err != nil:
			return Diagnosis{}, err
		case known && proof == "":
			return undiagnosed() // the end before the cut differs
		case known:
			return diagnosed(finding.Truncated, gone, proof)
		case whole > 0:
			return diagnosed(finding.Truncated, gone, fmt.Sprintf("%s before it, all that are complete, are intact", countText(int64(whole), "shard")))
		case l.recognise(&mark{}, l.findSums([]int{0})):
			return undiagnosed() // it is another, shorter blob
		}
		return l.perhapsCut(gone)
	}
	return undiagnosed()
}

// wholeBefore returns how many shards are complete before byte size, or -1 when
// one of them is damaged.
func (l *look) wholeBefore(size int64) int {
	whole := int(size / l.shardSize)
	if !l.hasSums {
		return 0
	}
	if len(l.bad) > 0 && l.bad[0] < whole {
		return -1
	}
	return whole
}

// beginsAsRecorded tells whether the damaged bytes from offset from to their
// end at size are the recorded ones, with the proof. known is false when
// nothing tells.
func (l *look) beginsAsRecorded(from, size int64) (proof string, known bool, err error) {
	if from == size {
		return "", false, nil
	}
	if l.Good != nil {
		same, known, err := l.samePrefix(from, size)
		if err != nil || known {
			if same {
				proof = "what is left agrees with the good bytes"
			}
			return proof, known, err
		}
	}
	return l.endFound(from, size)
}

// samePrefix compares the damaged bytes of [from, to) with the good ones.
func (l *look) samePrefix(from, to int64) (same, known bool, err error) {
	for at := from; at < to; at += l.shardSize {
		p, err := l.read(at, min(l.shardSize, to-at))
		if err != nil {
			return false, false, err
		}
		good := l.readGood(at, int64(len(p)))
		if good == nil {
			return false, false, nil
		}
		if !bytes.Equal(p, good) {
			return false, true, nil
		}
	}
	return true, true, nil
}

// endFound looks for the bytes that are gone: when there are one or two, or
// when they were zero, they are found by the sum of the last shard. The cut
// must be in that shard.
func (l *look) endFound(from, size int64) (string, bool, error) {
	missing := l.Recorded.Size - size
	if !l.hasSums || l.Recorded.Size-from > l.shardSize {
		return "", false, nil
	}
	p, err := l.read(from, size-from)
	if err != nil {
		return "", false, err
	}
	want := l.Recorded.ShardSums[len(l.Recorded.ShardSums)-1]
	var begun xxhash.Digest
	begun.Reset()
	begun.Write(p)
	fits := func(end ...byte) bool {
		h := begun
		h.Write(end)
		return h.Sum64() == want
	}
	if fits(make([]byte, missing)...) {
		return "with as many zeros after it, its last shard matches the recorded sum", true, nil
	}
	if missing > 2 {
		return "", false, nil
	}
	for i := range 1 << (8 * missing) {
		if fits([]byte{byte(i), byte(i >> 8)}[:missing]...) {
			return fmt.Sprintf("with the %s found that were lost, its last shard matches the recorded sum", bytesText(missing)), true, nil
		}
	}
	return "", true, nil // none fits: what is left is not as it was
}

// perhapsCut is for a blob that ends in its first shard, of which no sum tells
// anything. A text that ends with a line is more likely a shorter text.
func (l *look) perhapsCut(gone string) (Diagnosis, error) {
	p, err := l.read(0, l.Computed.Size)
	if err != nil {
		return Diagnosis{}, err
	}
	if isText(p) && bytes.HasSuffix(p, []byte("\n")) {
		return undiagnosed()
	}
	return diagnosed(finding.Truncated, gone, "it is too short for a shard sum to tell whether what is left is its beginning")
}

// longer finds a blob that is whole and goes on.
func (l *look) longer() (Diagnosis, error) {
	size, extra := l.Recorded.Size, l.Computed.Size-l.Recorded.Size
	if extra <= 0 {
		return undiagnosed()
	}
	whole := l.wholeBefore(size)
	if whole < 0 {
		return undiagnosed()
	}
	from := int64(whole) * l.shardSize
	switch proven, err := l.endsAsRecorded(from, size); {
	case err != nil:
		return Diagnosis{}, err
	case !proven:
		return undiagnosed()
	}
	appended, err := l.read(size, min(extra, l.shardSize))
	if err != nil {
		return Diagnosis{}, err
	}
	evidence := fmt.Sprintf("all of its recorded %s are intact, and %s follow%s", bytesText(size), bytesText(extra), boundary(size))
	if size == 0 {
		evidence = fmt.Sprintf("it was empty, and holds %s", bytesText(extra))
	}
	if allOf(appended, 0) {
		evidence += "; what was appended begins with zeros"
	}
	return diagnosed(finding.Extended, evidence)
}

// endsAsRecorded tells whether the bytes of [from, size), less than a shard or,
// without sums, all, are the recorded ones.
func (l *look) endsAsRecorded(from, size int64) (bool, error) {
	if from == size {
		return true, nil
	}
	if l.hasSums {
		p, err := l.read(from, size-from)
		if err != nil {
			return false, err
		}
		return hashsets.ShardSum(p) == l.Recorded.ShardSums[len(l.Recorded.ShardSums)-1], nil
	}
	same, known, err := l.samePrefix(from, size)
	return same && known, err
}
