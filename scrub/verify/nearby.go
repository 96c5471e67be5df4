package verify

import (
	"fmt"
	"io/fs"
	"strings"
	"sync"

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

// neighbours know the names in the folder that was asked for last: files that a
// list names follow each other by folder, and when all of them are missing each
// would otherwise cost a reading of the folder.
type neighbours struct {
	mu     sync.Mutex
	folder string            // full path
	names  map[string]string // by what they have in common; "" where several do
}

// of says what is in the folder of a missing file that may be it: the one name
// that differs by case or by Unicode normalisation alone, as names do that came
// by another file system, or a link of the very name that leads nowhere.
func (n *neighbours) of(at place) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if folder := at.dir().full(); n.names == nil || folder != n.folder {
		n.folder, n.names = folder, namesIn(at.dir())
	}
	switch found := n.names[folded(at.base())]; found {
	case "":
		return nil
	case at.base():
		return []string{"it is a symbolic link that leads nowhere"}
	default:
		return []string{fmt.Sprintf("name-differs: %q is there, which differs by case or by Unicode normalisation alone", found)}
	}
}

// namesIn reads a folder; it is empty where that cannot be read.
func namesIn(dir place) map[string]string {
	names := map[string]string{}
	entries, err := fs.ReadDir(dir.root.FS(), orDot(dir.name))
	if err != nil {
		return names
	}
	for _, e := range entries {
		key := folded(e.Name())
		if _, several := names[key]; several {
			names[key] = ""
		} else {
			names[key] = e.Name()
		}
	}
	return names
}

// folded is what names have in common that differ by case or normalisation.
func folded(name string) string { return strings.ToLower(norm.NFC.String(name)) }
