package manifest

import (
	"archive/zip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"
)

// HashGoModule returns the h1 hash of a module's zip of size bytes: that of
// the names and contents of the files within.
func HashGoModule(in io.ReaderAt, size int64) ([]byte, error) {
	archive, err := zip.NewReader(in, size)
	if err != nil {
		return nil, fmt.Errorf("opening the zip of a module: %w", err)
	}
	files := map[string]*zip.File{}
	var names []string
	for _, f := range archive.File {
		files[f.Name] = f
		names = append(names, f.Name)
	}
	h1, err := dirhash.Hash1(names, func(name string) (io.ReadCloser, error) { return files[name].Open() })
	if err != nil {
		return nil, fmt.Errorf("hashing the zip of a module: %w", err)
	}
	return base64.StdEncoding.DecodeString(strings.TrimPrefix(h1, "h1:"))
}
