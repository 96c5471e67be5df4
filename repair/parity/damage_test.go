package parity_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"bitmend/fixtures"
	"bitmend/repair/parity"
	"bitmend/scrub/store"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// smallBand is a band whose files are small enough to damage every byte of.
func smallBand(t testing.TB) (*band, *memory) {
	t.Helper()
	g := parity.Geometry{Data: 3, Parity: 2, ShardSize: 100, ColumnSize: 100 * 256}
	b, w := makeBand(t, random(11), g, []int64{250, 40, 0, 330, 7})
	home := newMemory()
	b.publish(t, w, home)
	return b, home
}

// readAll is what can be read of a parity file, each thing that fails as nil.
func readAll(f *parity.File) (shards [][]byte, list []parity.Listed, failed int) {
	for stripe := range f.Stripes {
		p := make([]byte, f.Geometry.ShardSize)
		if err := f.Shard(stripe, p); err != nil {
			if !errors.Is(err, parity.ErrDamaged) {
				panic(err)
			}
			p = nil
		}
		shards = append(shards, p)
	}
	for l, err := range f.List(context.Background()) {
		if err != nil {
			if !errors.Is(err, parity.ErrDamaged) {
				panic(err)
			}
			failed++
			continue
		}
		list = append(list, l)
	}
	return shards, list, failed
}

// inOrder tells whether some is all with entries left out. Both were read from
// files.
func inOrder(some, all []parity.Listed) bool {
	for _, l := range all {
		if len(some) > 0 && reflect.DeepEqual(some[0], l) {
			some = some[1:]
		}
	}
	return len(some) == 0
}

func TestEveryFlippedByteIsNoticedAndNothingWrongIsRead(t *testing.T) {
	fixtures.Sequential(t)
	b, home := smallBand(t)
	ctx := context.Background()
	name := b.files[0].Name
	whole := home.files[name]
	intact, err := parity.OpenFile(ctx, home, name)
	if err != nil {
		t.Fatal(err)
	}
	wantShards, wantList, _ := readAll(intact)
	for at := range whole {
		spoiled := bytes.Clone(whole)
		spoiled[at] ^= byte(1 << (at % 8))
		home.files[name] = spoiled
		f, err := parity.OpenFile(ctx, home, name)
		if err != nil {
			t.Fatalf("byte %d flipped: %v", at, err)
		}
		bad, err := f.Check(ctx)
		if err != nil {
			t.Fatalf("byte %d flipped: Check: %v", at, err)
		}
		if len(bad) != 1 || int64(at) < bad[0].Offset || int64(at) >= bad[0].Offset+bad[0].Length {
			t.Fatalf("byte %d flipped: Check finds %v", at, bad)
		}
		shards, list, _ := readAll(f)
		lost := 0
		for stripe, p := range shards {
			if p == nil {
				lost++
			} else if !bytes.Equal(p, wantShards[stripe]) {
				t.Fatalf("byte %d flipped: stripe %d reads wrong", at, stripe)
			}
		}
		if !inOrder(list, wantList) {
			t.Fatalf("byte %d flipped: the list reads wrong", at)
		}
		if lost > 1 || lost == 1 && len(list) < len(wantList) {
			t.Fatalf("byte %d flipped: %d shards and %d entries are lost", at, lost, len(wantList)-len(list))
		}
	}
}

