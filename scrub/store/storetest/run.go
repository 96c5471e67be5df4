// Package storetest holds a store to what the interfaces of package store
// promise. Every store that is written runs it.
//
// It knows the interfaces alone: blobs are made, changed and looked at through
// them, so that a bucket can be held to the same promises as a directory.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// A Subject is a store to be tested, and what it is able to keep.
type Subject struct {
	Store store.Writable // empty

	// Attributes are such as the store can keep, and none of them is what a
	// new blob has anyway.
	Attributes hashsets.Attributes

	// Links and Directories tell whether the store has such kinds. One that
	// has not refuses them with ErrUnsupported.
	Links, Directories bool

	// Keeps tells which names the store is able to keep; nil stands for all.
	Keeps func(name string) bool

	// HardLink gives a File a second name. It is nil where a store has no such
	// thing.
	HardLink func(t *testing.T, name, second string)
}

// Factory makes a Subject that lasts as long as the test.
type Factory func(t *testing.T) Subject

// Run tests the stores that make returns, a fresh one for each promise.
func Run(t *testing.T, make Factory) {
	for _, promises := range [][]promise{listing, reading, replacing, kinds, manners} {
		for _, p := range promises {
			t.Run(p.says, func(t *testing.T) {
				t.Parallel()
				p.keep(&fixture{T: t, Subject: make(t)})
			})
		}
	}
}

// A promise is one sentence of the interfaces' comments.
type promise struct {
	says string
	keep func(f *fixture)
}

// A fixture is one test under way.
type fixture struct {
	*testing.T
	Subject
	ids int
}

// id returns one that was not used before.
func (f *fixture) id() string {
	f.ids++
	return fmt.Sprintf("test-%d", f.ids)
}

// keeps tells whether the store is able to keep a name.
func (f *fixture) keeps(name string) bool { return f.Keeps == nil || f.Keeps(name) }

// put makes the File name, or replaces the one that is there.
func (f *fixture) put(name string, content []byte) store.Entry {
	f.Helper()
	return f.putWith(name, content, hashsets.Attributes{})
}

func (f *fixture) putWith(name string, content []byte, attrs hashsets.Attributes) store.Entry {
	f.Helper()
	var expect *hashsets.Identity
	if entry, err := f.Store.Stat(f.Context(), name); err == nil {
		expect = &entry.Identity
	}
	staged := f.stage(name, f.id(), content)
	defer f.close(staged)
	f.ok(staged.Seal(f.Context(), int64(len(content)), attrs))
	entry, err := staged.Publish(f.Context(), expect)
	f.ok(err)
	return entry
}

// stage stages content for name.
func (f *fixture) stage(name, id string, content []byte) store.Staged {
	f.Helper()
	staged, err := f.Store.Stage(f.Context(), name, id)
	f.ok(err)
	f.writeAll(staged, content)
	return staged
}

func (f *fixture) writeAll(w io.WriterAt, content []byte) {
	f.Helper()
	n, err := w.WriteAt(content, 0)
	f.ok(err)
	if n != len(content) {
		f.Fatalf("wrote %d bytes of %d", n, len(content))
	}
}

// read returns the bytes of the File name.
func (f *fixture) read(name string) []byte {
	f.Helper()
	r, err := f.Store.Open(f.Context(), name, store.Access{})
	f.ok(err)
	defer f.close(r)
	return f.readAll(r)
}

func (f *fixture) readAll(r io.ReaderAt) []byte {
	f.Helper()
	content, err := io.ReadAll(io.NewSectionReader(r, 0, 1<<62))
	f.ok(err)
	return content
}

// holds fails the test unless the File name has this content.
func (f *fixture) holds(name string, content []byte) {
	f.Helper()
	if got := f.read(name); !bytes.Equal(got, content) {
		f.Fatalf("%q holds %s, want %s", name, brief(got), brief(content))
	}
}

func (f *fixture) stat(name string) store.Entry {
	f.Helper()
	entry, err := f.Store.Stat(f.Context(), name)
	f.ok(err)
	return entry
}

// list returns the names in a range.
func (f *fixture) list(opts store.ListOptions) []string {
	f.Helper()
	names := []string{}
	for entry, err := range f.Store.List(f.Context(), opts) {
		f.ok(err)
		f.ok(entry.Err)
		names = append(names, entry.Name)
	}
	return names
}

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// is fails the test unless err is want.
func (f *fixture) is(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("error is %v, want %v", err, want)
	}
}

func (f *fixture) close(c io.Closer) {
	f.Helper()
	f.ok(c.Close())
}

// ended returns a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// brief says what content is without filling the screen.
func brief(content []byte) string {
	return fmt.Sprintf("%d bytes %q", len(content), content[:min(len(content), 40)])
}

// pattern returns size bytes that differ from place to place.
func pattern(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i>>16) ^ byte(i>>8)*31 ^ byte(i)*7
	}
	return p
}
