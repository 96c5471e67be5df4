package parity_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"bitmend/repair/parity"
	"bitmend/scrub/store"

	"github.com/klauspost/reedsolomon"
)

// written are the bytes of the files that w writes, with no list.
func written(t *testing.T, w *parity.BandWriter) map[string][]byte {
	t.Helper()
	home := newMemory()
	staged, err := w.Write(context.Background(), home, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(context.Background()); err != nil {
		t.Fatal(err)
	}
	return home.files
}

func sameFiles(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d files, want %d", len(got), len(want))
	}
	for name, p := range want {
		if !bytes.Equal(got[name], p) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestParityIsThatOfTheLibrarysDefaultMatrix(t *testing.T) {
	for i, g := range geometries {
		t.Run(name(g), func(t *testing.T) {
			r := random(uint64(i))
			w, err := parity.NewBandWriter(g, parity.BandID{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			shards := reedsolomon.AllocAligned(g.Data+g.Parity, int(g.ShardSize))
			for c := range g.Data {
				fill(r, shards[c])
				if err := w.Add(c, 0, shards[c]); err != nil {
					t.Fatal(err)
				}
			}
			encoder, err := reedsolomon.New(g.Data, g.Parity)
			if err != nil {
				t.Fatal(err)
			}
			if err := encoder.Encode(shards); err != nil {
				t.Fatal(err)
			}
			for name, p := range written(t, w) {
				_, j, _ := parity.ParseFileName(name)
				if !bytes.Contains(p, shards[g.Data+j]) {
					t.Errorf("%s does not hold parity shard %d", name, j)
				}
			}
		})
	}
}

func TestColumnsMayBeAddedInPiecesAndTogether(t *testing.T) {
	for i, g := range geometries[2:7] {
		t.Run(name(g), func(t *testing.T) {
			r := random(uint64(i))
			g.ShardSize *= 16 // over the border of a lock
			g.ColumnSize *= 16
			stripes := min(100, 1600<<10/g.ShardSize)
			size := stripes * g.ShardSize
			columns := make([][]byte, g.Data)
			whole, _ := parity.NewBandWriter(g, parity.BandID{}, int(stripes))
			for c := range columns {
				columns[c] = make([]byte, size)
				fill(r, columns[c])
				if err := whole.Add(c, 0, columns[c]); err != nil {
					t.Fatal(err)
				}
			}
			pieces, _ := parity.NewBandWriter(g, parity.BandID{}, int(stripes))
			var workers sync.WaitGroup
			for from := 0; from < g.Data; {
				n := 1 + r.IntN(min(13, g.Data-from))
				together := make([]int, n)
				for i := range together {
					together[i] = from + i
				}
				from += n
				var cuts []int64
				for at := int64(0); at < size; at += 1 + r.Int64N(size) {
					cuts = append(cuts, at)
				}
				cuts = append(cuts, size)
				workers.Go(func() {
					p := make([][]byte, n)
					for i := range cuts[1:] {
						for j, c := range together {
							p[j] = columns[c][cuts[i]:cuts[i+1]]
						}
						if err := pieces.AddColumns(together, cuts[i], p); err != nil {
							t.Error(err)
						}
					}
				})
			}
			workers.Wait()
			sameFiles(t, written(t, pieces), written(t, whole))
		})
	}
}

func TestResetStartsAnEmptyBand(t *testing.T) {
	g := parity.Geometry{Data: 5, Parity: 2, ShardSize: 512, ColumnSize: 512 * 256}
	used, _ := parity.NewBandWriter(g, parity.BandID{Set: 9}, 8)
	if err := used.Add(0, 0, bytes.Repeat([]byte{7}, 8*512)); err != nil {
		t.Fatal(err)
	}
	if err := used.Reset(parity.BandID{Set: 1}, 4); err != nil {
		t.Fatal(err)
	}
	fresh, _ := parity.NewBandWriter(g, parity.BandID{Set: 1}, 4)
	sameFiles(t, written(t, used), written(t, fresh))
}

func TestLoadGoesOnFromAnOlderVersion(t *testing.T) {
	g := parity.Geometry{Data: 5, Parity: 2, ShardSize: 512, ColumnSize: 512 * 256}
	r := random(4)
	first, second := make([]byte, 3000), make([]byte, 4000)
	fill(r, first)
	fill(r, second)
	ctx := context.Background()

	old, _ := parity.NewBandWriter(g, parity.BandID{Set: 1, Version: 1}, 6)
	old.Add(2, 10, first)
	home := newMemory()
	staged, err := old.Write(ctx, home, nil)
	if err != nil {
		t.Fatal(err)
	}
	staged.Publish(ctx)
	var files []*parity.File
	for _, f := range staged.Files {
		file, err := parity.OpenFile(ctx, home, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}

	// The new version is higher, and one band serves after another.
	next, _ := parity.NewBandWriter(g, parity.BandID{Set: 9}, 3)
	next.Add(0, 0, first[:512])
	if err := next.Reset(parity.BandID{Set: 1, Version: 2}, 8); err != nil {
		t.Fatal(err)
	}
	if err := next.Load(ctx, files); err != nil {
		t.Fatal(err)
	}
	next.Add(3, 50, second)

	want, _ := parity.NewBandWriter(g, parity.BandID{Set: 1, Version: 2}, 8)
	want.Add(3, 50, second)
	want.Add(2, 10, first)
	sameFiles(t, written(t, next), written(t, want))

	byStripe, _ := parity.NewBandWriter(g, parity.BandID{Set: 1, Version: 2}, 8)
	shards := [][]byte{make([]byte, 512), make([]byte, 512)}
	for stripe := range 6 {
		for j, f := range files {
			if err := f.Shard(stripe, shards[j]); err != nil {
				t.Fatal(err)
			}
		}
		if err := byStripe.LoadStripe(stripe, shards); err != nil {
			t.Fatal(err)
		}
	}
	byStripe.Add(3, 50, second)
	sameFiles(t, written(t, byStripe), written(t, want))

	// What does not fit, or is damaged, is refused, and nothing is left of it.
	for _, wrong := range [][]*parity.File{nil, files[:1], {files[0], files[0]}} {
		if err := next.Load(ctx, wrong); err == nil {
			t.Errorf("%d files that do not fit were loaded", len(wrong))
		}
	}
	p := home.files[staged.Files[1].Name]
	p[4096+700] ^= 1 // in the second shard
	empty, _ := parity.NewBandWriter(g, parity.BandID{Set: 1, Version: 2}, 8)
	if err := empty.Load(ctx, files); !errors.Is(err, parity.ErrDamaged) {
		t.Errorf("loading a damaged file: %v", err)
	}
	zero, _ := parity.NewBandWriter(g, parity.BandID{Set: 1, Version: 2}, 8)
	sameFiles(t, written(t, empty), written(t, zero))
}

func TestWhatTheMediumDidNotKeepIsNotPublished(t *testing.T) {
	g := parity.Geometry{Data: 3, Parity: 2, ShardSize: 100, ColumnSize: 100 * 256}
	w, _ := parity.NewBandWriter(g, parity.BandID{Set: 1}, 20)
	home := newMemory()
	home.spoil = func(name string, p []byte) {
		if strings.HasSuffix(name, ".p1") {
			p[len(p)-500] ^= 4
		}
	}
	if _, err := w.Write(context.Background(), home, nil); err == nil {
		t.Error("a file that reads back wrong was accepted")
	}
	if home.staged != 0 || len(home.files) != 0 {
		t.Errorf("%d files are left staged and %d visible", home.staged, len(home.files))
	}
	home.spoil = nil
	if staged, err := w.Write(context.Background(), home, nil); err != nil {
		t.Error(err)
	} else if err := staged.Discard(context.Background()); err != nil || home.staged != 0 || len(home.files) != 0 {
		t.Errorf("after Discard, %v: %d files are left staged and %d visible", err, home.staged, len(home.files))
	}
}

func TestListsThatDoNotFitAreRefused(t *testing.T) {
	g := parity.Geometry{Data: 3, Parity: 2, ShardSize: 100, ColumnSize: 100 * 256 * 3}
	at := func(column int, offset, length int64) parity.Listed {
		return parity.Listed{Extent: parity.Extent{Column: column, Offset: offset, Length: length}, Name: "x"}
	}
	const band = 256 * 100
	huge := at(0, band, 1)
	huge.Name = strings.Repeat("x", 17<<20)
	walks := 0
	for name, list := range map[string]iter.Seq2[parity.Listed, error]{
		"below the band":      all([]parity.Listed{at(0, band-1, 10)}),
		"above the band":      all([]parity.Listed{at(0, band+1999, 2)}),
		"in no column":        all([]parity.Listed{at(3, band, 2)}),
		"columns in disorder": all([]parity.Listed{at(1, band, 2), at(0, band+5, 2)}),
		"offsets in disorder": all([]parity.Listed{at(1, band+8, 2), at(1, band+5, 2)}),
		"too much of a blob":  all([]parity.Listed{huge}),
		"another each time": func(yield func(parity.Listed, error) bool) {
			walks++
			for i := range walks {
				if !yield(at(0, band+int64(i), 1), nil) {
					return
				}
			}
		},
		"an error": func(yield func(parity.Listed, error) bool) { yield(parity.Listed{}, store.ErrMedium) },
	} {
		w, err := parity.NewBandWriter(g, parity.BandID{Set: 1, Number: 1}, 20)
		if err != nil {
			t.Fatal(err)
		}
		home := newMemory()
		_, err = w.Write(context.Background(), home, list)
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if name == "an error" && !errors.Is(err, store.ErrMedium) {
			t.Errorf("%s: %v", name, err)
		}
		if home.staged != 0 || len(home.files) != 0 {
			t.Errorf("%s: %d files are left staged and %d visible", name, home.staged, len(home.files))
		}
	}
}

func TestBandsThatCannotBeAreRefused(t *testing.T) {
	g := parity.Geometry{Data: 3, Parity: 2, ShardSize: 100, ColumnSize: 100 * 300}
	for _, c := range []struct {
		id      parity.BandID
		stripes int
	}{
		{parity.BandID{}, -1},
		{parity.BandID{}, 257},
		{parity.BandID{Number: 1}, 45},
		{parity.BandID{Number: 2}, 1},
		{parity.BandID{Number: -1}, 1},
		{parity.BandID{Set: -1}, 1},
		{parity.BandID{Version: -1}, 1},
	} {
		if _, err := parity.NewBandWriter(g, c.id, c.stripes); err == nil {
			t.Errorf("%v with %d stripes was started", c.id, c.stripes)
		}
	}
	if _, err := parity.NewBandWriter(g, parity.BandID{Number: 1}, 44); err != nil {
		t.Error(err)
	}
	w, err := parity.NewBandWriter(g, parity.BandID{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		column int
		offset int64
		length int
	}{{-1, 0, 1}, {3, 0, 1}, {0, -1, 1}, {0, 1000, 1}, {0, 900, 101}, {0, 1 << 62, 1}} {
		if err := w.Add(c.column, c.offset, make([]byte, c.length)); err == nil {
			t.Errorf("%+v was added", c)
		}
	}
}

func TestFileNames(t *testing.T) {
	for _, c := range []struct {
		id    parity.BandID
		index int
		name  string
	}{
		{parity.BandID{Set: 1, Number: 2, Version: 3}, 4, "1/2-3.p4"},
		{parity.BandID{}, 0, "0/0-0.p0"},
		{parity.BandID{Set: 1 << 62, Number: 12345, Version: 99}, 254, "4611686018427387904/12345-99.p254"},
	} {
		if got := parity.FileName(c.id, c.index); got != c.name {
			t.Errorf("FileName(%v, %d) is %q", c.id, c.index, got)
		}
		if id, index, ok := parity.ParseFileName(c.name); !ok || id != c.id || index != c.index {
			t.Errorf("ParseFileName(%q) is %v, %d, %v", c.name, id, index, ok)
		}
	}
	for _, name := range []string{
		"", "1", "1/2", "1/2-3", "1/2-3.p", "1/2-3.q4", "01/2-3.p4", "1/+2-3.p4", "-1/2-3.p4", "1/2-3.p04", "1/2-3.p4 ",
		"x/1/2-3.p4", "1/2--3.p4", "1/2-3.p-4", "1/2-3.p4/5", "99999999999999999999/2-3.p4",
	} {
		if id, index, ok := parity.ParseFileName(name); ok {
			t.Errorf("ParseFileName(%q) is %v, %d", name, id, index)
		}
	}
}

func TestNamesOfKeptFiles(t *testing.T) {
	at := time.Date(2026, 5, 6, 7, 8, 9, 10, time.UTC)
	const kept = "20260506T070809.000000010Z-1-2-3.p4"
	if got := parity.KeptName(at.In(time.FixedZone("", 3600)), "1/2-3.p4"); got != kept {
		t.Errorf("KeptName is %q", got)
	}
	if when, name, ok := parity.ParseKeptName(kept); !ok || !when.Equal(at) || name != "1/2-3.p4" {
		t.Errorf("ParseKeptName is %v, %q, %v", when, name, ok)
	}
	for _, name := range []string{
		"", "1-2-3.p4", "20260506T070809Z-1-2-3.p4", "20260506T070809.000000010Z", "20260506T070809.000000010Z-1/2-3.p4",
		"20260506T070809.000000010Z-1-2.p4", kept + ".old", " " + kept, "20261306T070809.000000010Z-1-2-3.p4",
	} {
		if when, file, ok := parity.ParseKeptName(name); ok {
			t.Errorf("ParseKeptName(%q) is %v, %q", name, when, file)
		}
	}
}
