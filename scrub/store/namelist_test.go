package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bitmend/fixtures"
)

// keysOf are the keys of a sorted list, as a listing takes them.
func keysOf(l *namelist) []string {
	var keys []string
	for _, s := range l.steps {
		key := string(l.name(s))
		if s.at&stepDescends != 0 {
			key += "/"
		}
		keys = append(keys, key)
	}
	return keys
}

func FuzzNamesComeInTheOrderOfTheirBytes(f *testing.F) {
	f.Add([]byte("a\x00a-b\x00a.\x00a0\x00ab\x00a!\x00\xff\x00\x01"), uint64(0b10101))
	f.Add([]byte("file-0001\x00file-0002\x00file-\x00file-00010\x00file-0001-"), uint64(0b11111))
	f.Fuzz(func(t *testing.T, input []byte, directories uint64) {
		var l namelist
		var want []string
		for i, name := range bytes.Split(input, []byte{0}) {
			if len(name) == 0 || len(name) > 1<<15 || slices.Contains(want, string(name)) || bytes.IndexByte(name, '/') >= 0 {
				continue
			}
			directory := directories>>(i%64)&1 != 0
			kind := nameOfFile
			if directory {
				kind = nameOfDirectory
			}
			l.add(name, kind)
			want = append(want, string(name))
			if directory {
				want = append(want, string(name)+"/")
			}
		}
		l.sort()
		slices.Sort(want)
		if got := keysOf(&l); !slices.Equal(got, want) {
			t.Fatalf("the order is\n%q, want\n%q", got, want)
		}
	})
}

func TestAListIsUsedAgain(t *testing.T) {
	var l namelist
	for round := range 3 {
		l.reset()
		var want []string
		for i := range 5000 {
			name := fmt.Sprintf("%d-%d", round, i)
			l.add([]byte(name), nameOfFile)
			want = append(want, name)
		}
		l.sort()
		slices.Sort(want)
		if got := keysOf(&l); !slices.Equal(got, want) {
			t.Fatalf("round %d holds %d names, want %d", round, len(got), len(want))
		}
	}
}

func TestAMillionNamesAreKeptCompactly(t *testing.T) {
	fixtures.Sequential(t)
	const names, length = 1_000_000, len("photo-0000000.raw")
	order := rand.New(rand.NewPCG(1, 2)).Perm(names)
	before := heap()
	var l namelist
	name := make([]byte, 0, 64)
	for _, i := range order {
		name = fmt.Appendf(name[:0], "photo-%07d.raw", i)
		l.add(name, nameOfFile)
	}
	l.sort()
	if held := (heap() - before) / names; held > uint64(length+40) {
		t.Errorf("a name of %d bytes takes %d", length, held)
	}
	if !slices.IsSortedFunc(l.steps, func(a, b step) int { return strings.Compare(string(l.name(a)), string(l.name(b))) }) {
		t.Error("the names are not in order")
	}
	runtime.KeepAlive(order)
}

// heap is what is reachable in memory, in bytes.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
