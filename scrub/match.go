package scrub

import (
	"fmt"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Names selects blobs by name. The zero value selects all.
type Names struct {
	patterns []string
	from, to string // the range of names; "" is open
}

// ParseNames makes a selection of blob names from patterns. A pattern is the
// name of a blob, the name of a directory (all below it), or a glob in which *
// stays within one path component and ** crosses them. A glob without a slash
// selects at every depth.
func ParseNames(patterns []string) (Names, error) {
	for _, p := range patterns {
		if !doublestar.ValidatePattern(p) {
			return Names{}, fmt.Errorf("%q is no valid glob", p)
		}
	}
	return Names{patterns: patterns}, nil
}

// Within returns what of the selection lies in a range of names, in their order
// as bytes: from is included and to is not, and "" is open. Only the range is
// listed, and looked up in the catalog. Scrubs of ranges that join give what one
// scrub of all of them gives, and report.Summary.Merge adds them up; but gates
// weigh what one run saw, parity files belong to no range, and below a directory
// that cannot be listed a range that begins there asks for each name.
func (n Names) Within(from, to string) Names {
	n.from, n.to = from, to
	return n
}

// ranged tells whether the selection is bounded by a range.
func (n Names) ranged() bool { return n.from != "" || n.to != "" }

// All tells whether every name is selected.
func (n Names) All() bool { return len(n.patterns) == 0 && !n.ranged() }

// Patterns returns what the selection was made from.
func (n Names) Patterns() []string { return n.patterns }

// Has tells whether the name is selected.
func (n Names) Has(name string) bool {
	if name < n.from || n.to != "" && name >= n.to {
		return false
	}
	for _, p := range n.patterns {
		if matches(p, name) {
			return true
		}
	}
	return len(n.patterns) == 0
}

func matches(pattern, name string) bool {
	if below, ok := strings.CutPrefix(name, strings.TrimSuffix(pattern, "/")); ok && (below == "" || below[0] == '/') {
		return true
	}
	if !strings.Contains(pattern, "/") {
		pattern = "**/" + pattern
	}
	// ParseNames has seen that the pattern is valid.
	ok, _ := doublestar.Match(pattern, name)
	return ok
}
