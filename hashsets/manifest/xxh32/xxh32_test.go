package xxh32_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"bitmend/hashsets/manifest/xxh32"
)

// The digests were printed by xxhsum -H0.
func TestDigestsOfXxhsum(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "02cc5d05",
		"a":                                   "550d7456",
		"abc":                                 "32d153ff",
		strings.Repeat("0123456789abcdef", 3): "a0122a3d",
		strings.Repeat("0123456789abcdef", 9) + "xyz12": "8bb8a1e6",
	} {
		h := xxh32.New()
		for i := range len(text) {
			h.Write([]byte{text[i]})
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("xxh32(%q) = %s, want %s", text, got, want)
		}
		h.Reset()
		h.Write([]byte(text))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("xxh32(%q) in one piece = %s, want %s", text, got, want)
		}
	}
}
