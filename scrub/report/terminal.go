package report

import (
	"io"
	"os"

	"golang.org/x/term"
)

// IsTerminal tells whether w is a terminal on which a line can be drawn over.
func IsTerminal(w io.Writer) bool {
	f, isFile := w.(*os.File)
	return isFile && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// WantsColor tells whether text to w is to be coloured: on a terminal only,
// and never where NO_COLOR (https://no-color.org) is set to anything.
func WantsColor(w io.Writer, getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && IsTerminal(w)
}

// widthOf returns how many columns the terminal w has now, 0 when it is none.
func widthOf(w io.Writer) int {
	f, isFile := w.(*os.File)
	if !isFile {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
