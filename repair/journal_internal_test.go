package repair

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"bitmend/hashsets"
)

func someEntry() *entry {
	return &entry{
		ID: "20240203T040506.000Z-0123456789ab", Store: "primary", named: nameOf("bad\xff/\nname"),
		Names:  []linkedName{{named: nameOf("other"), Generation: 2, Damaged: true}},
		Action: Overwrite, Phase: placing, Run: 4, Begun: time.Date(2024, 2, 3, 4, 5, 6, 7, time.UTC), Generation: 3,
		Expect: &identity{Size: 5, ModTime: 6, Inode: 7}, Size: 9,
		Digests:    []Digest{{hashsets.SHA256, "00ff"}},
		LinkTarget: []byte("\xfe"),
		Attributes: attributesOf(hashsets.Attributes{Mode: 0o4755, ModTime: 1, Xattrs: map[string][]byte{"user.\xff": {0, 1}}}),
	}
}

func TestAJournalEntryComesBackAsItWas(t *testing.T) {
	e := someEntry()
	text, err := encodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeEntry(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, e) || got.name() != "bad\xff/\nname" {
		t.Errorf("got %+v, want %+v", got, e)
	}
}

// FuzzDecodeEntry looks for an entry that is not the one that was written and
// passes its check.
func FuzzDecodeEntry(f *testing.F) {
	good, err := encodeEntry(someEntry())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, 10, byte(1))
	f.Add(good, len(good)/2, byte(0x20))
	f.Add([]byte("{}"), 0, byte(0))
	f.Fuzz(func(t *testing.T, text []byte, at int, flip byte) {
		if len(text) > 0 && at >= 0 {
			text = append([]byte(nil), text...)
			text[at%len(text)] ^= flip
		}
		got, err := decodeEntry(text)
		if err != nil {
			if !errors.Is(err, errEntryDamaged) {
				t.Fatalf("error %v is not one of a damaged entry", err)
			}
			return
		}
		again, err := encodeEntry(got)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeEntry(again); err != nil || !reflect.DeepEqual(back, got) {
			t.Fatalf("%+v became %+v, %v", got, back, err)
		}
	})
}
