// Package finding holds what scrub says of a blob that is not intact: the
// verdict, the ranges, the diagnosis and the evidence. Findings are data: they
// go into the catalog, into events and into plans unchanged.
//
// It decides nothing; scrub judges and diagnose names the kind of damage.
package finding

import (
	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// ParityStore stands for the store in findings of parity files. No store in a
// configuration has this name.
const ParityStore = "parity"

// Verdict says how a blob compares with what is recorded of it.
type Verdict string

// The verdicts, as DESIGN's table has them.
const (
	Intact        Verdict = "intact"         // every recorded digest matches
	Corrupt       Verdict = "corrupt"        // the digests do not match, and nobody meant to change it
	Modified      Verdict = "modified"       // the digests do not match, and it was written since it was recorded
	Stale         Verdict = "stale"          // the bytes are those of an earlier generation
	Missing       Verdict = "missing"        // recorded, and not in the store
	Unrecorded    Verdict = "unrecorded"     // in the store, and not recorded
	Unreadable    Verdict = "unreadable"     // the store could not deliver it after retries
	RecordDamaged Verdict = "record-damaged" // the bytes are proven, other parts of the record are wrong
	Undecided     Verdict = "undecided"      // witnesses disagree and none can be preferred
	Unverifiable  Verdict = "unverifiable"   // nothing is recorded that could be checked
	Busy          Verdict = "busy"           // it changed while it was being read, twice
	Flaky         Verdict = "flaky"          // a damaged shard read well on re-reading
)

// Damaged tells whether the verdict counts as damage in a summary.
func (v Verdict) Damaged() bool {
	switch v {
	case Corrupt, Stale, Missing, Unreadable, RecordDamaged:
		return true
	}
	return false
}

// Diagnosis names the kind of damage, from the bytes alone.
type Diagnosis string

// The diagnoses.
const (
	BitFlip           Diagnosis = "bit-flip"
	Burst             Diagnosis = "burst"
	Zeroed            Diagnosis = "zeroed"
	Ones              Diagnosis = "ones"
	Truncated         Diagnosis = "truncated"
	Extended          Diagnosis = "extended"
	Shifted           Diagnosis = "shifted"
	TornTail          Diagnosis = "torn-tail"
	Misplaced         Diagnosis = "misplaced"
	SwappedShards     Diagnosis = "swapped-shards"
	StaleContent      Diagnosis = "stale"
	NewlineConversion Diagnosis = "newline-conversion"
	TextTranscoding   Diagnosis = "text-transcoding"
	LFSPointer        Diagnosis = "lfs-pointer"
	EncryptedLooking  Diagnosis = "encrypted-looking"
	Unknown           Diagnosis = "unknown"
)

// Compared is one digest as it was recorded and as it was computed.
type Compared struct {
	Algorithm hashsets.Algorithm
	Recorded  []byte
	Computed  []byte // nil when the blob could not be read to its end
}

// A Finding is what scrub says of one blob in one store.
type Finding struct {
	Store      string
	Blob       string // its name: bytes, not necessarily UTF-8
	Verdict    Verdict
	Diagnosis  Diagnosis     // "" where there are no bytes to look at
	Ranges     []store.Range // of the recorded blob, whole shards, in order; what must be rebuilt
	Digests    []Compared
	Evidence   []string // sentences, each one observation
	Reason     string   // why it could not be read or checked; "" otherwise
	Denied     bool     // the run is not permitted to read it, which says nothing of its bytes
	Generation int64    // of the record it was held against; 0 when unrecorded
	Kind       hashsets.Kind
	Identity   hashsets.Identity // of what was judged; zero when missing
	Size       int64             // bytes recorded; of what is there when unrecorded
	Repairable *bool             // whether a source is known for every range; nil when that was not looked at
	Sources    []string          // the kinds of sources: "parity", "replica"
	Lost       string            // why it cannot be rebuilt, once repair has found so
}
