package diagnose

import (
	"cmp"
	"fmt"
	"slices"

	"bitmend/scrub/finding"
)

// A mark is what one damaged shard shows.
type mark struct {
	shard    int
	kind     finding.Diagnosis
	damage   extent // as narrow as is known
	narrowed bool   // the extent is narrower than the shard because the bytes show it
	evidence string // "" when the extent says all
	from     int    // which shard of the blob its content is recorded for; -1 when of none
	random   bool   // its bytes look random
	text     bool   // its bytes look like text
	open     bool   // it may have a flipped bit, which was not searched for
}

// byShards looks at each damaged shard and says what most of them show.
func (l *look) byShards() (Diagnosis, error) {
	looked := l.looked()
	found := l.findSums(looked)
	searches := l.FlipSearches
	var marks []mark
	for _, i := range looked {
		m, err := l.mark(i, found, &searches)
		if err != nil {
			return Diagnosis{}, err
		}
		if m.kind != "" {
			marks = append(marks, m)
		}
	}
	if len(marks) == 0 {
		return diagnosed(finding.Unknown, "every recorded shard matches; what differs lies elsewhere")
	}
	return l.summed(marks, looked, searches < l.FlipSearches)
}

// flipMost is the longest shard in which a flipped bit is searched for: there it
// takes some seconds.
const flipMost = 256 << 10

// mark looks at one shard, proofs first. Its kind is "" when it has nothing to
// show: it lies beyond the end, or the good copy says that nothing is wrong.
func (l *look) mark(i int, found places, searches *int) (mark, error) {
	offset, length := l.span(i)
	m := mark{shard: i, kind: finding.Unknown, damage: extent{offset, offset + length}, from: -1}
	p, err := l.read(offset, length)
	if err != nil {
		return m, err
	}
	if int64(len(p)) < length {
		if len(p) == 0 {
			m.kind = "" // gone: the sizes say so
		} else {
			l.recognise(&m, found) // another, shorter blob may end here
		}
		return m, nil
	}
	switch {
	case allOf(p, 0):
		m.kind = finding.Zeroed
		return m, nil
	case allOf(p, 0xff):
		m.kind = finding.Ones
		return m, nil
	}
	if l.recognise(&m, found) {
		return m, nil
	}
	m.random, m.text = looksRandom(p), isText(p)
	if good := l.goodShard(i); good != nil {
		compare(&m, p, good)
		return m, nil
	}
	m.open = *searches == 0 || length > flipMost
	if !m.open && l.hasSums {
		*searches--
		if bit, ok := CorrectBitFlip(l.ctx, p, l.Recorded.ShardSums[i]); ok {
			flipped(&m, offset, bit, p[bit/8])
			return m, nil
		}
		if err := l.ctx.Err(); err != nil {
			return m, err
		}
	}
	return m, l.guess(&m, p)
}

func flipped(m *mark, offset int64, bit int, now byte) {
	at := offset + int64(bit/8)
	m.kind, m.damage, m.narrowed = finding.BitFlip, extent{at, at + 1}, true
	m.evidence = fmt.Sprintf("bit %d of byte %d is %d; with it turned over, the shard matches its recorded sum", bit%8, at, now>>(bit%8)&1)
}

// places is where the sums that damaged shards have now are recorded.
type places struct {
	here      map[uint64]int // a shard of this blob
	elsewhere map[uint64]Where
}

// findSums looks the present sums of the shards up, all at once.
func (l *look) findSums(looked []int) places {
	found := places{here: map[uint64]int{}}
	if !l.hasSums {
		return found
	}
	wanted := map[uint64]bool{}
	for _, i := range looked {
		if i < len(l.Computed.ShardSums) {
			wanted[l.Computed.ShardSums[i]] = true
		}
	}
	for i, sum := range l.Recorded.ShardSums {
		if _, already := found.here[sum]; wanted[sum] && !already {
			found.here[sum] = i
		}
	}
	if l.Elsewhere != nil && len(wanted) > 0 {
		sums := make([]uint64, 0, len(wanted))
		for sum := range wanted {
			sums = append(sums, sum)
		}
		slices.Sort(sums)
		found.elsewhere = l.Elsewhere(sums)
	}
	return found
}

