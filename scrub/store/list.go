package store

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"strings"

	"bitmend/hashsets"
)

// openFolders is how many directories on the way to the one being listed are
// kept open. Those above are opened again when the listing comes back to them.
const openFolders = 32

// List yields entries in the order of their full names as bytes.
func (d *Directory) List(ctx context.Context, opts ListOptions) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		top, err := d.top(ctx)
		if err != nil {
			if !errors.Is(err, ErrNotMounted) {
				err = d.failList(err)
			}
			yield(Entry{}, err)
			return
		}
		l := &lister{store: d, ctx: ctx, opts: opts, top: top, yield: yield, buffer: make([]byte, 64<<10)}
		defer l.close()
		l.run()
	}
}

// A lister is one listing under way.
type lister struct {
	store  *Directory
	ctx    context.Context
	opts   ListOptions
	top    folder
	yield  func(Entry, error) bool
	buffer []byte // for reading directories

	path  []*level
	spare []*level // used up, to be used again
	full  []byte   // scratch for full names
}

// A level is one directory on the path to what is being listed.
type level struct {
	prefix string // of the full names in it: its own name with a slash, "" for the root
	folder folder
	isOpen bool
	names  namelist
	next   int // index of the step to take

	ahead     folder // the directory of the step just taken, opened to see whether it can be
	aheadOpen bool
}

// run walks the tree without recursion, so that its depth costs no stack.
func (l *lister) run() {
	if !l.descend("", nil) {
		return
	}
	for len(l.path) > 0 {
		if err := l.ctx.Err(); err != nil {
			l.yield(Entry{}, l.store.failList(err))
			return
		}
		at := l.path[len(l.path)-1]
		if at.next == len(at.names.steps) {
			l.ascend()
			continue
		}
		s := at.names.steps[at.next]
		at.next++
		if !l.take(at, s) {
			return
		}
	}
}

// take yields what a step stands for, or goes down into it. It returns false
// when the listing is over.
func (l *lister) take(at *level, s step) bool {
	if s.at&stepSkipped != 0 {
		return true
	}
	leaf := at.names.name(s)
	if s.at&stepDescends != 0 {
		l.full = append(append(append(l.full[:0], at.prefix...), leaf...), '/')
		if l.opts.To != "" && string(l.full) >= l.opts.To {
			return false
		}
		return l.descend(string(l.full), at)
	}
	at.closeAhead()
	l.full = append(append(l.full[:0], at.prefix...), leaf...)
	name := string(l.full)
	if l.opts.To != "" && name >= l.opts.To {
		return false
	}
	if l.opts.Unseen && s.at&stepFile != 0 {
		return l.yield(Entry{Name: name, Kind: hashsets.File, Unseen: true}, nil)
	}
	entry, there, err := l.look(at, name, name[len(at.prefix):])
	if err != nil {
		l.yield(Entry{}, err)
		return false
	}
	if !there {
		return true
	}
	if s.at&stepFollowed != 0 && entry.Kind == hashsets.Directory && entry.Err == nil {
		l.openAhead(at, &entry)
	}
	if s.at&stepFollowed != 0 && entry.Err != nil {
		l.skipDescent(at, name[len(at.prefix):])
	}
	return l.yield(entry, nil)
}

// look looks at one name of a level. A name that has gone since the directory
// was read is not there.
func (l *lister) look(at *level, name, leaf string) (entry Entry, there bool, err error) {
	if err := l.reopen(at); err != nil {
		if errors.Is(failed(err), ErrNotFound) || errors.Is(failed(err), ErrNotABlob) {
			return Entry{}, false, nil // the directory was moved away under us
		}
		return Entry{Name: name, Err: l.store.fail("list", name, err)}, true, nil
	}
	entry, err = at.folder.lookAt(leaf)
	if err != nil && errors.Is(failed(err), ErrNotFound) {
		return Entry{}, false, nil
	}
	if err != nil {
		return Entry{Name: name, Err: l.store.fail("list", name, err)}, true, nil
	}
	entry.Name = name
	return entry, true, nil
}

// openAhead opens the directory that was just looked at, so that one which
// cannot be listed is said to be so beside its own name and in its place.
// Mostly the listing goes down into it next.
func (l *lister) openAhead(at *level, entry *Entry) {
	opened, err := at.folder.openFolder(entry.Name[len(at.prefix):])
	if err == nil {
		at.ahead, at.aheadOpen = opened, true
		return
	}
	if errors.Is(failed(err), ErrNotFound) || errors.Is(failed(err), ErrNotABlob) {
		return // it has gone since; the descent will find nothing
	}
	entry.Err = l.store.fail("list", entry.Name, err)
}

