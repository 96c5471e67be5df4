package manifest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// element is an element of an XML document when it ends.
type element struct {
	path  []string // its name, after those of the elements that it is in
	attrs map[string]string
	text  string // its own, without that of elements within
	line  int    // where it ends
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

// errDocument is what is wrong with a document, as opposed to reading it.
type errDocument struct{ problem Problem }

func (e *errDocument) Error() string { return e.problem.Text }

// eachElement reads a document and calls do where each element ends. What is
// no document becomes a problem; its size, its depth and the length of a text
// are bounded.
func eachElement(in io.Reader, sink Sink, do func(e *element) error) error {
	guard := &textGuard{in: in, left: MaxDocument}
	d := xml.NewDecoder(guard)
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) { return decoded(in, label) }
	err := walkDocument(d, do)
	var wrong *errDocument
	var syntax *xml.SyntaxError
	switch {
	case errors.As(err, &wrong):
		return sink.Problem(wrong.problem)
	case errors.As(err, &syntax):
		return sink.Problem(malformed(syntax.Line, "it is no well-formed XML: %s", syntax.Msg))
	case guard.err != nil:
		line, _ := d.InputPos()
		return sink.Problem(malformed(line, "%v", guard.err))
	}
	return err
}

func walkDocument(d *xml.Decoder, do func(e *element) error) error {
	var open []*element
	var names []string
	for {
		token, err := d.Token()
		line, _ := d.InputPos()
		switch {
		case errors.Is(err, io.EOF) && len(names) == 0 && open == nil:
			return &errDocument{malformed(line, "it is no XML document")}
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && strings.HasPrefix(err.Error(), "xml: encoding"):
			return &errDocument{malformed(line, "%v", err)}
		case err != nil:
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(open) == maxDepth {
				return &errDocument{malformed(line, "elements are nested deeper than %d", maxDepth)}
			}
			names = append(names, t.Name.Local)
			e := &element{attrs: map[string]string{}}
			for _, a := range t.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			open = append(open, e)
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			}
		case xml.EndElement:
			e := open[len(open)-1]
			e.path, e.line = names, line
			if err := do(e); err != nil {
				return err
			}
			open, names = open[:len(open)-1], names[:len(names)-1]
		}
	}
}

// textGuard ends the reading of a document that is too large, or that has a
// text too long to be held.
type textGuard struct {
	in   io.Reader
	left int64
	run  int // bytes since an element last began or ended
	err  error
}

func (g *textGuard) Read(p []byte) (int, error) {
	n, err := g.in.Read(p)
	g.left -= int64(n)
	for _, b := range p[:n] {
		g.run++
		if b == '<' {
			g.run = 0
		}
		if g.run > MaxLine {
			g.err = fmt.Errorf("a text in it is longer than %d bytes", MaxLine)
		}
	}
	if g.left < 0 {
		g.err = fmt.Errorf("it is larger than %d bytes", MaxDocument)
	}
	if g.err != nil {
		return 0, g.err
	}
	return n, err
}