// recognise finds content that is recorded somewhere.
func (l *look) recognise(m *mark, found places) bool {
	if !l.hasSums || m.shard >= len(l.Computed.ShardSums) {
		return false
	}
	sum := l.Computed.ShardSums[m.shard]
	for _, e := range l.Earlier {
		if e.Hashes.ShardSize == l.shardSize && m.shard < len(e.Hashes.ShardSums) && e.Hashes.ShardSums[m.shard] == sum {
			m.kind = finding.StaleContent
			m.evidence = fmt.Sprintf("the shard at byte %d is that of generation %d", m.damage.start, e.Number)
			return true
		}
	}
	if from, ok := found.here[sum]; ok {
		m.kind, m.from = finding.Misplaced, from
		m.evidence = fmt.Sprintf("the shard at byte %d has the content of the one at byte %d", m.damage.start, int64(from)*l.shardSize)
		return true
	}
	if where, ok := found.elsewhere[sum]; ok {
		m.kind = finding.Misplaced
		m.evidence = fmt.Sprintf("the shard at byte %d has the content of the blob %q at byte %d (generation %d)",
			m.damage.start, where.Blob, int64(where.Shard)*l.shardSize, where.Generation)
		return true
	}
	return false
}

// shownMarks is how many shards the evidence tells of one by one.
const shownMarks = 3

// summed says what the marks of all shards come to.
func (l *look) summed(marks []mark, looked []int, searched bool) (Diagnosis, error) {
	kind := commonest(marks)
	var same []mark
	for _, m := range marks {
		if m.kind == kind {
			same = append(same, m)
		}
	}
	d := Diagnosis{Kind: kind}
	switch kind {
	case finding.Zeroed:
		d = l.zeroed(same)
	case finding.Ones:
		d.Evidence = extents(same, "have every bit set", l.Recorded.Size)
	case finding.StaleContent:
		d = l.stale(same)
	case finding.Misplaced:
		d = misplaced(same)
	case finding.Burst, finding.Unknown:
		encrypted, err := l.encrypted(same)
		switch {
		case err != nil:
			return Diagnosis{}, err
		case encrypted.Kind != "":
			return encrypted, nil
		case kind == finding.Burst:
			d = l.burst(same)
		default:
			d = l.unknown(same, searched)
		}
	}
	d.Evidence = append(d.Evidence, told(same)...)
	if n := len(marks) - len(same); n > 0 {
		show := "show"
		if n == 1 {
			show = "shows"
		}
		d.Evidence = append(d.Evidence, fmt.Sprintf("%s %s something else, or nothing", countText(int64(n), "more damaged shard"), show))
	}
	if by := l.Computed.Size - l.Recorded.Size; by > 0 {
		d.Evidence = append(d.Evidence, fmt.Sprintf("it is %s longer than recorded", bytesText(by)))
	} else if by < 0 {
		d.Evidence = append(d.Evidence, fmt.Sprintf("it is %s shorter than recorded", bytesText(-by)))
	}
	if len(looked) < len(l.bad) {
		d.Evidence = append(d.Evidence, fmt.Sprintf("%d of its %s were looked at", len(looked), countText(int64(len(l.bad)), "damaged shard")))
	}
	return d, nil
}

// commonest is the kind that most shards show, the first of several. Where a
// flipped bit was found, shards that were not searched for one say nothing.
func commonest(marks []mark) finding.Diagnosis {
	counts := map[finding.Diagnosis]int{}
	for _, m := range marks {
		counts[m.kind]++
	}
	if counts[finding.BitFlip] > 0 {
		for _, m := range marks {
			if m.kind == finding.Unknown && m.open {
				counts[finding.Unknown]--
			}
		}
	}
	return slices.MaxFunc(marks, func(a, b mark) int {
		return cmp.Or(cmp.Compare(counts[a.kind], counts[b.kind]), cmp.Compare(b.shard, a.shard))
	}).kind
}

