package parity_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"bitmend/fixtures"
	"bitmend/hashsets"
	"bitmend/repair/parity"
	"bitmend/scrub/store"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// band is one band with its data, as a test made it.
type band struct {
	g       parity.Geometry
	id      parity.BandID
	stripes int
	columns [][]byte // data columns of the band
	list    []parity.Listed
	files   []parity.WrittenFile
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 17)) }

func fill(r *rand.Rand, p []byte) {
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, r.Uint64())
	}
	for i := range p {
		p[i] = byte(r.Uint32())
	}
}

// makeBand places blobs of random sizes in a set until its first band is full
// or all are placed, and adds them.
func makeBand(t testing.TB, r *rand.Rand, g parity.Geometry, sizes []int64) (*band, *parity.BandWriter) {
	t.Helper()
	coming := parity.Coming{Overhead: float64(g.Parity) / float64(g.Data)}
	for _, size := range sizes {
		coming.Add(size, g.ShardSize)
	}
	layout := parity.NewLayout(g, nil, nil, coming)
	b := &band{g: g, id: parity.BandID{Set: 3, Version: 1}}
	type piece struct {
		parity.Extent
		p []byte
	}
	var pieces []piece
	for i, size := range sizes {
		extents, ok := layout.Place(size)
		if !ok {
			t.Fatalf("no place for blob %d of %d bytes", i, size)
		}
		blob := make([]byte, size)
		fill(r, blob)
		for _, e := range extents {
			for number, e := range g.Bands(e) {
				if number != 0 {
					continue
				}
				pieces = append(pieces, piece{e, blob[e.BlobOffset : e.BlobOffset+e.Length]})
				b.list = append(b.list, listed(r, i, e, blob, g.ShardSize))
			}
		}
	}
	height := slices.Max(layout.Tops())
	b.stripes = int(min(g.Stripes(height), parity.BandStripes))
	b.columns = make([][]byte, g.Data)
	for c := range b.columns {
		b.columns[c] = make([]byte, int64(b.stripes)*g.ShardSize)
	}
	w, err := parity.NewBandWriter(g, b.id, b.stripes)
	if err != nil {
		t.Fatal(err)
	}
	r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	for _, p := range pieces {
		copy(b.columns[p.Column][p.Offset:], p.p)
		if err := w.Add(p.Column, p.Offset, p.p); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortStableFunc(b.list, func(x, y parity.Listed) int {
		if x.Column != y.Column {
			return x.Column - y.Column
		}
		return int(x.Offset - y.Offset)
	})
	return b, w
}

// listed is a list entry with something in every field, now and then.
func listed(r *rand.Rand, i int, e parity.Extent, blob []byte, shardSize int64) parity.Listed {
	l := parity.Listed{
		Extent:     e,
		Name:       fmt.Sprintf("dir/\xff\n%d", i),
		Generation: r.Int64N(5) + 1,
		RecordedAt: r.Int64(),
		Kind:       hashsets.File,
		Identity:   hashsets.Identity{Size: int64(len(blob)), ModTime: -r.Int64(), ChangeTime: r.Int64(), Device: r.Uint64(), Inode: r.Uint64()},
		Attributes: hashsets.Attributes{Mode: 0o4755, UID: 1000, GID: 1 << 31, ModTime: -1},
		Hashes:     hashsets.HashSet{Size: int64(len(blob)), ShardSize: shardSize},
	}
	for at := e.BlobOffset; at < e.BlobOffset+e.Length; at += shardSize {
		l.Hashes.ShardSums = append(l.Hashes.ShardSums, hashsets.ShardSum(blob[at:min(at+shardSize, int64(len(blob)))]))
	}
	sum := binary.BigEndian.AppendUint64(nil, hashsets.ShardSum(blob))
	l.Hashes.Digests = []hashsets.Digest{{Algorithm: hashsets.SHA256, Sum: make([]byte, 32)}, {Algorithm: hashsets.XXH64, Sum: sum}}
	switch r.IntN(4) {
	case 0:
		l.Attributes.Xattrs = map[string][]byte{"user.b": []byte("x\x00"), "user.a": {}}
	case 1:
		l.Kind, l.Target = hashsets.Link, "../somewhere"
	case 2:
		l.Identity.ETag, l.Identity.Version = "etag", "v1"
		l.Attributes.ContentType, l.Attributes.StorageClass = "text/plain", "STANDARD"
		l.Attributes.Metadata = map[string]string{"k": "v", "a": ""}
		l.Attributes.Tags = map[string]string{"t": "u"}
	}
	return l
}

func all(list []parity.Listed) iter.Seq2[parity.Listed, error] {
	return func(yield func(parity.Listed, error) bool) {
		for _, l := range list {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// publish writes the band's files into home.
func (b *band) publish(t testing.TB, w *parity.BandWriter, home *memory) {
	t.Helper()
	staged, err := w.Write(context.Background(), home, all(b.list))
	if err != nil {
		t.Fatal(err)
	}
	if len(home.files) > 0 && home.files[staged.Files[0].Name] != nil {
		t.Fatal("files are visible before they are published")
	}
	b.files = staged.Files
	if err := staged.Publish(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (b *band) open(t testing.TB, home *memory) []*parity.File {
	t.Helper()
	files := make([]*parity.File, len(b.files))
	for j, written := range b.files {
		f, err := parity.OpenFile(context.Background(), home, written.Name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files[j] = f
	}
	return files
}

// stripe is a whole stripe of the band.
func (b *band) stripe(t testing.TB, files []*parity.File, n int) *parity.Stripe {
	t.Helper()
	s := parity.NewStripe(b.g)
	for c, column := range b.columns {
		copy(s.Shards[c], column[int64(n)*b.g.ShardSize:])
	}
	for j, f := range files {
		if err := f.Shard(n, s.Shards[b.g.Data+j]); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

var geometries = []parity.Geometry{
	{Data: 1, Parity: 1, ShardSize: 512, ColumnSize: 512 * 256},
	{Data: 3, Parity: 1, ShardSize: 100, ColumnSize: 100 * 256},
	{Data: 5, Parity: 2, ShardSize: 512, ColumnSize: 512 * 256},
	{Data: 40, Parity: 4, ShardSize: 1024, ColumnSize: 1024 * 256},
	{Data: 20, Parity: 10, ShardSize: 4096, ColumnSize: 4096 * 256},
	{Data: 100, Parity: 3, ShardSize: 256, ColumnSize: 256 * 256},
	{Data: 252, Parity: 4, ShardSize: 64, ColumnSize: 64 * 256},
	{Data: 1, Parity: 255, ShardSize: 64, ColumnSize: 64 * 256},
}

func name(g parity.Geometry) string { return fmt.Sprintf("%d+%d", g.Data, g.Parity) }

// randomSizes are a few blobs: none of them, small and large ones.
func randomSizes(r *rand.Rand, g parity.Geometry) []int64 {
	var sizes []int64
	for total := int64(0); total < int64(g.Data)*g.ShardSize*10; {
		size := r.Int64N(g.ShardSize * 4)
		if r.IntN(3) > 0 {
			size = r.Int64N(g.ShardSize)
		}
		if r.IntN(10) == 0 {
			size = 0
		}
		sizes = append(sizes, size)
		total += size
	}
	return sizes
}

func TestWhatWasWrittenIsReadAgain(t *testing.T) {
	fixtures.Sequential(t)
	for i, g := range geometries {
		t.Run(name(g), func(t *testing.T) {
			r := random(uint64(i))
			b, w := makeBand(t, r, g, randomSizes(r, g))
			home := newMemory()
			b.publish(t, w, home)
			for j, f := range b.open(t, home) {
				if f.ID != b.id || f.Geometry != g || f.Index != j || f.Stripes != b.stripes {
					t.Errorf("head of %s: %+v", f.Name(), f)
				}
				if f.HasList != (j < 2) {
					t.Errorf("file %d: HasList is %v", j, f.HasList)
				}
				if f.HasList {
					var got []parity.Listed
					for l, err := range f.List(context.Background()) {
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, l)
					}
					if d := cmp.Diff(b.list, got, cmpopts.EquateEmpty()); d != "" {
						t.Errorf("list of file %d: %s", j, d)
					}
				}
				if bad, err := f.Check(context.Background()); err != nil || len(bad) > 0 {
					t.Errorf("Check: %v, %v", bad, err)
				}
				h, err := hashsets.NewHasher([]hashsets.Algorithm{hashsets.XXH64, hashsets.SHA256}, 0)
				if err != nil {
					t.Fatal(err)
				}
				h.Write(home.files[f.Name()])
				if d := cmp.Diff(h.HashSet(), b.files[j].Hashes); d != "" {
					t.Errorf("hash set of file %d: %s", j, d)
				}
			}
		})
	}
}

func TestErasuresThatParityBearsAreRebuilt(t *testing.T) {
	fixtures.Sequential(t)
	for i, g := range geometries {
		t.Run(name(g), func(t *testing.T) {
			r := random(100 + uint64(i))
			b, w := makeBand(t, r, g, randomSizes(r, g))
			home := newMemory()
			b.publish(t, w, home)
			files := b.open(t, home)
			for range 50 {
				n := r.IntN(b.stripes)
				s := b.stripe(t, files, n)
				whole := clone(s.Shards)
				damage(r, g, s, g.Parity)
				if err := g.Rebuild(s, nil); err != nil {
					t.Fatal(err)
				}
				for c := range g.Data {
					if !bytes.Equal(s.Shards[c], whole[c]) {
						t.Fatalf("stripe %d: data shard %d is not what it was", n, c)
					}
					if len(s.Erased[c]) > 0 {
						t.Fatalf("stripe %d: data shard %d is still marked as erased", n, c)
					}
				}
				if err := g.Rebuild(s, []int{g.Data}); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(s.Shards[g.Data], whole[g.Data]) {
					t.Fatalf("stripe %d: the first parity shard is not what it was", n)
				}
			}
		})
	}
}

func clone(shards [][]byte) [][]byte {
	c := make([][]byte, len(shards))
	for i := range c {
		c[i] = bytes.Clone(shards[i])
	}
	return c
}

// damage spoils and marks random ranges of up to most shards at a time.
func damage(r *rand.Rand, g parity.Geometry, s *parity.Stripe, most int) {
	at := int64(0)
	for at < g.ShardSize {
		n := 1 + r.Int64N(g.ShardSize-at)
		for _, shard := range r.Perm(len(s.Shards))[:r.IntN(most+1)] {
			fill(r, s.Shards[shard][at:at+n])
			s.Erase(shard, store.Range{Offset: at, Length: n})
		}
		at += n
	}
}

func TestErasuresBeyondParityAreLeftAlone(t *testing.T) {
	g := parity.Geometry{Data: 5, Parity: 2, ShardSize: 512, ColumnSize: 512 * 256}
	r := random(7)
	b, w := makeBand(t, r, g, randomSizes(r, g))
	home := newMemory()
	b.publish(t, w, home)
	s := b.stripe(t, b.open(t, home), 1)
	whole := clone(s.Shards)
	erase := func(shard int, from, to int64) {
		fill(r, s.Shards[shard][from:to])
		s.Erase(shard, store.Range{Offset: from, Length: to - from})
	}
	erase(0, 0, 512)
	erase(1, 100, 300)
	erase(4, 200, 512)
	erase(6, 250, 260) // parity
	before := clone(s.Shards)

	err := g.Rebuild(s, nil)

	var beyond *parity.BeyondError
	if !errors.As(err, &beyond) {
		t.Fatalf("Rebuild: %v", err)
	}
	joined := err.(interface{ Unwrap() []error }).Unwrap()
	want := []error{
		&parity.BeyondError{Range: store.Range{Offset: 200, Length: 50}, Bad: 3, Bears: 2},
		&parity.BeyondError{Range: store.Range{Offset: 250, Length: 10}, Bad: 4, Bears: 2},
		&parity.BeyondError{Range: store.Range{Offset: 260, Length: 40}, Bad: 3, Bears: 2},
	}
	if d := cmp.Diff(want, joined); d != "" {
		t.Errorf("what is beyond: %s", d)
	}
	for c := range g.Data {
		got := bytes.Clone(s.Shards[c])
		if !bytes.Equal(got[200:300], before[c][200:300]) {
			t.Errorf("shard %d was changed where it cannot be rebuilt", c)
		}
		if !bytes.Equal(got[:200], whole[c][:200]) || !bytes.Equal(got[300:], whole[c][300:]) {
			t.Errorf("shard %d was not rebuilt where it can be", c)
		}
	}
	left := [][]store.Range{{{Offset: 200, Length: 100}}, {{Offset: 200, Length: 100}}, nil, nil, {{Offset: 200, Length: 100}}, nil, {{Offset: 250, Length: 10}}}
	if d := cmp.Diff(left, s.Erased, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("what is still marked as erased: %s", d)
	}
}

func TestOnlyWantedShardsAreRebuilt(t *testing.T) {
	g := parity.Geometry{Data: 5, Parity: 2, ShardSize: 512, ColumnSize: 512 * 256}
	r := random(8)
	b, w := makeBand(t, r, g, randomSizes(r, g))
	home := newMemory()
	b.publish(t, w, home)
	s := b.stripe(t, b.open(t, home), 0)
	whole := clone(s.Shards)
	for _, shard := range []int{1, 3} {
		fill(r, s.Shards[shard])
		s.Erase(shard, store.Range{Length: 512})
	}
	before := clone(s.Shards)
	if err := g.Rebuild(s, []int{3}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Shards[3], whole[3]) || len(s.Erased[3]) > 0 {
		t.Error("the shard that was wanted is not rebuilt")
	}
	if !bytes.Equal(s.Shards[1], before[1]) || len(s.Erased[1]) == 0 {
		t.Error("a shard that was not wanted was touched")
	}
}