func TestFilesCutOffAnywhereGiveWhatIsLeft(t *testing.T) {
	b, home := smallBand(t)
	ctx := context.Background()
	name := b.files[0].Name
	whole := home.files[name]
	intact, err := parity.OpenFile(ctx, home, name)
	if err != nil {
		t.Fatal(err)
	}
	wantShards, wantList, _ := readAll(intact)
	for length := range whole {
		home.files[name] = whole[:length]
		f, err := parity.OpenFile(ctx, home, name)
		if err != nil {
			if length > 400 || !errors.Is(err, parity.ErrDamaged) && !errors.Is(err, parity.ErrFormat) {
				t.Fatalf("%d bytes left: %v", length, err)
			}
			continue
		}
		bad, err := f.Check(ctx)
		if err != nil || len(bad) == 0 {
			t.Fatalf("%d bytes left: Check finds %v, %v", length, bad, err)
		}
		shards, list, _ := readAll(f)
		for stripe, p := range shards {
			there := 4096+(stripe+1)*100 <= length
			if there != (p != nil) || there && !bytes.Equal(p, wantShards[stripe]) {
				t.Fatalf("%d bytes left: stripe %d reads %v", length, stripe, p)
			}
		}
		if !inOrder(list, wantList) {
			t.Fatalf("%d bytes left: the list reads wrong", length)
		}
	}
	home.files[name] = append(bytes.Clone(whole), "junk"...)
	f, err := parity.OpenFile(ctx, home, name)
	if err != nil {
		t.Fatal(err)
	}
	if bad, err := f.Check(ctx); err != nil || !slices.Equal(bad, []store.Range{{Offset: int64(len(whole)), Length: 4}}) {
		t.Errorf("with junk appended Check finds %v, %v", bad, err)
	}
}

func TestTheHeadAtTheEndServesWhenTheFirstIsGone(t *testing.T) {
	b, home := smallBand(t)
	name := b.files[1].Name
	clear(home.files[name][:4096]) // with the first table of sums
	f, err := parity.OpenFile(context.Background(), home, name)
	if err != nil {
		t.Fatal(err)
	}
	if f.ID != b.id || f.Index != 1 || f.Stripes != b.stripes {
		t.Errorf("head: %+v", f)
	}
	shards, list, failed := readAll(f)
	if slices.ContainsFunc(shards, func(p []byte) bool { return p == nil }) || failed > 0 || len(list) != len(b.list) {
		t.Errorf("shards %v, %d entries of %d, %d failures", shards, len(list), len(b.list), failed)
	}
}

