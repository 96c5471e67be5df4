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

// sizeOf returns how many columns and lines the terminal w has now: the usual
// number of columns, and 0 lines, when it does not tell.
func sizeOf(w io.Writer) (width, height int) {
	if f, isFile := w.(*os.File); isFile {
		width, height, err := term.GetSize(int(f.Fd()))
		if err == nil && width > 0 {
			return width, height
		}
	}
	return standardWidth, 0
}
