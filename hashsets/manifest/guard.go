package manifest

import (
	"errors"
	"fmt"
	"io"
)

// guard stands between a list and a parser that holds one token of it at a
// time, be it quoted, a comment or a text. It ends the reading of a list that
// is too large, and of one whose token is too long to be held: the parser then
// asks for more and more without passing one on.
type guard struct {
	in   io.Reader
	left int64 // bytes that the list may still have
	run  int   // bytes since the parser last passed a token on
	err  error // which limit was exceeded

	failed error // of in
}

// pass tells that the parser passed a token on.
func (g *guard) pass() { g.run = 0 }

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.in.Read(p)
	g.left -= int64(n)
	g.run += n
	switch {
	case g.left < 0:
		g.err = fmt.Errorf("it is larger than %d bytes", MaxDocument)
	case g.run > MaxLine:
		g.err = fmt.Errorf("a part of it is longer than %d bytes", MaxLine)
	}
	if g.err != nil {
		return 0, g.err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		g.failed = err
	}
	return n, err
}
