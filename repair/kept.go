package repair

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"bitmend/hashsets"
)

// keptIndex knows which damaged originals the quarantine holds: some of their
// shards may be good.
type keptIndex struct {
	dir    string
	byName map[string][]string // IDs of receipts, newest first
}

// indexQuarantine reads the sidecars of a quarantine. One that cannot be read
// is left out: its copy is no source.
func indexQuarantine(dir string) (*keptIndex, error) {
	k := &keptIndex{dir: dir, byName: make(map[string][]string)}
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	for _, folder := range slices.Backward(list) {
		text, err := readPlain(filepath.Join(dir, folder.Name(), keptSidecar))
		if err != nil {
			continue
		}
		var side sidecar
		if json.Unmarshal(text, &side) != nil || side.Kind != hashsets.File.String() || side.Receipt != folder.Name() {
			continue
		}
		k.byName[side.name()] = append(k.byName[side.name()], side.Receipt)
	}
	return k, nil
}

// of returns the copies of a blob, newest first.
func (k *keptIndex) of(name string) []string { return k.byName[name] }

// open opens one copy.
func (k *keptIndex) open(id string) (*os.File, error) {
	return quarantine{k.dir}.open(id)
}
