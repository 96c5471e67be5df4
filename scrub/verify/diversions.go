package verify

import (
	"path"
	"strings"
)

// diversions are the files of Debian packages that stand elsewhere since
// another package took their name (dpkg-divert(1)).
type diversions map[string]diversion

type diversion struct{ to, by string }

// readDiversions reads the diversions of the system below a root; none where
// they cannot be read. Each is three lines: from, to, and the package whose own
// file is not diverted.
func readDiversions(base place) diversions {
	text, err := wholeFile(base.below("var/lib/dpkg/diversions"))
	if err != nil {
		return nil
	}
	all := diversions{}
	lines := strings.Split(string(text), "\n")
	for ; len(lines) >= 3; lines = lines[3:] {
		all[strings.TrimPrefix(lines[0], "/")] = diversion{strings.TrimPrefix(lines[1], "/"), lines[2]}
	}
	return all
}

// of returns where the file of a name is that the list of a package has.
func (d diversions) of(list, name string) string {
	by, ok := d[name]
	pkg, _, _ := strings.Cut(strings.TrimSuffix(path.Base(list), ".md5sums"), ":")
	if !ok || by.by == pkg {
		return name
	}
	return by.to
}
