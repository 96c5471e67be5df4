package manifest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// element is an element of an XML document when it ends.
type element struct {
	path   []string // its name, after those of the elements that it is in
	attrs  map[string]string
	text   string // "" of an element with others in it
	line   int    // where it ends
	parent bool   // it has others in it
}

// in tells whether the element is called as the last names say.
func (e *element) in(names ...string) bool {
	if len(e.path) < len(names) {
		return false
	}
	for i, name := range names {
		if e.path[len(e.path)-len(names)+i] != name {
			return false
		}
	}
	return true
}

func (e *element) name() string { return e.path[len(e.path)-1] }

// errTaking is an error of whoever takes what a document says.
type errTaking struct{ err error }

func (e *errTaking) Error() string { return e.err.Error() }

// eachElement reads a document and calls do where each element ends. What is
// no document becomes a problem; its size, its depth and the length of a text
// are bounded.
func eachElement(in io.Reader, sink Sink, do func(e *element) error) error {
	limit := &guard{in: in, left: MaxDocument}
	text, wide, err := asUTF8(limit)
	if err != nil {
		return fmt.Errorf("reading a list: %w", err)
	}
	d := xml.NewDecoder(text)
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if wide {
			return in, nil // what it declares is undone already
		}
		return decoded(in, label)
	}
	err = walkDocument(d, limit, do)
	line, _ := d.InputPos()
	var taking *errTaking
	var encoding errEncoding
	switch {
	case err == nil:
		return nil
	case errors.As(err, &taking):
		return taking.err
	case limit.failed != nil:
		return fmt.Errorf("reading a list: %w", limit.failed)
	case limit.err != nil:
		err = limit.err
	case errors.As(err, &encoding):
		return sink.Problem(Problem{Kind: Unsupported, Line: line, Text: encoding.Error()})
	}
	return sink.Problem(malformed(line, "%s", brief(err.Error())))
}

func walkDocument(d *xml.Decoder, limit *guard, do func(e *element) error) error {
	var open []*element
	var names []string
	var text []byte // of the innermost element, until another begins in it
	for {
		token, err := d.Token()
		limit.pass()
		line, _ := d.InputPos()
		switch {
		case errors.Is(err, io.EOF) && len(names) == 0 && open == nil:
			return errors.New("it is no XML document")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(open) == maxDepth {
				return fmt.Errorf("elements are nested deeper than %d", maxDepth)
			}
			if len(open) > 0 {
				open[len(open)-1].parent = true
			}
			text = text[:0]
			names = append(names, t.Name.Local)
			e := &element{attrs: map[string]string{}}
			for _, a := range t.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			open = append(open, e)
		case xml.CharData:
			if n := len(open); n > 0 && !open[n-1].parent {
				text = append(text, t...)
			}
			if len(text) > MaxLine {
				return fmt.Errorf("a text in it is longer than %d bytes", MaxLine)
			}
		case xml.EndElement:
			e := open[len(open)-1]
			e.path, e.line = names, line
			if !e.parent {
				e.text = string(text)
			}
			if err := do(e); err != nil {
				return &errTaking{err}
			}
			open, names = open[:len(open)-1], names[:len(names)-1]
		}
	}
}
