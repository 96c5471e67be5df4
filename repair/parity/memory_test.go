package parity_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// memory is a store of files in memory, for parity files alone.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	// spoil, when set, is called with each staged file when it is sealed, as a
	// medium that does not keep what was written.
	spoil  func(name string, p []byte)
	fail   error // of every read, when set
	staged int   // files staged and neither published nor discarded
}

func newMemory() *memory { return &memory{files: make(map[string][]byte)} }

func (m *memory) Name() string                                { return "memory" }
func (m *memory) URL() string                                 { return "memory:" }
func (m *memory) Probe(context.Context) (store.Volume, error) { return store.Volume{}, nil }
func (m *memory) List(context.Context, store.ListOptions) iter.Seq2[store.Entry, error] {
	panic("not used")
}
func (m *memory) Stat(context.Context, string) (store.Entry, error) { panic("not used") }
func (m *memory) ReadLink(context.Context, string) (string, error)  { panic("not used") }
func (m *memory) Attributes(context.Context, string) (hashsets.Attributes, error) {
	panic("not used")
}
func (m *memory) Reopen(context.Context, string, string) (store.Staged, error) { panic("not used") }
func (m *memory) PutLink(context.Context, string, string, string, hashsets.Attributes, *hashsets.Identity) (store.Entry, error) {
	panic("not used")
}
func (m *memory) PutDirectory(context.Context, string, hashsets.Attributes) error { panic("not used") }
func (m *memory) Overwrite(context.Context, string, io.ReaderAt, []store.Range, int64, hashsets.Attributes, hashsets.Identity) (store.Entry, error) {
	panic("not used")
}

func (m *memory) Open(_ context.Context, name string, _ store.Access) (store.Reader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.files[name]
	if !ok {
		return nil, store.ErrNotFound
	}
	return &memoryReader{m, name, bytes.NewReader(p)}, nil
}

type memoryReader struct {
	m    *memory
	name string
	*bytes.Reader
}

func (r *memoryReader) ReadAt(p []byte, off int64) (int, error) {
	if r.m.fail != nil {
		return 0, r.m.fail
	}
	return r.Reader.ReadAt(p, off)
}

func (r *memoryReader) Opened() store.Entry {
	return store.Entry{Name: r.name, Kind: hashsets.File, Identity: hashsets.Identity{Size: r.Size()}}
}
func (r *memoryReader) Entry() (store.Entry, error)              { return r.Opened(), nil }
func (r *memoryReader) Attributes() (hashsets.Attributes, error) { return hashsets.Attributes{}, nil }
func (r *memoryReader) Direct() bool                             { return false }
func (r *memoryReader) Close() error                             { return nil }

func (m *memory) Stage(_ context.Context, name, _ string) (store.Staged, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.staged++
	return &memoryStaged{m: m, name: name}, nil
}

type memoryStaged struct {
	m    *memory
	name string
	p    []byte
	over bool
}

func (s *memoryStaged) WriteAt(p []byte, off int64) (int, error) {
	if missing := off + int64(len(p)) - int64(len(s.p)); missing > 0 {
		s.p = slices.Grow(s.p, int(missing))[:off+int64(len(p))]
	}
	return copy(s.p[off:], p), nil
}

func (s *memoryStaged) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(s.p).ReadAt(p, off)
}

func (s *memoryStaged) Seal(_ context.Context, size int64, _ hashsets.Attributes) error {
	if size != int64(len(s.p)) {
		return fmt.Errorf("%d bytes were written, sealed at %d", len(s.p), size)
	}
	if s.m.spoil != nil {
		s.m.spoil(s.name, s.p)
	}
	return nil
}

func (s *memoryStaged) Publish(context.Context, *hashsets.Identity) (store.Entry, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.over {
		return store.Entry{}, errors.New("published twice")
	}
	if _, ok := s.m.files[s.name]; ok {
		return store.Entry{}, store.ErrChanged
	}
	s.m.files[s.name] = s.p
	s.over = true
	s.m.staged--
	return store.Entry{Name: s.name}, nil
}

func (s *memoryStaged) Discard(context.Context) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if !s.over {
		s.m.staged--
	}
	s.over = true
	return nil
}

func (s *memoryStaged) Close() error { return nil }
