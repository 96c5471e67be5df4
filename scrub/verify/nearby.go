package verify

import (
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// unknowableName says why a file cannot be found by a name that holds the
// character which stands for bytes that are no text: b3sum writes it for each of
// them, and nobody knows which they were.
func unknowableName(at place) []string {
	if !strings.ContainsRune(at.name, '\uFFFD') {
		return nil
	}
	return []string{"unverifiable-name: the name holds U+FFFD, which some tools write for bytes that are no UTF-8"}
}

// nearbyName looks for the one name in the folder of a missing file that
// differs from it by case or by Unicode normalisation alone, as names do that
// came by another file system.
func nearbyName(at place) []string {
	entries, err := fs.ReadDir(at.root.FS(), orDot(at.dir().name))
	if err != nil {
		return nil
	}
	want := norm.NFC.String(at.base())
	found := ""
	for _, e := range entries {
		if strings.EqualFold(norm.NFC.String(e.Name()), want) {
			if found != "" {
				return nil
			}
			found = e.Name()
		}
	}
	if found == "" {
		return nil
	}
	return []string{fmt.Sprintf("name-differs: %q is there, which differs by case or by Unicode normalisation alone", found)}
}
