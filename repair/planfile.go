package repair

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"bitmend/hashsets"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// The format of plan files; PLAN.md describes it.
const (
	planFormat  = "bitmend plan"
	planVersion = 1
	longestPlan = 64 << 20 // bytes of one line
)

// ErrNoPlan is wrapped when a file is no plan that may be carried out: it is
// something else, or was damaged or edited, or is of a later bitmend.
var ErrNoPlan = errors.New("not a plan that can be carried out")

// planHeader is the first line of a plan file.
type planHeader struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Vault   string `json:"vault"`
	Catalog string `json:"catalog"`
	Asked
	Grade   Grade `json:"grade"`
	Repairs int   `json:"repairs"`
	Left    int   `json:"left"`
	Reads   int64 `json:"reads"`
	Writes  int64 `json:"writes"`
}

// planLine is any line between the first and the last.
type planLine struct {
	Repair *plannedLine `json:"repair,omitempty"`
	Left   *leftLine    `json:"left,omitempty"`
}

// planEnd is the last line.
type planEnd struct {
	End    string `json:"end"`
	SHA256 string `json:"sha256"` // of all that is before this line
}

// plannedLine is Planned in JSON.
type plannedLine struct {
	Store string `json:"store"`
	named
	Names      []linkedName      `json:"names,omitempty"`
	Action     Action            `json:"action"`
	Kind       string            `json:"kind,omitempty"`
	Verdict    finding.Verdict   `json:"verdict"`
	Diagnosis  finding.Diagnosis `json:"diagnosis,omitempty"`
	Revert     bool              `json:"revert,omitempty"`
	Generation int64             `json:"generation,omitempty"`
	Digests    []Digest          `json:"digests,omitempty"`
	Ranges     []store.Range     `json:"ranges,omitempty"`
	Sources    []Source          `json:"sources"`
	Expect     *identity         `json:"expect"`
	Proofs     []string          `json:"proofs,omitempty"`
	Reads      int64             `json:"reads"`
	Writes     int64             `json:"writes"`
	Left       *int              `json:"redundancy_left,omitempty"`
	Grade      Grade             `json:"grade"`
	Reason     string            `json:"reason,omitempty"`
}

// leftLine is Left in JSON.
type leftLine struct {
	Store string `json:"store"`
	named
	Verdict finding.Verdict `json:"verdict"`
	Reason  string          `json:"reason"`
}

// Write writes the plan as its file, and gives it the ID that belongs to it.
func (p *Plan) Write(w io.Writer) error {
	out := &planWriter{to: bufio.NewWriter(w), sum: sha256.New()}
	out.line(planHeader{
		Format: planFormat, Version: planVersion, Vault: p.Vault, Catalog: p.Catalog, Asked: p.Asked,
		Grade: p.Grade, Repairs: len(p.Repairs), Left: len(p.Left), Reads: p.Reads, Writes: p.Writes,
	})
	for i := range p.Repairs {
		out.line(planLine{Repair: p.Repairs[i].line()})
	}
	for _, l := range p.Left {
		out.line(planLine{Left: &leftLine{l.Store, nameOf(l.Blob), l.Verdict, l.Reason}})
	}
	p.ID = hex.EncodeToString(out.sum.Sum(nil))
	out.line(planEnd{planFormat, p.ID})
	if err := errors.Join(out.err, out.to.Flush()); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

// planWriter writes lines and sums them up.
type planWriter struct {
	to  *bufio.Writer
	sum hash.Hash
	err error // the first one
}

func (w *planWriter) line(value any) {
	text, err := json.Marshal(value)
	if err == nil && w.err == nil {
		text = append(text, '\n')
		w.sum.Write(text)
		_, err = w.to.Write(text)
	}
	if w.err == nil {
		w.err = err
	}
}

func (p *Planned) line() *plannedLine {
	return &plannedLine{
		p.Store, nameOf(p.Blob), linkedNames(p.Names), p.Action, kindText(p.Kind), p.Verdict, p.Diagnosis, p.Revert, p.Generation, p.Digests, p.Ranges,
		p.Sources, identityOf(p.Expect), p.Proofs, p.Reads, p.Writes, p.Left, p.Grade, p.Reason,
	}
}

func kindText(k hashsets.Kind) string {
	if k == 0 {
		return ""
	}
	return k.String()
}

func (l *plannedLine) planned() Planned {
	p := Planned{
		Store: l.Store, Blob: l.name(), Action: l.Action, Verdict: l.Verdict, Diagnosis: l.Diagnosis, Revert: l.Revert,
		Generation: l.Generation, Digests: l.Digests, Ranges: l.Ranges, Sources: l.Sources, Expect: l.Expect.plain(), Proofs: l.Proofs,
		Reads: l.Reads, Writes: l.Writes, Left: l.Left, Grade: l.Grade, Reason: l.Reason,
	}
	for _, k := range []hashsets.Kind{hashsets.File, hashsets.Link, hashsets.Directory} {
		if k.String() == l.Kind {
			p.Kind = k
		}
	}
	for _, n := range l.Names {
		p.Names = append(p.Names, Name{n.name(), n.Generation, n.Damaged})
	}
	return p
}

// ReadPlan reads a plan file. ErrNoPlan is wrapped when it is none, or not as
// it was written.
func ReadPlan(r io.Reader) (*Plan, error) {
	p := &planReader{from: bufio.NewReader(r), sum: sha256.New(), plan: &Plan{Repairs: []Planned{}}}
	if err := p.all(); err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	return p.plan, nil
}

// planReader believes nothing of a plan before its last line was seen.
type planReader struct {
	from   *bufio.Reader
	sum    hash.Hash // of the lines before the present one
	header planHeader
	plan   *Plan
	ended  bool
}

func (r *planReader) all() error {
	for n := 1; ; n++ {
		text, err := r.line()
		if errors.Is(err, io.EOF) && r.ended && len(text) == 0 {
			return r.complete()
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: it ends in the middle, at line %d", ErrNoPlan, n)
		}
		if err != nil {
			return err
		}
		if r.ended {
			return fmt.Errorf("%w: something follows its last line", ErrNoPlan)
		}
		if err := r.take(n, text); err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrNoPlan, n, err)
		}
		r.sum.Write(text)
	}
}