// skipDescent marks the descent into a directory that cannot be opened. It
// stands close by.
func (l *lister) skipDescent(at *level, leaf string) {
	for i := at.next; i < len(at.names.steps); i++ {
		if s := &at.names.steps[i]; s.at&stepDescends != 0 && string(at.names.name(*s)) == leaf {
			s.at |= stepSkipped
			return
		}
	}
}

// descend reads the directory whose full names begin with prefix and makes it
// the one being listed. It returns false when the listing is over.
func (l *lister) descend(prefix string, parent *level) bool {
	at := l.newLevel(prefix)
	err := l.openLevel(at, parent)
	if err == nil {
		err = at.folder.readNames(l.buffer, func(name []byte, kind nameKind) error { return l.add(at, name, kind) })
	}
	at.names.sort()
	l.path = append(l.path, at)
	l.limitOpen()
	gone := err != nil && parent != nil && (errors.Is(failed(err), ErrNotFound) || errors.Is(failed(err), ErrNotABlob))
	if err == nil || gone {
		return true
	}
	if parent == nil {
		l.yield(Entry{}, l.store.failList(readFailed(err)))
		return false
	}
	name := strings.TrimSuffix(prefix, "/")
	return l.yield(Entry{Name: name, Kind: hashsets.Directory, Err: l.store.fail("list", name, readFailed(err))}, nil)
}

func (l *lister) openLevel(at, parent *level) error {
	var err error
	switch {
	case parent == nil:
		at.folder, err = l.top.openFolder(".")
	case parent.aheadOpen:
		at.folder, parent.aheadOpen = parent.ahead, false
	default:
		if err = l.reopen(parent); err == nil {
			at.folder, err = parent.folder.openFolder(at.prefix[len(parent.prefix) : len(at.prefix)-1])
		}
	}
	at.isOpen = err == nil
	return err
}

// reopen opens a level that was closed to bound the number of descriptors.
func (l *lister) reopen(at *level) error {
	if at.isOpen {
		return nil
	}
	path := "."
	if at.prefix != "" {
		path = strings.TrimSuffix(at.prefix, "/")
	}
	opened, err := l.top.openFolder(path)
	at.folder, at.isOpen = opened, err == nil
	return err
}

// limitOpen closes the directory that is furthest up of those that are open,
// when there are too many.
func (l *lister) limitOpen() {
	if i := len(l.path) - 1 - openFolders; i >= 0 {
		l.path[i].close()
	}
}

// add keeps a name of at, if it or what is below it is in range.
func (l *lister) add(at *level, name []byte, kind nameKind) error {
	if kind == nameOfUnknown {
		kind = at.folder.kindOf(string(name))
	}
	l.full = append(append(l.full[:0], at.prefix...), name...)
	if !l.opts.Staged && bytes.HasPrefix(name, []byte(stagedPrefix)) && l.store.isStaged(string(name)) {
		return nil
	}
	itself := string(l.full) >= l.opts.From && (l.opts.To == "" || string(l.full) < l.opts.To)
	if kind != nameOfDirectory {
		if itself {
			at.names.add(name, kind)
		}
		return nil
	}
	l.full = append(l.full, '/')
	inside := overlaps(string(l.full), l.opts)
	switch {
	case itself && inside:
		at.names.add(name, nameOfDirectory)
	case itself:
		at.names.add(name, nameOfOther)
	case inside:
		at.names.addDescent(name)
	}
	return nil
}

// kindOf looks for the kind of a name that its directory does not tell.
func (f folder) kindOf(leaf string) nameKind {
	entry, err := f.lookAt(leaf)
	switch {
	case err == nil && entry.Kind == hashsets.Directory:
		return nameOfDirectory
	case err == nil && entry.Kind == hashsets.File:
		return nameOfFile
	}
	return nameOfOther
}

// overlaps tells whether names that begin with prefix may be in range.
func overlaps(prefix string, opts ListOptions) bool {
	before := prefix < opts.From && !strings.HasPrefix(opts.From, prefix)
	after := opts.To != "" && prefix >= opts.To
	return !before && !after
}

func (l *lister) newLevel(prefix string) *level {
	if n := len(l.spare); n > 0 {
		at := l.spare[n-1]
		l.spare = l.spare[:n-1]
		at.prefix, at.next = prefix, 0
		at.names.reset()
		return at
	}
	return &level{prefix: prefix}
}

// ascend leaves the directory that was listed to its end.
func (l *lister) ascend() {
	at := l.path[len(l.path)-1]
	l.path = l.path[:len(l.path)-1]
	at.closeAhead()
	at.close()
	if len(l.spare) < openFolders {
		l.spare = append(l.spare, at)
	}
}

func (l *lister) close() {
	for _, at := range l.path {
		at.closeAhead()
		at.close()
	}
}

func (at *level) close() {
	if at.isOpen {
		at.folder.close()
		at.isOpen = false
	}
}

func (at *level) closeAhead() {
	if at.aheadOpen {
		at.ahead.close()
		at.aheadOpen = false
	}
}