func TestFilesThatAreSomethingElse(t *testing.T) {
	b, home := smallBand(t)
	ctx := context.Background()
	first, second := b.files[0].Name, b.files[1].Name
	newer := bytes.Clone(home.files[first])
	newer[16] = 2 // the version; the sum is mended as a later program would write it
	for name, c := range map[string]struct {
		p    []byte
		want error
	}{
		"empty":               {nil, parity.ErrFormat},
		"one byte":            {[]byte("b"), parity.ErrFormat},
		"a text":              {bytes.Repeat([]byte("something else\n"), 1000), parity.ErrFormat},
		"zeros":               {make([]byte, 10000), parity.ErrFormat},
		"another column":      {home.files[second], parity.ErrDamaged},
		"magic and no more":   {home.files[first][:16], parity.ErrDamaged},
		"both heads are gone": {append(append(make([]byte, 1024), home.files[first][1024:4096]...), make([]byte, 900)...), parity.ErrFormat},
		"a later version":     {withHeadSum(newer), parity.ErrFormat},
	} {
		home.files[first] = c.p
		if _, err := parity.OpenFile(ctx, home, first); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// Under a name that says nothing, the head is believed.
	home.files["found.dat"] = home.files[second]
	if f, err := parity.OpenFile(ctx, home, "found.dat"); err != nil || f.Index != 1 {
		t.Errorf("under a foreign name: %v", err)
	}
	if _, err := parity.OpenFile(ctx, home, "no such"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a missing file: %v", err)
	}
}

// withHeadSum gives the first head of p the sum that its bytes call for, and
// copies it to the end.
func withHeadSum(p []byte) []byte {
	length := binary.LittleEndian.Uint32(p[20:])
	binary.LittleEndian.PutUint64(p[length-8:], xxhash.Sum64(p[:length-8]))
	copy(p[len(p)-32-int(length):], p[:length])
	return p
}

// manyEntries is a band whose list has many chunks.
func manyEntries(t testing.TB) (*band, *memory) {
	t.Helper()
	g := parity.Geometry{Data: 3, Parity: 1, ShardSize: 4096, ColumnSize: 4096 * 256}
	r := random(12)
	sizes := make([]int64, 3000)
	for i := range sizes {
		sizes[i] = r.Int64N(100)
	}
	b, w := makeBand(t, r, g, sizes)
	b.list[1500].Name = string(bytes.Repeat([]byte{'n'}, 200_000)) // over several chunks
	home := newMemory()
	b.publish(t, w, home)
	return b, home
}

func TestADamagedPartOfTheListLosesItsEntriesAlone(t *testing.T) {
	fixtures.Sequential(t)
	b, home := manyEntries(t)
	name := b.files[0].Name
	whole := home.files[name]
	_, wantList, _ := readAll(b.open(t, home)[0])
	if d := cmp.Diff(b.list, wantList, cmpopts.EquateEmpty()); d != "" {
		t.Fatal(d)
	}
	const chunk = 64 << 10
	listAt := int64(binary.LittleEndian.Uint64(whole[104:])) // as FORMAT.md has it
	for _, c := range []struct {
		chunks []int
		most   int // entries lost
	}{{[]int{0}, 400}, {[]int{1}, 400}, {[]int{2, 3}, 800}, {[]int{5}, 400}, {[]int{7}, 400}} {
		spoiled := bytes.Clone(whole)
		for _, n := range c.chunks {
			spoiled[listAt+int64(n)*chunk+chunk/2] ^= 1
		}
		home.files[name] = spoiled
		f, err := parity.OpenFile(context.Background(), home, name)
		if err != nil {
			t.Fatal(err)
		}
		_, list, failed := readAll(f)
		if failed != len(c.chunks) {
			t.Errorf("chunks %v: %d failures", c.chunks, failed)
		}
		if lost := len(b.list) - len(list); lost < 1 || lost > c.most {
			t.Errorf("chunks %v: %d entries are lost", c.chunks, lost)
		}
		if !inOrder(list, wantList) {
			t.Errorf("chunks %v: the list reads wrong", c.chunks)
		}
	}
}

func TestListStopsWhenItIsToldTo(t *testing.T) {
	b, home := manyEntries(t)
	f := b.open(t, home)[0]
	n := 0
	for range f.List(context.Background()) {
		if n++; n == 10 {
			break
		}
	}
	if n != 10 {
		t.Errorf("%d entries", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range f.List(ctx) {
		if !errors.Is(err, context.Canceled) || errors.Is(err, parity.ErrDamaged) {
			t.Errorf("after cancel: %v", err)
		}
	}
	if _, err := f.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Check after cancel: %v", err)
	}
}

func TestErrorsOfTheHostAreNotDamage(t *testing.T) {
	b, home := smallBand(t)
	f := b.open(t, home)[0]
	p := make([]byte, 100)
	for _, c := range []struct {
		err    error
		damage bool
	}{
		{errors.New("too many open files"), false},
		{fmt.Errorf("here: %w", store.ErrMedium), true},
	} {
		home.fail = c.err
		if err := f.Shard(0, p); !errors.Is(err, c.err) || errors.Is(err, parity.ErrDamaged) != c.damage {
			t.Errorf("%v: Shard: %v", c.err, err)
		}
		for _, err := range f.List(context.Background()) {
			if c.damage != errors.Is(err, parity.ErrDamaged) || err == nil {
				t.Errorf("%v: List: %v", c.err, err)
			}
		}
		bad, err := f.Check(context.Background())
		if c.damage != (err == nil && len(bad) > 0) {
			t.Errorf("%v: Check: %v, %v", c.err, bad, err)
		}
		if _, err := parity.OpenFile(context.Background(), home, f.Name()); c.damage != errors.Is(err, parity.ErrDamaged) || err == nil {
			t.Errorf("%v: OpenFile: %v", c.err, err)
		}
	}
}
