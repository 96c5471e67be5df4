package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bitmend/hashsets/manifest"
)

// source is a list that is going to be read.
type source struct {
	at     place  // the list itself
	base   place  // what its names are below
	shown  string // as it was given or found
	format manifest.Format
	opts   manifest.Options
	given  bool // by name
	depth  int  // of lists within lists

	diverted diversions // of Debian packages that are installed

	// read reads the list; nil for manifest.Read.
	read func(ctx context.Context, s *source, sink manifest.Sink) error
}

// findings is what a search for lists came to.
type findings struct {
	sources  []*source
	folders  []place         // that were given: what they hold is to be covered
	packages []place         // Debian packages, which carry their own list
	lists    map[string]bool // full paths of lists and what belongs to them
	fetch    map[string]bool // full paths of what a bag may still have to fetch
	diverted map[*root]diversions

	// free are told a full path; they tell that it needs no list to cover it.
	// closed tell that nothing of its folder is free, whatever it is called.
	free, closed []func(full string) bool
}

// find looks at what was given: a file is a list, and a folder is searched.
func (r *run) find(ctx context.Context) (*findings, error) {
	f := &findings{lists: map[string]bool{}, fetch: map[string]bool{}}
	r.found = f
	for _, given := range r.opts.Paths {
		info, err := os.Stat(given)
		if err != nil {
			return nil, fmt.Errorf("looking at %s: %w", given, err)
		}
		if info.IsDir() {
			err = r.search(ctx, given)
		} else {
			err = r.given(given)
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// given takes a list that was named.
func (r *run) given(name string) error {
	dir, err := r.roots.open(filepath.Dir(name))
	if err != nil {
		return err
	}
	at := place{dir, filepath.Base(name)}
	if filepath.Ext(name) == ".deb" {
		r.found.packages = append(r.found.packages, at)
		return nil
	}
	if whole, err := r.givenPart(at); whole || err != nil {
		return err
	}
	s := &source{at: at, base: at.dir(), shown: filepath.ToSlash(name), given: true}
	if r.opts.Root != "" {
		below, err := r.roots.open(r.opts.Root)
		if err != nil {
			return err
		}
		s.base = place{below, ""}
	}
	head, err := headOf(at)
	if err != nil {
		return fmt.Errorf("reading the list %s: %w", name, err)
	}
	return r.adopt(s, head)
}

// givenPart takes the folder of a list that has its meaning only there: of a
// bag, of an ASC-MHL history.
func (r *run) givenPart(at place) (whole bool, err error) {
	dir := at.dir()
	_, _, inBag := manifest.BagManifest(at.base())
	switch {
	case inBag && dir.below("data").isThere() || at.base() == "bagit.txt" || at.base() == "fetch.txt" && dir.below("bagit.txt").isThere():
		entries, err := fs.ReadDir(dir.root.FS(), orDot(dir.name))
		if err != nil {
			return true, fmt.Errorf("looking for manifests in %s: %w", dir.shown(), err)
		}
		return true, r.bag(context.Background(), dir, entries)
	case filepath.Base(dir.full()) == "ascmhl":
		above, err := r.roots.open(filepath.Dir(dir.full()))
		if err != nil {
			return true, err
		}
		return true, r.history(place{above, ""})
	}
	return false, nil
}

// headOf reads the first bytes of a file.
func headOf(at place) ([]byte, error) {
	f, _, err := openFile(at)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read from
	head := make([]byte, manifest.Sniffed)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return head[:n], nil
}

// adopt decides how a list is read, and notes it.
func (r *run) adopt(s *source, head []byte) error {
	s.format = manifest.Detect(s.at.base(), head)
	s.opts = r.opts.Read
	s.opts.ListName = s.at.base()
	return r.plan(s)
}

// search looks for lists in a folder and all that is below it.
func (r *run) search(ctx context.Context, given string) error {
	top, err := r.roots.open(given)
	if err != nil {
		return err
	}
	r.found.folders = append(r.found.folders, place{top, ""})
	return r.searchBelow(ctx, place{top, ""})
}

func (r *run) searchBelow(ctx context.Context, dir place) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := fs.ReadDir(dir.root.FS(), orDot(dir.name))
	if err != nil {
		return fmt.Errorf("looking for lists in %s: %w", dir.shown(), err)
	}
	done, err := r.special(ctx, dir, entries)
	if done || err != nil {
		return err
	}
	for _, e := range entries {
		at := dir.below(e.Name())
		switch {
		case e.IsDir() && e.Name() != "ascmhl" && !isVersionControl(e.Name()):
			err = r.searchBelow(ctx, at)
		case e.Type().IsRegular() && manifest.Promises(e.Name()):
			var head []byte
			if head, err = headOf(at); err == nil {
				err = r.adopt(&source{at: at, base: dir, shown: at.shown()}, head)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func orDot(name string) string {
	if name == "" {
		return "."
	}
	return name
}

// isVersionControl tells of the folders in which version control keeps its own
// data, with checksums of its own.
func isVersionControl(name string) bool {
	switch name {
	case ".git", ".hg", ".svn", ".bzr", ".jj":
		return true
	}
	return false
}

// add notes a source, once.
func (f *findings) add(s *source) {
	full := s.at.full()
	if s.read == nil && f.lists[full] {
		return
	}
	f.lists[full] = true
	f.sources = append(f.sources, s)
}

// extras tells of the files in the given folders that no list covers.
func (r *run) extras(ctx context.Context) error {
	for _, folder := range r.found.folders {
		err := fs.WalkDir(folder.root.FS(), orDot(folder.name), func(name string, e fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				r.tell(&Result{Folder: folder.root.shown, Name: name, Status: Unreadable, Reason: reasonOf(err), host: true})
				return nil
			case e.IsDir() && isVersionControl(e.Name()):
				return fs.SkipDir
			case e.IsDir() || !e.Type().IsRegular() && e.Type()&fs.ModeSymlink == 0:
				return nil
			}
			r.extra(place{folder.root, name})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// extra tells of a file if no list covers it.
func (r *run) extra(at place) {
	full := at.full()
	if r.table.covers(full) || r.found.lists[full] {
		return
	}
	if r.found.isFree(full) {
		return
	}
	if r.opts.Only != nil && !r.opts.Only(full, nil) {
		return
	}
	if r.opts.AllowExtra || len(r.table.lists) == 0 {
		return
	}
	r.tell(&Result{Folder: at.root.shown, Name: at.name, Status: Extra})
}

// isFree tells whether a file needs no list to cover it.
func (f *findings) isFree(full string) bool {
	told := func(is func(full string) bool) bool { return is(full) }
	if slices.ContainsFunc(f.free, told) {
		return true
	}
	switch filepath.Base(full) {
	case ".gitattributes", ".gitignore", ".gitkeep", ".gitmodules", ".hgignore", ".hgtags":
		return !slices.ContainsFunc(f.closed, told)
	}
	return false
}

// below returns what tells whether a full path is in a folder.
func below(dir place) func(full string) bool {
	prefix := strings.TrimSuffix(dir.full(), string(filepath.Separator)) + string(filepath.Separator)
	return func(full string) bool { return strings.HasPrefix(full, prefix) }
}
