package verify

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"bitmend/hashsets/manifest"
)

// special looks for what makes a folder something of its own: a bag, an object,
// a layout, a history. done tells that nothing below it is to be searched.
func (r *run) special(ctx context.Context, dir place, entries []fs.DirEntry) (done bool, err error) {
	has := func(name string, folder bool) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name && e.IsDir() == folder })
	}
	switch {
	case has("bagit.txt", false) || has("data", true) && slices.ContainsFunc(entries, isPayloadManifest):
		return true, r.bag(ctx, dir, entries)
	case slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), "0=ocfl_object_") }):
		return true, r.ocflObject(ctx, dir, entries)
	case has("oci-layout", false) && has("blobs", true):
		return true, r.ociLayout(dir)
	}
	if has("ascmhl", true) {
		if err := r.history(dir); err != nil {
			return false, err
		}
	}
	if has("inventory.json", false) || slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), "0=ocfl_1") }) {
		r.found.free = append(r.found.free, storageRoot(dir))
	}
	if has("RECORD", false) && strings.HasSuffix(dir.name, ".dist-info") {
		r.found.add(recordSource(dir.below("RECORD"), r.opts.Read))
	}
	if has(".git", true) {
		r.lfsObjects(dir.below(".git/lfs/objects"))
	}
	if strings.HasSuffix("/"+dir.name, "/lfs/objects") || strings.HasSuffix(dir.full(), "/lfs/objects") {
		r.lfsObjects(dir)
		return true, nil
	}
	return false, nil
}

// storageRoot frees what the root of OCFL objects has beside them.
func storageRoot(dir place) func(full string) bool {
	in := below(dir)
	return func(full string) bool {
		base := path.Base(full)
		return in(full) && (strings.HasPrefix(base, "0=ocfl_1") || strings.HasPrefix(base, "ocfl_1") || base == "ocfl_layout.json" || strings.Contains(full, "/extensions/"))
	}
}

// history notes the generations of an ASC-MHL history, oldest first, and the
// chain that holds their hashes.
func (r *run) history(dir place) error {
	records := dir.below("ascmhl")
	entries, err := fs.ReadDir(dir.root.FS(), records.name)
	if err != nil {
		return fmt.Errorf("looking for generations in %s: %w", records.shown(), err)
	}
	history := manifest.NewHistory()
	for _, e := range entries { // sorted by name, which begins with the number of the generation
		at := records.below(e.Name())
		s := &source{at: at, base: dir, shown: at.shown(), opts: r.opts.Read}
		s.opts.ListName, s.opts.History = e.Name(), history
		switch {
		case e.Name() == "ascmhl_chain.xml":
			s.format, s.base = manifest.ASCChain, records
		case strings.HasSuffix(e.Name(), ".mhl"):
			s.format = manifest.ASCMHL
		default:
			continue
		}
		r.found.add(s)
	}
	in := below(dir)
	r.found.free = append(r.found.free, func(full string) bool {
		return in(full) && path.Base(full) == ".DS_Store" // what the specification ignores
	})
	return nil
}

var sitePackages = regexp.MustCompile(`(^|/)lib(64)?/python[0-9.]+/(site|dist)-packages$`)

// recordSource is the RECORD of a Python distribution. Where it is installed in
// an environment, names may lead anywhere in that.
func recordSource(at place, opts manifest.Options) *source {
	packages := at.dir().dir()
	s := &source{at: at, base: packages, shown: at.shown(), format: manifest.Record, opts: opts}
	s.opts.ListName = "RECORD"
	if m := sitePackages.FindString(packages.name); m != "" {
		s.opts.Below = strings.TrimPrefix(m, "/")
		s.base = place{at.root, strings.TrimSuffix(strings.TrimSuffix(packages.name, m), "/")}
	}
	return s
}

// ociLayout notes the blobs of an image layout, each of which is called by its
// digest, and what index.json says of them.
func (r *run) ociLayout(dir place) error {
	r.found.lists[dir.below("oci-layout").full()] = true
	s := &source{at: dir.below("index.json"), base: dir, format: manifest.OCIIndex, opts: r.opts.Read}
	s.shown = s.at.shown()
	s.opts.ListName = "index.json"
	r.found.add(s)
	r.found.add(r.blobs(dir.below("blobs"), dir))
	return nil
}

// blobs is the source that a folder is whose files are called by their
// digests: ALGORITHM/DIGEST.
func (r *run) blobs(at, base place) *source {
	return &source{at: at, base: base, shown: at.shown(), format: manifest.OCIIndex, read: func(ctx context.Context, s *source, sink manifest.Sink) error {
		return fs.WalkDir(at.root.FS(), at.name, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			algorithm, text := path.Split(strings.TrimPrefix(name, at.name+"/"))
			return namedByDigest(sink, strings.TrimSuffix(algorithm, "/"), text, strings.TrimPrefix(name, strings.TrimPrefix(base.name+"/", "/")))
		})
	}}
}

// namedByDigest is the entry of a file that is called by its digest.
func namedByDigest(sink manifest.Sink, algorithm, text, name string) error {
	d, ok := manifest.DigestOf(algorithm, text)
	if !ok {
		return sink.Problem(manifest.Problem{Kind: manifest.Invalid, Name: name, Text: "its name is no digest"})
	}
	return sink.Entry(manifest.Entry{Name: name, Size: manifest.NoSize, Digests: []manifest.Digest{d}})
}

// lfsObjects notes a store of Git LFS, whose objects are called by their
// SHA-256.
func (r *run) lfsObjects(at place) {
	if !at.isThere() || r.found.lists[at.full()] {
		return
	}
	r.found.lists[at.full()] = true
	r.found.sources = append(r.found.sources, &source{at: at, base: at, shown: at.shown(), format: manifest.LFSObject, read: func(ctx context.Context, s *source, sink manifest.Sink) error {
		return fs.WalkDir(at.root.FS(), orDot(at.name), func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			return namedByDigest(sink, "sha256", e.Name(), strings.TrimPrefix(name, strings.TrimPrefix(at.name+"/", "/")))
		})
	}})
}
