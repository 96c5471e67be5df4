package report

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Name writes a blob's name, which may be any bytes, so that nothing in it is
// obeyed by a terminal or taken for something else: as it is when it is plain,
// in quotes with escapes (\x1b, \n, \u202e, \xff) otherwise.
func Name(blob string) string {
	if isPlain(blob) {
		return blob
	}
	return strconv.Quote(blob)
}

func isPlain(name string) bool {
	if name == "" || name != strings.TrimSpace(name) || strings.ContainsAny(name, `"\`) {
		return false
	}
	return utf8.ValidString(name) && strings.IndexFunc(name, notPrinted) < 0
}

func notPrinted(r rune) bool { return !strconv.IsPrint(r) }

// Escape makes a sentence safe to print: what a terminal would obey, and bytes
// that are not UTF-8, become escapes. It stays one line.
func Escape(text string) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, notPrinted) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && size == 1 || notPrinted(r) {
			quoted := strconv.Quote(text[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(text[:size])
		}
		text = text[size:]
	}
	return b.String()
}

// shellWord writes an argument so that a shell takes it as it is, and a
// terminal shows it.
func shellWord(arg string) string {
	switch {
	case !utf8.ValidString(arg) || strings.IndexFunc(arg, notPrinted) >= 0:
		return "$'" + strings.ReplaceAll(ansiC(arg), "'", `\'`) + "'"
	case arg == "" || strings.ContainsAny(arg, " !\"#$&'()*;<>?[\\]^`{|}~"):
		return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return arg
}

// ansiC writes the inside of $'…', byte by byte where it is not plain ASCII.
func ansiC(arg string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(arg) {
		switch c := arg[i]; {
		case c == '\\':
			b.WriteString(`\\`)
		case c < ' ' || c >= 0x7f:
			b.WriteString(`\x`)
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
