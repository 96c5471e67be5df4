package finding

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// stored is a Finding as it stands in the catalog, where a person may read it:
// field names are those of the events, digests are in hexadecimal.
type stored struct {
	Store      string          `json:"store,omitempty"`
	Blob       *string         `json:"blob,omitempty"`
	BlobBase64 []byte          `json:"blob_base64,omitempty"` // when the name is not UTF-8
	Verdict    Verdict         `json:"verdict,omitempty"`
	Diagnosis  Diagnosis       `json:"diagnosis,omitempty"`
	Ranges     []store.Range   `json:"ranges,omitempty"`
	Digests    []storedDigest  `json:"digests,omitempty"`
	Evidence   []string        `json:"evidence,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Denied     bool            `json:"denied,omitempty"`
	Generation int64           `json:"generation,omitempty"`
	Kind       hashsets.Kind   `json:"kind,omitempty"`
	Identity   *storedIdentity `json:"identity,omitempty"`
	Size       int64           `json:"size"`
	Repairable *bool           `json:"repairable,omitempty"`
	Sources    []string        `json:"sources,omitempty"`
	Lost       string          `json:"lost,omitempty"`
}

type storedDigest struct {
	Algorithm hashsets.Algorithm `json:"algorithm"`
	Recorded  hexBytes           `json:"recorded,omitempty"`
	Computed  hexBytes           `json:"computed,omitempty"`
}

type storedIdentity struct {
	Size       int64  `json:"size"`
	ModTime    int64  `json:"mod_time"`              // nanoseconds since 1970
	ChangeTime int64  `json:"change_time,omitempty"` // nanoseconds since 1970
	Device     uint64 `json:"device,omitempty"`
	Inode      uint64 `json:"inode,omitempty"`
	ETag       string `json:"etag,omitempty"`
	Version    string `json:"version,omitempty"`
}

// hexBytes are bytes that are written in hexadecimal.
type hexBytes []byte

// MarshalText writes the bytes in hexadecimal.
func (b hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b), nil }

// UnmarshalText reads what MarshalText writes.
func (b *hexBytes) UnmarshalText(text []byte) error {
	decoded, err := hex.AppendDecode(nil, text)
	*b = decoded
	return err
}

// MarshalJSON writes all of the finding. The blob's name survives whatever its
// bytes are; sentences are text, in which bytes that are not UTF-8 are
// replaced.
func (f Finding) MarshalJSON() ([]byte, error) {
	s := stored{
		Store: f.Store, Verdict: f.Verdict, Diagnosis: f.Diagnosis, Ranges: f.Ranges,
		Evidence: f.Evidence, Reason: f.Reason, Denied: f.Denied, Generation: f.Generation, Kind: f.Kind,
		Size: f.Size, Repairable: f.Repairable, Sources: f.Sources, Lost: f.Lost,
	}
	if utf8.ValidString(f.Blob) {
		s.Blob = &f.Blob
	} else {
		s.BlobBase64 = []byte(f.Blob)
	}
	for _, d := range f.Digests {
		s.Digests = append(s.Digests, storedDigest{d.Algorithm, d.Recorded, d.Computed})
	}
	if f.Identity != (hashsets.Identity{}) {
		identity := storedIdentity(f.Identity)
		s.Identity = &identity
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Finding) UnmarshalJSON(text []byte) error {
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("reading a stored finding: %w", err)
	}
	*f = Finding{
		Store: s.Store, Blob: string(s.BlobBase64), Verdict: s.Verdict, Diagnosis: s.Diagnosis, Ranges: s.Ranges,
		Evidence: s.Evidence, Reason: s.Reason, Denied: s.Denied, Generation: s.Generation, Kind: s.Kind,
		Size: s.Size, Repairable: s.Repairable, Sources: s.Sources, Lost: s.Lost,
	}
	if s.Blob != nil {
		f.Blob = *s.Blob
	}
	for _, d := range s.Digests {
		f.Digests = append(f.Digests, Compared{d.Algorithm, d.Recorded, d.Computed})
	}
	if s.Identity != nil {
		f.Identity = hashsets.Identity(*s.Identity)
	}
	return nil
}
