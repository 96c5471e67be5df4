package diagnose

import (
	"bytes"
	"fmt"

	"bitmend/hashsets"
	"bitmend/scrub/finding"

	"github.com/cespare/xxhash/v2"
)

const (
	nearShift  = 1 << 10  // up to here, every distance is tried
	farShift   = 64 << 10 // and up to here those that are whole sectors
	sector     = 512
	leastShift = 64        // bytes of a shard that can be told from another by chance
	hashedMost = 256 << 20 // bytes that all tries may hash: some hundredths of a second
	shiftTests = 3         // shards that are looked for
	compareMax = 1 << 20   // bytes compared with the good copy after the place of a shift
)

// shifted finds content that lies some bytes before or after its place, because
// bytes were put in or taken out before it.
func (l *look) shifted() (Diagnosis, error) {
	if d, err := l.shiftedFromGood(); err != nil || d.Kind != "" {
		return d, err
	}
	if !l.hasSums || !l.damagedToTheEnd() {
		return undiagnosed()
	}
	budget := int64(hashedMost)
	if at, found, err := l.findInserted(&budget); err != nil || found {
		by := l.Computed.Size - l.Recorded.Size
		d := Diagnosis{finding.Shifted, []string{fmt.Sprintf("without %s at byte %d it matches the recorded sum", bytesText(by), at)}}
		if err != nil {
			d = Diagnosis{}
		}
		return d, err
	}
	for _, i := range l.shiftCandidates() {
		by, found, err := l.findShard(i, &budget)
		if err != nil {
			return Diagnosis{}, err
		}
		if found {
			offset, _ := l.span(i)
			return l.shiftFound(by, fmt.Sprintf("the recorded shard at byte %d lies %s", offset, distanceText(by)))
		}
	}
	return undiagnosed()
}

// damagedToTheEnd tells whether everything from the first damaged shard on is
// damaged, as it is after a shift.
func (l *look) damagedToTheEnd() bool {
	n := len(l.bad)
	return n > 0 && l.bad[n-1] == len(l.Recorded.ShardSums)-1 && l.bad[n-1]-l.bad[0] == n-1
}

// findInserted looks for the place of bytes that were put in, in a blob of one
// shard: one place after the other, without so many bytes there it should match
// the recorded sum.
func (l *look) findInserted(budget *int64) (at int64, found bool, err error) {
	by := l.Computed.Size - l.Recorded.Size
	if by <= 0 || len(l.Recorded.ShardSums) != 1 || l.Recorded.Size*l.Recorded.Size/2 > *budget {
		return 0, false, nil
	}
	p, err := l.read(0, l.Computed.Size)
	if err != nil {
		return 0, false, err
	}
	var before xxhash.Digest
	before.Reset()
	for at := range l.Recorded.Size {
		if at%256 == 0 && l.ctx.Err() != nil {
			return 0, false, l.ctx.Err()
		}
		h := before
		h.Write(p[at+by:])
		*budget -= l.Recorded.Size - at
		if h.Sum64() == l.Recorded.ShardSums[0] {
			return at, true, nil
		}
		before.Write(p[at : at+1])
	}
	return 0, false, nil
}

// shiftCandidates are the last damaged shards: what comes after the place of a
// shift is shifted, what comes before is not.
func (l *look) shiftCandidates() []int {
	var candidates []int
	for k := len(l.bad) - 1; k >= 0 && len(candidates) < shiftTests; k-- {
		if _, length := l.span(l.bad[k]); length >= leastShift {
			candidates = append(candidates, l.bad[k])
		}
	}
	return candidates
}

