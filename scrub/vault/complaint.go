package vault

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bitmend/hashsets"
)

// ConfigError is something wrong in a configuration.
type ConfigError struct {
	File string // "" when the configuration does not come from a file
	Line int    // 0 when it is not known
	Err  error
}

func (e *ConfigError) Error() string {
	switch {
	case e.File == "":
		return e.Err.Error()
	case e.Line == 0:
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
}

func (e *ConfigError) Unwrap() error { return e.Err }

// complaints gathers what is wrong with one configuration, so that a person
// mends all of it at once.
type complaints struct {
	file  string
	lines keyLines
	all   []*ConfigError
}

// add notes a complaint about the key, in the form that keyLines has.
func (r *complaints) add(key, format string, args ...any) {
	r.all = append(r.all, &ConfigError{File: r.file, Line: r.lines.of(key), Err: fmt.Errorf(format, args...)})
}

// err returns the complaints as one error, by line; nil when there are none.
func (r *complaints) err() error {
	slices.SortStableFunc(r.all, func(a, b *ConfigError) int { return cmp.Compare(a.Line, b.Line) })
	var all []error
	for _, e := range r.all {
		all = append(all, e)
	}
	return errors.Join(all...)
}

// suggest ends a complaint about an unknown word with the nearest known one,
// or with all of them when none is near.
func suggest(word string, known []string) string {
	nearest := slices.MinFunc(known, func(a, b string) int { return hashsets.Edits(word, a) - hashsets.Edits(word, b) })
	if hashsets.Edits(word, nearest) <= max(1, len(nearest)/2) {
		return fmt.Sprintf("; did you mean %q?", nearest)
	}
	return "; known are " + strings.Join(known, ", ")
}

// IsConfigError tells whether an error says that the configuration is wrong,
// and not that something failed.
func IsConfigError(err error) bool {
	var wrong *ConfigError
	return errors.As(err, &wrong)
}
