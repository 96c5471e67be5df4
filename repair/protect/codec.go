package protect

import (
	"encoding/binary"
	"errors"

	"bitmend/hashsets"
	"bitmend/repair/parity"
	"bitmend/scrub/store"
)

// errScratch means that a scratch file does not hold what was written to it.
var errScratch = errors.New("a scratch file in the vault is damaged")

// An encoder writes fields one after the other. Scratch files live as long as
// the run that wrote them, so that their format has no version.
type encoder struct{ buf []byte }

func (e *encoder) uint(v uint64) { e.buf = binary.AppendUvarint(e.buf, v) }
func (e *encoder) int(v int64)   { e.buf = binary.AppendVarint(e.buf, v) }

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

func (e *encoder) bool(b bool) {
	if b {
		e.uint(1)
	} else {
		e.uint(0)
	}
}

func (e *encoder) identity(id hashsets.Identity) {
	e.int(id.Size)
	e.int(id.ModTime)
	e.int(id.ChangeTime)
	e.uint(id.Device)
	e.uint(id.Inode)
	e.text(id.ETag)
	e.text(id.Version)
}

func (e *encoder) attributes(a hashsets.Attributes) {
	e.uint(uint64(a.Mode))
	e.uint(uint64(a.UID))
	e.uint(uint64(a.GID))
	e.int(a.ModTime)
	e.uint(uint64(len(a.Xattrs)))
	for name, value := range a.Xattrs {
		e.text(name)
		e.text(string(value))
	}
	e.text(a.ContentType)
	e.text(a.StorageClass)
	e.texts(a.Metadata)
	e.texts(a.Tags)
}

func (e *encoder) texts(m map[string]string) {
	e.uint(uint64(len(m)))
	for k, v := range m {
		e.text(k)
		e.text(v)
	}
}

func (e *encoder) hashes(h hashsets.HashSet) {
	e.int(h.Size)
	e.uint(uint64(len(h.Digests)))
	for _, d := range h.Digests {
		e.text(string(d.Algorithm))
		e.text(string(d.Sum))
	}
	e.int(h.ShardSize)
	e.uint(uint64(len(h.ShardSums)))
	for _, s := range h.ShardSums {
		e.buf = binary.LittleEndian.AppendUint64(e.buf, s)
	}
}

func (e *encoder) entry(x store.Entry) {
	e.text(x.Name)
	e.uint(uint64(x.Kind))
	e.identity(x.Identity)
	e.uint(x.Links)
	e.text(x.Archived)
}

func (e *encoder) extent(x parity.Extent) {
	e.uint(uint64(x.Column))
	e.int(x.Offset)
	e.int(x.Length)
	e.int(x.BlobOffset)
}

func (e *encoder) listed(l parity.Listed) {
	e.extent(l.Extent)
	e.text(l.Name)
	e.int(l.Generation)
	e.int(l.RecordedAt)
	e.uint(uint64(l.Kind))
	e.identity(l.Identity)
	e.attributes(l.Attributes)
	e.text(l.Target)
	e.hashes(l.Hashes)
}

// A decoder reads what an encoder wrote. The first thing that does not fit
// makes all that follows zero and is kept in err.
type decoder struct {
	buf []byte
	err error
}

func (d *decoder) fail() {
	d.err = errScratch
	d.buf = nil
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.buf)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.buf)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

func (d *decoder) bool() bool { return d.uint() == 1 }

func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.buf)) {
		d.fail()
		return nil
	}
	b := d.buf[:n]
	d.buf = d.buf[n:]
	return b
}

func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) identity() hashsets.Identity {
	return hashsets.Identity{
		Size: d.int(), ModTime: d.int(), ChangeTime: d.int(),
		Device: d.uint(), Inode: d.uint(), ETag: d.text(), Version: d.text(),
	}
}

func (d *decoder) attributes() hashsets.Attributes {
	a := hashsets.Attributes{Mode: uint32(d.uint()), UID: uint32(d.uint()), GID: uint32(d.uint()), ModTime: d.int()}
	if n := d.uint(); n > 0 && d.err == nil {
		a.Xattrs = make(map[string][]byte)
		for ; n > 0 && d.err == nil; n-- {
			name := d.text()
			a.Xattrs[name] = append([]byte{}, d.bytes()...)
		}
	}
	a.ContentType = d.text()
	a.StorageClass = d.text()
	a.Metadata = d.texts()
	a.Tags = d.texts()
	return a
}

func (d *decoder) texts() map[string]string {
	n := d.uint()
	if n == 0 {
		return nil
	}
	m := make(map[string]string)
	for ; n > 0 && d.err == nil; n-- {
		k := d.text()
		m[k] = d.text()
	}
	return m
}

func (d *decoder) hashes() hashsets.HashSet {
	h := hashsets.HashSet{Size: d.int()}
	for n := d.uint(); n > 0 && d.err == nil; n-- {
		a := hashsets.Algorithm(d.text())
		h.Digests = append(h.Digests, hashsets.Digest{Algorithm: a, Sum: append([]byte{}, d.bytes()...)})
	}
	h.ShardSize = d.int()
	n := d.uint()
	if n > uint64(len(d.buf))/8 {
		d.fail()
		return h
	}
	if n > 0 {
		h.ShardSums = make([]uint64, n)
	}
	for i := range h.ShardSums {
		h.ShardSums[i] = binary.LittleEndian.Uint64(d.buf[8*i:])
	}
	d.buf = d.buf[8*n:]
	return h
}

func (d *decoder) entry() store.Entry {
	return store.Entry{Name: d.text(), Kind: hashsets.Kind(d.uint()), Identity: d.identity(), Links: d.uint(), Archived: d.text()}
}

func (d *decoder) extent() parity.Extent {
	return parity.Extent{Column: int(d.uint()), Offset: d.int(), Length: d.int(), BlobOffset: d.int()}
}

func (d *decoder) listed() parity.Listed {
	return parity.Listed{
		Extent: d.extent(), Name: d.text(), Generation: d.int(), RecordedAt: d.int(), Kind: hashsets.Kind(d.uint()),
		Identity: d.identity(), Attributes: d.attributes(), Target: d.text(), Hashes: d.hashes(),
	}
}