// findShard looks for recorded shard i around its place.
func (l *look) findShard(i int, budget *int64) (by int64, found bool, err error) {
	offset, length := l.span(i)
	want := l.Recorded.ShardSums[i]
	if delta := l.Computed.Size - l.Recorded.Size; delta != 0 && offset+delta >= 0 {
		p, err := l.read(offset+delta, length)
		if err != nil {
			return 0, false, err
		}
		if int64(len(p)) == length && hashsets.ShardSum(p) == want {
			return delta, true, nil
		}
	}
	if p, err := l.read(offset, length); err != nil || len(p) == 0 || allOf(p, p[0]) {
		return 0, false, err // gone or filled, which is no shift
	}
	from := max(0, offset-farShift)
	window, err := l.read(from, offset-from+length+farShift)
	if err != nil {
		return 0, false, err
	}
	for n, by := range shiftDistances() {
		if n%256 == 0 && l.ctx.Err() != nil {
			return 0, false, l.ctx.Err()
		}
		start := offset + by - from
		if start < 0 || start+length > int64(len(window)) || *budget < length {
			continue
		}
		*budget -= length
		if hashsets.ShardSum(window[start:start+length]) == want {
			return by, isShift(window, offset-from, start, length), nil
		}
	}
	return 0, false, nil
}

// isShift tells whether the recorded content, found at start, is not at its
// place too, but for a few bytes: in content that repeats itself a local damage
// would pass for a shift.
func isShift(window []byte, place, start, length int64) bool {
	inPlace := window[min(place, int64(len(window))):]
	found := window[start : start+length]
	differing := 0
	for i, b := range inPlace[:min(length, int64(len(inPlace)))] {
		if b != found[i] {
			differing++
		}
	}
	return differing > len(found)/16
}

// shiftDistances are the distances to try, likeliest first: near ones, then
// whole sectors.
func shiftDistances() []int64 {
	distances := make([]int64, 0, 2*nearShift+2*farShift/sector)
	for by := int64(1); by <= nearShift; by++ {
		distances = append(distances, by, -by)
	}
	for by := int64(nearShift + sector); by <= farShift; by += sector {
		distances = append(distances, by, -by)
	}
	return distances
}

func distanceText(by int64) string {
	if by < 0 {
		return bytesText(-by) + " before its place"
	}
	return bytesText(by) + " after its place"
}

func (l *look) shiftFound(by int64, evidence ...string) (Diagnosis, error) {
	first, _ := l.span(l.bad[0])
	what := fmt.Sprintf("%s were put in", bytesText(by))
	if by < 0 {
		what = fmt.Sprintf("%s were taken out", bytesText(-by))
	}
	return diagnosed(finding.Shifted, append(evidence, fmt.Sprintf("from the shard at byte %d on, %s", first, what))...)
}

// shiftedFromGood finds the place of a shift with the good copy, when the size
// tells the distance.
func (l *look) shiftedFromGood() (Diagnosis, error) {
	by := l.Computed.Size - l.Recorded.Size
	if l.Good == nil || by == 0 || len(l.bad) == 0 {
		return undiagnosed()
	}
	at, known, err := l.firstDifference()
	if err != nil || !known {
		return Diagnosis{}, err
	}
	damagedAt, goodAt := at+max(0, by), at+max(0, -by)
	length := min(compareMax, l.Computed.Size-damagedAt, l.Recorded.Size-goodAt)
	if length <= 0 {
		return undiagnosed()
	}
	for done := int64(0); done < length; done += l.shardSize {
		n := min(l.shardSize, length-done)
		p, err := l.read(damagedAt+done, n)
		if err != nil {
			return Diagnosis{}, err
		}
		if good := l.readGood(goodAt+done, n); !bytes.Equal(p, good) {
			return undiagnosed()
		}
	}
	what := fmt.Sprintf("%s were put in at byte %d", bytesText(by), at)
	if by < 0 {
		what = fmt.Sprintf("%s were taken out at byte %d", bytesText(-by), at)
	}
	return diagnosed(finding.Shifted, what, "the "+bytesText(length)+" after that agree with the good bytes")
}

// firstDifference returns where damaged and good bytes begin to differ, looked
// for in the first damaged shard.
func (l *look) firstDifference() (at int64, known bool, err error) {
	offset, length := l.span(l.bad[0])
	p, err := l.read(offset, length)
	if err != nil {
		return 0, false, err
	}
	good := l.readGood(offset, int64(len(p)))
	for i := range good {
		if good[i] != p[i] {
			return offset + int64(i), true, nil
		}
	}
	return 0, false, nil
}
