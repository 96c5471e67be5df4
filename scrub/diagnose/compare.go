package diagnose

import (
	"fmt"
	"math/bits"
	"slices"

	"bitmend/scrub/finding"
)

const (
	fewBits    = 8  // bits that may be flipped one by one in a shard and still be flips
	closeBytes = 64 // bytes: flips that are closer are a burst
	leastRun   = 16 // differing bytes that make a run of one value more than chance
)

// difference is how damaged bytes differ from the good ones.
type difference struct {
	first, last int // differing bytes
	bytes, bits int
	single      bool // no byte differs in more than one bit
	zeros       bool // all differing bytes are zero now
	ones        bool // all differing bytes are 0xff now
	textToText  bool // they were bytes that texts have, and are
}

func differenceOf(p, good []byte) difference {
	d := difference{first: -1, single: true, zeros: true, ones: true, textToText: true}
	for i, b := range p {
		if b == good[i] {
			continue
		}
		if d.first < 0 {
			d.first = i
		}
		d.last = i
		d.bytes++
		n := bits.OnesCount8(b ^ good[i])
		d.bits += n
		d.single = d.single && n == 1
		d.zeros = d.zeros && b == 0
		d.ones = d.ones && b == 0xff
		d.textToText = d.textToText && isTextByte(b) && isTextByte(good[i])
	}
	return d
}

// compare marks a shard by what differs from its good bytes.
func compare(m *mark, p, good []byte) {
	d := differenceOf(p, good)
	if d.bytes == 0 {
		m.kind = ""
		return
	}
	offset := m.damage.start
	m.damage = extent{offset + int64(d.first), offset + int64(d.last) + 1}
	m.narrowed = true
	m.random = m.random && !looksRandom(good)
	length := d.last - d.first + 1
	switch {
	case d.bits == 1:
		m.kind = finding.BitFlip
		b := bits.TrailingZeros8(p[d.first] ^ good[d.first])
		m.evidence = fmt.Sprintf("bit %d of byte %d is %d and was %d; nothing else differs in its shard",
			b, m.damage.start, p[d.first]>>b&1, good[d.first]>>b&1)
	case d.zeros && d.bytes >= leastRun:
		m.kind, m.damage = finding.Zeroed, widened(p, d, offset)
	case d.ones && d.bytes >= leastRun:
		m.kind, m.damage = finding.Ones, widened(p, d, offset)
	case d.textToText && isText(good):
		m.evidence = fmt.Sprintf("%s from byte %d on differ; they were text and are text, as after an edit", bytesText(int64(d.bytes)), m.damage.start)
	case d.single && d.bits <= fewBits && length > closeBytes:
		m.kind = finding.BitFlip
		m.evidence = fmt.Sprintf("%s differ between byte %d and byte %d, no two in one byte", countText(int64(d.bits), "bit"), m.damage.start, m.damage.end-1)
	case length <= closeBytes || d.bytes > length/2:
		m.kind = finding.Burst
		m.evidence = fmt.Sprintf("%s differ (%s)", bytesText(int64(d.bytes)), countText(int64(d.bits), "bit"))
	default:
		m.evidence = fmt.Sprintf("%s differ (%s), between byte %d and byte %d",
			bytesText(int64(d.bytes)), countText(int64(d.bits), "bit"), m.damage.start, m.damage.end-1)
	}
}

// widened is the run of one value around the bytes that differ: the value stood
// by chance in some places of the good bytes, too.
func widened(p []byte, d difference, offset int64) extent {
	value, start, end := p[d.first], d.first, d.last+1
	for start > 0 && p[start-1] == value {
		start--
	}
	for end < len(p) && p[end] == value {
		end++
	}
	return extent{offset + int64(start), offset + int64(end)}
}

// guess marks a shard by its bytes alone: by sectors that are all zero or all
// ones, or by bytes in a text that are none.
func (l *look) guess(m *mark, p []byte) error {
	offset := m.damage.start
	if run, ok := strangeInText(p); ok {
		m.kind, m.narrowed = finding.Burst, true
		m.damage = extent{offset + run.start, offset + run.end}
		m.evidence = "they are no text, and what stands around them is"
		return nil
	}
	for _, fill := range []struct {
		value byte
		kind  finding.Diagnosis
	}{{0, finding.Zeroed}, {0xff, finding.Ones}} {
		run, stands := onlySectors(p, fill.value)
		if !stands {
			continue
		}
		usual, err := l.usual(m.shard, fill.value)
		if err != nil {
			return err
		}
		if !usual {
			m.kind, m.narrowed = fill.kind, true
			m.damage = extent{offset + run.start, offset + run.end}
			m.evidence = fmt.Sprintf("that run is what stands out in the shard at byte %d; other bytes of it may be damaged too", offset)
			return nil
		}
	}
	return nil
}

// onlySectors returns the longest run of one value when it is whole sectors and
// the only one so long.
func onlySectors(p []byte, value byte) (extent, bool) {
	longest, long := runs(p, value)
	aligned := longest.start%sector == 0 && (longest.end%sector == 0 || longest.end == int64(len(p)))
	return longest, long == 1 && aligned
}

// usual tells whether an intact shard beside shard i has a sector of one value
// too, so that such a run says nothing in this blob.
func (l *look) usual(i int, value byte) (bool, error) {
	for _, beside := range []int{i - 1, i + 1} {
		_, isDamaged := slices.BinarySearch(l.bad, beside)
		offset, length := l.span(beside)
		if isDamaged || offset < 0 || length <= 0 {
			continue
		}
		p, err := l.read(offset, length)
		if err != nil {
			return false, err
		}
		if _, long := runs(p, value); long > 0 {
			return true, nil
		}
	}
	return false, nil
}

// runs returns the longest run of one value, the first of several, and how many
// are as long as a sector.
func runs(p []byte, value byte) (longest extent, long int) {
	for i := 0; i < len(p); {
		if p[i] != value {
			i++
			continue
		}
		start := i
		for i < len(p) && p[i] == value {
			i++
		}
		run := extent{int64(start), int64(i)}
		if run.length() >= sector {
			long++
		}
		if run.length() > longest.length() {
			longest = run
		}
	}
	return longest, long
}
