package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// nameKind is what a directory says of a name before anybody looks at it.
type nameKind byte

const (
	nameOfOther     nameKind = iota // neither a file nor a directory
	nameOfFile                      // a regular file
	nameOfDirectory                 // a directory
	nameOfUnknown                   // the file system does not say
)

// A namelist holds the names of one directory, compactly and in the order of
// a listing. A directory x stands in it twice: as "x" where it is yielded, and
// as "x/" where its own names come, so that "x-1" comes between the two.
type namelist struct {
	chunks [][]byte // names one after the other, each after its length in two bytes
	steps  []step
}

// A step is one place in the order of a listing.
type step struct {
	lead uint64 // the first bytes of the key after what all keys share, to compare without looking at the name
	at   uint64 // where the name is: chunk and offset, shifted, with the flags below
}

const (
	stepDescends = 1 << 0 // this is "x/": the names inside come now
	stepFollowed = 1 << 1 // this is "x", and there is an "x/"
	stepSkipped  = 1 << 2 // this is "x/", and x was found not to open
	stepFile     = 1 << 3 // this is a regular file
	stepFlags    = 4      // bits

	chunkBits = 20 // a chunk is at most 1 MiB
	firstSize = 1 << 10
	lengthLen = 2
)

func (l *namelist) reset() {
	if len(l.chunks) > 1 { // keep what an ordinary directory needs
		l.chunks = l.chunks[:1]
	}
	if len(l.chunks) == 1 {
		l.chunks[0] = l.chunks[0][:0]
	}
	if cap(l.steps) > firstSize {
		l.steps = nil
	}
	l.steps = l.steps[:0]
}

// add takes a copy of name, which has at most 65535 bytes, as every file
// system's have.
func (l *namelist) add(name []byte, kind nameKind) {
	place := l.keep(name) << stepFlags
	switch kind {
	case nameOfFile:
		l.steps = append(l.steps, step{at: place | stepFile})
	case nameOfDirectory:
		l.steps = append(l.steps, step{at: place | stepFollowed}, step{at: place | stepDescends})
	default:
		l.steps = append(l.steps, step{at: place})
	}
}

// addDescent takes a directory of which only the names inside are in range.
func (l *namelist) addDescent(name []byte) {
	l.steps = append(l.steps, step{at: l.keep(name)<<stepFlags | stepDescends})
}

func (l *namelist) keep(name []byte) uint64 {
	need := lengthLen + len(name)
	last := len(l.chunks) - 1
	if last < 0 || cap(l.chunks[last])-len(l.chunks[last]) < need {
		size := firstSize
		if last >= 0 {
			size = min(2*cap(l.chunks[last]), 1<<chunkBits)
		}
		l.chunks = append(l.chunks, make([]byte, 0, max(size, need)))
		last++
	}
	chunk := l.chunks[last]
	place := uint64(last)<<chunkBits | uint64(len(chunk))
	chunk = binary.NativeEndian.AppendUint16(chunk, uint16(len(name)))
	l.chunks[last] = append(chunk, name...)
	return place
}

// name returns the name of a step, without the slash of a descent.
func (l *namelist) name(s step) []byte {
	place := s.at >> stepFlags
	chunk := l.chunks[place>>chunkBits][place&(1<<chunkBits-1):]
	length := binary.NativeEndian.Uint16(chunk)
	return chunk[lengthLen : lengthLen+int(length)]
}

// sort puts the steps in order.
func (l *namelist) sort() {
	shared := l.shared()
	for i := range l.steps {
		l.steps[i].lead = lead(l.name(l.steps[i]), shared, l.steps[i].at&stepDescends != 0)
	}
	slices.SortFunc(l.steps, func(a, b step) int {
		if a.lead != b.lead {
			return cmp.Compare(a.lead, b.lead)
		}
		return compareKeys(l.name(a), a.at&stepDescends != 0, l.name(b), b.at&stepDescends != 0)
	})
}

// shared returns how many bytes all names begin with.
func (l *namelist) shared() int {
	if len(l.steps) == 0 {
		return 0
	}
	first := l.name(l.steps[0])
	n := len(first)
	for _, s := range l.steps[1:] {
		name := l.name(s)
		n = min(n, len(name))
		for n > 0 && !bytes.Equal(first[:n], name[:n]) {
			n--
		}
	}
	return n
}

// lead returns eight bytes of a key after its first skip ones. No name holds a
// NUL, so a key that ends there comes first.
func lead(name []byte, skip int, descends bool) uint64 {
	var p [8]byte
	n := copy(p[:], name[skip:])
	if descends && n < len(p) {
		p[n] = '/'
	}
	return binary.BigEndian.Uint64(p[:])
}

// compareKeys compares two names as bytes, each with a slash after it if it
// descends.
func compareKeys(a []byte, aDescends bool, b []byte, bDescends bool) int {
	n := min(len(a), len(b))
	if c := bytes.Compare(a[:n], b[:n]); c != 0 {
		return c
	}
	return cmp.Compare(next(a, n, aDescends), next(b, n, bDescends))
}

// next is byte n of a key, -1 past its end.
func next(name []byte, n int, descends bool) int {
	switch {
	case n < len(name):
		return int(name[n])
	case descends:
		return '/'
	}
	return -1
}
