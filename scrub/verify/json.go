package verify

import (
	"io"
	"unicode/utf8"

	"bitmend/scrub/report"
)

// JSON is a Reporter that writes finding events and the summary event of
// package report. Good files and warnings are only counted.
type JSON struct{ out *report.JSON }

// NewJSON returns a Reporter that writes one JSON object a line to w.
func NewJSON(w io.Writer) *JSON { return &JSON{report.NewJSON(w)} }

// Result writes a finding event for what is not good.
func (j *JSON) Result(r *Result) {
	if !r.Status.Failure() {
		return
	}
	var lists []report.Listed
	for _, s := range r.Said {
		lists = append(lists, report.Listed{List: utf8Name(s.List.Name), Line: s.Line, Status: string(s.Status)})
	}
	f := r.Finding()
	f.Store = utf8Name(f.Store)
	j.out.Listed(f, string(r.Status), lists)
}

// Note writes nothing: it is not an event.
func (j *JSON) Note(string, ...any) {}

// Summary writes the summary event.
func (j *JSON) Summary(s *Summary) { j.out.Summary(s.Summary) }

// utf8Name is the path of a list or a folder for an event, which holds no other bytes.
func utf8Name(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	return report.Name(name)
}
