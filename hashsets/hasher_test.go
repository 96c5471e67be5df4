package hashsets_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"bitmend/hashsets"

	"github.com/google/go-cmp/cmp"
)

func newHasher(t testing.TB, shardSize int64, algorithms ...hashsets.Algorithm) *hashsets.Hasher {
	t.Helper()
	h, err := hashsets.NewHasher(algorithms, shardSize)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// plainHashSet computes a hash set in the obvious way: each digest and each
// shard by itself, over all the bytes at once.
func plainHashSet(blob []byte, shardSize int64, algorithms ...hashsets.Algorithm) hashsets.HashSet {
	set := hashsets.HashSet{Size: int64(len(blob)), Digests: []hashsets.Digest{}, ShardSize: shardSize}
	slices.Sort(algorithms)
	for _, a := range algorithms {
		h := a.New()
		h.Write(blob)
		set.Digests = append(set.Digests, hashsets.Digest{Algorithm: a, Sum: h.Sum(nil)})
	}
	if shardSize > 0 {
		for shard := range slices.Chunk(blob, int(shardSize)) {
			set.ShardSums = append(set.ShardSums, hashsets.ShardSum(shard))
		}
	}
	return set
}

func random(seed uint64, size int) []byte {
	p := make([]byte, size)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	rand.NewChaCha8(key).Read(p)
	return p
}

func TestHashSetOfEachSizeAroundShards(t *testing.T) {
	const shard = 1024
	for _, algorithms := range [][]hashsets.Algorithm{
		nil,
		{hashsets.XXH64},
		{hashsets.SHA256},
		{hashsets.XXH64, hashsets.SHA256},
		hashsets.Algorithms(),
	} {
		for _, shardSize := range []int64{0, shard} {
			h := newHasher(t, shardSize, algorithms...)
			for _, size := range []int{0, 1, shard - 1, shard, shard + 1, 2*shard - 1, 2 * shard, 5*shard + 7} {
				blob := random(uint64(size), size)
				h.Reset()
				if n, err := h.Write(blob); n != size || err != nil {
					t.Fatalf("Write of %d bytes = %d, %v", size, n, err)
				}
				want := plainHashSet(blob, shardSize, slices.Clone(algorithms)...)
				if diff := cmp.Diff(want, h.HashSet()); diff != "" {
					t.Errorf("%v, shards of %d, %d bytes (-want +got):\n%s", algorithms, shardSize, size, diff)
				}
			}
		}
	}
}

func TestHowABlobIsSplitIntoWritesDoesNotMatter(t *testing.T) {
	const shard = 512
	choose := rand.New(rand.NewPCG(1, 2))
	h := newHasher(t, shard, hashsets.Algorithms()...)
	for round := range 300 {
		blob := random(uint64(round), choose.IntN(8*shard))
		h.Reset()
		for rest := blob; len(rest) > 0; {
			n := min(len(rest), choose.IntN(2*shard))
			if choose.IntN(4) == 0 {
				n = min(len(rest), shard) // on the edges of shards as well
			}
			h.Write(rest[:n])
			rest = rest[n:]
			if choose.IntN(8) == 0 {
				h.HashSet() // looking does not disturb
			}
		}
		if diff := cmp.Diff(plainHashSet(blob, shard, hashsets.Algorithms()...), h.HashSet()); diff != "" {
			t.Fatalf("round %d, %d bytes (-want +got):\n%s", round, len(blob), diff)
		}
	}
}

func FuzzSplits(f *testing.F) {
	f.Add([]byte("a blob of a few bytes"), uint16(4), []byte{1, 2, 3})
	f.Add([]byte{}, uint16(0), []byte{})
	f.Add(pattern(5000), uint16(1000), []byte{0, 255, 250})
	f.Fuzz(func(t *testing.T, blob []byte, shardSize uint16, splits []byte) {
		h := newHasher(t, int64(shardSize), hashsets.Algorithms()...)
		rest := blob
		for _, split := range splits {
			n := min(len(rest), 8*int(split))
			h.Write(rest[:n])
			rest = rest[n:]
		}
		h.Write(rest)
		if diff := cmp.Diff(plainHashSet(blob, int64(shardSize), hashsets.Algorithms()...), h.HashSet()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestHashSetSharesNothingWithTheHasher(t *testing.T) {
	h := newHasher(t, 64, hashsets.XXH64, hashsets.SHA256)
	blob := pattern(1000)
	h.Write(blob)
	first := h.HashSet()
	h.Reset()
	h.Write(random(7, 1000))
	h.HashSet()
	if diff := cmp.Diff(plainHashSet(blob, 64, hashsets.XXH64, hashsets.SHA256), first); diff != "" {
		t.Errorf("the first hash set changed with the second blob (-want +got):\n%s", diff)
	}
	appended := append(first.Digests[0].Sum, 0xff)
	if _, second := appended, first.Digests[1].Sum; second[0] == 0xff {
		t.Error("appending to one digest reached into the next")
	}
}

// The memory of the sums of a large blob is given to its hash set, and what
// comes next has its own, whatever was expected of either.
func TestTakeEndsABlobAndBeginsAnother(t *testing.T) {
	const shard = 4
	algorithms := []hashsets.Algorithm{hashsets.XXH64, hashsets.SHA256}
	large, small := pattern(shard<<15), random(7, 100)
	for _, length := range []int{len(large), len(large) - 1, len(large) - shard, len(large) / 2} {
		for _, expected := range []int64{0, 10, int64(length), 1 << 20} {
			h := newHasher(t, shard, algorithms...)
			h.Expect(expected)
			h.Write(large[:length])
			first := h.Take()
			h.Write(small)
			second := h.Take()
			if diff := cmp.Diff(plainHashSet(large[:length], shard, algorithms...), first); diff != "" {
				t.Errorf("%d bytes, %d expected (-want +got):\n%s", length, expected, diff)
			}
			if diff := cmp.Diff(plainHashSet(small, shard, algorithms...), second); diff != "" {
				t.Errorf("after %d bytes (-want +got):\n%s", length, diff)
			}
		}
	}
}

// The sums of a blob whose size is known are in memory once.
func TestSumsOfALargeBlobAreNotCopied(t *testing.T) {
	if testing.Short() {
		t.Skip("left to full runs: under the race detector growing a slice allocates twice")
	}
	const shards = 1 << 18
	blob := make([]byte, 1<<16)
	h := newHasher(t, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h.Expect(shards)
	for range shards / len(blob) {
		h.Write(blob)
	}
	got := h.Take()
	runtime.ReadMemStats(&after)
	if len(got.ShardSums) != shards {
		t.Fatalf("%d sums, want %d", len(got.ShardSums), shards)
	}
	if allocated, most := after.TotalAlloc-before.TotalAlloc, uint64(8*shards*5/4); allocated > most {
		t.Errorf("the sums of %d shards took %d bytes, want at most %d", shards, allocated, most)
	}
}

func TestShardSumsAreKeptInTheOrderOfTheBlobAndNilWithoutShards(t *testing.T) {
	h := newHasher(t, 0, hashsets.XXH64)
	h.Write(pattern(100))
	if set := h.HashSet(); set.ShardSums != nil || set.ShardSize != 0 {
		t.Errorf("shard size 0 gave shard sums: %+v", set)
	}
	h = newHasher(t, 10)
	if set := h.HashSet(); set.ShardSums != nil {
		t.Errorf("an empty blob has shards: %+v", set)
	}
	h.Write([]byte("0123456789abc"))
	want := []uint64{hashsets.ShardSum([]byte("0123456789")), hashsets.ShardSum([]byte("abc"))}
	if diff := cmp.Diff(want, h.HashSet().ShardSums); diff != "" {
		t.Error(diff)
	}
}

func TestNewHasherRefusesWhatItCannotCompute(t *testing.T) {
	for _, c := range []struct {
		name       string
		algorithms []hashsets.Algorithm
		shardSize  int64
	}{
		{"an unknown algorithm", []hashsets.Algorithm{"sha257"}, 0},
		{"an algorithm given twice", []hashsets.Algorithm{hashsets.MD5, hashsets.SHA1, hashsets.MD5}, 0},
		{"a negative shard size", []hashsets.Algorithm{hashsets.MD5}, -1},
	} {
		if _, err := hashsets.NewHasher(c.algorithms, c.shardSize); err == nil {
			t.Errorf("%s was accepted", c.name)
		}
	}
}

func TestNewHasherLeavesTheCallersOrderAlone(t *testing.T) {
	algorithms := []hashsets.Algorithm{hashsets.XXH64, hashsets.SHA256}
	set := newHasher(t, 0, algorithms...).HashSet()
	if algorithms[0] != hashsets.XXH64 {
		t.Error("the argument was sorted")
	}
	if !slices.IsSorted(set.Algorithms()) {
		t.Errorf("digests are not sorted by name: %v", set.Algorithms())
	}
}

func TestWriteDoesNotAllocate(t *testing.T) {
	h := newHasher(t, 4096, hashsets.Algorithms()...)
	blob := pattern(64 << 10)
	h.Write(blob) // the shard sums of one blob make room for the next
	if n := testing.AllocsPerRun(20, func() {
		h.Reset()
		h.Write(blob)
	}); n != 0 {
		t.Errorf("%v allocations a blob", n)
	}
}

// Matches says what comparing hash sets says, of any difference.
func TestMatchesIsEqualWithoutAHashSet(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	for _, shardSize := range []int64{0, 1000, 4096, 16000, 64 << 10} {
		h, err := hashsets.NewHasher([]hashsets.Algorithm{hashsets.SHA256, hashsets.XXH64}, shardSize)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 1000, 4095, 4096, 4097, 16000} {
			h.Reset()
			h.Write(content[:size])
			fresh := func() hashsets.HashSet { return h.HashSet() }
			others := map[string]hashsets.HashSet{"itself": fresh()}
			change := func(name string, by func(*hashsets.HashSet)) {
				other := fresh()
				by(&other)
				others[name] = other
			}
			change("another size", func(s *hashsets.HashSet) { s.Size++ })
			change("another shard size", func(s *hashsets.HashSet) { s.ShardSize++ })
			change("a digest less", func(s *hashsets.HashSet) { s.Digests = s.Digests[:1] })
			change("another algorithm", func(s *hashsets.HashSet) { s.Digests[0].Algorithm = hashsets.SHA512 })
			change("another digest", func(s *hashsets.HashSet) { s.Digests[1].Sum[7] ^= 1 })
			change("a shard more", func(s *hashsets.HashSet) { s.ShardSums = append(s.ShardSums, 1) })
			if shards := len(fresh().ShardSums); shards > 0 {
				change("no shards", func(s *hashsets.HashSet) { s.ShardSums = nil })
				change("another first shard", func(s *hashsets.HashSet) { s.ShardSums[0] ^= 1 })
				change("another last shard", func(s *hashsets.HashSet) { s.ShardSums[shards-1] ^= 1 })
				change("a shard less", func(s *hashsets.HashSet) { s.ShardSums = s.ShardSums[:shards-1] })
			}
			for name, other := range others {
				set := fresh()
				if got, want := h.Matches(&other), set.Equal(&other); got != want || want != (name == "itself") {
					t.Errorf("%d bytes in shards of %d, %s: %v, and %v by the hash set", size, shardSize, name, got, want)
				}
			}
		}
	}
}
