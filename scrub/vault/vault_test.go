package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// folder makes a directory below a temporary one and returns its path.
func folder(t *testing.T, elements ...string) string {
	t.Helper()
	dir := filepath.Join(elements...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tempDir is a temporary directory without symbolic links in its path.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func primary(url string) vault.StoreConfig {
	return vault.StoreConfig{Name: "primary", URL: url, Role: vault.Primary}
}

func closed(t *testing.T, v *vault.Vault) {
	t.Helper()
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

func TestFirstUseMakesTheVaultBesideTheTree(t *testing.T) {
	ctx, top := context.Background(), tempDir(t)
	tree := folder(t, top, "photos")
	write(t, filepath.Join(tree, "a"), "a")

	v, made, err := vault.OpenOrInit(ctx, tree, "protect")
	if err != nil || !made {
		t.Fatalf("made is %v, error %v", made, err)
	}
	if want := filepath.Join(top, "photos.bitmend"); v.Dir != want {
		t.Errorf("the vault is %s, want %s", v.Dir, want)
	}
	if p := v.Primary(); p.Name != "primary" || p.URL != "../photos" {
		t.Errorf("the primary store is %+v", p)
	}
	s, err := v.Store("primary")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(ctx, "a"); err != nil {
		t.Error(err)
	}
	if _, err := v.Catalog.Totals(ctx); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{v.Dir, v.QuarantineDir(), v.JournalDir(), v.ScratchDir(), filepath.Join(v.Dir, "parity")} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the folder %s: %v, %v; want mode 0700", dir, info.Mode(), err)
		}
	}
	closed(t, v)

	v, made, err = vault.OpenOrInit(ctx, tree+"/", "protect")
	if err != nil || made {
		t.Fatalf("the second time made is %v, error %v", made, err)
	}
	closed(t, v)
	entries, _ := os.ReadDir(tree)
	if len(entries) != 1 {
		t.Errorf("the tree holds %v: nothing may be added to it", entries)
	}
}

func TestATreeOfAnyName(t *testing.T) {
	for _, name := range []string{"s3:photos", "caf\xe9", "new\nline", "#x = \"[[y]]", "-v", " ", "file:x", "100%41", "ünï"} {
		tree := folder(t, tempDir(t), name)
		write(t, filepath.Join(tree, "a"), "a")
		for range 2 {
			v, _, err := vault.OpenOrInit(context.Background(), tree, "protect")
			if err != nil {
				t.Errorf("%q: %v", name, err)
				break
			}
			s, err := v.Store("primary")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Stat(context.Background(), "a"); err != nil {
				t.Errorf("%q: %v", name, err)
			}
			closed(t, v)
		}
	}
}

func TestTheVaultMovesWithItsTree(t *testing.T) {
	ctx, top := context.Background(), tempDir(t)
	tree := folder(t, top, "old", "photos")
	v, _, err := vault.OpenOrInit(ctx, tree, "protect")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, v)
	if err := os.Rename(filepath.Join(top, "old"), filepath.Join(top, "new")); err != nil {
		t.Fatal(err)
	}
	v, err = vault.OpenTree(ctx, filepath.Join(top, "new", "photos"), "scrub")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, v)
}

func TestAVaultOfAnotherTreeIsNotUsed(t *testing.T) {
	ctx, top := context.Background(), tempDir(t)
	photos, music := folder(t, top, "photos"), folder(t, top, "music")
	if err := vault.Init(ctx, filepath.Join(top, "music.bitmend"), vault.DefaultConfig(primary(photos))); err != nil {
		t.Fatal(err)
	}
	_, _, err := vault.OpenOrInit(ctx, music, "protect")
	if !vault.IsConfigError(err) || !strings.Contains(err.Error(), "protects "+photos+" and not "+music) {
		t.Errorf("the error is %v", err)
	}
	// It was let go of.
	v, err := vault.Open(ctx, filepath.Join(top, "music.bitmend"), "scrub")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, v)
}

func TestALostTreeStillHasItsVault(t *testing.T) {
	ctx, tree := context.Background(), folder(t, tempDir(t), "photos")
	v, _, err := vault.OpenOrInit(ctx, tree, "protect")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, v)
	if err := os.Remove(tree); err != nil {
		t.Fatal(err)
	}
	v, _, err = vault.OpenOrInit(ctx, tree, "repair")
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, v)
	s, err := v.Store("primary")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Probe(ctx); !errors.Is(err, store.ErrNotMounted) {
		t.Errorf("probing the lost tree: %v, want %v", err, store.ErrNotMounted)
	}
}

