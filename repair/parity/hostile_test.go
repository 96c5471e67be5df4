package parity_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"bitmend/hashsets"
	"bitmend/repair/parity"
)

// TestHeadsThatCannotBeAreRefused writes impossible values into both heads,
// with sums that are right.
func TestHeadsThatCannotBeAreRefused(t *testing.T) {
	b, home := smallBand(t)
	whole := home.files[b.files[0].Name]
	put32 := func(at int, v uint32) func([]byte) {
		return func(p []byte) { binary.LittleEndian.PutUint32(p[at:], v) }
	}
	put64 := func(at int, v uint64) func([]byte) {
		return func(p []byte) { binary.LittleEndian.PutUint64(p[at:], v) }
	}
	nameLength := int(binary.LittleEndian.Uint16(whole[136:]))
	for name, c := range map[string]struct {
		change func(p []byte)
		want   error
	}{
		"set":                   {put64(24, 1<<63), parity.ErrDamaged},
		"band":                  {put64(32, 1<<62), parity.ErrDamaged},
		"version":               {put64(40, 1<<63), parity.ErrDamaged},
		"parity column":         {put32(48, 2), parity.ErrDamaged},
		"no data columns":       {put32(52, 0), parity.ErrDamaged},
		"too many data columns": {put32(52, 1<<32-1), parity.ErrDamaged},
		"parity columns":        {put32(56, 0), parity.ErrDamaged},
		"stripes":               {put32(60, 257), parity.ErrDamaged},
		"stripes that fit": {func(p []byte) {
			put32(60, 257)(p)
			put64(96, 4096+257*100)(p)
			put64(104, 4096+257*100+8*258)(p)
			put64(112, 0)(p)
			put64(120, 0)(p)
			put64(128, 4096+257*100+8*258)(p)
		}, parity.ErrDamaged},
		"no shard size":          {put64(64, 0), parity.ErrDamaged},
		"shard size":             {put64(64, 1<<63), parity.ErrDamaged},
		"column size":            {put64(72, 1<<63), parity.ErrDamaged},
		"offset of sums":         {put64(80, 1025), parity.ErrDamaged},
		"offset of shards":       {put64(88, 0), parity.ErrDamaged},
		"length of list":         {put64(112, 1<<63-1), parity.ErrDamaged},
		"negative length":        {put64(112, 1<<63), parity.ErrDamaged},
		"entries":                {put64(120, 1<<40), parity.ErrDamaged},
		"length of name":         {func(p []byte) { p[137] = 255 }, parity.ErrDamaged},
		"number of coefficients": {func(p []byte) { p[138]-- }, parity.ErrFormat},
		"another code":           {func(p []byte) { p[140]++ }, parity.ErrFormat},
		"another coefficient":    {func(p []byte) { p[140+nameLength+1]++ }, parity.ErrFormat},
	} {
		p := bytes.Clone(whole)
		c.change(p)
		home.files["x"] = withHeadSum(p)
		if _, err := parity.OpenFile(context.Background(), home, "x"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestListsThatCannotBeLoseTheirBadEntriesAlone puts entries between two good
// ones, with sums that are right.
func TestListsThatCannotBeLoseTheirBadEntriesAlone(t *testing.T) {
	b, home := smallBand(t)
	whole := home.files[b.files[0].Name]
	at := binary.LittleEndian.Uint64(whole[104:])
	stream := whole[at+16:]
	good := stream[:4+binary.LittleEndian.Uint32(stream)]
	// column 0, offset 0, length 0, blob offset 0, no name … and nothing else
	empty := make([]byte, 29)
	empty[7] = 3 // kind
	change := func(at int, v ...byte) []byte { return slices.Replace(bytes.Clone(empty), at, at+1, v...) }
	framed := func(p []byte) []byte { return append(binary.LittleEndian.AppendUint32(nil, uint32(len(p))), p...) }
	for name, c := range map[string]struct {
		entry   []byte
		entries int
		damage  int
	}{
		"a good one":               {framed(empty), 3, 0},
		"empty":                    {framed(nil), 2, 1},
		"a byte too many":          {framed(append(bytes.Clone(empty), 0)), 2, 1},
		"a byte missing":           {framed(empty[:28]), 2, 1},
		"in column 3":              {framed(change(0, 3)), 2, 1},
		"in column 2^63":           {framed(change(0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1)), 2, 1},
		"offset above the band":    {framed(change(1, 0xff, 0x7f)), 2, 1},
		"length above the band":    {framed(change(2, 0xff, 0x7f)), 2, 1},
		"a number of 70 bits":      {framed(change(1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)), 2, 1},
		"a name without end":       {framed(change(4, 100)), 2, 1},
		"2^60 digests":             {framed(change(26, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10)), 2, 1},
		"2^60 sums":                {framed(change(28, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10)), 2, 1},
		"attributes in disorder":   {framed(change(19, 2, 1, 'b', 0, 1, 'a', 0)), 2, 1},
		"an attribute twice":       {framed(change(19, 2, 1, 'a', 0, 1, 'a', 0)), 2, 1},
		"attributes in order":      {framed(change(19, 2, 1, 'a', 0, 1, 'b', 0)), 3, 0},
		"an entry of 2^32-1 bytes": {[]byte{255, 255, 255, 255}, 1, 1},
		"an entry without end":     {[]byte{255, 255, 0, 0}, 1, 1},
	} {
		home.files["x"] = withList(whole, slices.Concat(good, c.entry, good))
		f, err := parity.OpenFile(context.Background(), home, "x")
		if err != nil {
			t.Fatal(err)
		}
		if _, list, damage := readAll(f); len(list) != c.entries || damage != c.damage {
			t.Errorf("%s: %d entries and %d failures, want %d and %d", name, len(list), damage, c.entries, c.damage)
		}
	}
}

func TestAnEntryThatClaimsTooMuchLosesItsChunkAlone(t *testing.T) {
	b, home := smallBand(t)
	whole := home.files[b.files[0].Name]
	at := binary.LittleEndian.Uint64(whole[104:])
	stream := whole[at+16:]
	good := stream[:4+binary.LittleEndian.Uint32(stream)]
	full := make([]byte, 65536-16)
	binary.LittleEndian.PutUint32(full, 100<<20)
	home.files["x"] = withList(whole, full, good)
	f, err := parity.OpenFile(context.Background(), home, "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, list, damage := readAll(f); len(list) != 1 || damage != 1 {
		t.Errorf("%d entries and %d failures", len(list), damage)
	}
}

func TestListsAreCanonical(t *testing.T) {
	g := parity.Geometry{Data: 1, Parity: 1, ShardSize: 64, ColumnSize: 64}
	of := func(digests ...hashsets.Digest) map[string][]byte {
		w, err := parity.NewBandWriter(g, parity.BandID{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		home := newMemory()
		b := &band{list: []parity.Listed{{Name: "x", Hashes: hashsets.HashSet{Digests: digests}}}}
		b.publish(t, w, home)
		return home.files
	}
	x, y := hashsets.Digest{Algorithm: "a", Sum: []byte{1}}, hashsets.Digest{Algorithm: "b", Sum: []byte{2}}
	sameFiles(t, of(y, x), of(x, y))
}
