package catalog_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
)

// at makes a closed catalog with n records at path.
func at(t *testing.T, path string, n int) {
	t.Helper()
	c, err := catalog.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		put(t, c, record(blobName(i), 1))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func addOne(t *testing.T, path, name string) {
	t.Helper()
	c, err := catalog.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, record(name, 1))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// opens opens the catalog in both ways and returns the two errors.
func opens(t *testing.T, path string) (errs [2]error) {
	t.Helper()
	for i, open := range []func() (*catalog.Catalog, error){
		func() (*catalog.Catalog, error) { return catalog.OpenReadOnly(t.Context(), path) },
		func() (*catalog.Catalog, error) { return catalog.Open(t.Context(), path) },
	} {
		c, err := open()
		if err == nil {
			err = c.Close()
		}
		errs[i] = err
	}
	return errs
}

func wantBoth(t *testing.T, errs [2]error, want error, text string) {
	t.Helper()
	for i, err := range errs {
		if want == nil && err != nil || want != nil && (!errors.Is(err, want) || !strings.Contains(err.Error(), text)) {
			t.Errorf("%s: %v, want %v: …%s…", []string{"OpenReadOnly", "Open"}[i], err, want, text)
		}
	}
}

func TestOlderCopyIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	at(t, path, 2)
	old, oldMark := readFile(t, path), readFile(t, path+"-epoch")
	addOne(t, path, "newer")

	writeFile(t, path, old)
	wantBoth(t, opens(t, path), catalog.ErrDamaged, "it is older than it should be: update 2, and update 3 was committed")

	// One of the two lines of the mark is enough.
	mark := readFile(t, path+"-epoch")
	for _, line := range []int{10, 138} {
		torn := bytes.Clone(mark)
		torn[line] ^= 1
		writeFile(t, path+"-epoch", torn)
		wantBoth(t, opens(t, path), catalog.ErrDamaged, "older")
	}

	// The whole vault from a backup is as it was then.
	writeFile(t, path+"-epoch", oldMark)
	wantBoth(t, opens(t, path), nil, "")
}

func TestCrashBetweenCommitAndMarkCostsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	at(t, path, 2)
	oldMark := readFile(t, path+"-epoch")
	addOne(t, path, "newer")
	for what, mark := range map[string][]byte{"older": oldMark, "empty": nil, "half a line": oldMark[:50], "noise": []byte("noise\n")} {
		writeFile(t, path+"-epoch", mark)
		errs := opens(t, path)
		wantBoth(t, errs, nil, what)
	}
	if err := os.Remove(path + "-epoch"); err != nil {
		t.Fatal(err)
	}
	wantBoth(t, opens(t, path), nil, "")
	// Opening for writing made the mark anew.
	old := readFile(t, path)
	addOne(t, path, "newest")
	writeFile(t, path, old)
	wantBoth(t, opens(t, path), catalog.ErrDamaged, "older")
}

func TestCatalogOfAnotherVaultIsRefused(t *testing.T) {
	dir := t.TempDir()
	one, other := filepath.Join(dir, "one"), filepath.Join(dir, "other")
	at(t, one, 2)
	at(t, other, 5)
	writeFile(t, one, readFile(t, other))
	wantBoth(t, opens(t, one), catalog.ErrDamaged, "is of another catalog")
}

func TestReplacePutsARebuiltCatalogInPlace(t *testing.T) {
	dir := t.TempDir()
	path, rebuilt := filepath.Join(dir, "catalog.sqlite"), filepath.Join(dir, "rebuilt")
	at(t, path, 5)
	at(t, rebuilt, 3)
	if err := catalog.Replace(path, rebuilt); err != nil {
		t.Fatal(err)
	}
	wantBoth(t, opens(t, path), nil, "")
	c, err := catalog.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "records", len(names(t, c, catalog.Query{})), 3)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(rebuilt); err == nil {
		t.Error("the rebuilt catalog is still under its own name")
	}
}

