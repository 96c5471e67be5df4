package storetest

import (
	"errors"
	"maps"
	"reflect"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

var kinds = []promise{
	{"keeps a link by its target", func(f *fixture) {
		for _, target := range []string{"a", "../outside", "/etc", "with\nnewline", "\xff", string(pattern(2000)[1:200])} {
			if f.putLink("d/link", target) {
				return
			}
			got, err := f.Store.ReadLink(f.Context(), "d/link")
			f.ok(err)
			if got != target {
				f.Fatalf("the target is %q, want %q", got, target)
			}
			entry := f.stat("d/link")
			if entry.Kind != hashsets.Link || entry.Identity.Size != int64(len(target)) {
				f.Fatalf("a link to %q is %+v", target, entry)
			}
		}
	}},
	{"does not put a link over what was not expected there", func(f *fixture) {
		old := f.put("a", []byte("old"))
		_, err := f.Store.PutLink(f.Context(), "a", "target", "1", hashsets.Attributes{}, nil)
		if skipUnsupported(f, err, store.ErrChanged) {
			return
		}
		f.is(err, store.ErrChanged)
		f.put("a", []byte("another's"))
		_, err = f.Store.PutLink(f.Context(), "a", "target", "1", hashsets.Attributes{}, &old.Identity)
		f.is(err, store.ErrChanged)
		f.holds("a", []byte("another's"))
		if names := f.list(store.ListOptions{Staged: true}); len(names) != 1 {
			f.Fatalf("left behind: %q", names)
		}
	}},
	{"follows no link, neither at the end of a name nor on the way", func(f *fixture) {
		f.put("real/blob", []byte("x"))
		if f.putLink("link", "real/blob") || f.putLink("way", "real") {
			return
		}
		_, err := f.Store.Open(f.Context(), "link", store.Access{})
		f.is(err, store.ErrNotABlob)
		_, err = f.Store.Open(f.Context(), "way/blob", store.Access{})
		f.is(err, store.ErrNotFound)
		_, err = f.Store.Stat(f.Context(), "way/blob")
		f.is(err, store.ErrNotFound)
		_, err = f.Store.Attributes(f.Context(), "way/blob")
		f.is(err, store.ErrNotFound)
		for _, name := range f.list(store.ListOptions{}) {
			if name == "way/blob" {
				f.Fatal("it lists what is behind a link")
			}
		}
	}},
	{"writes nothing through a link", func(f *fixture) {
		f.put("real/blob", []byte("x"))
		if f.putLink("way", "real") || f.putLink("link", "real/blob") {
			return
		}
		_, err := f.Store.Stage(f.Context(), "way/blob", "1")
		f.is(err, store.ErrNotABlob)
		_, err = f.Store.Stage(f.Context(), "way/new/blob", "1")
		f.is(err, store.ErrNotABlob)
		_, err = f.Store.PutLink(f.Context(), "way/l", "t", "1", hashsets.Attributes{}, nil)
		f.is(err, store.ErrNotABlob)
		f.is(f.Store.PutDirectory(f.Context(), "way/d", f.Attributes), store.ErrNotABlob)
		f.is(f.Store.PutDirectory(f.Context(), "way", f.Attributes), store.ErrNotABlob)
		for _, name := range []string{"link", "way/blob"} {
			if _, err = f.Store.Overwrite(f.Context(), name, nil, nil, 0, hashsets.Attributes{}, hashsets.Identity{}); err == nil {
				f.Fatalf("it overwrote %q", name)
			}
		}
		f.holds("real/blob", []byte("x"))
	}},
	{"replaces a link by a file and a file by a link", func(f *fixture) {
		f.put("a", []byte("x"))
		if f.putLink("a", "target") {
			return
		}
		f.put("a", []byte("file again"))
		f.holds("a", []byte("file again"))
	}},
	{"makes a directory with attributes, and gives them to one that is there", func(f *fixture) {
		for _, name := range []string{"new/d", "new/d", "new"} {
			err := f.Store.PutDirectory(f.Context(), name, f.Attributes)
			if skipUnsupported(f, err) {
				return
			}
			if entry := f.stat(name); entry.Kind != hashsets.Directory {
				f.Fatalf("%q is %+v", name, entry)
			}
			attrs, err := f.Store.Attributes(f.Context(), name)
			f.ok(err)
			f.same(attrs, f.Attributes)
		}
	}},
	{"takes a directory for no file and a file for no directory", func(f *fixture) {
		f.put("d/blob", []byte("x"))
		if !f.Directories {
			f.Skip("this store has no directories")
		}
		_, err := f.Store.Open(f.Context(), "d", store.Access{})
		f.is(err, store.ErrNotABlob)
		_, err = f.Store.ReadLink(f.Context(), "d/blob")
		f.is(err, store.ErrNotABlob)
		_, err = f.Store.ReadLink(f.Context(), "d")
		f.is(err, store.ErrNotABlob)
		f.is(f.Store.PutDirectory(f.Context(), "d/blob", f.Attributes), store.ErrNotABlob)
		_, err = f.Store.Stage(f.Context(), "d/blob/below", "1")
		f.is(err, store.ErrNotABlob)
		directory := f.stat("d")
		staged := f.stage("d", "1", []byte("x"))
		defer f.close(staged)
		f.ok(staged.Seal(f.Context(), 1, hashsets.Attributes{}))
		_, err = staged.Publish(f.Context(), &directory.Identity)
		f.is(err, store.ErrNotABlob)
		_, err = staged.Publish(f.Context(), nil)
		f.is(err, store.ErrChanged)
		f.holds("d/blob", []byte("x"))
	}},
}

// putLink makes a link, or replaces what is there by one. It tells whether the
// store has none and says so.
func (f *fixture) putLink(name, target string) (unsupported bool) {
	f.Helper()
	var expect *hashsets.Identity
	if entry, err := f.Store.Stat(f.Context(), name); err == nil {
		expect = &entry.Identity
	}
	entry, err := f.Store.PutLink(f.Context(), name, target, f.id(), hashsets.Attributes{}, expect)
	if !f.Links {
		f.is(err, store.ErrUnsupported)
		return true
	}
	f.ok(err)
	if now := f.stat(name); now != entry {
		f.Fatalf("put as %+v, is %+v", entry, now)
	}
	return false
}

// skipUnsupported tells whether a store refused what it does not have. Any
// other error that is not among expected fails the test.
func skipUnsupported(f *fixture, err error, expected ...error) bool {
	f.Helper()
	if errors.Is(err, store.ErrUnsupported) && !f.Directories {
		return true
	}
	for _, one := range expected {
		if errors.Is(err, one) {
			return false
		}
	}
	f.ok(err)
	return false
}

// same fails the test unless two attributes are alike; no attribute by name
// and no map of them are.
func (f *fixture) same(got, want hashsets.Attributes) {
	f.Helper()
	equal := maps.EqualFunc(got.Xattrs, want.Xattrs, func(a, b []byte) bool { return string(a) == string(b) })
	got.Xattrs, want.Xattrs = nil, nil
	if !equal || !reflect.DeepEqual(got, want) {
		f.Fatalf("attributes %+v, want %+v; extended ones equal: %v", got, want, equal)
	}
}
