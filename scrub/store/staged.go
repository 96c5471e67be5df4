package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"bitmend/hashsets"
)

// stagedFile is a replacement under its temporary name, in the directory of
// its target.
type stagedFile struct {
	store   *Directory
	name    string // of the target
	place   place
	file    file
	content content
	inode   hashsets.Identity // device and inode of the temporary file
	sealed  atomic.Bool
	closed  atomic.Bool
	settled bool // published or discarded
}

// Stage makes an empty temporary file beside name. One that an interrupted
// repair of the same id left is taken away first.
func (d *Directory) Stage(ctx context.Context, name, id string) (Staged, error) {
	p, err := d.placeFor(ctx, "stage", name, id)
	if err != nil {
		return nil, err
	}
	s, err := d.stage(p)
	if err != nil {
		p.settled()
		p.close()
		return nil, d.fail("stage", name, err)
	}
	return s, nil
}

func (d *Directory) stage(p place) (*stagedFile, error) {
	var made file
	err := p.change(func() error {
		if err := p.clear(); err != nil {
			return err
		}
		var err error
		made, err = p.folder.create(p.staged)
		return err
	})
	if err != nil {
		return nil, err
	}
	s, err := d.newStaged(p, made)
	if err != nil {
		made.close()
	}
	return s, err
}

// Reopen returns the staged replacement of an interrupted repair, or
// ErrNotFound. After a crash within Publish it may be the original that was
// swapped out: it is verified, and sealed, before it is published.
func (d *Directory) Reopen(ctx context.Context, name, id string) (Staged, error) {
	top, err := d.enter(ctx, "reopen", name)
	if err != nil {
		return nil, err
	}
	if err := checkID(id); err != nil {
		return nil, d.fail("reopen", name, err)
	}
	directory, leaf := split(name)
	parent, err := d.existingParent(top, directory)
	if err != nil {
		return nil, d.fail("reopen", name, d.absent(top, err))
	}
	p := d.newPlace(parent, name, leaf, id)
	s, err := d.reopen(p)
	if err != nil {
		p.settled()
		p.close()
		return nil, d.fail("reopen", name, d.unopened(parent, p.staged, err))
	}
	return s, nil
}

func (d *Directory) reopen(p place) (*stagedFile, error) {
	opened, err := p.folder.openWritable(p.staged)
	if err != nil {
		return nil, err
	}
	s, err := d.newStaged(p, opened)
	if err != nil {
		opened.close()
	}
	return s, err
}

func (d *Directory) newStaged(p place, opened file) (*stagedFile, error) {
	entry, err := opened.look()
	if err != nil {
		return nil, err
	}
	if entry.Kind != hashsets.File {
		return nil, notA(hashsets.File, entry.Kind)
	}
	return &stagedFile{store: d, name: p.name, place: p, inode: entry.Identity,
		file: opened, content: content{source: opened, blocks: &d.blocks}}, nil
}

// WriteAt is as in io.WriterAt. What is written after Seal has to be sealed
// again.
func (s *stagedFile) WriteAt(p []byte, off int64) (int, error) {
	if s.closed.Load() {
		return 0, s.store.failAt("write replacement of", s.name, off, os.ErrClosed)
	}
	if s.sealed.Swap(false) && s.content.direct.Swap(false) {
		if err := s.file.setDirect(false); err != nil {
			return 0, s.store.failAt("write replacement of", s.name, off, err)
		}
	}
	n, err := Held(s.store.pace, func() (int, error) { return s.file.pwrite(p, off) })
	if err != nil {
		err = s.store.failAt("write replacement of", s.name, off+int64(n), err)
	}
	return n, err
}

// ReadAt reads back what was written, after Seal past the page cache.
func (s *stagedFile) ReadAt(p []byte, off int64) (int, error) {
	if s.closed.Load() {
		return 0, s.store.failAt("read replacement of", s.name, off, os.ErrClosed)
	}
	const toTheEnd = 1<<63 - 1
	n, err := Held(s.store.pace, func() (int, error) { return s.content.readAt(p, off, toTheEnd) })
	if err != nil && err != io.EOF {
		err = s.store.failAt("read replacement of", s.name, off+int64(n), err)
	}
	return n, err
}

// Seal gives the file its size and attributes and makes both durable.
func (s *stagedFile) Seal(ctx context.Context, size int64, attrs hashsets.Attributes) error {
	err := ctx.Err()
	if s.closed.Load() {
		err = os.ErrClosed
	}
	if err == nil {
		err = s.seal(size, attrs)
	}
	if err != nil {
		return s.store.fail("seal replacement of", s.name, err)
	}
	return nil
}

func (s *stagedFile) seal(size int64, attrs hashsets.Attributes) error {
	f := s.file
	s.sealed.Store(false)
	if err := f.truncate(size); err != nil {
		return fmt.Errorf("size %d: %w", size, err)
	}
	if err := giveAttributes(f, attrs, 0o666); err != nil {
		return err
	}
	// What fsync once failed to write, a second call says nothing of: the
	// caller discards the replacement.
	if err := f.sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	// The pages are clean now and go, so that reading back reads the medium
	// even where it cannot be read directly.
	f.drop(0, 0)
	if f.setDirect(true) == nil {
		s.content.direct.Store(true)
	}
	s.sealed.Store(true)
	return nil
}

// giveAttributes gives attrs to what was just made. The zero Attributes say
// that nothing is known: it then gets the permissions that a new file has
// under the process's umask.
func giveAttributes(f file, attrs hashsets.Attributes, usual uint32) error {
	if !isZero(attrs) {
		return f.setAttributes(attrs, true)
	}
	return f.setUsualMode(usual)
}

func isZero(a hashsets.Attributes) bool {
	return a.Mode == 0 && a.UID == 0 && a.GID == 0 && a.ModTime == 0 && len(a.Xattrs) == 0
}

// errUnsealed is a mistake of the caller, not of the store.
var errUnsealed = errors.New("the replacement is not sealed")

// Publish puts the replacement in the place of its target.
func (s *stagedFile) Publish(ctx context.Context, expect *hashsets.Identity) (Entry, error) {
	entry, err := s.publish(ctx, expect)
	if err != nil {
		return Entry{}, s.store.fail("publish replacement of", s.name, err)
	}
	entry.Name = s.name
	return entry, nil
}

func (s *stagedFile) publish(ctx context.Context, expect *hashsets.Identity) (Entry, error) {
	switch {
	case s.closed.Load():
		return Entry{}, os.ErrClosed
	case !s.sealed.Load():
		return Entry{}, errUnsealed
	case ctx.Err() != nil:
		return Entry{}, ctx.Err()
	}
	if err := s.place.put(s.inode, expect); err != nil {
		return Entry{}, err
	}
	s.settled = true
	s.place.settled()
	return s.file.look()
}

// Discard removes the replacement.
func (s *stagedFile) Discard(ctx context.Context) error {
	if s.settled {
		return nil
	}
	if s.closed.Load() {
		return s.store.fail("discard replacement of", s.name, os.ErrClosed)
	}
	if err := s.place.discard(s.inode); err != nil {
		return s.store.fail("discard replacement of", s.name, err)
	}
	s.settled = true
	s.place.settled()
	return nil
}

// Close lets go of the replacement. What was neither published nor discarded
// stays and can be reopened.
func (s *stagedFile) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	err := errors.Join(s.file.close(), s.place.close())
	if err != nil {
		return s.store.fail("close replacement of", s.name, err)
	}
	return nil
}
