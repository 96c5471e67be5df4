package hashsets_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"bitmend/hashsets"
)

func TestResume(t *testing.T) {
	const shard = 64
	content := make([]byte, 10*shard+17)
	for i := range content {
		content[i] = byte(i * i)
	}
	var kept []hashsets.Algorithm
	for _, a := range hashsets.Algorithms() {
		one := hasher(t, shard, a)
		_, err := one.State(nil)
		if none := a == hashsets.BLAKE3 || a == hashsets.XXH128; none != errors.Is(err, hashsets.ErrNoState) || !none && err != nil {
			t.Errorf("the state of %s: %v", a, err)
		} else if !none {
			kept = append(kept, a)
		}
	}
	for _, shardSize := range []int64{shard, 0} {
		for cut := range len(content) + 1 {
			whole := hasher(t, shardSize, kept...)
			whole.Write(content)
			want := whole.HashSet()
			expected := slices.Clone(want.ShardSums)
			if len(expected) > 3 {
				expected[2]++ // the recorded sum of a damaged shard
			}
			first := hasher(t, shardSize, kept...)
			first.Write(content[:cut])
			state, err := first.State(expected)
			if err != nil {
				t.Fatalf("after %d bytes: %v", cut, err)
			}
			second := hasher(t, shardSize, kept...)
			second.Write([]byte("what it hashed before"))
			if err := second.Resume(state, expected); err != nil || second.Size() != int64(cut) {
				t.Fatalf("after %d bytes: %v, %d bytes are taken up", cut, err, second.Size())
			}
			second.Write(content[cut:])
			if got := second.HashSet(); !got.Equal(&want) {
				t.Fatalf("gone on with after %d bytes: %v, want %v", cut, got, want)
			}
		}
	}
}

func TestAStateThatDoesNotFitIsRefused(t *testing.T) {
	content := make([]byte, 1000)
	first := hasher(t, 64, hashsets.XXH64, hashsets.SHA256)
	first.Write(content)
	expected := first.HashSet().ShardSums
	state, err := first.State(expected)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.State(expected[:3]); err == nil {
		t.Error("a state of more shards than are expected")
	}
	for name, c := range map[string]struct {
		h        *hashsets.Hasher
		state    []byte
		expected []uint64
	}{
		"another shard size": {hasher(t, 128, hashsets.XXH64, hashsets.SHA256), state, expected},
		"more algorithms":    {hasher(t, 64, hashsets.XXH64, hashsets.SHA256, hashsets.MD5), state, expected},
		"fewer shards":       {hasher(t, 64, hashsets.XXH64, hashsets.SHA256), state, expected[:3]},
		"no state":           {hasher(t, 64, hashsets.XXH64, hashsets.SHA256), nil, expected},
		"half a state":       {hasher(t, 64, hashsets.XXH64, hashsets.SHA256), state[:len(state)/2], expected},
	} {
		if err := c.h.Resume(c.state, c.expected); err == nil {
			t.Errorf("%s: no error", name)
		}
		if set := c.h.HashSet(); set.Size != 0 || len(set.ShardSums) != 0 {
			t.Errorf("%s: it is left with %d bytes", name, set.Size)
		}
	}
}

func hasher(t *testing.T, shardSize int64, algorithms ...hashsets.Algorithm) *hashsets.Hasher {
	t.Helper()
	h, err := hashsets.NewHasher(algorithms, shardSize)
	if err != nil {
		t.Fatal(fmt.Errorf("%v: %w", algorithms, err))
	}
	return h
}