func TestNoVaultSaysWhatToRun(t *testing.T) {
	ctx, top := context.Background(), tempDir(t)
	tree := folder(t, top, "photos")
	for dir, want := range map[string]string{
		tree + ".bitmend":                 "bitmend protect " + tree,
		filepath.Join(top, "vault"):       "bitmend init " + filepath.Join(top, "vault") + " --store",
		folder(t, top, "empty"):           "bitmend init " + filepath.Join(top, "empty") + " --store",
		filepath.Join(top, ".bitmend"):    "bitmend init " + filepath.Join(top, ".bitmend"),
		filepath.Join(top, "no", "where"): "bitmend init",
	} {
		for verb, open := range map[string]func() (*vault.Vault, error){
			"Open":         func() (*vault.Vault, error) { return vault.Open(ctx, dir, "scrub") },
			"OpenReadOnly": func() (*vault.Vault, error) { return vault.OpenReadOnly(ctx, dir) },
			"OpenLocked":   func() (*vault.Vault, error) { return vault.OpenLocked(ctx, dir, "scrub") },
		} {
			if _, err := open(); !errors.Is(err, vault.ErrNoVault) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %s: %v; want %v with %q", verb, dir, err, vault.ErrNoVault, want)
			}
		}
		if dir != filepath.Join(top, "empty") && exists(dir) {
			t.Errorf("%s was made by looking for a vault in it", dir)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestAVaultWithoutItsConfigurationIsNotMadeAnew(t *testing.T) {
	ctx, tree := context.Background(), folder(t, tempDir(t), "photos")
	v, _, err := vault.OpenOrInit(ctx, tree, "protect")
	if err != nil {
		t.Fatal(err)
	}
	known := v.CatalogPath()
	closed(t, v)
	before, err := os.ReadFile(known)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(v.Dir, vault.ConfigFile)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := vault.OpenOrInit(ctx, tree, "protect"); err == nil || !strings.Contains(err.Error(), "put that back") {
		t.Errorf("the error is %v", err)
	}
	after, err := os.ReadFile(known)
	if err != nil || string(after) != string(before) {
		t.Errorf("the catalog was touched (%v)", err)
	}
}

func TestInitRefuses(t *testing.T) {
	ctx := context.Background()
	type where struct{ top, tree, dir string }
	for name, c := range map[string]struct {
		set  func(w where) (dir string, c vault.Config)
		want string
	}{
		"a folder that holds something": {func(w where) (string, vault.Config) {
			write(t, filepath.Join(folder(t, w.dir), "x"), "x")
			return w.dir, vault.DefaultConfig(primary(w.tree))
		}, `not empty: it holds "x"`},
		"a vault": {func(w where) (string, vault.Config) {
			if err := vault.Init(ctx, w.dir, vault.DefaultConfig(primary(w.tree))); err != nil {
				t.Fatal(err)
			}
			return w.dir, vault.DefaultConfig(primary(w.tree))
		}, "it is a vault already"},
		"a file": {func(w where) (string, vault.Config) {
			write(t, w.dir, "x")
			return w.dir, vault.DefaultConfig(primary(w.tree))
		}, "not a directory"},
		"a store that is not there": {func(w where) (string, vault.Config) {
			return w.dir, vault.DefaultConfig(primary(w.tree + "x"))
		}, `store "primary": stat`},
		"a store that is a file": {func(w where) (string, vault.Config) {
			write(t, filepath.Join(w.top, "file"), "x")
			return w.dir, vault.DefaultConfig(primary(filepath.Join(w.top, "file")))
		}, "not a directory"},
		"a vault in its store": {func(w where) (string, vault.Config) {
			return filepath.Join(w.tree, "sub", "vault"), vault.DefaultConfig(primary(w.tree))
		}, `the vault (`},
		"a vault that is its store": {func(w where) (string, vault.Config) {
			return w.tree, vault.DefaultConfig(primary(w.tree))
		}, `are the same directory`},
		"a store in the vault": {func(w where) (string, vault.Config) {
			return w.top, vault.DefaultConfig(primary("photos"))
		}, `is inside of the vault`},
		"a store in another": {func(w where) (string, vault.Config) {
			return w.dir, vault.DefaultConfig(primary(w.tree), vault.StoreConfig{Name: "dr", URL: folder(t, w.tree, "dr")})
		}, `store "dr" (`},
		"a store twice": {func(w where) (string, vault.Config) {
			return w.dir, vault.DefaultConfig(primary(w.tree), vault.StoreConfig{Name: "dr", URL: w.tree + "/."})
		}, `store "dr" and store "primary" are the same directory`},
		"a store twice by a link": {func(w where) (string, vault.Config) {
			link := filepath.Join(w.top, "link")
			if err := os.Symlink(w.tree, link); err != nil {
				t.Fatal(err)
			}
			return w.dir, vault.DefaultConfig(primary(w.tree), vault.StoreConfig{Name: "dr", URL: link})
		}, `are the same directory`},
		"a vault in its store by a link": {func(w where) (string, vault.Config) {
			link := filepath.Join(w.top, "link")
			if err := os.Symlink(w.tree, link); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(link, "vault"), vault.DefaultConfig(primary(w.tree))
		}, `the vault (`},
		"a vault in its store by a link into it": {func(w where) (string, vault.Config) {
			link := filepath.Join(w.top, "link")
			if err := os.Symlink(folder(t, w.tree, "sub"), link); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(link, "vault"), vault.DefaultConfig(primary(w.tree))
		}, `the vault (`},
		"parity in a store": {func(w where) (string, vault.Config) {
			c := vault.DefaultConfig(primary(w.tree))
			c.ParityURL = filepath.Join(w.tree, "parity")
			return w.dir, c
		}, "the parity folder ("},
		"parity around the vault": {func(w where) (string, vault.Config) {
			c := vault.DefaultConfig(primary(w.tree))
			c.ParityURL = ".."
			return filepath.Join(w.top, "vaults", "v"), c
		}, "is inside of the parity folder"},
		"parity elsewhere in the vault": {func(w where) (string, vault.Config) {
			c := vault.DefaultConfig(primary(w.tree))
			c.ParityURL = "journal"
			return w.dir, c
		}, "the parity folder ("},
		"a bucket": {func(w where) (string, vault.Config) {
			return w.dir, vault.DefaultConfig(primary("gs://bucket/photos"))
		}, `stores with the scheme "gs" are not supported yet`},
		"buckets in one another": {func(w where) (string, vault.Config) {
			c := vault.DefaultConfig(primary(w.tree), vault.StoreConfig{Name: "a", URL: "s3://bucket/photos?endpoint=http://127.0.0.1:1"})
			c.ParityURL = "s3://bucket?endpoint=http://127.0.0.1:1"
			return w.dir, c
		}, `the parity folder and store "a" lie in one another, in the same bucket`},
		"no store": {func(w where) (string, vault.Config) {
			return w.dir, vault.DefaultConfig()
		}, "no [[store]]"},
		"a cancelled run": {func(w where) (string, vault.Config) {
			return w.dir, vault.DefaultConfig(primary(w.tree))
		}, "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			top := tempDir(t)
			w := where{top: top, tree: folder(t, top, "photos"), dir: filepath.Join(top, "vault")}
			dir, config := c.set(w)
			if name == "a cancelled run" {
				cancel()
			}
			had := exists(dir)
			err := vault.Init(ctx, dir, config)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is\n%v\nand says nothing of\n%s", err, c.want)
			}
			if !had && exists(dir) {
				t.Errorf("%s was made all the same", dir)
			}
		})
	}
}

