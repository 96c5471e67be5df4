package report

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"bitmend/hashsets"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// jsonProgressEvery is the least time between two progress events.
const jsonProgressEvery = time.Second

// JSON is a Reporter that writes one JSON object a line, as schema.json has
// them. Notes are for people, and another Reporter says them.
type JSON struct {
	mu       sync.Mutex
	w        io.Writer
	err      error
	closed   bool          // the summary was written
	reported time.Duration // when progress was last reported; 0 before the first
}

// NewJSON returns a Reporter that writes to w, each line in one Write.
func NewJSON(w io.Writer) *JSON { return &JSON{w: w} }

// Err returns the first error in writing. What came after it was not written.
func (j *JSON) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// blobName is a blob's name in an event: blob, or blob_base64 when it is not
// UTF-8.
type blobName struct {
	Blob       *string `json:"blob,omitempty"`
	BlobBase64 []byte  `json:"blob_base64,omitempty"`
}

func nameOf(blob string) blobName {
	if utf8.ValidString(blob) {
		return blobName{Blob: &blob}
	}
	return blobName{BlobBase64: []byte(blob)}
}

type digestEvent struct {
	Algorithm hashsets.Algorithm `json:"algorithm"`
	Recorded  string             `json:"recorded"`
	Computed  string             `json:"computed,omitempty"`
}

