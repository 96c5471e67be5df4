package manifest

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// ErrUnsafe is that a name leads out of the list's folder, or would on some
// system. It is wrapped with why.
var ErrUnsafe = errors.New("unsafe path")

type unsafeName string

func (e unsafeName) Error() string { return string(e) }
func (e unsafeName) Unwrap() error { return ErrUnsafe }

// CleanName returns a name without "./" and doubled slashes. A name that leads
// out of the folder on any system is ErrUnsafe on every system: absolute, with
// a component "..", with a drive letter, a UNC path, below a home directory,
// or with NUL.
func CleanName(name string) (string, error) {
	switch {
	case name == "":
		return "", unsafeName("the name is empty")
	case strings.IndexByte(name, 0) >= 0:
		return "", unsafeName("the name holds NUL")
	case name[0] == '/':
		return "", unsafeName("the path is absolute")
	}
	clean := withoutDots(name)
	if clean == "" {
		return "", unsafeName("the path is the folder itself")
	}
	if why := leadsOut(clean); why != "" {
		return "", why
	}
	return clean, nil
}

// leadsOut says how a relative path without "." leads out of the folder; "" when
// it does not.
func leadsOut(name string) unsafeName {
	inDrive := len(name) > 1 && isLetter(name[0]) && name[1] == ':'
	switch {
	case strings.HasPrefix(name, `\\`):
		return "the path is a network path of Windows"
	case name[0] == '\\':
		return "the path is absolute on Windows"
	case strings.HasPrefix(name, "~/") || strings.HasPrefix(name, `~\`):
		return "the path is below a home directory"
	case inDrive && (len(name) == 2 || isSeparator(rune(name[2]))):
		return "the path begins with a drive letter of Windows"
	case inDrive:
		name = name[2:] // "C:.." is above the folder that drive C stands in
	}
	for component := range strings.FieldsFuncSeq(name, isSeparator) {
		if component == ".." {
			return "the path has a component \"..\""
		}
	}
	return ""
}

// withoutDots takes "." and empty components out of a path.
func withoutDots(name string) string {
	if !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "/") && !strings.HasSuffix(name, "/.") &&
		!strings.Contains(name, "//") && !strings.Contains(name, "/./") {
		return name
	}
	var components []string
	for component := range strings.SplitSeq(name, "/") {
		if component != "" && component != "." {
			components = append(components, component)
		}
	}
	return strings.Join(components, "/")
}

func isSeparator(r rune) bool { return r == '/' || r == '\\' }

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// otherReadings returns what a name may stand for on disk where nothing is
// called so: one written with the separators of Windows, one in the character
// set of Western Windows, one in which rclone put pictures in the place of
// control characters.
func otherReadings(name string) []string {
	readings := slashed(name)
	if strings.Contains(name, "\xe2\x90") {
		readings = append(readings, fromPictures.Replace(name))
	}
	if !utf8.ValidString(name) {
		if text, err := charmap.Windows1252.NewDecoder().String(name); err == nil {
			readings = append(readings, text)
			readings = append(readings, slashed(text)...)
		}
	}
	return readings
}

// controlPictures stand for the control characters, in their order, but for
// NUL, which no name has; the last one is DEL (lib/encoder of rclone).
const controlPictures = "␁␂␃␄␅␆␇␈␉␊␋␌␍␎␏␐␑␒␓␔␕␖␗␘␙␚␛␜␝␞␟␡"

var fromPictures = func() *strings.Replacer {
	var pairs []string
	control := byte(0)
	for _, picture := range controlPictures {
		if control++; picture == '␡' {
			control = 0x7f
		}
		pairs = append(pairs, string(picture), string(rune(control)))
	}
	return strings.NewReplacer(pairs...)
}()

// slashed returns the reading of a name that was written with the separators
// of Windows, nil when it has none.
func slashed(name string) []string {
	if !strings.Contains(name, `\`) {
		return nil
	}
	return []string{strings.ReplaceAll(name, `\`, "/")}
}
