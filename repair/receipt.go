package repair

import (
	"encoding/json"
	"fmt"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// detail is what a receipt says of one repair: before, sources, after, proofs.
type detail struct {
	Plan       string             `json:"plan"`
	Action     Action             `json:"action"`
	Names      []linkedName       `json:"names,omitempty"` // further names that were healed with it
	Before     before             `json:"before"`
	Sources    map[SourceKind]int `json:"sources"` // shards by kind of source; those that were good in place are not counted
	After      after              `json:"after"`
	Proofs     []string           `json:"proofs"`
	Quarantine string             `json:"quarantine,omitempty"` // folder below the vault's quarantine
}

type before struct {
	Verdict    finding.Verdict   `json:"verdict"`
	Diagnosis  finding.Diagnosis `json:"diagnosis,omitempty"`
	Generation int64             `json:"generation"`
	Identity   *identity         `json:"identity"` // null for nothing
	Attributes *attributes       `json:"attributes,omitempty"`
	Ranges     []store.Range     `json:"ranges,omitempty"`
}

type after struct {
	Size       int64      `json:"size"`
	Identity   *identity  `json:"identity,omitempty"` // known once it is in place
	Digests    []Digest   `json:"digests,omitempty"`
	LinkTarget []byte     `json:"link_target,omitempty"`
	Attributes attributes `json:"attributes"`
}

// receipt is what the catalog keeps of the repair in e.
func (e *entry) receipt(at time.Time) (catalog.Receipt, error) {
	text, err := json.Marshal(e.Receipt)
	if err != nil {
		return catalog.Receipt{}, fmt.Errorf("write receipt %s: %w", e.ID, err)
	}
	outcome := report.Repaired
	if e.PutBack {
		outcome = report.Restored
	}
	return catalog.Receipt{
		ID: e.ID, Store: e.Store, Name: e.name(), At: at,
		Outcome: string(outcome), Detail: text,
	}, nil
}

// sourceCounts is sources in the words of an event.
func sourceCounts(sources map[SourceKind]int) map[string]int {
	counts := make(map[string]int, len(sources))
	for kind, n := range sources {
		counts[string(kind)] = n
	}
	return counts
}
