package verify

import (
	"path"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

// Status says how what a list says compares with what is there.
type Status string

// The statuses of an entry, of a file, and of a line of a list.
const (
	OK          Status = "ok"                    // every checksum matches
	Bad         Status = "bad"                   // none of its checksums matches
	Conflict    Status = "conflict"              // some stored checksums match and others do not
	Missing     Status = "missing"               // listed, and not there
	Extra       Status = "extra"                 // there, and no list covers it
	SizeOnly    Status = "size-only"             // the list has nothing but the size, which is right
	NotPresent  Status = "not-present"           // not there, and the list does not say that it should be
	Unsupported Status = "unsupported-algorithm" // a checksum that bitmend cannot compute
	Unreadable  Status = "unreadable"            // it could not be read
	UnsafePath  Status = "unsafe-path"           // the list names what lies outside of its folder
	Malformed   Status = "malformed-line"        // a line of a list that cannot be understood
	Invalid     Status = "invalid"               // what the list's format forbids
	Warned      Status = "warning"               // worth saying, and no failure
)

// statuses are in the order of tables: worst first, after what is good.
func statuses() []Status {
	return []Status{OK, Bad, Conflict, Missing, Unreadable, Extra, UnsafePath, Malformed, Invalid, Unsupported, SizeOnly, NotPresent, Warned}
}

// Failure tells whether the status keeps the exit status from being 0.
func (s Status) Failure() bool {
	switch s {
	case OK, SizeOnly, NotPresent, Warned:
		return false
	}
	return true
}

// A List is one checksum list.
type List struct {
	Name    string // the path under which it was given or found
	Format  manifest.Format
	Entries int64
	Counts  map[Status]int64 // of its entries and of its lines that are none

	full    string // path
	given   bool   // by name, so that it must say something
	guessed bool   // it has checksums of which the algorithm was guessed

	// settled are algorithms that were guessed, and which they are instead.
	settled map[hashsets.Algorithm]hashsets.Algorithm
}

func (l *List) count() report.ListCount {
	c := report.ListCount{List: utf8Name(l.Name), Format: string(l.Format), Entries: l.Entries, Statuses: map[string]int64{}}
	for status, n := range l.Counts {
		c.Statuses[string(status)] = n
	}
	return c
}

// Compared is one checksum of a list beside the one that was computed.
type Compared struct {
	manifest.Digest
	Computed []byte // nil when it was not computed
	Matches  bool
}

// Said is what one entry of one list says of a file.
type Said struct {
	List    *List
	Line    int   // of the list, from 1; 0 where it has no lines
	Size    int64 // manifest.NoSize when the list does not say
	Digests []Compared
	Status  Status
	any     bool
	sized   bool
}

// A Result is what is said of one file, or of one line of a list.
type Result struct {
	Folder    string // as it was given or found
	Name      string // below Folder: bytes. Of a line of a list: the name on it, or the list's
	Status    Status
	Said      []Said
	Reason    string // a sentence; "" where there is nothing to add
	Diagnosis finding.Diagnosis
	Evidence  []string
	Size      int64 // of what is there
	Read      int64 // bytes

	host bool // it could not be read for a reason that says nothing of the file
	busy bool // it changed while it was being read, twice
	line bool // it is of a line of a list, not of a file
}

// Path is the name of the file as a person would type it.
func (r *Result) Path() string {
	if r.Folder == "" || r.Folder == "." || path.IsAbs(r.Name) {
		return r.Name
	}
	return path.Join(r.Folder, "/") + separator(r.Folder) + r.Name
}

func separator(folder string) string {
	if folder == "/" {
		return ""
	}
	return "/"
}

// isFile tells whether bytes of a file were looked at, or should have been.
func (r *Result) isFile() bool {
	switch r.Status {
	case Extra, NotPresent:
		return false
	}
	return !r.line
}

// Verdict says in the words of scrub what the status means; "" for what is no
// finding.
func (r *Result) Verdict() finding.Verdict {
	switch r.Status {
	case OK:
		return finding.Intact
	case Bad:
		return finding.Corrupt
	case Missing:
		return finding.Missing
	case Extra:
		return finding.Unrecorded
	case Conflict:
		if r.proven() {
			return finding.RecordDamaged
		}
		return finding.Undecided
	case Unreadable:
		switch {
		case r.busy:
			return finding.Busy
		case r.host:
			return finding.Unverifiable
		}
		return finding.Unreadable
	case Unsupported, UnsafePath, Malformed, Invalid:
		return finding.Unverifiable
	}
	return ""
}

// proven tells whether a cryptographic checksum matches.
func (r *Result) proven() bool {
	for _, s := range r.Said {
		for _, d := range s.Digests {
			if d.Matches && manifest.Cryptographic(d.Algorithm) {
				return true
			}
		}
	}
	return false
}

// mismatches returns the checksums that do not match, each algorithm and value
// once.
func (r *Result) mismatches() []Compared {
	return r.digests(func(d *Compared) bool { return d.Computed != nil && !d.Matches })
}

// digests returns the checksums of all lists that are wanted, each algorithm
// and value once. A hostile list has a million of one file.
func (r *Result) digests(wanted func(d *Compared) bool) []Compared {
	type value struct{ algorithm, sum string }
	seen := map[value]bool{}
	var all []Compared
	for i := range r.Said {
		for j := range r.Said[i].Digests {
			d := &r.Said[i].Digests[j]
			v := value{string(d.Algorithm), string(d.Sum)}
			if wanted(d) && !seen[v] {
				seen[v] = true
				all = append(all, *d)
			}
		}
	}
	return all
}

// Finding is the result in the words of scrub.
func (r *Result) Finding() finding.Finding {
	f := finding.Finding{
		Store: r.Folder, Blob: r.Name, Verdict: r.Verdict(), Diagnosis: r.Diagnosis,
		Evidence: r.Evidence, Reason: r.Reason, Kind: hashsets.File, Size: r.Size,
	}
	for _, s := range r.Said {
		if s.Size >= 0 {
			f.Size = s.Size
		}
	}
	for _, d := range r.digests(func(*Compared) bool { return true }) {
		f.Digests = append(f.Digests, finding.Compared{Algorithm: d.Algorithm, Recorded: d.Sum, Computed: d.Computed})
	}
	return f
}
