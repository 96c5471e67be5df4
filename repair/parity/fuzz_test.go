package parity_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"bitmend/repair/parity"

	"github.com/cespare/xxhash/v2"
)

// FuzzFile reads anything as a parity file. Heads get the right sum, so that
// what stands in them is looked at. Run it with -fuzzminimizetime 5x: making
// inputs of this size small takes longer than finding them.
func FuzzFile(f *testing.F) {
	_, home := smallBand(f)
	for _, p := range home.files {
		f.Add(p, false)
		f.Add(p, true)
	}
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, p []byte, mend bool) {
		if mend {
			p = mendHead(p)
		}
		home := newMemory()
		home.files["x"] = p
		file, err := parity.OpenFile(context.Background(), home, "x")
		if err != nil {
			if !errors.Is(err, parity.ErrDamaged) && !errors.Is(err, parity.ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		defer file.Close()
		if err := file.Geometry.Validate(); err != nil {
			t.Fatal(err)
		}
		if file.Geometry.ShardSize > 1<<20 {
			return // more memory than this test is about
		}
		if _, err := file.Check(context.Background()); err != nil {
			t.Fatal(err)
		}
		readAll(file)
	})
}

func mendHead(p []byte) []byte {
	p = bytes.Clone(p)
	if len(p) < 24 {
		return p
	}
	if length := int(binary.LittleEndian.Uint32(p[20:])); length >= 8 && length <= len(p) {
		binary.LittleEndian.PutUint64(p[length-8:], xxhash.Sum64(p[:length-8]))
	}
	return p
}

// FuzzList reads anything as the list of a file whose sums are right.
func FuzzList(f *testing.F) {
	b, home := smallBand(f)
	whole := home.files[b.files[0].Name]
	at := binary.LittleEndian.Uint64(whole[104:])
	length := binary.LittleEndian.Uint64(whole[112:])
	f.Add(whole[at+16 : at+length])
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) == 0 || len(stream) > 60<<10 {
			return
		}
		home := newMemory()
		home.files["x"] = withList(whole, stream)
		file, err := parity.OpenFile(context.Background(), home, "x")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if bad, err := file.Check(context.Background()); err != nil || len(bad) > 0 {
			t.Fatal(bad, err)
		}
		size := b.g.ShardSize * int64(b.stripes)
		for l, err := range file.List(context.Background()) {
			if err != nil {
				if !errors.Is(err, parity.ErrDamaged) {
					t.Fatal(err)
				}
			} else if l.Column < 0 || l.Column >= b.g.Data || l.Offset < 0 || l.Length < 0 || l.Offset+l.Length > size {
				t.Fatalf("%+v lies outside the band", l)
			}
		}
	})
}

// withList is a parity file with another list, and all sums right: the chunks
// are given without their heads, and an entry begins with each.
func withList(whole []byte, chunks ...[]byte) []byte {
	le := binary.LittleEndian
	at := le.Uint64(whole[104:])
	length := uint64(0)
	for _, c := range chunks {
		length += uint64(len(c)) + 16
	}
	p := bytes.Clone(whole[:at])
	le.PutUint64(p[112:], length)
	le.PutUint64(p[120:], 0)
	le.PutUint64(p[128:], at+length)
	headLength := le.Uint32(p[20:])
	p = mendHead(p)

	for number, c := range chunks {
		head := le.AppendUint32(nil, uint32(len(c)))
		head = le.AppendUint32(head, 0)
		bound := append([]byte("list\x00\x00\x00\x00"), p[24:48]...)
		bound = le.AppendUint64(bound, uint64(le.Uint32(p[48:])))
		bound = le.AppendUint64(bound, uint64(number))
		p = append(p, head...)
		p = le.AppendUint64(p, xxhash.Sum64(append(append(bound, head...), c...)))
		p = append(p, c...)
	}
	p = append(p, p[:headLength]...)
	return append(p, whole[len(whole)-32:]...)
}
