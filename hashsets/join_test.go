package hashsets_test

import (
	"bytes"
	"testing"

	"bitmend/hashsets"
)

func TestTheDigestOfTwoRunsFollowsFromTheirs(t *testing.T) {
	content := bytes.Repeat([]byte("a run of bytes, "), 1000)
	sum := func(a hashsets.Algorithm, p []byte) []byte {
		h := a.New()
		h.Write(p)
		return h.Sum(nil)
	}
	for _, a := range []hashsets.Algorithm{hashsets.CRC32, hashsets.CRC32C, hashsets.CRC64NVME} {
		for _, at := range []int{0, 1, 777, 8192, len(content)} {
			got, ok := a.Join(sum(a, content[:at]), sum(a, content[at:]), int64(len(content)-at))
			if want := sum(a, content); !ok || !bytes.Equal(got, want) {
				t.Errorf("%s, parted at %d: %x, %v, want %x", a, at, got, ok, want)
			}
		}
	}
	if sum, ok := hashsets.SHA256.Join(make([]byte, 32), make([]byte, 32), 1); ok {
		t.Errorf("SHA-256 is joined to %x", sum)
	}
	if sum, ok := hashsets.CRC32.Join([]byte("short"), make([]byte, 4), 1); ok {
		t.Errorf("what is no CRC-32 is joined to %x", sum)
	}
}