type findingEvent struct {
	Event string `json:"event"`
	Store string `json:"store"`
	blobName
	Verdict    finding.Verdict   `json:"verdict"`
	Diagnosis  finding.Diagnosis `json:"diagnosis,omitempty"`
	Ranges     []store.Range     `json:"ranges"`
	Digests    []digestEvent     `json:"digests"`
	Repairable *bool             `json:"repairable,omitempty"`
	Sources    []string          `json:"sources,omitempty"`
	Lost       string            `json:"lost,omitempty"`
	Reason     string            `json:"reason,omitempty"`
	Evidence   []string          `json:"evidence,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Size       int64             `json:"size"`
	Generation int64             `json:"generation,omitempty"`
	Status     string            `json:"status,omitempty"`
	Lists      []Listed          `json:"lists,omitempty"`
}

// Finding writes a finding event.
func (j *JSON) Finding(f finding.Finding) { j.Listed(f, "", nil) }

// Listed writes a finding event of a blob that checksum lists speak of, with
// its status in their words and what each of them says.
func (j *JSON) Listed(f finding.Finding, status string, lists []Listed) {
	e := findingEvent{
		Event: "finding", Store: f.Store, blobName: nameOf(f.Blob),
		Verdict: f.Verdict, Diagnosis: f.Diagnosis,
		Ranges: append([]store.Range{}, f.Ranges...), Digests: []digestEvent{},
		Repairable: f.Repairable, Sources: f.Sources, Lost: f.Lost,
		Reason: f.Reason, Evidence: f.Evidence, Size: f.Size, Generation: f.Generation,
		Status: status, Lists: lists,
	}
	if f.Kind != 0 {
		e.Kind = f.Kind.String()
	}
	for _, d := range f.Digests {
		e.Digests = append(e.Digests, digestEvent{d.Algorithm, hex.EncodeToString(d.Recorded), hex.EncodeToString(d.Computed)})
	}
	j.write(e)
}

type repairEvent struct {
	Event string `json:"event"`
	Store string `json:"store"`
	blobName
	Outcome Outcome        `json:"outcome"`
	Sources map[string]int `json:"sources,omitempty"`
	Receipt string         `json:"receipt,omitempty"`
	Reason  string         `json:"reason,omitempty"`
	Ranges  []store.Range  `json:"ranges,omitempty"`
}

// Repair writes a repair event.
func (j *JSON) Repair(r Repair) {
	j.write(repairEvent{
		Event: "repair", Store: r.Store, blobName: nameOf(r.Blob), Outcome: r.Outcome,
		Sources: r.Sources, Receipt: r.Receipt, Reason: r.Reason, Ranges: r.Ranges,
	})
}

type keptEvent struct {
	Event string `json:"event"`
	ID    string `json:"id"`
	Store string `json:"store,omitempty"`
	blobName
	Kind       string            `json:"kind,omitempty"`
	Verdict    finding.Verdict   `json:"verdict,omitempty"`
	Diagnosis  finding.Diagnosis `json:"diagnosis,omitempty"`
	Generation int64             `json:"generation,omitempty"`
	At         time.Time         `json:"kept_at"`
	Size       int64             `json:"size"`
	Receipt    bool              `json:"receipt"`
	MayGo      bool              `json:"may_go"`
	Reason     string            `json:"reason"`
	Pruned     bool              `json:"pruned,omitempty"`
}

// Kept writes a kept event.
func (j *JSON) Kept(k Kept) {
	j.write(keptEvent{
		Event: "kept", ID: k.ID, Store: k.Store, blobName: nameOf(k.Blob), Kind: k.Kind, Verdict: k.Verdict, Diagnosis: k.Diagnosis,
		Generation: k.Generation, At: k.At.UTC(), Size: k.Size, Receipt: k.Receipt, MayGo: k.MayGo, Reason: k.Why, Pruned: k.Pruned,
	})
}

type gateEvent struct {
	Event  string     `json:"event"`
	ID     int64      `json:"id"`
	Gate   string     `json:"gate"`
	Store  string     `json:"store,omitempty"`
	Reason string     `json:"reason"`
	Opened *time.Time `json:"opened,omitempty"`

	Meaning string     `json:"meaning,omitempty"`
	WaysOut []string   `json:"ways_out,omitempty"`
	Held    *time.Time `json:"held,omitempty"`
}

// Gate writes a gate event.
func (j *JSON) Gate(g Gate) {
	e := gateEvent{Event: "gate", ID: g.ID, Gate: g.Name, Store: g.Store, Reason: g.Reason, Meaning: g.Meaning, WaysOut: g.WaysOut}
	if !g.Opened.IsZero() {
		opened := g.Opened.UTC()
		e.Opened = &opened
	}
	if !g.Held.IsZero() {
		held := g.Held.UTC()
		e.Held = &held
	}
	j.write(e)
}

type progressEvent struct {
	Event          string  `json:"event"`
	Verb           string  `json:"verb"`
	Store          string  `json:"store,omitempty"`
	Blobs          int64   `json:"blobs"`
	Bytes          int64   `json:"bytes"`
	Total          int64   `json:"total,omitempty"`
	Findings       int64   `json:"findings"`
	ElapsedSeconds float64 `json:"elapsed_seconds"`

	Workers     int             `json:"workers,omitempty"`
	LeftSeconds float64         `json:"left_seconds,omitempty"`
	Stores      []StoreProgress `json:"stores,omitempty"`
}

// Progress writes a progress event, at most one a second.
func (j *JSON) Progress(p Progress) {
	if !j.progressDue(p.Elapsed) {
		return
	}
	j.write(progressEvent{
		Event: "progress", Verb: p.Verb, Store: p.Store, Blobs: p.Blobs, Bytes: p.Bytes,
		Total: p.Total, Findings: p.Findings, ElapsedSeconds: p.Elapsed.Seconds(),
		Workers: p.Workers, LeftSeconds: p.Left.Seconds(), Stores: p.Stores,
	})
}

func (j *JSON) progressDue(elapsed time.Duration) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if since := elapsed - j.reported; since >= 0 && since < jsonProgressEvery {
		return false
	}
	j.reported = elapsed
	return true
}

// Note writes nothing: it is not an event.
func (j *JSON) Note(string, ...any) {}

type parityEvent struct {
	Files    int64 `json:"files"`
	Damaged  int64 `json:"damaged"`
	Repaired int64 `json:"repaired"`
}

type summaryEvent struct {
	Event          string                    `json:"event"`
	Verb           string                    `json:"verb"`
	Blobs          int64                     `json:"blobs"`
	Of             int64                     `json:"of,omitempty"`
	Bytes          int64                     `json:"bytes"`
	Intact         int64                     `json:"intact"`
	Damaged        int64                     `json:"damaged"`
	Repaired       int64                     `json:"repaired"`
	Lost           int64                     `json:"lost"`
	Restored       int64                     `json:"restored,omitempty"`
	Skipped        int64                     `json:"skipped"`
	Unchecked      int64                     `json:"unchecked"`
	Unverified     int64                     `json:"unverified"`
	Earlier        int64                     `json:"earlier,omitempty"`
	Unfinished     int64                     `json:"unfinished,omitempty"`
	Standing       int64                     `json:"standing"`
	Overdue        int64                     `json:"overdue"`
	Verdicts       map[finding.Verdict]int64 `json:"verdicts"`
	Parity         parityEvent               `json:"parity"`
	New            int64                     `json:"new"`
	Changed        int64                     `json:"changed"`
	Vanished       int64                     `json:"vanished"`
	Moved          int64                     `json:"moved"`
	Unchanged      int64                     `json:"unchanged"`
	Deferred       int64                     `json:"deferred,omitempty"`
	FindingsGap    bool                      `json:"findings_gap,omitempty"`
	BytesRead      int64                     `json:"bytes_read"`
	BytesWritten   int64                     `json:"bytes_written"`
	Lists          []ListCount               `json:"lists,omitempty"`
	Statuses       map[string]int64          `json:"statuses,omitempty"`
	Plan           string                    `json:"plan,omitempty"`
	Traffic        []store.Traffic           `json:"traffic,omitempty"`
	Estimate       []store.Traffic           `json:"estimate,omitzero"`
	ElapsedSeconds float64                   `json:"elapsed_seconds"`
	Cancelled      bool                      `json:"cancelled"`
	Failed         bool                      `json:"failed"`
	Refused        bool                      `json:"refused"`
	Exit           int                       `json:"exit"`
}

// Summary writes the summary event, after which nothing is written any more.
func (j *JSON) Summary(s Summary) {
	e := summaryEvent{
		Event: "summary", Verb: s.Verb, Blobs: s.Blobs, Of: s.Of, Bytes: s.Bytes, Earlier: s.Earlier, Unfinished: s.Unfinished, Standing: s.Standing, Overdue: s.Overdue,
		Intact: s.Intact, Damaged: s.Damaged, Repaired: s.Repaired, Lost: s.Lost, Restored: s.Restored,
		Skipped: s.Skipped, Unchecked: s.Unchecked, Unverified: s.Unverified, Verdicts: map[finding.Verdict]int64{},
		Parity: parityEvent(s.Parity),
		New:    s.New, Changed: s.Changed, Vanished: s.Vanished, Moved: s.Moved, Unchanged: s.Unchanged, Deferred: s.Deferred, FindingsGap: s.FindingsGap,
		BytesRead: s.BytesRead, BytesWritten: s.BytesWritten, Lists: s.Lists, Statuses: s.Statuses, Plan: s.Plan, Traffic: s.Traffic, Estimate: s.Estimate, ElapsedSeconds: s.Elapsed.Seconds(),
		Cancelled: s.Cancelled, Failed: s.Failed, Refused: s.Refused, Exit: s.Exit,
	}
	for verdict, n := range s.Verdicts {
		if verdict != finding.Intact {
			e.Verdicts[verdict] = n
		}
	}
	j.write(e)
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
}

// write writes one event as one line in one Write.
func (j *JSON) write(event any) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(event); err != nil {
		j.fail(fmt.Errorf("encoding an event: %w", err))
		return
	}
	plain := escapeJSON(line.Bytes())
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || j.err != nil {
		return
	}
	if _, err := j.w.Write(plain); err != nil {
		j.err = fmt.Errorf("writing an event: %w", err)
	}
}

func (j *JSON) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = err
	}
}

// escapeJSON writes as \uXXXX what the encoder leaves alone in strings and a
// terminal would obey: DEL, the C1 controls, marks that change the direction of
// text. None of them can occur in JSON outside of a string.
func escapeJSON(line []byte) []byte {
	if bytes.IndexFunc(line, obeyed) < 0 {
		return line
	}
	var b bytes.Buffer
	for _, r := range string(line) {
		if !obeyed(r) {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.Bytes()
}

// obeyed tells whether r is a control or format character; the end of the line
// is not meant.
func obeyed(r rune) bool {
	return r != '\n' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r))
}
