package storetest

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"bitmend/scrub/store"
)

var reading = []promise{
	{"reads every range of every size, in every way", func(f *fixture) {
		for _, size := range []int{0, 1, 4095, 4096, 4097, 65536, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 4097} {
			name := fmt.Sprintf("size/%d", size)
			f.put(name, pattern(size))
			for _, access := range []store.Access{{}, {Direct: true}, {Direct: true, Cached: true}} {
				f.readRanges(name, size, access)
			}
		}
	}},
	{"delivers a range once for each of many goroutines", func(f *fixture) {
		content := pattern(2<<20 + 100)
		f.put("shared", content)
		r, err := f.Store.Open(f.Context(), "shared", store.Access{Direct: true})
		f.ok(err)
		defer f.close(r)
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				for off := i * 1000; off < len(content); off += 300_000 {
					p := make([]byte, min(250_001, len(content)-off))
					if n, err := r.ReadAt(p, int64(off)); n != len(p) || !bytes.Equal(p, content[off:off+n]) {
						f.Errorf("at %d: %d bytes, %v", off, n, err)
					}
				}
			})
		}
		group.Wait()
	}},
	{"looks at the open blob, not at its name", func(f *fixture) {
		old := f.put("a", []byte("old"))
		r, err := f.Store.Open(f.Context(), "a", store.Access{})
		f.ok(err)
		defer f.close(r)
		if now, err := r.Entry(); err != nil || r.Opened() != now {
			f.Fatalf("it was opened as %+v and is %+v, %v", r.Opened(), now, err)
		}
		f.put("a", []byte("newer"))
		content, err := io.ReadAll(io.NewSectionReader(r, 0, 100))
		if err != nil {
			f.is(err, store.ErrChanged)
			return
		}
		if string(content) != "old" {
			f.Fatalf("it reads %q of the blob opened as %q", content, "old")
		}
		entry, err := r.Entry()
		f.ok(err)
		if r.Opened().Identity != old.Identity {
			f.Fatalf("it was opened as %+v, not as %+v", r.Opened(), old)
		}
		if entry.Name != "a" || entry.Identity.Size != 3 || entry.Identity.Inode != old.Identity.Inode {
			f.Fatalf("the open blob is %+v, was %+v", entry, old)
		}
	}},
	{"does not find what is not there", func(f *fixture) {
		f.put("a/b", nil)
		for _, name := range []string{"x", "a/x", "x/y", "a/b/c", "a/b/c/d"} {
			_, err := f.Store.Stat(f.Context(), name)
			f.is(err, store.ErrNotFound)
			_, err = f.Store.Open(f.Context(), name, store.Access{})
			f.is(err, store.ErrNotFound)
			_, err = f.Store.Attributes(f.Context(), name)
			f.is(err, store.ErrNotFound)
			_, err = f.Store.ReadLink(f.Context(), name)
			f.is(err, store.ErrNotFound)
		}
	}},
	{"refuses names that are none", func(f *fixture) {
		for _, name := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/.", "a\x00b"} {
			_, err := f.Store.Stat(f.Context(), name)
			f.is(err, store.ErrName)
			_, err = f.Store.Open(f.Context(), name, store.Access{})
			f.is(err, store.ErrName)
			_, err = f.Store.Stage(f.Context(), name, "id")
			f.is(err, store.ErrName)
		}
		for _, id := range []string{"", "a/b", "a\x00"} {
			_, err := f.Store.Stage(f.Context(), "a", id)
			f.is(err, store.ErrName)
		}
	}},
	{"returns what belongs to a blob besides its bytes", func(f *fixture) {
		f.putWith("a/b", []byte("b"), f.Attributes)
		attrs, err := f.Store.Attributes(f.Context(), "a/b")
		f.ok(err)
		f.same(attrs, f.Attributes)
		r, err := f.Store.Open(f.Context(), "a/b", store.Access{})
		f.ok(err)
		defer f.close(r)
		attrs, err = r.Attributes()
		f.ok(err)
		f.same(attrs, f.Attributes)
	}},
}

// readRanges reads a blob that holds a pattern, into memory of every
// alignment.
func (f *fixture) readRanges(name string, size int, access store.Access) {
	f.Helper()
	r, err := f.Store.Open(f.Context(), name, access)
	f.ok(err)
	defer f.close(r)
	if r.Direct() && !access.Direct {
		f.Fatal("it reads directly unasked")
	}
	content := pattern(size)
	buffer := store.NewBuffer(size + 3*store.BlockSize)
	defer buffer.Free()
	for _, off := range []int{0, 1, 4095, 4096, size / 2, size - 4096, size - 1, size, size + 1, size + 10000} {
		for _, length := range []int{0, 1, 100, 4096, 65536, size, size + 8192} {
			for _, shift := range []int{0, 1, 512} {
				if off >= 0 && shift+length <= len(buffer.Bytes()) {
					f.readRange(r, content, buffer.Bytes()[shift:shift+length], off)
				}
			}
		}
	}
}

// readRange holds one read to what io.ReaderAt says.
func (f *fixture) readRange(r store.Reader, content, p []byte, off int) {
	f.Helper()
	var want []byte
	if off < len(content) {
		want = content[off:min(len(content), off+len(p))]
	}
	n, err := r.ReadAt(p, int64(off))
	if n != len(want) || !bytes.Equal(p[:n], want) {
		f.Fatalf("%d bytes at %d of %d: got %d, and they are equal: %v; %v", len(p), off, len(content), n, bytes.Equal(p[:n], want[:min(n, len(want))]), err)
	}
	if n < len(p) && err != io.EOF || n == len(p) && err != nil && err != io.EOF {
		f.Fatalf("%d bytes at %d of %d: got %d and the error %v", len(p), off, len(content), n, err)
	}
}
