package verify

import (
	"bytes"
	"encoding/binary"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
)

// table holds what all lists say, by file, so that each file is read once. A
// list of a million entries is held in about 150 bytes an entry: digests stand
// packed in one run of bytes.
type table struct {
	lists      []*List
	algorithms []hashsets.Algorithm
	numbers    map[hashsets.Algorithm]byte

	byPath  map[string]int32 // full path to index in files
	files   []file
	records []record
	packed  []byte
}

// file is one file that lists speak of.
type file struct {
	at    place
	first int32 // in records
	last  int32
}

// record is one entry of a list.
type record struct {
	list, line int32
	next       int32 // the next record of the same file; -1 for none
	packed     int64 // where the rest of it is
}

func newTable() *table {
	return &table{numbers: map[hashsets.Algorithm]byte{}, byPath: map[string]int32{}}
}

// addList makes a list known and returns its number.
func (t *table) addList(l *List) int32 {
	l.Counts = map[Status]int64{}
	t.lists = append(t.lists, l)
	return int32(len(t.lists) - 1)
}

// flags of a packed record
const (
	flagAny = 1 << iota
	flagSizeOnly
	flagOptional
	flagGuessed // of a digest
)

// again tells how an entry relates to one of the same list and file before it.
type again uint8

const (
	unrelated    again = iota // there is none
	repeated                  // it says the same
	contradicted              // it has another checksum of the same algorithm
)

// add notes what a list says of a file.
func (t *table) add(list int32, at place, e manifest.Entry) again {
	t.records = append(t.records, record{list: list, line: int32(e.Line), next: -1, packed: int64(len(t.packed))})
	number := int32(len(t.records) - 1)
	t.pack(e)
	full := at.full()
	if i, known := t.byPath[full]; known {
		f := &t.files[i]
		relation := unrelated
		if before := t.records[f.last]; before.list == list { // entries of one list follow each other
			said, _ := t.unpack(&before)
			relation = relate(said, e)
		}
		t.records[f.last].next = number
		f.last = number
		return relation
	}
	t.byPath[full] = int32(len(t.files))
	t.files = append(t.files, file{at: at, first: number, last: number})
	return unrelated
}

func relate(before Said, e manifest.Entry) again {
	relation := unrelated
	for _, d := range e.Digests {
		for _, other := range before.Digests {
			switch {
			case other.Algorithm != d.Algorithm:
			case !bytes.Equal(other.Sum, d.Sum):
				return contradicted
			default:
				relation = repeated
			}
		}
	}
	return relation
}

func (t *table) pack(e manifest.Entry) {
	var flags byte
	if e.Any {
		flags |= flagAny
	}
	if e.SizeOnly {
		flags |= flagSizeOnly
	}
	if e.Optional {
		flags |= flagOptional
	}
	t.packed = append(t.packed, flags)
	t.packed = binary.AppendVarint(t.packed, e.Size)
	t.packed = append(t.packed, byte(len(e.Digests)))
	for _, d := range e.Digests {
		flags = 0
		if d.Guessed {
			flags = flagGuessed
		}
		t.packed = append(t.packed, flags, t.number(d.Algorithm))
		t.packed = binary.AppendUvarint(t.packed, uint64(len(d.Sum)))
		t.packed = append(t.packed, d.Sum...)
	}
}

// otherAlgorithms is the number that all algorithms beyond the first 255
// share: only hostile lists have so many, and none of those can be computed.
const otherAlgorithms = 255

func (t *table) number(a hashsets.Algorithm) byte {
	if n, known := t.numbers[a]; known {
		return n
	}
	if len(t.algorithms) == otherAlgorithms {
		return otherAlgorithms
	}
	n := byte(len(t.algorithms))
	t.algorithms = append(t.algorithms, a)
	t.numbers[a] = n
	return n
}

// said returns what all lists say of a file, not judged yet. optional tells
// whether every one of them allows it not to be there.
func (t *table) said(f *file) (said []Said, optional bool) {
	optional = true
	for i := f.first; i >= 0; i = t.records[i].next {
		s, mayMiss := t.unpack(&t.records[i])
		said = append(said, s)
		optional = optional && mayMiss
	}
	return said, optional
}

func (t *table) unpack(r *record) (s Said, optional bool) {
	p := t.packed[r.packed:]
	flags := p[0]
	size, n := binary.Varint(p[1:])
	p = p[1+n:]
	s = Said{
		List: t.lists[r.list], Line: int(r.line), Size: size,
		any: flags&flagAny != 0, sized: flags&flagSizeOnly != 0,
		Digests: make([]Compared, p[0]),
	}
	p = p[1:]
	for i := range s.Digests {
		d := &s.Digests[i]
		d.Guessed = p[0]&flagGuessed != 0
		d.Algorithm = "other"
		if p[1] != otherAlgorithms {
			d.Algorithm = t.algorithms[p[1]]
		}
		if instead, ok := s.List.settled[d.Algorithm]; ok && d.Guessed {
			d.Algorithm, d.Guessed = instead, false
		}
		length, n := binary.Uvarint(p[2:])
		p = p[2+n:]
		d.Sum = p[:length:length]
		p = p[length:]
	}
	return s, flags&flagOptional != 0
}

// covers tells whether a list speaks of the file of a full path.
func (t *table) covers(full string) bool {
	_, known := t.byPath[full]
	return known
}
