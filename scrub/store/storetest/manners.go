package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

var manners = []promise{
	{"is mounted", func(f *fixture) {
		first, err := f.Store.Probe(f.Context())
		f.ok(err)
		second, err := f.Store.Probe(f.Context())
		f.ok(err)
		if first != second {
			f.Fatalf("the volume is %+v, then %+v", first, second)
		}
	}},
	{"takes names as bytes", func(f *fixture) {
		for _, name := range odd {
			if !f.keeps(name) {
				continue
			}
			f.put(name, []byte(name))
			f.holds(name, []byte(name))
			if entry := f.stat(name); entry.Name != name {
				f.Fatalf("%q is called %q", name, entry.Name)
			}
			_, err := f.Store.Attributes(f.Context(), name)
			f.ok(err)
			f.put(name, []byte("second"))
			f.holds(name, []byte("second"))
			if listed := f.list(store.ListOptions{From: name, To: name + "\x01"}); !slices.Equal(listed, []string{name}) {
				f.Fatalf("it lists %q for %q", listed, name)
			}
			f.putLink(name[:len(name)-1]+"L", "target")
		}
	}},
	{"returns at once when the context has ended", func(f *fixture) {
		old := f.put("a", []byte("x"))
		staged := f.stage("a", "1", []byte("y"))
		defer f.close(staged)
		ctx := ended()
		for _, call := range []func() error{
			func() error { _, err := f.Store.Probe(ctx); return err },
			func() error { _, err := f.Store.Stat(ctx, "a"); return err },
			func() error { _, err := f.Store.Open(ctx, "a", store.Access{}); return err },
			func() error { _, err := f.Store.ReadLink(ctx, "a"); return err },
			func() error { _, err := f.Store.Attributes(ctx, "a"); return err },
			func() error { _, err := f.Store.Stage(ctx, "a", "2"); return err },
			func() error { _, err := f.Store.Reopen(ctx, "a", "1"); return err },
			func() error { _, err := f.Store.PutLink(ctx, "l", "a", "2", hashsets.Attributes{}, nil); return err },
			func() error { return f.Store.PutDirectory(ctx, "d", hashsets.Attributes{}) },
			func() error { return staged.Seal(ctx, 1, hashsets.Attributes{}) },
			func() error {
				f.ok(staged.Seal(f.Context(), 1, hashsets.Attributes{}))
				_, err := staged.Publish(ctx, &old.Identity)
				return err
			},
			func() error {
				_, err := f.Store.Overwrite(ctx, "a", bytes.NewReader([]byte("z")), []store.Range{{Offset: 0, Length: 1}}, 1, hashsets.Attributes{}, old.Identity)
				return err
			},
			func() error {
				for _, err := range f.Store.List(ctx, store.ListOptions{}) {
					return err
				}
				return nil
			},
		} {
			f.is(call(), context.Canceled)
		}
		f.holds("a", []byte("x"))
		if names := f.list(store.ListOptions{}); !slices.Equal(names, []string{"a"}) {
			f.Fatalf("now it lists %q", names)
		}
	}},
	{"stops listing when the context ends", func(f *fixture) {
		f.grow(woods)
		ctx, cancel := context.WithCancel(f.Context())
		defer cancel()
		var last error
		for _, err := range f.Store.List(ctx, store.ListOptions{}) {
			cancel()
			last = err
		}
		f.is(last, context.Canceled)
	}},
	{"names store and blob in errors, and escapes what a terminal obeys", func(f *fixture) {
		name := "no/such\x1b[2J\nblob"
		staged := f.stage(name+"2", "1", nil)
		f.ok(staged.Discard(f.Context()))
		f.close(staged)
		var errs []error
		_, err := f.Store.Open(f.Context(), name, store.Access{})
		errs = append(errs, err)
		_, err = f.Store.Stat(f.Context(), name)
		errs = append(errs, err)
		_, err = f.Store.Attributes(f.Context(), name)
		errs = append(errs, err)
		_, err = f.Store.Reopen(f.Context(), name, "1")
		errs = append(errs, err)
		if _, err = f.Store.Overwrite(f.Context(), name, nil, nil, 0, hashsets.Attributes{}, hashsets.Identity{}); !errors.Is(err, store.ErrUnsupported) {
			errs = append(errs, err)
		}
		for _, err := range errs {
			f.is(err, store.ErrNotFound)
			if text := err.Error(); strings.ContainsAny(text, "\x1b\n") || !strings.Contains(text, `no/such\x1b[2J\nblob`) || !strings.Contains(text, f.Store.Name()) {
				f.Fatalf("the error reads %q", text)
			}
		}
	}},
	{"serves many goroutines at once", func(f *fixture) {
		var group sync.WaitGroup
		for worker := range 8 {
			group.Go(func() {
				for i := range 5 {
					name := fmt.Sprintf("shared/%d", i)
					if err := f.replaceOnce(name, fmt.Sprintf("%d-%d", worker, i)); err != nil {
						f.Errorf("%s: %v", name, err)
					}
				}
			})
		}
		group.Go(func() {
			for range 5 {
				for _, err := range f.Store.List(f.Context(), store.ListOptions{}) {
					if err != nil {
						f.Errorf("list: %v", err)
					}
				}
			}
		})
		group.Wait()
		want := []string{"shared/0", "shared/1", "shared/2", "shared/3", "shared/4"}
		if f.Directories {
			want = append([]string{"shared"}, want...)
		}
		if names := f.list(store.ListOptions{Staged: true}); !slices.Equal(names, want) {
			f.Fatalf("in the end it lists %q", names)
		}
	}},
}

// odd are names that a program which takes names for text gets wrong, and one
// that is longer than any path the system takes.
var odd = []string{
	"-rf", "new\nline", "\xff\xfe\x80", "tab\tand\x1b[31mred", " leading and trailing ", "*?[a]", `back\slash`, "\"quoted'", "~", "%s%n",
	"con!", "a:b", ".hidden", "...", "é", "e\u0301", strings.Repeat("n", 255), strings.Repeat("\xff", 255),
	strings.Repeat(strings.Repeat("d", 199)+"/", 25) + "deep", // 5,004 bytes
	strings.Repeat("s/", 2500) + "deep",
}

// replaceOnce publishes content under name, over whatever is there, as often
// as it takes when others do the same.
func (f *fixture) replaceOnce(name, id string) error {
	for {
		var expect *hashsets.Identity
		if entry, err := f.Store.Stat(f.Context(), name); err == nil {
			expect = &entry.Identity
		}
		done, err := f.tryReplace(name, id, expect)
		if done || err != nil {
			return err
		}
	}
}

func (f *fixture) tryReplace(name, id string, expect *hashsets.Identity) (done bool, err error) {
	staged, err := f.Store.Stage(f.Context(), name, id)
	if err != nil {
		return false, err
	}
	defer staged.Close()
	if _, err := staged.WriteAt([]byte(id), 0); err != nil {
		return false, err
	}
	if err := staged.Seal(f.Context(), int64(len(id)), hashsets.Attributes{}); err != nil {
		return false, err
	}
	_, err = staged.Publish(f.Context(), expect)
	if err == nil {
		return true, nil
	}
	if !isChanged(err) {
		return false, err
	}
	return false, staged.Discard(f.Context())
}

func isChanged(err error) bool { return errors.Is(err, store.ErrChanged) }
