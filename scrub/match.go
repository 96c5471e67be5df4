package scrub

import (
	"fmt"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Names selects blobs by name. The zero value selects all.
type Names struct{ patterns []string }

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
	return Names{patterns}, nil
}

// All tells whether every name is selected.
func (n Names) All() bool { return len(n.patterns) == 0 }

// Patterns returns what the selection was made from.
func (n Names) Patterns() []string { return n.patterns }

// Has tells whether the name is selected.
func (n Names) Has(name string) bool {
	for _, p := range n.patterns {
		if matches(p, name) {
			return true
		}
	}
	return n.All()
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
