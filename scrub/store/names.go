package store

import "strings"

// Staged replacements stand beside their targets under a name of this form.
const (
	stagedPrefix = ".bitmend-"
	stagedSuffix = ".tmp"
)

// StagedName returns the last component of the name under which the repair id
// stages a replacement.
func StagedName(id string) string { return stagedPrefix + id + stagedSuffix }

// IsStaged tells whether name has the form of one that a staged replacement
// has. A blob of the user's may have it too.
func IsStaged(name string) bool {
	_, leaf := split(name)
	_, ok := stagedID(leaf)
	return ok
}

// stagedID returns the ID in the name of a staged replacement.
func stagedID(leaf string) (id string, ok bool) {
	id, ok = strings.CutPrefix(leaf, stagedPrefix)
	if ok {
		id, ok = strings.CutSuffix(id, stagedSuffix)
	}
	return id, ok && id != ""
}

// split cuts a name into that of its directory, "" for the root, and its last
// component.
func split(name string) (directory, leaf string) {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}

// CheckName returns ErrName for what no listing yields, for the stores that are
// packages of their own.
func CheckName(name string) error { return checkName(name) }

// checkName refuses what no listing yields. A name that came from elsewhere
// (a checksum list, a damaged record) never leads out of the store.
func checkName(name string) error {
	rest := name
	for more := true; more; {
		var component string
		component, rest, more = strings.Cut(rest, "/")
		if component == "" || component == "." || component == ".." {
			return ErrName
		}
	}
	if strings.IndexByte(name, 0) >= 0 {
		return ErrName
	}
	return nil
}

// checkID refuses what cannot be part of one component of a name.
func checkID(id string) error {
	if id == "" || strings.ContainsAny(id, "/\x00") {
		return ErrName
	}
	return nil
}
