package parity_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bitmend/hashsets"
	"bitmend/repair/parity"

	"github.com/cespare/xxhash/v2"
)

var update = flag.Bool("update", false, "write the sample in testdata anew")

const sampleDir = "testdata/sample"

// sampleBlobs are the blobs of the sample by name; the link has none.
func sampleBlobs() map[string][]byte {
	return map[string][]byte{
		"empty":       {},
		"poem.txt":    []byte("Rough winds do shake the darling buds of May,\nAnd summer's lease hath all too short a date.\n"),
		"small.txt":   []byte("Nothing beside remains.\n"),
		"squares.bin": squares(300),
	}
}

func squares(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i * i >> 2)
	}
	return p
}

// sampleList is what the sample's parity files list. Names are in the order in
// which protect places them, shards are of 64 bytes.
func sampleList() []parity.Listed {
	blobs := sampleBlobs()
	var list []parity.Listed
	for _, e := range []struct {
		name string
		parity.Extent
	}{
		{"empty", parity.Extent{Column: 0, Offset: 0, Length: 0}},
		{"link", parity.Extent{Column: 0, Offset: 0, Length: 0}},
		{"poem.txt", parity.Extent{Column: 0, Offset: 0, Length: 92}},
		{"small.txt", parity.Extent{Column: 0, Offset: 92, Length: 24}},
		{"squares.bin", parity.Extent{Column: 1, Offset: 0, Length: 192}},
		{"squares.bin", parity.Extent{Column: 2, Offset: 0, Length: 108, BlobOffset: 192}},
	} {
		blob := blobs[e.name]
		l := parity.Listed{
			Extent:     e.Extent,
			Name:       e.name,
			Generation: 1,
			RecordedAt: 1767225600_000000000,
			Kind:       hashsets.File,
			Identity:   hashsets.Identity{Size: int64(len(blob)), ModTime: 1767139200_123456789, ChangeTime: 1767139200_123456789, Device: 64769, Inode: 4711},
			Attributes: hashsets.Attributes{Mode: 0o644, UID: 1000, GID: 100, ModTime: 1767139200_123456789},
			Hashes:     hashsets.HashSet{Size: int64(len(blob)), ShardSize: 64},
		}
		switch e.name {
		case "link":
			l.Kind, l.Target, l.Hashes = hashsets.Link, "poem.txt", hashsets.HashSet{}
		case "poem.txt":
			l.Attributes.Xattrs = map[string][]byte{"user.poet": []byte("Shakespeare"), "user.language": []byte("en")}
		}
		if l.Kind == hashsets.File {
			l.Hashes.Digests = []hashsets.Digest{{Algorithm: hashsets.XXH64, Sum: binary.BigEndian.AppendUint64(nil, xxhash.Sum64(blob))}}
			for at := e.BlobOffset; at < e.BlobOffset+e.Length; at += 64 {
				l.Hashes.ShardSums = append(l.Hashes.ShardSums, xxhash.Sum64(blob[at:min(at+64, int64(len(blob)))]))
			}
		}
		list = append(list, l)
	}
	return list
}

// TestWritingTheSampleGivesTheSameBytes keeps the format as it is: a change
// that fails here needs a new format version.
func TestWritingTheSampleGivesTheSameBytes(t *testing.T) {
	g := parity.Geometry{Data: 3, Parity: 2, ShardSize: 64, ColumnSize: 64 * 4}
	w, err := parity.NewBandWriter(g, parity.BandID{Set: 7, Number: 0, Version: 2}, 3)
	if err != nil {
		t.Fatal(err)
	}
	blobs := sampleBlobs()
	for _, l := range sampleList() {
		if err := w.Add(l.Column, l.Offset, blobs[l.Name][l.BlobOffset:l.BlobOffset+l.Length]); err != nil {
			t.Fatal(err)
		}
	}
	home := newMemory()
	staged, err := w.Write(context.Background(), home, all(sampleList()))
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(context.Background()); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for name, p := range home.files {
		files["parity/"+name] = p
	}
	for name, p := range blobs {
		files["data/"+name] = p
	}
	for name, p := range files {
		path := filepath.Join(sampleDir, filepath.FromSlash(name))
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, p, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		committed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p, committed) {
			t.Errorf("%s is not what is committed", path)
		}
	}
}

