package vault_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/scrub/vault"
)

func TestPathFor(t *testing.T) {
	top := tempDir(t)
	folder(t, top, "photos", "2024")
	folder(t, top, "far", "deep")
	if err := os.Symlink(filepath.Join(top, "far", "deep"), filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(top, "photos"))
	for dir, want := range map[string]string{
		filepath.Join(top, "photos"):  "photos.bitmend",
		top + "/photos/":              "photos.bitmend",
		top + "//photos///.":          "photos.bitmend",
		".":                           "photos.bitmend",
		"./":                          "photos.bitmend",
		"2024":                        "photos/2024.bitmend",
		"2024/..":                     "photos.bitmend",
		"..":                          "../" + filepath.Base(top) + ".bitmend",
		"lost":                        "photos/lost.bitmend",
		"lost/../2024":                "photos/2024.bitmend",
		top + "/link":                 "link.bitmend",
		top + "/link/":                "link.bitmend",
		top + "/link/..":              "far.bitmend", // as the kernel has it, not as it reads
		top + "/link/../deep":         "far/deep.bitmend",
		filepath.Join(top, "a\xffb "): "a\xffb .bitmend",
	} {
		got, err := vault.PathFor(dir)
		if err != nil || got != filepath.Join(top, want) {
			t.Errorf("PathFor(%q) = %q, %v; want %q", dir, got, err, filepath.Join(top, want))
		}
	}
}

func TestPathForRefusesWhatHasNoPlaceBesideIt(t *testing.T) {
	top := tempDir(t)
	write(t, filepath.Join(folder(t, top, "photos.bitmend"), vault.ConfigFile), "version = 1")
	for dir, want := range map[string]string{
		"/":  "bitmend init VAULT",
		"//": "bitmend init VAULT",
		"/.": "bitmend init VAULT",
		top + strings.Repeat("/..", strings.Count(top, "/")): "bitmend init VAULT",
		"":                                   "empty",
		filepath.Join(top, "photos.bitmend"): "is a vault itself",
	} {
		if got, err := vault.PathFor(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("PathFor(%q) = %q, %v; want an error with %q", dir, got, err, want)
		}
	}
}
