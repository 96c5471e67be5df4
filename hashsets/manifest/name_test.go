package manifest_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/hashsets/manifest"
)

func TestNamesThatLeadOutAreUnsafeOnEverySystem(t *testing.T) {
	for _, name := range []string{
		"", ".", "./", "/", "/a", "//a", "a\x00b", "..", "../a", "a/..", "a/../b", "a/../../b", "./../a", "./.",
		`..\a`, `a\..\b`, `a/..\b`, `\a`, `\\host\share`, `\\?\C:\a`, `\\.\pipe`, `//host/share`,
		`C:\a`, "C:/a", "c:", "c:/", `c:..\a`, "c:..", "~/a", `~\a`, `./C:\a`, `.//\\host\a`, "./~/a",
	} {
		if clean, err := manifest.CleanName(name); !errors.Is(err, manifest.ErrUnsafe) {
			t.Errorf("CleanName(%q) = %q, %v", name, clean, err)
		}
	}
}

func TestSafeNamesStayBytes(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a", "./a": "a", "a//b": "a/b", "a/./b": "a/b", "a/": "a", ".//a/.": "a", ".a/..b": ".a/..b", "...": "...",
		"a\\b": "a\\b", "\xff\x01\n": "\xff\x01\n", "e\u0301": "e\u0301", "~a": "~a", "a~/b": "a~/b", "a:b": "a:b", "ab:/c": "ab:/c", " a ": " a ",
	} {
		if clean, err := manifest.CleanName(name); err != nil || clean != want {
			t.Errorf("CleanName(%q) = %q, %v, want %q", name, clean, err, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for _, seed := range []string{"a", "./a", "../a", `C:\a`, `\\?\C:\a`, "~/a", "a/../b", "a\x00", ".//C:\\a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, err := manifest.CleanName(name)
		if err != nil {
			return
		}
		if !filepath.IsLocal(clean) || strings.Contains(clean, "//") {
			t.Errorf("CleanName(%q) = %q, which leads out", name, clean)
		}
		if again, err := manifest.CleanName(clean); err != nil || again != clean {
			t.Errorf("CleanName(%q) = %q, %v after %q", clean, again, err, name)
		}
	})
}