// told is the evidence of the first few shards.
func told(marks []mark) []string {
	var evidence []string
	for _, m := range marks {
		if m.evidence == "" {
			continue
		}
		if len(evidence) == shownMarks {
			break
		}
		evidence = append(evidence, m.evidence)
	}
	return evidence
}

// joined are the extents of marks, neighbours as one.
func joined(marks []mark) []extent {
	var all []extent
	for _, m := range marks {
		if n := len(all); n > 0 && all[n-1].end == m.damage.start {
			all[n-1].end = m.damage.end
			continue
		}
		all = append(all, m.damage)
	}
	return all
}

// extents tells where damage is, in the first few places.
func extents(marks []mark, what string, size int64) []string {
	var evidence []string
	for n, e := range joined(marks) {
		if n == shownMarks {
			break
		}
		evidence = append(evidence, fmt.Sprintf("%s %s", e.text(size), what))
	}
	return evidence
}

// zeroed tells a blob whose end was never written from one that has a hole.
func (l *look) zeroed(marks []mark) Diagnosis {
	d := Diagnosis{Kind: finding.Zeroed, Evidence: extents(marks, "are zero", l.Recorded.Size)}
	all := joined(marks)
	if last := all[len(all)-1]; len(all) == 1 && last.start > 0 && l.endsTheBlob(last) {
		d.Kind = finding.TornTail
		d.Evidence = append(d.Evidence, fmt.Sprintf("from byte %d%s to its end nothing was written", last.start, boundary(last.start)))
	}
	return d
}

// endsTheBlob tells whether an extent reaches the end of a blob that has its
// recorded size.
func (l *look) endsTheBlob(e extent) bool {
	return e.end == l.Recorded.Size && l.Computed.Size == l.Recorded.Size
}

// stale tells an unfinished write, of which the end is missing, from a lost
// one.
func (l *look) stale(marks []mark) Diagnosis {
	all := joined(marks)
	d := Diagnosis{Kind: finding.StaleContent}
	if last := all[len(all)-1]; len(all) == 1 && last.start > 0 && l.endsTheBlob(last) && len(marks) == len(l.bad) {
		d.Kind = finding.TornTail
		d.Evidence = []string{fmt.Sprintf("from byte %d%s to its end it has older content", last.start, boundary(last.start))}
	}
	return d
}

// misplaced tells shards that changed places from others that are out of
// place.
func misplaced(marks []mark) Diagnosis {
	now := map[int]int{} // which shard's content a shard has
	for _, m := range marks {
		now[m.shard] = m.from
	}
	swapped := len(marks) > 1
	for _, from := range now {
		if _, isDamaged := now[from]; !isDamaged {
			swapped = false // that content is still at its place, too
		}
	}
	if swapped {
		return Diagnosis{Kind: finding.SwappedShards, Evidence: []string{countText(int64(len(marks)), "shard") + " changed places"}}
	}
	return Diagnosis{Kind: finding.Misplaced}
}

// burst tells damage in some places from content that is another one.
func (l *look) burst(marks []mark) Diagnosis {
	d := Diagnosis{Kind: finding.Burst, Evidence: extents(marks, "are damaged", l.Recorded.Size)}
	total := int64(0)
	for _, e := range joined(marks) {
		total += e.length()
	}
	if total > l.Recorded.Size/2 {
		d.Kind = finding.Unknown
	}
	return d
}

// unknown weighs what no shard shows by itself: several bits that are damaged
// in one place, where all else is intact, are a burst.
func (l *look) unknown(marks []mark, searched bool) Diagnosis {
	d := Diagnosis{Kind: finding.Unknown}
	first, last := l.bad[0], l.bad[len(l.bad)-1]
	isolated := last-first <= 1 && len(l.bad) < len(l.Recorded.ShardSums) && l.Computed.Size == l.Recorded.Size
	if searched && isolated && !marks[0].text && !marks[len(marks)-1].text {
		d.Kind = finding.Burst
		d.Evidence = []string{"more than one bit is damaged, and all else is intact"}
	}
	d.Evidence = append(d.Evidence, extents(marks, "differ from what is recorded, in part or in all", l.Recorded.Size)...)
	return d
}
