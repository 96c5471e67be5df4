package storetest

import (
	"bytes"
	"errors"
	"io"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

var replacing = []promise{
	{"shows nothing of a replacement until it is published", func(f *fixture) {
		f.put("a/b", []byte("old"))
		staged := f.stage("a/b", "1", []byte("new"))
		defer f.close(staged)
		f.holds("a/b", []byte("old"))
		f.ok(staged.Seal(f.Context(), 3, hashsets.Attributes{}))
		f.holds("a/b", []byte("old"))
		old := f.stat("a/b")
		entry, err := staged.Publish(f.Context(), &old.Identity)
		f.ok(err)
		f.holds("a/b", []byte("new"))
		if now := f.stat("a/b"); now != entry {
			f.Fatalf("published as %+v, is %+v", entry, now)
		}
	}},
	{"lets a replacement be looked at and read under its staged name", func(f *fixture) {
		f.put("a/b", []byte("old"))
		staged := f.stage("a/b", "1", []byte("new"))
		f.ok(staged.Seal(f.Context(), 3, hashsets.Attributes{}))
		name := "a/" + store.StagedName("1")
		if seen := f.stat(name); seen.Name != name || seen.Identity.Size != 3 {
			f.Fatalf("it is %+v", seen)
		}
		f.holds(name, []byte("new"))
		f.ok(staged.Discard(f.Context()))
		f.close(staged)
		if _, err := f.Store.Open(f.Context(), name, store.Access{}); !errors.Is(err, store.ErrNotFound) {
			f.Fatalf("discarded, it opens with %v", err)
		}
	}},
	{"makes missing directories for a new blob", func(f *fixture) {
		f.put("new/and/deep/blob", []byte("x"))
		f.holds("new/and/deep/blob", []byte("x"))
	}},
	{"gives a replacement its size", func(f *fixture) {
		for _, size := range []int64{0, 2, 5, 5000} {
			staged := f.stage("a", "1", []byte("12345"))
			f.ok(staged.Seal(f.Context(), size, hashsets.Attributes{}))
			want := append([]byte("12345"), make([]byte, 5000)...)[:size]
			if got := f.readAll(staged); !bytes.Equal(got, want) {
				f.Fatalf("sealed at %d: %s", size, brief(got))
			}
			f.ok(staged.Discard(f.Context()))
			f.close(staged)
		}
	}},
	{"reads back what was written, before and after it is sealed", func(f *fixture) {
		content := pattern(3<<20 + 17)
		staged := f.stage("a", "1", content)
		defer f.close(staged)
		for range 2 {
			for _, r := range []store.Range{{Offset: 0, Length: 10}, {Offset: 4097, Length: 1 << 20}, {Offset: int64(len(content)) - 5, Length: 5}} {
				p := make([]byte, r.Length)
				if n, err := staged.ReadAt(p, r.Offset); n != len(p) || err != nil && err != io.EOF || !bytes.Equal(p, content[r.Offset:][:r.Length]) {
					f.Fatalf("%+v: %d bytes, %v", r, n, err)
				}
			}
			f.ok(staged.Seal(f.Context(), int64(len(content)), hashsets.Attributes{}))
		}
	}},
	{"publishes only what is sealed", func(f *fixture) {
		staged := f.stage("a", "1", []byte("x"))
		defer f.close(staged)
		if _, err := staged.Publish(f.Context(), nil); err == nil {
			f.Fatal("it published what was not sealed")
		}
		f.ok(staged.Seal(f.Context(), 1, hashsets.Attributes{}))
		f.writeAll(staged, []byte("y"))
		if _, err := staged.Publish(f.Context(), nil); err == nil {
			f.Fatal("it published what was written to after it was sealed")
		}
		if names := f.list(store.ListOptions{}); len(names) != 0 {
			f.Fatalf("now it lists %q", names)
		}
	}},
	{"does not publish over what was not expected there", func(f *fixture) {
		staged := f.stage("a", "1", []byte("new"))
		defer f.close(staged)
		f.ok(staged.Seal(f.Context(), 3, hashsets.Attributes{}))
		f.put("a", []byte("another's"))
		_, err := staged.Publish(f.Context(), nil)
		f.is(err, store.ErrChanged)
		f.holds("a", []byte("another's"))
	}},
	{"does not publish over what has changed", func(f *fixture) {
		old := f.put("a", []byte("old"))
		staged := f.stage("a", "1", []byte("new"))
		defer f.close(staged)
		f.ok(staged.Seal(f.Context(), 3, hashsets.Attributes{}))
		f.put("a", []byte("another's"))
		_, err := staged.Publish(f.Context(), &old.Identity)
		f.is(err, store.ErrChanged)
		f.holds("a", []byte("another's"))
		f.ok(staged.Discard(f.Context()))
		f.holds("a", []byte("another's"))
	}},
	{"does not publish in the place of what is gone", func(f *fixture) {
		old := f.put("a", []byte("old"))
		staged := f.stage("b", "1", []byte("new"))
		defer f.close(staged)
		f.ok(staged.Seal(f.Context(), 3, hashsets.Attributes{}))
		_, err := staged.Publish(f.Context(), &old.Identity)
		f.is(err, store.ErrChanged)
		_, err = f.Store.Stat(f.Context(), "b")
		f.is(err, store.ErrNotFound)
	}},
	{"leaves a change time of zero out of what is expected", func(f *fixture) {
		old := f.put("a", []byte("old"))
		wrong := old.Identity
		if wrong.ChangeTime == 0 {
			f.Skip("this store has no change times")
		}
		wrong.ChangeTime--
		staged := f.stage("a", "1", []byte("new"))
		defer f.close(staged)
		f.ok(staged.Seal(f.Context(), 3, hashsets.Attributes{}))
		_, err := staged.Publish(f.Context(), &wrong)
		f.is(err, store.ErrChanged)
		f.holds("a", []byte("old"))
		wrong.ChangeTime = 0
		_, err = staged.Publish(f.Context(), &wrong)
		f.ok(err)
		f.holds("a", []byte("new"))
	}},
	{"discards a replacement, and one that is gone", func(f *fixture) {
		f.put("a", []byte("old"))
		staged := f.stage("a", "1", []byte("new"))
		defer f.close(staged)
		f.ok(staged.Discard(f.Context()))
		f.ok(staged.Discard(f.Context()))
		f.holds("a", []byte("old"))
		_, err := f.Store.Reopen(f.Context(), "a", "1")
		f.is(err, store.ErrNotFound)
	}},
	{"discards nothing of what was published", func(f *fixture) {
		staged := f.stage("a", "1", []byte("new"))
		defer f.close(staged)
		f.ok(staged.Seal(f.Context(), 3, hashsets.Attributes{}))
		_, err := staged.Publish(f.Context(), nil)
		f.ok(err)
		f.ok(staged.Discard(f.Context()))
		f.holds("a", []byte("new"))
	}},
	{"reopens the replacement of an interrupted repair", func(f *fixture) {
		f.put("d/a", []byte("old"))
		content := pattern(100_000)
		f.close(f.stage("d/a", "1", content))
		_, err := f.Store.Reopen(f.Context(), "d/a", "2")
		f.is(err, store.ErrNotFound)
		_, err = f.Store.Reopen(f.Context(), "nowhere/a", "1")
		f.is(err, store.ErrNotFound)
		staged, err := f.Store.Reopen(f.Context(), "d/a", "1")
		f.ok(err)
		defer f.close(staged)
		if got := f.readAll(staged); !bytes.Equal(got, content) {
			f.Fatalf("reopened, it holds %s", brief(got))
		}
		f.ok(staged.Seal(f.Context(), int64(len(content)), hashsets.Attributes{}))
		old := f.stat("d/a")
		_, err = staged.Publish(f.Context(), &old.Identity)
		f.ok(err)
		f.holds("d/a", content)
	}},
	{"stages anew under the id of an interrupted repair", func(f *fixture) {
		f.close(f.stage("a", "1", []byte("left over")))
		staged, err := f.Store.Stage(f.Context(), "a", "1")
		f.ok(err)
		defer f.close(staged)
		if got := f.readAll(staged); len(got) != 0 {
			f.Fatalf("staged anew, it holds %s", brief(got))
		}
	}},
	{"overwrites ranges in place, size and attributes with them", func(f *fixture) {
		for _, size := range []int{200_000, 150_000, 250_000} {
			f.put("a", pattern(200_000))
			from := append(bytes.Repeat([]byte("!"), 200_000), bytes.Repeat([]byte("?"), 50_000)...)
			want := append(pattern(200_000), bytes.Repeat([]byte("?"), 50_000)...)[:size]
			copy(want[10:20], from[10:20])
			copy(want[70_000:140_000], from[70_000:])
			ranges := []store.Range{{Offset: 10, Length: 10}, {Offset: 70_000, Length: 70_000}, {Offset: 200_000, Length: int64(max(0, size-200_000))}}
			before := f.stat("a")
			entry, err := f.Store.Overwrite(f.Context(), "a", bytes.NewReader(from), ranges, int64(size), f.Attributes, before.Identity)
			if skipUnsupported(f, err) {
				return
			}
			f.holds("a", want)
			if now := f.stat("a"); now != entry || now.Identity.Inode != before.Identity.Inode || now.Identity.Size != int64(size) {
				f.Fatalf("overwritten it is said to be %+v, is %+v, was %+v", entry, now, before)
			}
			attrs, err := f.Store.Attributes(f.Context(), "a")
			f.ok(err)
			f.same(attrs, f.Attributes)
		}
	}},
	{"heals every name of a hard link", func(f *fixture) {
		if f.HardLink == nil {
			f.Skip("this store has no hard links")
		}
		f.put("a", []byte("damaged"))
		f.HardLink(f.T, "a", "b")
		if links := f.stat("b").Links; links != 2 {
			f.Fatalf("a blob of two names is said to have %d", links)
		}
		_, err := f.Store.Overwrite(f.Context(), "a", bytes.NewReader([]byte("healed!")), []store.Range{{Offset: 0, Length: 7}}, 7, hashsets.Attributes{}, f.stat("a").Identity)
		f.ok(err)
		f.holds("b", []byte("healed!"))
		if a, b := f.stat("a"), f.stat("b"); a.Identity != b.Identity {
			f.Fatalf("the names have parted: %+v and %+v", a, b)
		}
	}},
	{"overwrites nothing but the file that is expected", func(f *fixture) {
		f.put("a", []byte("damaged"))
		judged := f.stat("a").Identity
		f.put("a", []byte("written"))
		_, err := f.Store.Overwrite(f.Context(), "a", bytes.NewReader([]byte("healed!")), []store.Range{{Offset: 0, Length: 7}}, 7, hashsets.Attributes{}, judged)
		if skipUnsupported(f, err, store.ErrChanged) {
			return
		}
		f.is(err, store.ErrChanged)
		f.holds("a", []byte("written"))
	}},
	{"overwrites nothing from a source that ends early", func(f *fixture) {
		f.put("a", []byte("0123456789"))
		_, err := f.Store.Overwrite(f.Context(), "a", bytes.NewReader([]byte("ab")), []store.Range{{Offset: 4, Length: 4}}, 8, hashsets.Attributes{}, f.stat("a").Identity)
		if err == nil {
			f.Fatal("it took a source that has no such range")
		}
		f.holds("a", []byte("0123456789"))
	}},
	{"removes what it made itself, if it is a store that may", func(f *fixture) {
		remover, ok := f.Store.(store.Remover)
		if !ok {
			f.Skip("this store may not")
		}
		f.put("a/b", []byte("x"))
		f.ok(remover.Remove(f.Context(), "a/b"))
		_, err := f.Store.Stat(f.Context(), "a/b")
		f.is(err, store.ErrNotFound)
		f.is(remover.Remove(f.Context(), "a/b"), store.ErrNotFound)
	}},
}
