package verify

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bitmend/hashsets/manifest"
)

// take reads a list into the table, and tells of what is wrong with it.
func (r *run) take(ctx context.Context, s *source) error {
	list := &List{Name: s.shown, Format: s.format, given: s.given, full: s.at.full()}
	in := &intake{ctx: ctx, run: r, source: s, list: list}
	in.number = r.table.addList(list)
	if s.read != nil {
		return s.read(ctx, s, in)
	}
	f, _, err := openFile(s.at)
	if err != nil {
		r.tell(&Result{Folder: s.at.root.shown, Name: s.at.name, Status: Unreadable, Reason: "the list could not be read: " + reasonOf(err), host: true, line: true, Said: in.saidOf(Unreadable, 0)})
		return nil
	}
	defer f.Close() // it was only read from
	if err := manifest.Read(s.format, f, s.opts, in); err != nil {
		return fmt.Errorf("reading the list %s: %w", s.shown, err)
	}
	return nil
}

// intake is what one list says, on its way into the table.
type intake struct {
	ctx    context.Context
	run    *run
	source *source
	list   *List
	number int32

	otherwise bool // it was said that names are read in another way than written
}

// Entry takes what the list says of a file. Names that lead out of the list's
// folder end here.
func (in *intake) Entry(e manifest.Entry) error {
	if err := in.ctx.Err(); err != nil {
		return err
	}
	name, err := manifest.CleanName(e.Name)
	if err != nil && e.Doubtful {
		return nil // no file can be called so: it is the comment that it looks like
	}
	if err != nil {
		in.list.Entries++
		return in.say(UnsafePath, e.Line, e.Name, err.Error())
	}
	name = in.source.diverted.of(in.source.at.name, name)
	at, there := in.locate(name, e)
	if e.Doubtful && !there {
		return nil
	}
	in.list.Entries++
	if err := in.readOtherwise(e, name, at); err != nil {
		return err
	}
	for _, d := range e.Digests {
		in.list.guessed = in.list.guessed || d.Guessed
	}
	switch in.run.table.add(in.number, at, e) {
	case repeated:
		if in.source.format == manifest.BagIt && in.source.opts.Version.AtLeast(manifest.Version{Major: 1}) {
			return in.say(Invalid, e.Line, e.Name, "the list names it twice, which BagIt forbids since 1.0")
		}
		return in.say(Warned, e.Line, e.Name, "the list names it twice")
	case contradicted:
		return in.say(Conflict, e.Line, e.Name, "the list names it twice, with different checksums")
	}
	if e.Nested {
		return in.nested(at)
	}
	return nil
}

// readOtherwise says, once a list, that its names had to be read in another way
// than they are written: with the separators or in the character set of another
// system. Lists of packages have names for one file that differ by design.
func (in *intake) readOtherwise(e manifest.Entry, name string, at place) error {
	switch in.source.format {
	case manifest.NPM, manifest.GoSum, manifest.Deb822:
		return nil
	}
	if in.otherwise || at == in.source.base.below(name) {
		return nil
	}
	in.otherwise = true
	return in.say(Warned, e.Line, e.Name, fmt.Sprintf("no file is called so; it was taken for %q, and so are names like it", at.name))
}

// maxNested bounds how deep lists within lists are read.
const maxNested = 16

// nested reads a file that is a list of the same format itself.
func (in *intake) nested(at place) error {
	if in.run.found.lists[at.full()] || in.source.depth == maxNested {
		return nil
	}
	in.run.found.lists[at.full()] = true
	if !at.isThere() {
		return nil // it will be told to be missing
	}
	s := *in.source
	s.at, s.shown, s.given, s.depth = at, at.shown(), false, s.depth+1
	return in.run.take(in.ctx, &s)
}

// locate returns the place of a name, or of the first of its other readings
// that is there. Where there are no others it does not look.
func (in *intake) locate(name string, e manifest.Entry) (at place, there bool) {
	at = in.source.base.below(name)
	if len(e.Also) == 0 && !e.Doubtful {
		return at, true
	}
	readings := []string{name}
	for _, other := range e.Also {
		if clean, err := manifest.CleanName(other); err == nil {
			readings = append(readings, clean)
		}
	}
	for _, folder := range in.folders() {
		for _, reading := range readings {
			if candidate := folder.below(reading); candidate.isThere() {
				return candidate, true
			}
		}
	}
	return at, false
}

