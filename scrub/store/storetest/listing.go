package storetest

import (
	"slices"
	"strings"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

var listing = []promise{
	{"lists nothing of an empty store", func(f *fixture) {
		if names := f.list(store.ListOptions{}); len(names) != 0 {
			f.Fatalf("it lists %q", names)
		}
	}},
	{"lists in the order of full names as bytes", func(f *fixture) {
		want := f.grow(woods)
		if got := f.list(store.ListOptions{}); !slices.Equal(got, want) {
			f.Fatalf("it lists\n%q, want\n%q", got, want)
		}
	}},
	{"lists a range from its first name on and to before its end", func(f *fixture) {
		all := f.grow(woods)
		bounds := append(slices.Clone(all), "", "\x01", "a/", "a0", "a/x/", "a-b/zz", "b", "zz", "\xff")
		for _, from := range bounds {
			for _, to := range bounds {
				var want []string
				for _, name := range all {
					if name >= from && (to == "" || name < to) {
						want = append(want, name)
					}
				}
				if got := f.list(store.ListOptions{From: from, To: to}); !slices.Equal(got, want) {
					f.Fatalf("from %q to %q it lists\n%q, want\n%q", from, to, got, want)
				}
			}
		}
	}},
	{"says of each name its kind, and what Stat says", func(f *fixture) {
		all := f.grow(woods)
		for entry, err := range f.Store.List(f.Context(), store.ListOptions{}) {
			f.ok(err)
			if want := kindOf(entry.Name, all); entry.Kind != want {
				f.Fatalf("%q is listed as a %v, not a %v", entry.Name, entry.Kind, want)
			}
			if alone := f.stat(entry.Name); alone != entry {
				f.Fatalf("listed as %+v, alone %+v", entry, alone)
			}
		}
	}},
	{"lists the same where files need not be looked at", func(f *fixture) {
		all := f.grow(woods)
		i := 0
		for entry, err := range f.Store.List(f.Context(), store.ListOptions{Unseen: true}) {
			f.ok(err)
			if i == len(all) || entry.Name != all[i] || entry.Kind != kindOf(entry.Name, all) {
				f.Fatalf("name %d is listed as %+v, want %q", i, entry, all)
			}
			i++
			alone := f.stat(entry.Name)
			if entry.Unseen {
				alone = store.Entry{Name: entry.Name, Kind: hashsets.File, Unseen: true}
			}
			if entry != alone {
				f.Fatalf("listed as %+v, alone %+v", entry, alone)
			}
		}
		if i != len(all) {
			f.Fatalf("%d names are listed of %q", i, all)
		}
	}},
	{"stops listing when nobody wants more", func(f *fixture) {
		all := f.grow(woods)
		for stop := range all {
			seen := 0
			for range f.Store.List(f.Context(), store.ListOptions{}) {
				if seen == stop {
					break
				}
				seen++
			}
		}
	}},
	{"lists again from the beginning", func(f *fixture) {
		all := f.grow(woods)
		sequence := f.Store.List(f.Context(), store.ListOptions{})
		for range 2 {
			var names []string
			for entry, err := range sequence {
				f.ok(err)
				names = append(names, entry.Name)
			}
			if !slices.Equal(names, all) {
				f.Fatalf("it lists\n%q, want\n%q", names, all)
			}
		}
	}},
	{"takes a blob that is named like a staged replacement for a blob", func(f *fixture) {
		name := "a/" + store.StagedName("20260102T030405.678Z-0123456789ab")
		f.put(name, []byte("b"))
		if names := f.list(store.ListOptions{}); !slices.Contains(names, name) {
			f.Fatalf("it lists %q", names)
		}
		f.holds(name, []byte("b"))
		if seen := f.stat(name); seen.Identity.Size != 1 {
			f.Fatalf("it is %+v", seen)
		}
	}},
	{"leaves staged replacements out unless they are asked for", func(f *fixture) {
		f.put("a/b", []byte("b"))
		staged := f.stage("a/b", "leftover", []byte("new"))
		f.close(staged)
		if names := f.list(store.ListOptions{}); slices.ContainsFunc(names, store.IsStaged) {
			f.Fatalf("it lists %q", names)
		}
		names := f.list(store.ListOptions{Staged: true})
		if !slices.Contains(names, "a/"+store.StagedName("leftover")) {
			f.Skipf("this store keeps them elsewhere: %q", names)
		}
	}},
}

// woods are names whose order is easily got wrong: siblings that sort between
// a directory and what is in it, and bytes of both signs.
var woods = []string{
	"a/x", "a/x-y", "a/x/y", "a/x/z/1", "a-b", "a-b/zz", "a.", "a b", "a0", "a!/q", "a!", "a", "A", "ab/c", "ab", "a/\x01",
	"\xffend", "\x7f", "Ünicode/é", "-dash/-", "b/c/d/e/f/g/h", "b/c/d-", "b/c/d.", "b/c/d0", "new\nline/x",
}

// grow makes a File for each name that is no directory to another, and returns
// all names that are then there, in order.
func (f *fixture) grow(names []string) []string {
	f.Helper()
	there := map[string]bool{}
	for _, name := range names {
		if isDirectory(name, names) || !f.keeps(name) {
			continue
		}
		f.put(name, []byte(name))
		there[name] = true
		for directory := name; f.Directories; {
			i := strings.LastIndexByte(directory, '/')
			if i < 0 {
				break
			}
			directory = directory[:i]
			there[directory] = true
		}
	}
	all := []string{}
	for name := range there {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func isDirectory(name string, names []string) bool {
	return slices.ContainsFunc(names, func(other string) bool { return strings.HasPrefix(other, name+"/") })
}

// kindOf is what a name made by grow must be listed as.
func kindOf(name string, all []string) hashsets.Kind {
	if isDirectory(name, all) {
		return hashsets.Directory
	}
	return hashsets.File
}
