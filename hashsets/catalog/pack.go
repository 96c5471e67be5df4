package catalog

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"bitmend/hashsets"
)

// errPacked says that a packed column cannot be read.
var errPacked = errors.New("a packed column cannot be read")

// appendDigests packs digests as schema.sql describes.
func appendDigests(dst []byte, digests []hashsets.Digest) ([]byte, error) {
	for _, d := range digests {
		if len(d.Algorithm) == 0 || len(d.Algorithm) > 255 || len(d.Sum) > 255 {
			return nil, fmt.Errorf("a digest of %d bytes under %q cannot be stored", len(d.Sum), d.Algorithm)
		}
		dst = append(dst, byte(len(d.Algorithm)))
		dst = append(dst, d.Algorithm...)
		dst = append(dst, byte(len(d.Sum)))
		dst = append(dst, d.Sum...)
	}
	return dst, nil
}

// unpackDigests copies what it returns.
func unpackDigests(packed []byte) ([]hashsets.Digest, error) {
	count, length := 0, 0
	for rest := packed; len(rest) > 0; count++ {
		name, tail, ok := cutCounted(rest)
		sum, tail, ok2 := cutCounted(tail)
		if !ok || !ok2 || len(name) == 0 {
			return nil, fmt.Errorf("%w: the digests", errPacked)
		}
		length += len(sum)
		rest = tail
	}
	if count == 0 {
		return nil, nil
	}
	digests := make([]hashsets.Digest, 0, count)
	sums := make([]byte, 0, length)
	for rest := packed; len(rest) > 0; {
		var name, sum []byte
		name, rest, _ = cutCounted(rest)
		sum, rest, _ = cutCounted(rest)
		sums = append(sums, sum...)
		digests = append(digests, hashsets.Digest{
			Algorithm: algorithm(name),
			Sum:       sums[len(sums)-len(sum) : len(sums) : len(sums)],
		})
	}
	return digests, nil
}

// cutCounted splits off bytes that their number stands before.
func cutCounted(packed []byte) (counted, rest []byte, ok bool) {
	if len(packed) == 0 || len(packed) < 1+int(packed[0]) {
		return nil, nil, false
	}
	end := 1 + int(packed[0])
	return packed[1:end], packed[end:], true
}

// algorithm spares a million records a copy of the usual names each.
func algorithm(name []byte) hashsets.Algorithm {
	switch string(name) {
	case string(hashsets.XXH64):
		return hashsets.XXH64
	case string(hashsets.SHA256):
		return hashsets.SHA256
	case string(hashsets.BLAKE3):
		return hashsets.BLAKE3
	}
	return hashsets.Algorithm(name)
}

func appendShardSums(dst []byte, sums []uint64) []byte {
	dst = slices.Grow(dst, 8*len(sums))
	for _, sum := range sums {
		dst = binary.BigEndian.AppendUint64(dst, sum)
	}
	return dst
}

func unpackShardSums(packed []byte) ([]uint64, error) {
	if len(packed)%8 != 0 {
		return nil, fmt.Errorf("%w: the shard sums", errPacked)
	}
	if len(packed) == 0 {
		return nil, nil
	}
	sums := make([]uint64, len(packed)/8)
	for i := range sums {
		sums[i] = binary.BigEndian.Uint64(packed[8*i:])
	}
	return sums, nil
}

// extra is the JSON of the attributes that few blobs have.
type extra struct {
	Xattrs       []extraXattr `json:"xattrs,omitempty"`
	ContentType  anyText      `json:"content_type,omitempty"`
	StorageClass anyText      `json:"storage_class,omitempty"`
	Metadata     []extraPair  `json:"metadata,omitempty"`
	Tags         []extraPair  `json:"tags,omitempty"`
}

type extraXattr struct {
	Name  anyText `json:"name"`
	Value []byte  `json:"value_base64"`
}

type extraPair struct {
	Key   anyText `json:"key"`
	Value anyText `json:"value"`
}

func extraOf(a *hashsets.Attributes) extra {
	x := extra{
		ContentType:  anyText(a.ContentType),
		StorageClass: anyText(a.StorageClass),
		Metadata:     pairs(a.Metadata),
		Tags:         pairs(a.Tags),
	}
	for _, name := range slices.Sorted(maps.Keys(a.Xattrs)) {
		x.Xattrs = append(x.Xattrs, extraXattr{anyText(name), a.Xattrs[name]})
	}
	return x
}