// folders are those in which the files of a list may be: its own, and for what
// a list of packages speaks of also the given ones.
func (in *intake) folders() []place {
	switch in.source.format {
	case manifest.NPM, manifest.GoSum:
		return append([]place{in.source.base}, in.run.found.folders...)
	}
	return []place{in.source.base}
}

// Problem tells of a line that is no entry.
func (in *intake) Problem(p manifest.Problem) error {
	status := map[manifest.Kind]Status{
		manifest.Malformed: Malformed, manifest.Unsafe: UnsafePath, manifest.Unsupported: Unsupported,
		manifest.Invalid: Invalid, manifest.Conflict: Conflict, manifest.Warning: Warned,
	}[p.Kind]
	return in.say(status, p.Line, p.Name, p.Text)
}

// say tells of a line. Without a name it is of the list.
func (in *intake) say(status Status, line int, name, text string) error {
	res := &Result{Folder: in.source.at.root.shown, Name: in.source.at.name, Status: status, Reason: text, line: true, Said: in.saidOf(status, line)}
	if name != "" {
		res.Folder, res.Name = in.source.base.shown(), name
	}
	in.run.tell(res)
	return in.ctx.Err()
}

func (in *intake) saidOf(status Status, line int) []Said {
	return []Said{{List: in.list, Line: line, Size: manifest.NoSize, Status: status}}
}

// plan notes a source, with the folder that its format has names below.
func (r *run) plan(s *source) error {
	switch s.format {
	case manifest.Record:
		record := recordSource(s.at, r.opts.Read)
		record.shown, record.given = s.shown, s.given
		if r.opts.Root != "" {
			record.base, record.opts.Below = s.base, ""
		}
		r.found.add(record)
		return nil
	case manifest.GoSum, manifest.ZipHash:
		r.found.free = append(r.found.free, moduleCache)
	case manifest.LFSObject:
		if r.opts.Root == "" {
			s.base = s.base.below(".git")
		}
	case manifest.Deb822:
		s.base = archiveRoot(s)
	}
	if base, ok := dpkgRoot(s); ok && r.opts.Root == "" {
		dir, err := r.roots.open(base)
		if err != nil {
			return err
		}
		s.base = place{dir, ""}
		if r.found.diverted == nil {
			r.found.diverted = map[*root]diversions{}
		}
		if _, known := r.found.diverted[dir]; !known {
			r.found.diverted[dir] = readDiversions(s.base)
		}
		s.diverted = r.found.diverted[dir]
	}
	r.found.add(s)
	return nil
}

// moduleCache frees what a module cache keeps beside modules.
func moduleCache(full string) bool {
	dir, base := filepath.Split(filepath.FromSlash(full))
	switch filepath.Base(dir) {
	case "@v":
		return filepath.Ext(base) == ".info" || filepath.Ext(base) == ".lock" || base == "list"
	}
	return false
}

// archiveRoot is the folder that the names in a list of Debian packages are
// below: that above dists/.
func archiveRoot(s *source) place {
	i := strings.LastIndex("/"+s.at.name, "/dists/")
	if !strings.HasPrefix(strings.ToLower(s.at.base()), "packages") || i < 0 {
		return s.base
	}
	return place{s.at.root, s.at.name[:max(0, i-1)]}
}

// dpkgRoot is the folder above var/lib/dpkg/info, which the lists of installed
// Debian packages have names below.
func dpkgRoot(s *source) (string, bool) {
	dir := filepath.Dir(s.at.full())
	const info = "/var/lib/dpkg/info"
	if filepath.Ext(s.at.name) != ".md5sums" || len(dir) < len(info) || filepath.ToSlash(dir[len(dir)-len(info):]) != info {
		return "", false
	}
	root := dir[:len(dir)-len(info)]
	if root == "" {
		root = string(os.PathSeparator)
	}
	return root, true
}