// killed leaves a copy of a catalog as a killed run leaves it: with a
// write-ahead log that holds its last updates.
func killed(t *testing.T) (path string) {
	t.Helper()
	dir := t.TempDir()
	live := filepath.Join(dir, "live.sqlite")
	at(t, live, 2)
	c, err := catalog.Open(t.Context(), live)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		put(t, c, record(blobName(100+i), 1))
	}
	path = filepath.Join(dir, "killed.sqlite")
	for _, suffix := range []string{"", "-wal", "-epoch"} {
		writeFile(t, path+suffix, readFile(t, live+suffix))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKilledRunLosesNothingThatWasCommitted(t *testing.T) {
	for _, open := range []func(string) (*catalog.Catalog, error){
		func(path string) (*catalog.Catalog, error) { return catalog.OpenReadOnly(t.Context(), path) },
		func(path string) (*catalog.Catalog, error) { return catalog.Open(t.Context(), path) },
	} {
		c, err := open(killed(t))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "records", len(names(t, c, catalog.Query{})), 7)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedWriteAheadLogIsNoticedAndKept(t *testing.T) {
	fixtures.Sequential(t)
	path := killed(t)
	wal := readFile(t, path+"-wal")
	whole := readFile(t, path)
	mark := readFile(t, path+"-epoch")
	noticed := 0
	for at := 0; at < len(wal); at += 1 + len(wal)/150 {
		damaged := bytes.Clone(wal)
		damaged[at] ^= 1 << (at % 8)
		writeFile(t, path, whole)
		writeFile(t, path+"-wal", damaged)
		writeFile(t, path+"-epoch", mark)
		os.Remove(path + "-shm")
		c, err := catalog.Open(t.Context(), path)
		if err == nil {
			same(t, "records", len(names(t, c, catalog.Query{})), 7)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		noticed++
		if !errors.Is(err, catalog.ErrDamaged) {
			t.Errorf("byte %d of the log: %v", at, err)
		}
		if !bytes.Equal(readFile(t, path+"-wal"), damaged) || !bytes.Equal(readFile(t, path), whole) {
			t.Fatalf("byte %d of the log: opening a damaged catalog changed it", at)
		}
	}
	if noticed < 100 {
		t.Errorf("%d of 150 flips were noticed", noticed)
	}
}

func TestWriteByAShellIsToldFromRot(t *testing.T) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("needs the sqlite3 shell")
	}
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	at(t, path, 2)
	out, err := exec.Command(shell, path, `UPDATE blob SET size = 1`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c, err := catalog.Open(t.Context(), path)
	if err == nil {
		_, err = c.Current(t.Context(), blobName(0))
		c.Close()
	}
	if !errors.Is(err, catalog.ErrDamaged) || !strings.Contains(err.Error(), "another program wrote the file") {
		t.Errorf("got %v", err)
	}

	at(t, path+"2", 2)
	info, err := os.Stat(path + "2")
	if err != nil {
		t.Fatal(err)
	}
	file := readFile(t, path+"2")
	file[200] ^= 1
	writeFile(t, path+"2", file)
	if err := os.Chtimes(path+"2", info.ModTime(), info.ModTime()); err != nil { // as a medium rots
		t.Fatal(err)
	}
	for _, err := range opens(t, path+"2") {
		if !errors.Is(err, catalog.ErrDamaged) || strings.Contains(err.Error(), "another program") {
			t.Errorf("got %v", err)
		}
	}
}

func TestShellCanReadTheCatalog(t *testing.T) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("needs the sqlite3 shell")
	}
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	populate(t, path)
	for query, want := range map[string]string{
		`SELECT name, generation, kind, size, recorded_at FROM records WHERE name = 'dir 0/blob 15'`: "dir 0/blob 15|2|1|70000|2026-01-01 12:30:15\n",
		`SELECT count(*) FROM findings WHERE verdict = 'corrupt'`:                                    "10\n",
		`SELECT count(*) FROM verified WHERE store = 'dr'`:                                           "33\n",
		`SELECT name FROM places WHERE col = 2 AND offset = 0`:                                       "dir 2/blob 02\n",
		`PRAGMA integrity_check`: "ok\n",
	} {
		out, err := exec.Command(shell, "file:"+path+"?mode=ro", query).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: %s %v, want %s", query, out, err, want)
		}
	}
	wantBoth(t, opens(t, path), nil, "")
}
