package sm3_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"bitmend/hashsets/manifest/sm3"
)

// The first two digests are the examples of GB/T 32905-2016, annex A.
func TestPublishedDigests(t *testing.T) {
	for text, want := range map[string]string{
		"abc":                      "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
		strings.Repeat("abcd", 16): "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
		"":                         "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b",
	} {
		h := sm3.New()
		for i := range len(text) {
			h.Write([]byte{text[i]})
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("sm3(%q) = %s, want %s", text, got, want)
		}
		h.Reset()
		h.Write([]byte(text))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("sm3(%q) in one piece = %s, want %s", text, got, want)
		}
	}
}
