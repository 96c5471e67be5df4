package catalog

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bitmend/hashsets"
)

// The packed columns of a record are read from a file that may be damaged in
// any way: reading them must neither fail hard nor accept what it would not
// write.
func FuzzUnpackRecord(f *testing.F) {
	digests, err := appendDigests(nil, []hashsets.Digest{{Algorithm: "sha256", Sum: make([]byte, 32)}, {Algorithm: "xxh64", Sum: make([]byte, 8)}})
	if err != nil {
		f.Fatal(err)
	}
	attributes, err := appendAttributes(nil, &hashsets.Attributes{Mode: 0o644, Xattrs: map[string][]byte{"user.x\xff": {1}}, Tags: map[string]string{"a": "\xfe"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(digests, appendShardSums(nil, []uint64{1, 2}), attributes, appendIdentity(nil, &hashsets.Identity{Size: 1, ETag: "e", Version: "v"}))
	f.Add([]byte{0, 0}, []byte{1}, make([]byte, 20), make([]byte, 44))
	f.Fuzz(func(t *testing.T, digests, sums, attributes, state []byte) {
		if d, err := unpackDigests(digests); err == nil {
			again, err := appendDigests(nil, d)
			if err != nil || !bytes.Equal(again, digests) {
				t.Errorf("digests %x become %x, %v", digests, again, err)
			}
		}
		if s, err := unpackShardSums(sums); err == nil && !bytes.Equal(appendShardSums(nil, s), sums) {
			t.Errorf("shard sums %x become %x", sums, s)
		}
		var a, b hashsets.Attributes
		if err := unpackAttributes(attributes, &a); err == nil {
			again, err := appendAttributes(nil, &a)
			if err == nil {
				err = unpackAttributes(again, &b)
			}
			if err != nil || !cmp.Equal(a, b) {
				t.Errorf("attributes %q become %v and %v, %v", attributes, a, b, err)
			}
		}
		var id, same hashsets.Identity
		if err := unpackIdentity(state, &id); err == nil {
			if err := unpackIdentity(appendIdentity(nil, &id), &same); err != nil || id != same {
				t.Errorf("state %x becomes %v and %v, %v", state, id, same, err)
			}
		}
	})
}

// A line of an export that is accepted says the same when it is written again.
func FuzzParseLine(f *testing.F) {
	for _, e := range []Exported{
		{Record: Record{Name: "a", Generation: 1, Kind: hashsets.File}},
		{Current: true, Record: Record{Name: "b\xff", Generation: 2, Kind: hashsets.Link, Target: "\xfe", RecordedAt: instant(1),
			Hashes: hashsets.HashSet{Size: 1, ShardSize: 65536, ShardSums: []uint64{1}, Digests: []hashsets.Digest{{Algorithm: "md5", Sum: []byte{1, 2}}}}},
			Places: []Place{{Set: 1, Column: 2, Offset: 3, Length: 4, Name: "b\xff", Generation: 2, BlobOffset: 5}}},
	} {
		text, err := json.Marshal(lineOf(&e))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := parseLine(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(lineOf(&e))
		if err != nil {
			t.Fatal(err)
		}
		same, err := parseLine(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if diff := cmp.Diff(e, same); diff != "" {
			t.Errorf("%s\n%s", again, diff)
		}
	})
}
