package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

// WriteOptions say which lists are written.
type WriteOptions struct {
	Folder     string // whose files are listed, and where the lists are put
	Style      manifest.Style
	Algorithms []hashsets.Algorithm // none for those that are usual
	Out        string               // where the list is put, when it is only one; "" for the folder
	Overwrite  bool                 // lists that are there
	Workers    int                  // files read at once; 0 to choose
}

// ErrOptions is that lists cannot be written as they were asked for. It is
// wrapped with why.
var ErrOptions = errors.New("the lists cannot be written like that")

// Write makes lists of the files in a folder. Each file is read once for all
// lists and algorithms. The error says that no list was written; a file that
// could not be read is told to rep, and the lists are written without it.
func Write(ctx context.Context, opts WriteOptions, rep Reporter) (*Summary, error) {
	started := time.Now()
	if opts.Workers == 0 {
		opts.Workers = 4 * runtime.GOMAXPROCS(0)
	}
	if len(opts.Algorithms) == 0 {
		opts.Algorithms = opts.Style.DefaultAlgorithms()
	}
	w := &writing{opts: opts, run: &run{rep: rep, table: newTable(), roots: newRoots()}}
	w.sum.Verb, w.sum.Verdicts, w.sum.Counts = "verify", map[finding.Verdict]int64{}, map[Status]int64{}
	defer w.roots.close()
	err := w.work(ctx)
	w.sum.Cancelled = errors.Is(err, context.Canceled)
	w.sum.Failed = err != nil && !w.sum.Cancelled
	w.conclude(started)
	w.sum.Exit = int(report.ExitOf(w.sum.Summary))
	if err == nil {
		rep.Summary(&w.sum)
	}
	return &w.sum, err
}

// writing is one run that writes lists.
type writing struct {
	*run
	opts  WriteOptions
	lists []manifest.List
	top   place
}

func (w *writing) work(ctx context.Context) (err error) {
	if w.lists, err = w.opts.Style.Lists(w.opts.Algorithms); err != nil {
		return fmt.Errorf("%w: %w", ErrOptions, err)
	}
	if w.opts.Out != "" && len(w.lists) > 1 {
		return fmt.Errorf("%w: the format %s has a list for each algorithm, and one place was named for all", ErrOptions, w.opts.Style)
	}
	top, err := w.roots.open(w.opts.Folder)
	if err != nil {
		return err
	}
	w.top = place{top, ""}
	if w.opts.Style == manifest.StyleBagIt {
		return w.bag(ctx)
	}
	return w.write(ctx, w.lists, w.isData)
}

// path is where a list is put.
func (w *writing) path(l manifest.List) string {
	if w.opts.Out != "" {
		return w.opts.Out
	}
	return filepath.Join(w.opts.Folder, l.Name)
}

// isData tells whether a file is to be listed: a list does not list itself.
func (w *writing) isData(at place) bool {
	return !slices.ContainsFunc(w.lists, func(l manifest.List) bool {
		full, err := filepath.Abs(w.path(l))
		return err == nil && filepath.Base(full) == at.base() && sameFolder(filepath.Dir(full), at.dir().full())
	})
}

// sameFolder tells whether a path, in which there may be symbolic links, is
// that of a folder.
func sameFolder(path, real string) bool {
	resolved, err := filepath.EvalSymlinks(path)
	return err == nil && resolved == real
}

// write writes lists of the files that listed tells of.
func (w *writing) write(ctx context.Context, lists []manifest.List, listed func(place) bool) (err error) {
	for _, l := range lists {
		if err := free(w.path(l), w.opts.Overwrite); err != nil {
			return err
		}
	}
	files, err := w.files(ctx, listed)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		w.rep.Note("there is no file to list in %s", w.opts.Folder)
		return nil
	}
	made := make([]*ListFile, 0, len(lists))
	defer func() {
		for _, m := range made {
			err = errors.Join(err, m.Discard())
		}
	}()
	for _, l := range lists {
		m, err := CreateList(w.path(l), l, w.opts.Overwrite)
		if err != nil {
			return err
		}
		made = append(made, m)
	}
	if err := w.hash(ctx, files, lists, made); err != nil {
		return err
	}
	for _, m := range made {
		if err := m.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// files returns what is to be listed, in the order of names as bytes.
func (w *writing) files(ctx context.Context, listed func(place) bool) ([]place, error) {
	var files []place
	err := fs.WalkDir(w.top.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		at := place{w.top.root, name}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			w.left(at, reasonOf(err))
		case e.IsDir() && isVersionControl(e.Name()):
			return fs.SkipDir
		case e.Type().IsRegular() && listed(at):
			files = append(files, at)
		case e.Type()&fs.ModeSymlink != 0 && listed(at):
			// A tool that checks the list follows it, as far as it leads to a file within.
			info, err := at.root.Stat(at.local())
			if err == nil && info.Mode().IsRegular() {
				files = append(files, at)
			} else {
				w.left(at, "it is a symbolic link that leads to no file in the folder")
			}
		}
		return nil
	})
	slices.SortFunc(files, func(a, b place) int { return strings.Compare(a.name, b.name) })
	return files, err
}

// left tells of a file that the lists do not have.
func (w *writing) left(at place, reason string) {
	w.tell(&Result{Folder: at.root.shown, Name: at.name, Status: Unreadable, Reason: reason, host: true})
}

// hash reads each file once and adds it to every list.
func (w *writing) hash(ctx context.Context, files []place, lists []manifest.List, made []*ListFile) error {
	var algorithms []hashsets.Algorithm
	var counted []*List
	for _, l := range lists {
		for _, a := range l.Algorithms {
			if !slices.Contains(algorithms, a) {
				algorithms = append(algorithms, a)
			}
		}
		entry := &List{Name: filepath.ToSlash(w.path(l)), Format: manifest.Format(l.Style)}
		w.table.addList(entry)
		counted = append(counted, entry)
	}
	type hashed struct {
		at   place
		sums map[hashsets.Algorithm][]byte
		size int64
		err  error
	}
	return inOrder(ctx, len(files), w.opts.Workers, func() func(i int) hashed {
		pool := newHashPool()
		return func(i int) hashed {
			sums, size, _, err := pool.file(ctx, files[i], algorithms, nil)
			return hashed{files[i], sums, size, err}
		}
	}, func(h hashed) error {
		if h.err != nil {
			w.left(h.at, reasonOf(h.err))
			return ctx.Err()
		}
		e := manifest.Entry{Name: h.at.name, Size: h.size}
		for _, a := range algorithms {
			e.Digests = append(e.Digests, manifest.Digest{Algorithm: a, Sum: h.sums[a]})
		}
		res := &Result{Folder: h.at.root.shown, Name: h.at.name, Status: OK, Size: h.size, Read: h.size}
		for i, m := range made {
			if err := m.Write(e); err != nil {
				return err
			}
			counted[i].Entries++
			res.Said = append(res.Said, Said{List: counted[i], Size: h.size, Status: OK})
		}
		w.tell(res)
		return nil
	})
}
