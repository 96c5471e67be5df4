package page

import (
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// A strip is a store on one device, its blobs laid end to end in the order of
// their names, with what is damaged.
type strip struct {
	Store   string
	Device  string
	Bytes   int64
	Blobs   int    // that have a finding
	Bad     string // a path: damage
	Other   string // a path: what cannot be vouched for
	Summary string // the same in words
}

// storesDrawn bounds the stores that are drawn; the others are told in words.
const storesDrawn = 16

// Into how many cells a drawing is divided. What is smaller than a cell fills
// one, so that a single bad shard of a terabyte is seen.
const (
	stripCells = 500
	rowCells   = 100
)

// cellSet is a row of cells, some of them marked.
type cellSet []bool

// mark marks the cells that a part of total touches.
func (c cellSet) mark(offset, length, total int64) {
	if total <= 0 || offset < 0 || offset >= total {
		return
	}
	n := int64(len(c))
	scale := func(at int64) int64 { return int64(float64(at) / float64(total) * float64(n)) }
	first := min(scale(offset), n-1)
	last := max(first, min(scale(offset+max(length, 1)-1), n-1))
	for i := first; i <= last; i++ {
		c[i] = true
	}
}

// spans are the runs of marked cells: first and length.
func (c cellSet) spans() [][2]int {
	var spans [][2]int
	for i := 0; i < len(c); i++ {
		from := i
		for i < len(c) && c[i] {
			i++
		}
		if i > from {
			spans = append(spans, [2]int{from, i - from})
		}
	}
	return spans
}

// path draws the marked cells, one unit wide each and height high.
func (c cellSet) path(height int) string {
	var b strings.Builder
	for _, s := range c.spans() {
		fmt.Fprintf(&b, "M%d 0h%dv%dh-%dz", s[0], s[1], height, s[1])
	}
	return b.String()
}

// places says where the marked cells are, in percent of the whole.
func (c cellSet) places() string {
	const told = 8
	var words []string
	spans := c.spans()
	for _, s := range spans[:min(len(spans), told)] {
		from, to := s[0]*100/len(c), (s[0]+s[1]-1)*100/len(c)
		word := fmt.Sprintf("%d %%", from)
		if to > from {
			word = fmt.Sprintf("%d to %d %%", from, to)
		}
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	text := strings.Join(words, ", ")
	if more := len(spans) - told; more > 0 {
		text += fmt.Sprintf(" and %d more places", more)
	}
	return text
}

// extents are the parts of a blob that a finding is about.
func extents(f *Finding) []store.Range {
	if len(f.Ranges) > 0 {
		return f.Ranges
	}
	return []store.Range{{Length: f.Size}}
}

// stripsOf draws the strips of all stores; one for each device that the
// findings of a store lie on.
func stripsOf(p *Page) []strip {
	var strips []strip
	for _, s := range p.Stores[:min(len(p.Stores), storesDrawn)] {
		devices := map[string][]Finding{}
		for _, f := range p.Findings {
			if f.Store == s.Name && f.Offset >= 0 {
				devices[f.Device] = append(devices[f.Device], f)
			}
		}
		if len(devices) == 0 {
			devices[""] = nil
		}
		for _, device := range slices.Sorted(maps.Keys(devices)) {
			strips = append(strips, stripOf(s, device, devices[device]))
		}
	}
	return strips
}

func stripOf(s Store, device string, found []Finding) strip {
	bad, other := make(cellSet, stripCells), make(cellSet, stripCells)
	for i := range found {
		cells := other
		if found[i].Verdict.Damaged() {
			cells = bad
		}
		for _, r := range extents(&found[i]) {
			cells.mark(found[i].Offset+r.Offset, r.Length, max(s.Bytes, 1))
		}
	}
	drawn := strip{Store: s.Name, Device: device, Bytes: s.Bytes, Blobs: len(found), Bad: bad.path(24), Other: other.path(24)}
	switch {
	case len(found) == 0:
		drawn.Summary = "nothing is known to be damaged"
	default:
		var words []string
		if places := bad.places(); places != "" {
			words = append(words, "damage at "+places)
		}
		if places := other.places(); places != "" {
			words = append(words, "not to be vouched for at "+places)
		}
		drawn.Summary = strings.Join(words, "; ")
	}
	return drawn
}

// A row is a finding with its drawing.
type row struct {
	*Finding
	Level   Level
	Name    string // of the blob, safe and not too long
	Path    string // where in the blob, on rowCells cells
	Where   string // the same in words
	Bytes   int64
	Details []string
}

// Bounds of what a row tells, so that a thousand of them stay small whatever
// the names are.
const (
	nameLength    = 160
	detailLength  = 200
	detailsListed = 3
)

// rowsWeight bounds, in bytes, what all rows together take of the page, and
// rowFrame is what a row takes besides its text.
const (
	rowsWeight = 3 << 19
	rowFrame   = 700
)

// rowsOf draws as many rows as there is room for.
func rowsOf(found []Finding) []row {
	var rows []row
	room := rowsWeight
	for i := range found {
		r := rowOf(&found[i])
		if room -= r.weight(); room < 0 {
			break
		}
		rows = append(rows, r)
	}
	return rows
}

// weight is how many bytes the row takes, or somewhat more.
func (r *row) weight() int {
	n := rowFrame + len(r.Path)
	for _, text := range append([]string{r.Name, r.Store, r.Device, r.Sources, r.Lost, r.Where, string(r.Diagnosis)}, r.Details...) {
		n += len(template.HTMLEscapeString(text))
	}
	return n
}

func rowOf(f *Finding) row {
	r := row{Finding: f.plain(), Level: Warn, Name: shortName(f.Blob)}
	if f.Verdict.Damaged() {
		r.Level = Bad
	}
	cells := make(cellSet, rowCells)
	for _, e := range extents(f) {
		cells.mark(e.Offset, e.Length, max(f.Size, 1))
		r.Bytes += e.Length
	}
	r.Path, r.Where = cells.path(8), cells.places()
	if f.Verdict == finding.Unrecorded {
		r.Path, r.Where, r.Bytes = "", "", 0
	}
	for _, sentence := range f.Evidence[:min(len(f.Evidence), detailsListed)] {
		r.Details = append(r.Details, shorten(sentence, detailLength))
	}
	return r
}