func TestAnInterruptedInitIsTakenUp(t *testing.T) {
	ctx, tree := context.Background(), folder(t, tempDir(t), "photos")
	dir := tree + ".bitmend"
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := vault.InitTree(cancelled, tree); !errors.Is(err, context.Canceled) {
		t.Fatalf("the error is %v", err)
	}
	// What a kill in the middle of it leaves.
	write(t, filepath.Join(folder(t, dir), "bitmend.toml.unfinished"), "vers")
	write(t, filepath.Join(dir, "catalog.db"), "half of a cat")
	write(t, filepath.Join(dir, "catalog.db-wal"), "")
	write(t, filepath.Join(dir, "catalog.db-epoch"), "another catalog's")
	folder(t, dir, "parity")
	v, made, err := vault.OpenOrInit(ctx, tree, "protect")
	if err != nil || !made {
		t.Fatalf("made is %v, error %v", made, err)
	}
	closed(t, v)
	if exists(filepath.Join(dir, "bitmend.toml.unfinished")) {
		t.Error("the unfinished configuration is left")
	}
}

func TestScratchIsEmptiedAtEachOpen(t *testing.T) {
	ctx, tree := context.Background(), folder(t, tempDir(t), "photos")
	v, _, err := vault.OpenOrInit(ctx, tree, "protect")
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(folder(t, v.ScratchDir(), "run"), "x")
	kept := filepath.Join(v.JournalDir(), "x")
	write(t, left, "x")
	write(t, kept, "x")
	closed(t, v)
	beside, err := vault.OpenReadOnly(ctx, v.Dir)
	if err != nil {
		t.Fatal(err)
	}
	closed(t, beside)
	if !exists(left) {
		t.Error("opening for reading has emptied the folder for scratch, which a run may be using")
	}
	v, err = vault.Open(ctx, v.Dir, "scrub")
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, v)
	if exists(left) || !exists(v.ScratchDir()) || !exists(kept) {
		t.Error("opening should empty the folder for scratch, keep it, and touch no other")
	}
}

