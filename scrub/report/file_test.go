package report_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"bitmend/scrub/report"
)

func TestAFileIsWrittenWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "bitmend.prom")
	say := func(text string, failure error) error {
		return report.WriteFile(path, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				if matched, _ := filepath.Match("*.prom", e.Name()); matched && e.Name() != "bitmend.prom" {
					t.Errorf("who collects *.prom finds %s", e.Name())
				}
			}
			return errors.Join(err, failure)
		})
	}
	if err := say("one", nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := say("two, but not to its end", broken); !errors.Is(err, broken) {
		t.Errorf("it ends with %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one" {
		t.Errorf("after a failure there is %q, %v", got, err)
	}
	if err := say("three", nil); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	entries, _ := os.ReadDir(dir)
	if err != nil || string(got) != "three" || len(entries) != 1 {
		t.Errorf("there is %q, %v, among %d files", got, err, len(entries))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o044 == 0 {
		t.Errorf("others cannot read it: %v, %v", info.Mode(), err)
	}
	if err := report.WriteFile(filepath.Join(dir, "no", "x"), func(io.Writer) error { return nil }); err == nil {
		t.Error("a folder that is not there is not said")
	}
}