func (x *extra) giveTo(a *hashsets.Attributes) {
	a.ContentType = string(x.ContentType)
	a.StorageClass = string(x.StorageClass)
	a.Metadata = unpair(x.Metadata)
	a.Tags = unpair(x.Tags)
	a.Xattrs = nil
	for _, attr := range x.Xattrs {
		if a.Xattrs == nil {
			a.Xattrs = make(map[string][]byte, len(x.Xattrs))
		}
		a.Xattrs[string(attr.Name)] = attr.Value
	}
}

func hasExtra(a *hashsets.Attributes) bool {
	return len(a.Xattrs)+len(a.Metadata)+len(a.Tags) > 0 || a.ContentType != "" || a.StorageClass != ""
}

// appendAttributes packs attributes as schema.sql describes.
func appendAttributes(dst []byte, a *hashsets.Attributes) ([]byte, error) {
	dst = binary.BigEndian.AppendUint32(dst, a.Mode)
	dst = binary.BigEndian.AppendUint32(dst, a.UID)
	dst = binary.BigEndian.AppendUint32(dst, a.GID)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.ModTime))
	if !hasExtra(a) {
		return dst, nil
	}
	text, err := json.Marshal(extraOf(a))
	return append(dst, text...), err
}

func unpackAttributes(packed []byte, a *hashsets.Attributes) error {
	const fixed = 20
	if len(packed) < fixed {
		return fmt.Errorf("%w: the attributes", errPacked)
	}
	a.Mode = binary.BigEndian.Uint32(packed)
	a.UID = binary.BigEndian.Uint32(packed[4:])
	a.GID = binary.BigEndian.Uint32(packed[8:])
	a.ModTime = int64(binary.BigEndian.Uint64(packed[12:]))
	if len(packed) == fixed {
		return nil
	}
	var x extra
	if err := json.Unmarshal(packed[fixed:], &x); err != nil {
		return fmt.Errorf("%w: the attributes: %w", errPacked, err)
	}
	x.giveTo(a)
	return nil
}

// appendIdentity packs a state as schema.sql describes.
func appendIdentity(dst []byte, id *hashsets.Identity) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(id.Size))
	dst = binary.BigEndian.AppendUint64(dst, uint64(id.ModTime))
	dst = binary.BigEndian.AppendUint64(dst, uint64(id.ChangeTime))
	dst = binary.BigEndian.AppendUint64(dst, id.Device)
	dst = binary.BigEndian.AppendUint64(dst, id.Inode)
	if id.ETag != "" || id.Version != "" {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(id.ETag)))
		dst = append(dst, id.ETag...)
		dst = append(dst, id.Version...)
	}
	return dst
}

func unpackIdentity(packed []byte, id *hashsets.Identity) error {
	const fixed = 40
	if len(packed) < fixed {
		return fmt.Errorf("%w: the state", errPacked)
	}
	id.Size = int64(binary.BigEndian.Uint64(packed))
	id.ModTime = int64(binary.BigEndian.Uint64(packed[8:]))
	id.ChangeTime = int64(binary.BigEndian.Uint64(packed[16:]))
	id.Device = binary.BigEndian.Uint64(packed[24:])
	id.Inode = binary.BigEndian.Uint64(packed[32:])
	if len(packed) == fixed {
		return nil
	}
	texts := packed[fixed:]
	if len(texts) < 4 || int64(binary.BigEndian.Uint32(texts)) > int64(len(texts)-4) {
		return fmt.Errorf("%w: the state", errPacked)
	}
	end := 4 + int(binary.BigEndian.Uint32(texts))
	id.ETag = string(texts[4:end])
	id.Version = string(texts[end:])
	return nil
}

func pairs(m map[string]string) []extraPair {
	var all []extraPair
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, extraPair{anyText(key), anyText(m[key])})
	}
	return all
}

func unpair(all []extraPair) map[string]string {
	if len(all) == 0 {
		return nil
	}
	m := make(map[string]string, len(all))
	for _, p := range all {
		m[string(p.Key)] = string(p.Value)
	}
	return m
}

// anyText is a string of any bytes: in JSON a string when it is UTF-8, and an
// object with its base64 when it is not.
type anyText string

func (t anyText) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(struct {
		Base64 []byte `json:"base64"`
	}{[]byte(t)})
}

func (t *anyText) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '{' {
		var v struct {
			Base64 []byte `json:"base64"`
		}
		err := json.Unmarshal(text, &v)
		*t = anyText(v.Base64)
		return err
	}
	return json.Unmarshal(text, (*string)(t))
}
