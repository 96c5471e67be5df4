package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// A verb that stages without an entry in the journal uses IDs of this form, and
// says by a mark in the journal's folder that it does so in a store.
var markedID = regexp.MustCompile(`^([a-z]+)-[0-9a-f]{24}$`)

// stagesIn returns what tells whether a repair in the store may have left a
// replacement behind that it staged under an ID. Only the journal knows:
// whatever else is named like a staged file is the user's.
func (v *Vault) stagesIn(store string) func(id string) bool {
	return func(id string) bool {
		if m := markedID.FindStringSubmatch(id); m != nil {
			return mayBeThere(v.stagingMark(m[1], store))
		}
		return mayBeThere(filepath.Join(v.JournalDir(), id+".json"))
	}
}

func (v *Vault) stagingMark(verb, store string) string {
	return filepath.Join(v.JournalDir(), verb+"-"+store+".staging")
}

// mayBeThere is true too when that cannot be known: a leftover of ours must not be
// recorded as a blob.
func mayBeThere(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// BeginStaging marks, durably, that a verb stages in a store without an entry
// in the journal.
func (v *Vault) BeginStaging(verb, store string) error {
	path := v.stagingMark(verb, store)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = errors.Join(f.Close(), syncDirectory(v.JournalDir()))
	}
	if err != nil {
		return fmt.Errorf("mark that %s stages in store %q: %w", verb, store, err)
	}
	return nil
}

// EndStaging takes the mark away: nothing of the verb is left.
func (v *Vault) EndStaging(verb, store string) error {
	if err := os.Remove(v.stagingMark(verb, store)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mark that %s does not stage in store %q any more: %w", verb, store, err)
	}
	return nil
}
