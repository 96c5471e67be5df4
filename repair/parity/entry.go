package parity

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"bitmend/hashsets"
)

// Listed is one entry in the list that a band's parity files carry: what lies
// where, and what is recorded of it. Of a blob that goes on in another band
// the shard sums are those of this band's shards alone, and the digests are
// there only in the band in which it ends.
type Listed struct {
	Extent            // as in the column, cut to the band
	Name       string //
	Generation int64  //
	RecordedAt int64  // nanoseconds since 1970, UTC
	Kind       hashsets.Kind
	Identity   hashsets.Identity
	Attributes hashsets.Attributes
	Target     string           // of a Link
	Hashes     hashsets.HashSet // Size is the whole blob's; ShardSums from BlobOffset on
}

// maxEntry bounds an entry of a list, so that a reader need not believe more.
const maxEntry = 16 << 20

// appendEntry appends the canonical bytes of an entry without its length:
// numbers as LEB128, those that may be negative in zigzag, byte strings after
// their length, maps sorted by key.
func appendEntry(b []byte, e *Listed) []byte {
	e = canonical(e)
	b = appendNumbers(b, int64(e.Column), e.Offset, e.Length, e.BlobOffset)
	b = appendText(b, e.Name)
	b = appendNumbers(b, e.Generation)
	b = appendTimes(b, e.RecordedAt)
	b = appendNumbers(b, int64(e.Kind))

	b = appendNumbers(b, e.Identity.Size)
	b = appendTimes(b, e.Identity.ModTime, e.Identity.ChangeTime)
	b = binary.AppendUvarint(b, e.Identity.Device)
	b = binary.AppendUvarint(b, e.Identity.Inode)
	b = appendText(b, e.Identity.ETag, e.Identity.Version)

	a := &e.Attributes
	b = appendNumbers(b, int64(a.Mode), int64(a.UID), int64(a.GID))
	b = appendTimes(b, a.ModTime)
	b = appendMap(b, a.Xattrs)
	b = appendText(b, a.ContentType, a.StorageClass)
	b = appendMap(b, a.Metadata)
	b = appendMap(b, a.Tags)

	b = appendText(b, e.Target)

	b = appendNumbers(b, e.Hashes.Size, int64(len(e.Hashes.Digests)))
	for _, d := range e.Hashes.Digests {
		b = appendText(b, string(d.Algorithm), string(d.Sum))
	}
	b = appendNumbers(b, e.Hashes.ShardSize, int64(len(e.Hashes.ShardSums)))
	for _, sum := range e.Hashes.ShardSums {
		b = binary.LittleEndian.AppendUint64(b, sum)
	}
	return b
}

// canonical is e with its digests sorted.
func canonical(e *Listed) *Listed {
	byName := func(a, b hashsets.Digest) int { return cmp.Compare(a.Algorithm, b.Algorithm) }
	if slices.IsSortedFunc(e.Hashes.Digests, byName) {
		return e
	}
	sorted := *e
	sorted.Hashes.Digests = slices.SortedFunc(slices.Values(e.Hashes.Digests), byName)
	return &sorted
}

func appendNumbers(b []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func appendTimes(b []byte, times ...int64) []byte {
	for _, t := range times {
		b = binary.AppendVarint(b, t)
	}
	return b
}

func appendText(b []byte, texts ...string) []byte {
	for _, t := range texts {
		b = binary.AppendUvarint(b, uint64(len(t)))
		b = append(b, t...)
	}
	return b
}

func appendMap[V string | []byte](b []byte, m map[string]V) []byte {
	b = binary.AppendUvarint(b, uint64(len(m)))
	if len(m) == 0 {
		return b
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		b = appendText(b, key, string(m[key]))
	}
	return b
}

// errEntry is wrapped into ErrDamaged with the entry's place.
var errEntry = errors.New("an entry contradicts itself")

// decodeEntry is the inverse of appendEntry; all of b must be the entry.
func decodeEntry(b []byte) (e Listed, err error) {
	r := entryReader{rest: b}
	e.Column = int(r.number(maxShards))
	e.Offset, e.Length, e.BlobOffset = r.number(maxColumnSize), r.number(maxColumnSize), r.int64()
	e.Name = r.text()
	e.Generation = r.int64()
	e.RecordedAt = r.time()
	e.Kind = hashsets.Kind(r.number(255))

	e.Identity = hashsets.Identity{
		Size: r.int64(), ModTime: r.time(), ChangeTime: r.time(),
		Device: r.uint64(), Inode: r.uint64(), ETag: r.text(), Version: r.text(),
	}
	const uint32s = 1<<32 - 1
	e.Attributes = hashsets.Attributes{
		Mode: uint32(r.number(uint32s)), UID: uint32(r.number(uint32s)), GID: uint32(r.number(uint32s)),
		ModTime: r.time(), Xattrs: readMap[[]byte](&r), ContentType: r.text(), StorageClass: r.text(),
		Metadata: readMap[string](&r), Tags: readMap[string](&r),
	}
	e.Target = r.text()

	e.Hashes.Size = r.int64()
	for range r.count(2) {
		e.Hashes.Digests = append(e.Hashes.Digests, hashsets.Digest{Algorithm: hashsets.Algorithm(r.text()), Sum: []byte(r.text())})
	}
	e.Hashes.ShardSize = r.int64()
	e.Hashes.ShardSums = r.sums()
	if r.bad || len(r.rest) > 0 {
		return Listed{}, errEntry
	}
	return e, nil
}

// entryReader takes an entry apart. After the first thing that cannot be, bad
// is set and all else reads as zero.
type entryReader struct {
	rest []byte
	bad  bool
}

func (r *entryReader) fail() { r.bad, r.rest = true, nil }

func (r *entryReader) uint64() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *entryReader) number(most uint64) int64 {
	v := r.uint64()
	if v > most {
		r.fail()
		return 0
	}
	return int64(v)
}

func (r *entryReader) int64() int64 { return r.number(1<<63 - 1) }

func (r *entryReader) time() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count reads how many things follow, each of at least size bytes.
func (r *entryReader) count(size int) int {
	return int(r.number(uint64(len(r.rest) / size)))
}

func (r *entryReader) text() string {
	n := r.count(1)
	if n > len(r.rest) {
		r.fail()
		return ""
	}
	t := string(r.rest[:n])
	r.rest = r.rest[n:]
	return t
}

func readMap[V string | []byte](r *entryReader) map[string]V {
	n := r.count(2)
	if n == 0 {
		return nil
	}
	m := make(map[string]V)
	last := ""
	for i := range n {
		key := r.text()
		if i > 0 && key <= last {
			r.fail()
		}
		if r.bad {
			return nil
		}
		m[key], last = V(r.text()), key
	}
	return m
}

func (r *entryReader) sums() []uint64 {
	n := r.count(8)
	if n == 0 {
		return nil
	}
	if 8*n > len(r.rest) {
		r.fail()
		return nil
	}
	sums := make([]uint64, n)
	for i := range sums {
		sums[i] = binary.LittleEndian.Uint64(r.rest[8*i:])
	}
	r.rest = r.rest[8*n:]
	return sums
}

func (e *Listed) String() string {
	return fmt.Sprintf("%q (generation %d) at %d+%d of column %d", e.Name, e.Generation, e.Offset, e.Length, e.Column)
}
