package tiger_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"bitmend/hashsets/manifest/tiger"
)

// The digests are those of the NESSIE test vectors, set 1.
func TestPublishedDigests(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "3293ac630c13f0245f92bbb1766e16167a4e58492dde73f3",
		"a":                             "77befbef2e7ef8ab2ec8f93bf587a7fc613e247f5f247809",
		"abc":                           "2aab1484e8c158f2bfb8c5ff41b57a525129131c957b5f93",
		strings.Repeat("1234567890", 8): "1c14795529fd9f207a958f84c52f11e887fa0cabdfd91bfd",
	} {
		h := tiger.New()
		for i := range len(text) {
			h.Write([]byte{text[i]})
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("tiger(%q) = %s, want %s", text, got, want)
		}
		h.Reset()
		h.Write([]byte(text))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("tiger(%q) in one piece = %s, want %s", text, got, want)
		}
	}
}