func TestOpenWithoutItsCatalog(t *testing.T) {
	ctx, tree := context.Background(), folder(t, tempDir(t), "photos")
	v, _, err := vault.OpenOrInit(ctx, tree, "protect")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, v)
	if err := os.Remove(v.CatalogPath()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the lock is let go of after the error
		if _, err := vault.Open(ctx, v.Dir, "scrub"); !errors.Is(err, catalog.ErrNoCatalog) || !strings.Contains(err.Error(), "catalog rebuild") {
			t.Errorf("opening without a catalog: %v", err)
		}
	}
	v, err = vault.OpenLocked(ctx, v.Dir, "catalog rebuild")
	if err != nil || v.Catalog != nil {
		t.Fatalf("opening to rebuild it: catalog %v, %v", v.Catalog, err)
	}
	closed(t, v)
}

func TestOpenRefusesWhatWasEditedIntoOverlap(t *testing.T) {
	ctx, top := context.Background(), tempDir(t)
	tree := folder(t, top, "photos")
	v, _, err := vault.OpenOrInit(ctx, tree, "protect")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, v)
	file := filepath.Join(v.Dir, vault.ConfigFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(text)+"\n[[store]]\nname = \"dr\"\nurl = \"../photos/not/mounted\"\n")
	_, err = vault.Open(ctx, v.Dir, "scrub")
	if !vault.IsConfigError(err) || !strings.Contains(err.Error(), file+":") || !strings.Contains(err.Error(), `store "dr" (`) {
		t.Errorf("the error is %v", err)
	}
}

func TestParityElsewhere(t *testing.T) {
	ctx, top := context.Background(), tempDir(t)
	c := vault.DefaultConfig(primary(folder(t, top, "photos")))
	c.ParityURL = "file:../other%20disk"
	if err := vault.Init(ctx, filepath.Join(top, "v"), c); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(ctx, filepath.Join(top, "v"), "scrub")
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, v)
	home, err := v.ParityHome()
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(top, "other disk"); home.URL() != want || !exists(want) {
		t.Errorf("parity lives in %s, want %s", home.URL(), want)
	}
	if again, _ := v.ParityHome(); again != home {
		t.Error("the parity folder is opened twice")
	}
}

func TestStoresByName(t *testing.T) {
	ctx, top := context.Background(), tempDir(t)
	c := vault.DefaultConfig(primary(folder(t, top, "photos")), vault.StoreConfig{Name: "copy", URL: "../copy"})
	folder(t, top, "copy")
	if err := vault.Init(ctx, filepath.Join(top, "v"), c); err != nil {
		t.Fatal(err)
	}
	if c.Stores[1].Role != "" {
		t.Error("Init has changed its caller's configuration")
	}
	v, err := vault.Open(ctx, filepath.Join(top, "v"), "scrub")
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, v)
	s, err := v.Store("copy")
	if err != nil || s.Name() != "copy" || s.URL() != filepath.Join(top, "copy") {
		t.Fatalf("the store is %v, %v", s, err)
	}
	if again, _ := v.Store("copy"); again != s {
		t.Error("a store is opened twice")
	}
	if _, err := v.Store("cpoy"); !errors.Is(err, vault.ErrNoStore) || !strings.Contains(err.Error(), `did you mean "copy"?`) {
		t.Errorf("an unknown store: %v", err)
	}
}
