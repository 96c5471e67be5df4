package verify_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
	"bitmend/scrub/verify"
)

func writeLists(t *testing.T, opts verify.WriteOptions) (*recorder, error) {
	t.Helper()
	rec := &recorder{}
	sum, err := verify.Write(context.Background(), opts, rec)
	rec.sum = sum
	return rec, err
}

// ordinary are names that every tool can deal with, and some that only those
// can which escape.
var (
	ordinary = []string{"data/a", "data/two  spaces", "data/sub/comma, (1).txt", "data/é"}
	escaped  = []string{`data/back\slash`, "data/new\nline", "data/blank "}
)

func folder(t *testing.T, names ...[]string) string {
	t.Helper()
	return tree(t, slices.Concat(names...), nil)
}

func TestWrittenListsVerify(t *testing.T) {
	for _, style := range manifest.Styles() {
		t.Run(string(style), func(t *testing.T) {
			dir := folder(t, ordinary)
			rec, err := writeLists(t, verify.WriteOptions{Folder: dir, Style: style})
			if err != nil || rec.sum.Exit != 0 {
				t.Fatal(err, rec)
			}
			if rec := run(t, verify.Options{Paths: []string{dir}}); rec.sum.Exit != 0 || rec.sum.Counts[verify.OK] < 4 {
				t.Error(rec)
			}
			if err := os.WriteFile(filepath.Join(dir, "data/a"), []byte("hullo\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if rec := run(t, verify.Options{Paths: []string{dir}}); rec.sum.Exit != 4 || rec.sum.Damaged != 1 {
				t.Error(rec)
			}
		})
	}
}

// The tools of the formats accept what is written.
func TestToolsAcceptWrittenLists(t *testing.T) {
	for _, c := range []struct {
		style      manifest.Style
		algorithms []hashsets.Algorithm
		names      [][]string
		command    string
	}{
		{manifest.StyleGNU, []hashsets.Algorithm{"sha256"}, [][]string{ordinary, escaped}, "sha256sum --strict -c SHA256SUMS"},
		{manifest.StyleGNU, []hashsets.Algorithm{"md5", "sha512"}, [][]string{ordinary, escaped}, "sha512sum --strict -c SHA512SUMS"},
		{manifest.StyleGNU, []hashsets.Algorithm{"blake2b-512"}, [][]string{ordinary, escaped}, "b2sum --strict -c B2SUMS"},
		{manifest.StyleGNU, []hashsets.Algorithm{"blake3"}, [][]string{ordinary, escaped}, "b3sum -c B3SUMS"},
		{manifest.StyleGNU, []hashsets.Algorithm{"xxh128"}, [][]string{ordinary}, "xxhsum --strict -c XXH128SUMS"},
		{manifest.StyleGNU, []hashsets.Algorithm{"xxh3"}, [][]string{ordinary}, "xxhsum --strict -c XXH3SUMS"},
		{manifest.StyleBSD, []hashsets.Algorithm{"sha256", "md5", "blake2b-512", "sm3"}, [][]string{ordinary, escaped}, "cksum --strict -c CHECKSUMS"},
		{manifest.StyleBSD, []hashsets.Algorithm{"xxh64", "xxh128"}, [][]string{ordinary}, "xxhsum --strict -c CHECKSUMS"},
		{manifest.StyleBSD, []hashsets.Algorithm{"crc32", "sha256", "tiger", "whirlpool", "sha3-256"}, [][]string{ordinary}, "rhash -c CHECKSUMS"},
		{manifest.StyleHashdeep, []hashsets.Algorithm{"md5", "sha1", "sha256", "tiger", "whirlpool"}, [][]string{ordinary}, "hashdeep -a -l -r -k files.hashdeep data"},
		{manifest.StyleSFV, nil, [][]string{{"data/a", "data/b c"}}, "cksfv -q -g files.sfv"},
		{manifest.StyleSFV, nil, [][]string{{"data/a", "data/b c"}}, "rhash -c files.sfv"},
		{manifest.StyleBagIt, []hashsets.Algorithm{"sha256"}, [][]string{ordinary}, "sha256sum --strict -c manifest-sha256.txt tagmanifest-sha256.txt"},
	} {
		t.Run(c.command, func(t *testing.T) {
			args := strings.Fields(c.command)
			if _, err := exec.LookPath(args[0]); err != nil {
				t.Skipf("%s is not installed", args[0])
			}
			dir := folder(t, c.names...)
			if _, err := writeLists(t, verify.WriteOptions{Folder: dir, Style: c.style, Algorithms: c.algorithms}); err != nil {
				t.Fatal(err)
			}
			tool := func() ([]byte, error) {
				cmd := exec.Command(args[0], args[1:]...)
				cmd.Dir = dir
				return cmd.CombinedOutput()
			}
			if said, err := tool(); err != nil {
				t.Errorf("%v\n%s", err, said)
			}
			if err := os.WriteFile(filepath.Join(dir, "data/a"), []byte("hullo\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if said, err := tool(); err == nil {
				t.Errorf("a damaged file was accepted\n%s", said)
			}
		})
	}
}

// However many lists and algorithms, each file is read once.
func TestEachFileIsReadOnceForAllLists(t *testing.T) {
	dir := folder(t, ordinary)
	rec, err := writeLists(t, verify.WriteOptions{Folder: dir, Style: manifest.StyleGNU, Algorithms: []hashsets.Algorithm{"sha256", "md5", "blake3"}})
	if err != nil || rec.sum.Bytes != int64(len(ordinary)*len(text)) || rec.sum.Intact != int64(len(ordinary)) || rec.sum.Counts[verify.OK] != 12 {
		t.Error(err, rec)
	}
}

func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		all[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAListThatIsThereIsNotWrittenOver(t *testing.T) {
	dir := folder(t, ordinary)
	if err := os.WriteFile(filepath.Join(dir, "MD5SUMS"), []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	opts := verify.WriteOptions{Folder: dir, Style: manifest.StyleGNU, Algorithms: []hashsets.Algorithm{"sha256", "md5"}}
	if rec, err := writeLists(t, opts); !errors.Is(err, fs.ErrExist) {
		t.Error(err, rec)
	}
	if after := listing(t, dir); len(after) != len(before) || after[filepath.Join(dir, "MD5SUMS")] != "mine\n" {
		t.Errorf("%q", after)
	}
	opts.Overwrite = true
	if rec, err := writeLists(t, opts); err != nil || rec.sum.Intact != int64(len(ordinary)) {
		t.Error(err, rec)
	}
	if rec := run(t, verify.Options{Paths: []string{dir}}); rec.sum.Exit != 0 {
		t.Error(rec)
	}
}

// A name that a format cannot hold ends the writing: a list that lacks a file
// would be taken for whole. Nothing is left behind.
func TestNamesThatAFormatCannotHold(t *testing.T) {
	for style, name := range map[manifest.Style]string{manifest.StyleSFV: "a ", manifest.StyleHashdeep: "new\nline"} {
		dir := tree(t, []string{"a", name}, nil)
		var refused *manifest.NameError
		if rec, err := writeLists(t, verify.WriteOptions{Folder: dir, Style: style}); !errors.As(err, &refused) || refused.Name != name {
			t.Error(err, rec)
		}
		if after := listing(t, dir); len(after) != 2 {
			t.Errorf("%q", after)
		}
	}
}

// A file that cannot be read is told of, and the list is written without it.
func TestWhatCannotBeReadIsSaidAndLeftOut(t *testing.T) {
	dir := folder(t, ordinary)
	for name, target := range map[string]string{"within": "data/a", "dangling": "nowhere", "out": "../..", "folder": "data"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	rec, err := writeLists(t, verify.WriteOptions{Folder: dir, Style: manifest.StyleGNU})
	if err != nil || rec.sum.Exit != 2 || rec.sum.Intact != int64(len(ordinary))+1 || len(rec.results) != 3 {
		t.Error(err, rec)
	}
	list, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil || strings.Count(string(list), "\n") != len(ordinary)+1 || !strings.Contains(string(list), "  within\n") {
		t.Errorf("%v\n%s", err, list)
	}
}

func TestWritingNothingIsNoSuccess(t *testing.T) {
	dir := t.TempDir()
	rec, err := writeLists(t, verify.WriteOptions{Folder: dir, Style: manifest.StyleGNU})
	if err != nil || rec.sum.Exit != 2 || len(listing(t, dir)) != 0 {
		t.Error(err, rec)
	}
}

func TestBagsAreWrittenAsOneThing(t *testing.T) {
	const declared = "BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"
	for name, c := range map[string]struct{ file, text, problem string }{
		"no payload":               {"a", "x", "no such folder"},
		"an earlier version":       {"bagit.txt", declared, "declares BagIt 0.97"},
		"another size of payload":  {"bag-info.txt", "Payload-Oxum: 1.1\n", "Payload-Oxum of bag-info.txt is 1.1"},
		"a list that is there":     {"tagmanifest-sha256.txt", "x", "already exists"},
		"a payload list, as above": {"manifest-sha256.txt", "x", "already exists"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if name != "no payload" {
				dir = folder(t, ordinary)
			}
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			rec, err := writeLists(t, verify.WriteOptions{Folder: dir, Style: manifest.StyleBagIt})
			if err == nil || !strings.Contains(err.Error(), c.problem) && !errors.Is(err, fs.ErrExist) {
				t.Error(err, rec)
			}
			if got, err := os.ReadFile(filepath.Join(dir, c.file)); err != nil || string(got) != c.text {
				t.Errorf("%s is %q, %v", c.file, got, err)
			}
		})
	}
}
