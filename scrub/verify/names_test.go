package verify_test

import (
	"crypto/md5"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/scrub/verify"
)

const text = "hello\n"

// tree makes files of the same text, and lists with the texts given, in a new
// folder.
func tree(t *testing.T, files []string, lists map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{}
	for _, name := range files {
		all[name] = text
	}
	fill := strings.NewReplacer("{md5}", fmt.Sprintf("%x", md5.Sum([]byte(text))), "{crc32}", fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))))
	for name, list := range lists {
		all[name] = fill.Replace(list)
	}
	for name, content := range all {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Skipf("this file system takes no such name: %v", err)
		}
	}
	return dir
}

// verified is what a run over one list says, but for what is ok.
func verified(t *testing.T, dir, list string, opts verify.Options) *recorder {
	t.Helper()
	opts.Paths = []string{filepath.Join(dir, list)}
	return run(t, opts)
}

// A name is looked for as it is written; where nothing is called so, as another
// system writes it, and that is said, once a list.
func TestNamesAsOtherSystemsWriteThem(t *testing.T) {
	for name, c := range map[string]struct{ file, other, list string }{
		"separators of Windows":        {"sub/a", "sub/b", "sub\\a {crc32}\r\nsub\\b {crc32}\r\n"},
		"the character set of Windows": {"café", "a", "caf\xe9 {crc32}\r\na {crc32}\r\n"},
		"columns":                      {"a", "b", "a    {crc32}\nb    {crc32}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, []string{c.file, c.other}, map[string]string{"x.sfv": c.list})
			rec := verified(t, dir, "x.sfv", verify.Options{})
			if rec.sum.Exit != 0 || rec.sum.Counts[verify.OK] != 2 || rec.sum.Counts[verify.Warned] != 1 || !rec.has("warning", "was taken for") {
				t.Error(rec)
			}
		})
	}
}

func TestABackslashIsPartOfANameWhereThereIsSuchAFile(t *testing.T) {
	if filepath.Separator == '\\' {
		t.Skip("no file name has a backslash on this system")
	}
	dir := tree(t, []string{`sub\a`, "sub/a"}, map[string]string{"MD5SUMS": `{md5}  sub\a` + "\n"})
	if err := os.WriteFile(filepath.Join(dir, "sub/a"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if rec := verified(t, dir, "MD5SUMS", verify.Options{}); rec.sum.Exit != 0 || len(rec.results) > 0 {
		t.Error(rec)
	}
}

// The pictures that rclone writes in the place of control characters.
func TestPicturesOfControlCharacters(t *testing.T) {
	dir := tree(t, []string{"new\nline"}, map[string]string{"MD5SUMS": "{md5}  new␊line\n"})
	if rec := verified(t, dir, "MD5SUMS", verify.Options{}); rec.sum.Exit != 0 || rec.sum.Counts[verify.OK] != 1 {
		t.Error(rec)
	}
}

func TestACommentThatIsNoNameIsNone(t *testing.T) {
	dir := tree(t, []string{"a"}, map[string]string{"x.sfv": "; from ../../old is 1badcafe\n; x deadbeef\na {crc32}\n"})
	if rec := verified(t, dir, "x.sfv", verify.Options{}); rec.sum.Exit != 0 || rec.sum.Counts[verify.OK] != 1 {
		t.Error(rec)
	}
}

func TestWhyANameIsNotThere(t *testing.T) {
	dir := tree(t, []string{"Readme", "cafe\u0301"}, map[string]string{"MD5SUMS": "{md5}  README\n{md5}  caf\u00e9\n{md5}  caf\ufffd\n"})
	rec := verified(t, dir, "MD5SUMS", verify.Options{})
	for i, want := range []string{"name-differs", "name-differs", "unverifiable-name"} {
		if len(rec.results) != 3 || rec.results[i].Status != verify.Missing || !strings.Contains(strings.Join(rec.results[i].Evidence, " "), want) {
			t.Fatalf("%d is not missing with %s\n%s", i, want, rec)
		}
	}
}

// Files that may be missing are not all allowed to be.
func TestNothingMatchedIsNoSuccess(t *testing.T) {
	dir := tree(t, []string{"a"}, map[string]string{"MD5SUMS": "{md5}  x\n{md5}  y\n", "SOMESUMS": "{md5}  a\n{md5}  y\n"})
	if rec := verified(t, dir, "MD5SUMS", verify.Options{IgnoreMissing: true}); rec.sum.Exit == 0 {
		t.Error(rec)
	}
	if rec := verified(t, dir, "SOMESUMS", verify.Options{IgnoreMissing: true}); rec.sum.Exit != 0 {
		t.Error(rec)
	}
}

// A link that leads out of the folder, whether its last component or one on the
// way, is refused; one within is followed.
func TestLinksThatLeadOut(t *testing.T) {
	dir := tree(t, []string{"in/a", "out/secret"}, map[string]string{"in/MD5SUMS": "{md5}  file\n{md5}  folder/secret\n{md5}  absolute\n{md5}  within\n"})
	for name, target := range map[string]string{"file": "../out/secret", "folder": "../out", "absolute": filepath.Join(dir, "out/secret"), "within": "a"} {
		if err := os.Symlink(target, filepath.Join(dir, "in", name)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	rec := verified(t, dir, "in/MD5SUMS", verify.Options{})
	if rec.sum.Counts[verify.UnsafePath] != 3 || rec.sum.Counts[verify.OK] != 1 || rec.sum.Exit != 2 {
		t.Error(rec)
	}
}

// The lists of installed Debian packages have names below the root above them,
// but for files whose names another package has taken.
func TestInstalledPackages(t *testing.T) {
	const other = "c6f057b86584942e415435ffb1fa93d4" // of "000"
	dir := tree(t, []string{"usr/bin/a", "usr/bin/b.distrib"}, map[string]string{
		"usr/bin/b":                             "000",
		"var/lib/dpkg/diversions":               "/usr/bin/b\n/usr/bin/b.distrib\nthief\n",
		"var/lib/dpkg/info/plain:amd64.md5sums": "{md5}  usr/bin/a\n{md5}  usr/bin/b\n",
		"var/lib/dpkg/info/thief.md5sums":       other + "  usr/bin/b\n",
	})
	for _, list := range []string{"plain:amd64", "thief"} {
		if rec := verified(t, dir, "var/lib/dpkg/info/"+list+".md5sums", verify.Options{}); rec.sum.Exit != 0 || len(rec.results) > 0 {
			t.Error(list, rec)
		}
	}
}
