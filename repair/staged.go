package repair

import (
	"context"
	"fmt"
	"sync"

	"bitmend/scrub/store"
)

// maxOpenStaged bounds the temporary files that are open at a time.
const maxOpenStaged = 64

// stagedPool keeps the temporary files of a batch, only some of them open.
type stagedPool struct {
	mu   sync.Mutex
	open []*stagedFile // least lately used first
}

// A stagedFile is a temporary file that is opened when it is needed. Its
// methods are called by one goroutine at a time; the pool may close it in
// between.
type stagedFile struct {
	pool   *stagedPool
	target store.Writable
	name   string
	id     string

	mu   sync.Mutex
	file store.Staged // nil while it is closed
}

// add takes a temporary file that was just made into the pool.
func (p *stagedPool) add(target store.Writable, name, id string, file store.Staged) *stagedFile {
	s := &stagedFile{pool: p, target: target, name: name, id: id, file: file}
	p.used(s)
	return s
}

// used marks s as the one used last, and closes the one that was not used for
// longest when there are too many.
func (p *stagedPool) used(s *stagedFile) {
	p.mu.Lock()
	p.remove(s)
	p.open = append(p.open, s)
	var idle *stagedFile
	if len(p.open) > maxOpenStaged {
		idle = p.open[0]
		p.open = p.open[1:]
	}
	p.mu.Unlock()
	if idle != nil {
		idle.close()
	}
}

func (p *stagedPool) remove(s *stagedFile) {
	for i, other := range p.open {
		if other == s {
			p.open = append(p.open[:i], p.open[i+1:]...)
			return
		}
	}
}

// with calls f with the file open.
func (s *stagedFile) with(f func(store.Staged) error) error {
	s.mu.Lock()
	if s.file == nil {
		file, err := s.target.Reopen(context.Background(), s.name, s.id)
		if err != nil {
			s.mu.Unlock()
			return fmt.Errorf("open the temporary file of %q again: %w", s.name, err)
		}
		s.file = file
	}
	err := f(s.file)
	s.mu.Unlock()
	s.pool.used(s)
	return err
}

func (s *stagedFile) writeAt(p []byte, offset int64) error {
	return s.with(func(file store.Staged) error {
		_, err := file.WriteAt(p, offset)
		return err
	})
}

// close closes the file and leaves it where it is.
func (s *stagedFile) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// leave closes the file and takes it out of the pool.
func (s *stagedFile) leave() error {
	s.pool.mu.Lock()
	s.pool.remove(s)
	s.pool.mu.Unlock()
	return s.close()
}
