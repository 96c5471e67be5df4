package verify

import (
	"bytes"
	"context"
	"hash"
	"io"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
)

// suggest says which option may help where every file of a list mismatches:
// another algorithm with digests of that length, or another order of bytes. It
// tries them on one file.
func (r *run) suggest(ctx context.Context) {
	for number, l := range r.table.lists {
		if l.Counts[Bad] == 0 || l.Counts[OK]+l.Counts[Conflict] > 0 || ctx.Err() != nil {
			continue
		}
		for i := range r.table.files {
			f := &r.table.files[i]
			said, _ := r.table.said(f)
			k := slices.IndexFunc(said, func(s Said) bool { return s.List == r.table.lists[number] && s.Status == "" && len(s.Digests) > 0 })
			if k < 0 {
				continue
			}
			if option := tryOthers(f.at, said[k].Digests[0].Digest); option != "" {
				r.rep.Note("%s: every file of it mismatches, and matches with %s", l.Name, option)
			}
			break
		}
	}
}

// tryOthers returns the option with which a file matches a digest; "" when
// there is none.
func tryOthers(at place, d manifest.Digest) string {
	file, _, err := openFile(at)
	if err != nil {
		return ""
	}
	defer file.Close() // it was only read from
	hashes := map[hashsets.Algorithm]hash.Hash{}
	var all []io.Writer
	for _, a := range append(manifest.Alternatives(d.Algorithm), d.Algorithm) {
		h := manifest.NewHash(a)
		hashes[a] = h
		all = append(all, h)
	}
	if _, err := io.Copy(io.MultiWriter(all...), file); err != nil {
		return ""
	}
	backwards := bytes.Clone(d.Sum)
	slices.Reverse(backwards)
	for a, h := range hashes {
		sum := h.Sum(nil)
		algorithm := ""
		if a != d.Algorithm {
			algorithm = "--algorithm " + string(a)
		}
		switch {
		case bytes.Equal(sum, d.Sum):
			return algorithm
		case bytes.Equal(sum, backwards) && algorithm != "":
			return algorithm + " --little-endian"
		case bytes.Equal(sum, backwards):
			return "--little-endian"
		}
	}
	return ""
}
