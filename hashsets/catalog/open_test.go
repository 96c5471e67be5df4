//go:build unix

package catalog_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good")
	at(t, good, 1)
	whole := readFile(t, good)
	// changed is the good catalog with a change to its first page that has a
	// valid checksum.
	changed := func(offset int, value uint32) []byte {
		page := append([]byte(nil), whole...)
		binary.BigEndian.PutUint32(page[offset:], value)
		sealPage(page[:4096])
		return page
	}
	for what, test := range map[string]struct {
		content []byte
		want    error
	}{
		"empty":               {nil, catalog.ErrDamaged},
		"text":                {[]byte("hello\n"), catalog.ErrNotOurs},
		"longer text":         {[]byte(strings.Repeat("hello\n", 2000)), catalog.ErrNotOurs},
		"zeros":               {make([]byte, 8192), catalog.ErrDamaged},
		"a later version":     {changed(60, 1000), catalog.ErrNewer},
		"no version":          {changed(60, 0), catalog.ErrDamaged},
		"another application": {changed(68, 0x0badcafe), catalog.ErrNotOurs},
		"reserved bytes off":  {changed(20, 0x00402020), catalog.ErrDamaged},
	} {
		path := filepath.Join(t.TempDir(), "file")
		writeFile(t, path, test.content)
		for _, err := range opens(t, path) {
			if !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", what, err, test.want)
			}
		}
		if string(readFile(t, path)) != string(test.content) {
			t.Errorf("%s: the file was changed", what)
		}
		if _, err := os.Stat(path + "-epoch"); err == nil {
			t.Errorf("%s: a mark was left beside a file that is not ours", what)
		}
	}
	dir := t.TempDir()
	wantBoth(t, opens(t, filepath.Join(dir, "none")), catalog.ErrNoCatalog, "")
	wantBoth(t, opens(t, filepath.Join(dir, "no", "folder")), catalog.ErrNoCatalog, "")
	wantBoth(t, opens(t, dir), catalog.ErrNotOurs, "")
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("opening left %v", entries)
	}
}

func TestForeignDatabaseIsNotOurs(t *testing.T) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("needs the sqlite3 shell")
	}
	path := filepath.Join(t.TempDir(), "other.sqlite")
	if out, err := exec.Command(shell, path, `CREATE TABLE t(x); PRAGMA journal_mode=WAL`).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wantBoth(t, opens(t, path), catalog.ErrNotOurs, "")
}

func TestCreateRefusesWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	writeFile(t, path, []byte("precious"))
	if _, err := catalog.Create(t.Context(), path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	same(t, "file", string(readFile(t, path)), "precious")
}

func TestPathsMayHaveAnyBytes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a b", "100%", "%41", "what?mode=ro", "a&b=c", "#", "ü", "\xff\xfe", "new\nline", "a+b", "file:x", ";'\"", "-x", "?"} {
		folder := filepath.Join(dir, "in "+name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, name)
		at(t, path, 1)
		addOne(t, path, "more")
		wantBoth(t, opens(t, path), nil, name)
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != name && e.Name() != name+"-epoch" {
				t.Errorf("%q left %q", name, e.Name())
			}
		}
	}
	relative := "relative catalog"
	t.Chdir(dir)
	at(t, relative, 1)
	wantBoth(t, opens(t, relative), nil, "")
	long := filepath.Join(dir, strings.Repeat(strings.Repeat("x", 200)+"/", 6))
	if err := os.MkdirAll(long, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.Create(t.Context(), filepath.Join(long, "c")); err == nil || !strings.Contains(err.Error(), "bytes long") {
		t.Errorf("a path that SQLite cannot take: %v", err)
	}
}

func TestSymbolicLinkLeadsToTheCatalog(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real"), filepath.Join(t.TempDir(), "link")
	at(t, path, 1)
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	addOne(t, link, "more")
	wantBoth(t, opens(t, path), nil, "")
	for _, suffix := range []string{"-epoch", "-wal", "-shm"} {
		if _, err := os.Lstat(link + suffix); err == nil {
			t.Errorf("%s lies beside the link", suffix)
		}
	}
	// What a killed run left is found through the link too.
	left := killed(t)
	if err := errors.Join(os.Remove(link), os.Symlink(left, link)); err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "records", len(names(t, c, catalog.Query{})), 7)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := t.TempDir()
	path := filepath.Join(dir, "catalog.sqlite")
	c, err := catalog.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, record("a", 1))
	for _, suffix := range []string{"", "-wal", "-epoch"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", suffix, info.Mode())
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReadOnlyBesideAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	c, err := catalog.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, record("a", 1))
	beside, err := catalog.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "before", names(t, beside, catalog.Query{}), []string{"a"})
	put(t, c, record("b", 1))
	same(t, "after", names(t, beside, catalog.Query{}), []string{"a", "b"})
	if err := beside.Update(t.Context(), func(tx *catalog.Tx) error { return nil }); err == nil {
		t.Error("a catalog that is open for reading was written")
	}
	// The writer closes first: the reader goes on.
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, "after the writer", names(t, beside, catalog.Query{}), []string{"a", "b"})
	if err := beside.Close(); err != nil {
		t.Fatal(err)
	}
	addOne(t, path, "c")
}

func TestReadOnlyWhereNothingCanBeWritten(t *testing.T) {
	if path := os.Getenv("CATALOG_TO_READ"); path != "" {
		c, err := catalog.OpenReadOnly(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("records:", len(names(t, c, catalog.Query{})))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	dir, err := os.MkdirTemp("", "readonly")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "catalog.sqlite")
	at(t, path, 3)
	for name, mode := range map[string]fs.FileMode{path: 0o444, path + "-epoch": 0o444, dir: 0o555} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	defer os.Chmod(dir, 0o755)
	cmd := fixtures.NobodysCommand(t, "-test.run=^TestReadOnlyWhereNothingCanBeWritten$", "-test.v")
	cmd.Env = append(os.Environ(), "CATALOG_TO_READ="+path)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "records: 3") {
		t.Errorf("%v: %s", err, out)
	}
}

// What fails while a connection is being opened is an error. To close such a
// connection with a checkpoint crashes SQLite.
func TestAConnectionThatFailsWhileItOpensIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	at(t, path, 1)
	if err := syscall.Mkfifo(path+"-wal", 0o600); err != nil {
		t.Skip(err)
	}
	if c, err := catalog.Open(t.Context(), path); err == nil {
		t.Fatal(errors.Join(errors.New("a log that cannot be read is no error"), c.Close()))
	}
}