// line reads a line with its newline.
func (r *planReader) line() ([]byte, error) {
	var text []byte
	for {
		part, err := r.from.ReadSlice('\n')
		text = append(text, part...)
		if len(text) > longestPlan {
			return nil, fmt.Errorf("%w: a line is longer than %d bytes", ErrNoPlan, longestPlan)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, err
		}
	}
}

func (r *planReader) take(n int, text []byte) error {
	switch {
	case n == 1:
		return r.first(text)
	case bytes.HasPrefix(text, []byte(`{"end":`)):
		return r.last(text)
	}
	var l planLine
	if err := strictly(text, &l); err != nil {
		return err
	}
	switch {
	case l.Repair != nil && l.Left == nil:
		r.plan.Repairs = append(r.plan.Repairs, l.Repair.planned())
	case l.Left != nil && l.Repair == nil:
		r.plan.Left = append(r.plan.Left, Left{Store: l.Left.Store, Blob: l.Left.name(), Verdict: l.Left.Verdict, Reason: l.Left.Reason})
	default:
		return errors.New("it is neither a repair nor a finding that is left")
	}
	return nil
}

func (r *planReader) first(text []byte) error {
	var kind struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(text, &kind); err != nil || kind.Format != planFormat {
		return errors.New("it does not begin as a plan of bitmend does")
	}
	if kind.Version != planVersion {
		return fmt.Errorf("it is of version %d of the format, and this bitmend reads version %d", kind.Version, planVersion)
	}
	if err := strictly(text, &r.header); err != nil {
		return err
	}
	h := &r.header
	r.plan.Vault, r.plan.Catalog, r.plan.Asked = h.Vault, h.Catalog, h.Asked
	r.plan.Grade, r.plan.Reads, r.plan.Writes = h.Grade, h.Reads, h.Writes
	return nil
}

func (r *planReader) last(text []byte) error {
	var end planEnd
	if err := strictly(text, &end); err != nil {
		return err
	}
	sum := hex.EncodeToString(r.sum.Sum(nil))
	if end.End != planFormat || end.SHA256 != sum {
		return fmt.Errorf("it was damaged or edited: the lines before have the SHA-256 %s and it says %s", sum, end.SHA256)
	}
	r.plan.ID, r.ended = sum, true
	return nil
}

func (r *planReader) complete() error {
	if r.header.Repairs != len(r.plan.Repairs) || r.header.Left != len(r.plan.Left) {
		return fmt.Errorf("%w: it says that it has %d repairs and has %d", ErrNoPlan, r.header.Repairs, len(r.plan.Repairs))
	}
	return nil
}

// strictly reads one JSON value whose fields are all known.
func strictly(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one value on it")
	}
	return nil
}
