package verify

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"bitmend/hashsets/manifest"
)

// take reads a list into the table, and tells of what is wrong with it.
func (r *run) take(ctx context.Context, s *source) error {
	list := &List{Name: s.shown, Format: s.format, given: s.given}
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
}

// Entry takes what the list says of a file. Names that lead out of the list's
// folder end here.
func (in *intake) Entry(e manifest.Entry) error {
	if err := in.ctx.Err(); err != nil {
		return err
	}
	name, err := manifest.CleanName(e.Name)
	if err != nil {
		in.list.Entries++
		return in.say(UnsafePath, e.Line, e.Name, err.Error())
	}
	at, there := in.locate(name, e.Also)
	if e.Doubtful && !there {
		return nil
	}
	in.list.Entries++
	for _, d := range e.Digests {
		in.list.guessed = in.list.guessed || d.Guessed
	}
	in.run.table.add(in.number, at, e)
	return nil
}

// locate returns the place of a name, or of the first of its other readings
// that is there. Where there are no others it does not look.
func (in *intake) locate(name string, also []string) (at place, there bool) {
	at = in.source.base.below(name)
	if len(also) == 0 {
		return at, true
	}
	if at.isThere() {
		return at, true
	}
	for _, other := range also {
		if clean, err := manifest.CleanName(other); err == nil {
			if reading := in.source.base.below(clean); reading.isThere() {
				return reading, true
			}
		}
	}
	return at, false
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
	if base, ok := dpkgRoot(s); ok && r.opts.Root == "" {
		dir, err := r.roots.open(base)
		if err != nil {
			return err
		}
		s.base = place{dir, ""}
	}
	r.found.add(s)
	return nil
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
