package repair

import (
	"io"
	"unicode/utf8"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// Grade says how far a planned repair may be trusted to run by itself.
type Grade string

// The grades.
const (
	Good        Grade = "good"        // every byte will be proven and no gate is open: may run unattended
	Investigate Grade = "investigate" // something is unproven: needs a person's approval of the plan
	Refused     Grade = "refused"     // an open gate
)

// Action is what a planned repair does to its target.
type Action string

// The actions.
const (
	Replace       Action = "replace"   // put a whole new file in the place of the damaged one, or of nothing
	Overwrite     Action = "overwrite" // heal a file of several names in place, so that every name is healed
	MakeLink      Action = "link"      // make a symbolic link
	MakeDirectory Action = "directory" // make a directory
	HealRecord    Action = "record"    // put the record right; the data is good
	ReadAgain     Action = "read"      // read the blob again; a damaged shard read well on re-reading before
	RebuildParity Action = "parity"    // encode a parity file anew
)

// A Plan is the repairs that a set of findings calls for. It is a pure
// function of the state of the vault and its stores: the same state gives the
// same plan with the same ID, and the same plan file byte for byte.
type Plan struct {
	ID      string // SHA-256 of its file but for the last line, as hex
	Vault   string // the vault's directory, absolute
	Catalog string // ID of the vault's catalog
	Asked   Asked
	Grade   Grade
	Reads   int64 // bytes, an estimate
	Writes  int64 // bytes
	Repairs []Planned
	Left    []Left
}

// Asked is what a plan was made for, of the options of its run.
type Asked struct {
	Stores []string `json:"stores,omitempty"`
	Only   []string `json:"only,omitempty"`
	Donors []string `json:"donors,omitempty"` // as they were named
	Revert []string `json:"revert,omitempty"`
}

// Planned is one repair of a plan.
type Planned struct {
	Store      string
	Blob       string // its name: bytes, not necessarily UTF-8
	Names      []Name // further names of the same file, which are healed with it
	Action     Action
	Kind       hashsets.Kind
	Verdict    finding.Verdict
	Diagnosis  finding.Diagnosis
	Revert     bool // a person asks to have back what was there before somebody wrote it
	Generation int64
	Digests    []Digest           // recorded of that generation
	Ranges     []store.Range      // what must be rebuilt
	Sources    []Source           // in the order in which they are asked
	Expect     *hashsets.Identity // what must stand in the place still; nil for nothing
	Proofs     []string           // what the replacement must match
	Reads      int64              // bytes, an estimate
	Writes     int64              // bytes
	Left       *int               // further losses that it bears, lagged copies not counted; nil when that is not known
	Grade      Grade
	Reason     string // why the grade is not good; "" otherwise

	found  catalog.Finding
	seen   hashsets.Identity // of the target when it was planned; zero for nothing
	others []catalog.Finding // of Names
}

// Name is a further name of a hard-linked file.
type Name struct {
	Name       string
	Generation int64
	Damaged    bool // it has a finding of its own
}

// damagedNames returns the names that have a finding.
func (p *Planned) damagedNames() []string {
	names := []string{p.Blob}
	for _, n := range p.Names {
		if n.Damaged {
			names = append(names, n.Name)
		}
	}
	return names
}

// fromCopy tells whether the first to be asked for what must be rebuilt is a
// copy in another store.
func (p *Planned) fromCopy() bool {
	for _, s := range p.Sources {
		switch s.Kind {
		case FromReread:
		case FromReplica, FromLagged, FromDonor:
			return true
		default:
			return false
		}
	}
	return false
}

// Left is a finding that the plan leaves alone, and why.
type Left struct {
	Store   string
	Blob    string
	Verdict finding.Verdict
	Reason  string // with what to do about it

	found catalog.Finding
}

// SourceKind is a kind of place where good bytes are looked for.
type SourceKind string

// The kinds of sources, cheapest first.
const (
	FromReread     SourceKind = "reread"     // another read of the same place
	FromReplica    SourceKind = "replica"    // the blob of the same name in another store
	FromLagged     SourceKind = "lagged"     // the same in a store that is behind on purpose
	FromVersion    SourceKind = "version"    // an older version that the store keeps
	FromDonor      SourceKind = "donor"      // a donor
	FromQuarantine SourceKind = "quarantine" // a damaged original that was kept
	FromParity     SourceKind = "parity"     // the stripe
	FromBitFlip    SourceKind = "bit-flip"   // a single-bit correction searched under the shard sum
	FromExport     SourceKind = "export"     // of a record: the export in the vault
	FromRecord     SourceKind = "record"     // the record itself: the target of a link, nothing for an empty file
)

// A Source is one place to look for the bytes of a planned repair.
type Source struct {
	Kind   SourceKind    `json:"kind"`
	From   string        `json:"from,omitempty"`   // store, donor or receipt
	Ranges []store.Range `json:"ranges,omitempty"` // what it is expected to have of what must be rebuilt
}

// named is a blob's name in JSON: as text, or as base64 when it is not UTF-8.
type named struct {
	Blob       string `json:"blob,omitempty"`
	BlobBase64 []byte `json:"blob_base64,omitempty"`
}

func nameOf(name string) named {
	if utf8.ValidString(name) {
		return named{Blob: name}
	}
	return named{BlobBase64: []byte(name)}
}

func (n named) name() string {
	if n.BlobBase64 != nil {
		return string(n.BlobBase64)
	}
	return n.Blob
}

// linkedName is Name in JSON.
type linkedName struct {
	named
	Generation int64 `json:"generation"`
	Damaged    bool  `json:"damaged"`
}

func linkedNames(names []Name) []linkedName {
	var list []linkedName
	for _, n := range names {
		list = append(list, linkedName{nameOf(n.Name), n.Generation, n.Damaged})
	}
	return list
}

// identity is hashsets.Identity in JSON.
type identity struct {
	Size       int64  `json:"size"`
	ModTime    int64  `json:"mod_time_ns"`
	ChangeTime int64  `json:"change_time_ns,omitempty"`
	Device     uint64 `json:"device,omitempty"`
	Inode      uint64 `json:"inode,omitempty"`
	ETag       string `json:"etag,omitempty"`
	Version    string `json:"version,omitempty"`
}

func identityOf(id *hashsets.Identity) *identity {
	if id == nil {
		return nil
	}
	i := identity(*id)
	return &i
}

func (i *identity) plain() *hashsets.Identity {
	if i == nil {
		return nil
	}
	id := hashsets.Identity(*i)
	return &id
}

// seal computes the totals, the grade and the ID of a complete plan.
func (p *Plan) seal() error {
	p.ID, p.Grade, p.Reads, p.Writes = "", Good, 0, 0
	for _, planned := range p.Repairs {
		p.Reads += planned.Reads
		p.Writes += planned.Writes
		p.Grade = worse(p.Grade, planned.Grade)
	}
	return p.Write(io.Discard)
}

// sizes returns the sizes of the files that are to be rebuilt, in bytes.
func (p *Plan) sizes() map[int64]bool {
	sizes := make(map[int64]bool)
	for _, planned := range p.Repairs {
		if planned.Kind == hashsets.File {
			sizes[planned.Writes] = true
		}
	}
	return sizes
}

func worse(a, b Grade) Grade {
	for _, g := range []Grade{Refused, Investigate} {
		if a == g || b == g {
			return g
		}
	}
	return Good
}
