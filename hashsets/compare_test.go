package hashsets_test

import (
	"testing"

	"bitmend/hashsets"

	"github.com/google/go-cmp/cmp"
)

func hashSetOf(t *testing.T, blob string, shardSize int64, algorithms ...hashsets.Algorithm) *hashsets.HashSet {
	t.Helper()
	h := newHasher(t, shardSize, algorithms...)
	h.Write([]byte(blob))
	set := h.HashSet()
	return &set
}

func TestBadShards(t *testing.T) {
	const recorded = "aaaabbbbccccdd" // four shards of 4 bytes, the last one shorter
	for _, c := range []struct {
		name, computed string
		want           []int
	}{
		{"intact", recorded, nil},
		{"first shard", "AaaabbbbccccDD"[:12] + "dd", []int{0}},
		{"two shards", "aaaabbBbccccdD", []int{1, 3}},
		{"truncated within a shard", "aaaabbbbc", []int{2, 3}},
		{"truncated to nothing", "", []int{0, 1, 2, 3}},
		{"extended", recorded + "dddd", []int{3}},
		{"swapped", "bbbbaaaaccccdd", []int{0, 1}},
	} {
		r, got := hashSetOf(t, recorded, 4), hashSetOf(t, c.computed, 4)
		if diff := cmp.Diff(c.want, r.BadShards(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestBadShardsAccusesNothingItCannotCompare(t *testing.T) {
	for _, c := range []struct{ recorded, computed int64 }{{0, 4}, {4, 0}, {4, 8}, {0, 0}} {
		bad := hashSetOf(t, "aaaabbbb", c.recorded).BadShards(hashSetOf(t, "other", c.computed))
		if bad != nil {
			t.Errorf("recorded in shards of %d, computed in shards of %d: accused %v", c.recorded, c.computed, bad)
		}
	}
}

func TestMatchesAndMismatches(t *testing.T) {
	recorded := hashSetOf(t, "as it was", 0, hashsets.XXH64, hashsets.SHA256, hashsets.MD5)
	same := hashSetOf(t, "as it was", 0, hashsets.XXH64, hashsets.SHA256, hashsets.SHA1)
	other := hashSetOf(t, "as it is!", 0, hashsets.XXH64, hashsets.SHA256, hashsets.SHA1)
	shared := []hashsets.Algorithm{hashsets.SHA256, hashsets.XXH64}

	for _, c := range []struct {
		name      string
		got, want []hashsets.Algorithm
	}{
		{"mismatches of the same bytes", recorded.Mismatches(same), nil},
		{"matches of the same bytes", recorded.Matches(same), shared},
		{"mismatches of other bytes", recorded.Mismatches(other), shared},
		{"matches of other bytes", recorded.Matches(other), nil},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	nothing := hashSetOf(t, "as it was", 0)
	if recorded.Matches(nothing) != nil || recorded.Mismatches(nothing) != nil {
		t.Error("a hash set without digests matched or mismatched")
	}
}

func TestEqualLooksAtEveryField(t *testing.T) {
	a := hashSetOf(t, "aaaabbbb", 4, hashsets.SHA256)
	if !a.Equal(hashSetOf(t, "aaaabbbb", 4, hashsets.SHA256)) {
		t.Error("two hash sets of the same bytes differ")
	}
	for name, change := range map[string]func(*hashsets.HashSet){
		"size":       func(h *hashsets.HashSet) { h.Size++ },
		"shard size": func(h *hashsets.HashSet) { h.ShardSize++ },
		"shard sum":  func(h *hashsets.HashSet) { h.ShardSums[1]++ },
		"shards":     func(h *hashsets.HashSet) { h.ShardSums = h.ShardSums[:1] },
		"digest":     func(h *hashsets.HashSet) { h.Digests[0].Sum[31]++ },
		"algorithm":  func(h *hashsets.HashSet) { h.Digests[0].Algorithm = hashsets.BLAKE3 },
		"digests":    func(h *hashsets.HashSet) { h.Digests = nil },
	} {
		b := hashSetOf(t, "aaaabbbb", 4, hashsets.SHA256)
		change(b)
		if a.Equal(b) || b.Equal(a) {
			t.Errorf("hash sets that differ in %s are equal", name)
		}
	}
}

func TestShardsOfABlob(t *testing.T) {
	for _, c := range []struct {
		size, shardSize int64
		want            int
	}{{0, 4, 0}, {1, 4, 1}, {4, 4, 1}, {5, 4, 2}, {8, 4, 2}} {
		if got := hashsets.Shards(c.size, c.shardSize); got != c.want {
			t.Errorf("Shards(%d, %d) = %d, want %d", c.size, c.shardSize, got, c.want)
		}
	}
	h := hashSetOf(t, "aaaabbbbc", 4)
	for i, want := range [][2]int64{{0, 4}, {4, 4}, {8, 1}} {
		if offset, length := h.ShardRange(i); offset != want[0] || length != want[1] {
			t.Errorf("ShardRange(%d) = %d, %d, want %v", i, offset, length, want)
		}
	}
}
