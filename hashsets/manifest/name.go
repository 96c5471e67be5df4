package manifest

import (
	"errors"
	"strings"
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
	case strings.HasPrefix(name, `\\`):
		return "", unsafeName("the path is a network path of Windows")
	case strings.HasPrefix(name, "~/") || strings.HasPrefix(name, `~\`):
		return "", unsafeName("the path is below a home directory")
	case len(name) > 2 && isLetter(name[0]) && name[1] == ':' && (name[2] == '\\' || name[2] == '/'):
		return "", unsafeName("the path begins with a drive letter of Windows")
	}
	for _, component := range strings.FieldsFunc(name, isSeparator) {
		if component == ".." {
			return "", unsafeName("the path has a component \"..\"")
		}
	}
	clean := name
	if strings.HasPrefix(name, "./") || strings.Contains(name, "//") || strings.Contains(name, "/./") ||
		strings.HasSuffix(name, "/") || strings.HasSuffix(name, "/.") {
		var components []string
		for component := range strings.SplitSeq(name, "/") {
			if component != "" && component != "." {
				components = append(components, component)
			}
		}
		clean = strings.Join(components, "/")
	}
	if clean == "" || clean == "." {
		return "", unsafeName("the path is the folder itself")
	}
	return clean, nil
}

func isSeparator(r rune) bool { return r == '/' || r == '\\' }

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// slashed returns the reading of a name that was written with the separators
// of Windows, nil when it has none.
func slashed(name string) []string {
	if !strings.Contains(name, `\`) {
		return nil
	}
	return []string{strings.ReplaceAll(name, `\`, "/")}
}