// TestFormat decodes the committed sample with the decoder of decoder_test.go,
// which shares nothing with the package: whichever two columns are lost, the
// blobs come back from the rest.
func TestFormat(t *testing.T) {
	var files []*parityFile
	for j := range 2 {
		p, err := os.ReadFile(filepath.Join(sampleDir, "parity", "7", fmt.Sprintf("0-2.p%d", j)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := decodeFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if f.set != 7 || f.band != 0 || f.version != 2 || f.index != j || f.k != 3 || f.m != 2 || f.stripes != 3 || f.shardSize != 64 || f.columnSize != 256 {
			t.Errorf("head of column %d: %+v", j, f)
		}
		files = append(files, f)
	}
	want := sampleList()
	for _, f := range files {
		if len(f.entries) != len(want) {
			t.Fatalf("%d entries, want %d", len(f.entries), len(want))
		}
		for i, e := range f.entries {
			if got, want := fmt.Sprintf("%+v", e), fmt.Sprintf("%+v", entryOf(want[i])); got != want {
				t.Errorf("entry %d:\n%s, want\n%s", i, got, want)
			}
		}
	}

	blobs := map[string][]byte{}
	for _, e := range files[0].entries {
		if e.kind != 1 {
			continue
		}
		p, err := os.ReadFile(filepath.Join(sampleDir, "data", e.name))
		if err != nil {
			t.Fatal(err)
		}
		blobs[e.name] = p
	}
	columns := make([][]byte, 3)
	for c := range columns {
		columns[c] = make([]byte, 3*64)
		for _, e := range files[0].entries {
			if e.column == c && e.kind == 1 {
				copy(columns[c][e.offset:], blobs[e.name][e.blobOffset:e.blobOffset+e.length])
			}
		}
	}
	columns = append(columns, files[0].parity, files[1].parity)
	for lost := range columns {
		for other := range lost {
			known := append([][]byte(nil), columns...)
			known[lost], known[other] = nil, nil
			rebuilt := solve(known, [][]byte{files[0].row, files[1].row})
			for c := range 3 {
				if !bytes.Equal(rebuilt[c], columns[c]) {
					t.Errorf("without columns %d and %d: data column %d is\n%x, want\n%x", other, lost, c, rebuilt[c], columns[c])
				}
			}
		}
	}
}

func entryOf(l parity.Listed) entry {
	e := entry{
		column: l.Column, offset: int(l.Offset), length: int(l.Length), blobOffset: int(l.BlobOffset),
		name: l.Name, generation: uint64(l.Generation), recordedAt: l.RecordedAt, kind: int(l.Kind),
		size: uint64(l.Identity.Size), modTime: l.Identity.ModTime, changeTime: l.Identity.ChangeTime, device: l.Identity.Device, inode: l.Identity.Inode,
		mode: uint64(l.Attributes.Mode), uid: uint64(l.Attributes.UID), gid: uint64(l.Attributes.GID), attrModTime: l.Attributes.ModTime,
		xattrs: map[string]string{}, metadata: map[string]string{}, tags: map[string]string{}, digests: map[string]string{},
		target: l.Target, hashedSize: uint64(l.Hashes.Size), shardSize: uint64(l.Hashes.ShardSize), shardSums: l.Hashes.ShardSums,
	}
	for k, v := range l.Attributes.Xattrs {
		e.xattrs[k] = string(v)
	}
	for _, d := range l.Hashes.Digests {
		e.digests[string(d.Algorithm)] = string(d.Sum)
	}
	return e
}
