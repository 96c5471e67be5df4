package schedule_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What systemd thinks of the units, for an instance of a folder that there is.
func TestSystemdTakesTheUnits(t *testing.T) {
	verifier, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed: nobody looks at the units")
	}
	dir := t.TempDir()
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	units := []string{verifierOptions}
	for _, name := range []string{"bitmend-protect@.service", "bitmend-scrub@.service", "bitmend-scrub@.timer"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.ReplaceAll(string(text), "/usr/local/bin/bitmend", program)) // which need not be there
		for _, as := range []string{name, strings.Replace(name, "@", "@srv-photos", 1)} {
			if err := os.WriteFile(filepath.Join(dir, as), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		units = append(units, filepath.Join(dir, strings.Replace(name, "@", "@srv-photos", 1)))
	}
	said, err := exec.Command(verifier, append([]string{"verify"}, units...)...).CombinedOutput()
	if err != nil || strings.Contains(string(said), dir) {
		t.Errorf("%v: %s", err, said)
	}
}

const verifierOptions = "--man=no"

// The services give nothing away that they do not need.
func TestTheServicesAreHardened(t *testing.T) {
	for _, name := range []string{"bitmend-protect@.service", "bitmend-scrub@.service"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"ProtectSystem=strict", "ReadOnlyPaths=%f", "ReadWritePaths=%f.bitmend", "NoNewPrivileges=yes", "PrivateTmp=yes",
			"RestrictSUIDSGID=yes", "SystemCallFilter=@system-service", "Type=oneshot",
		} {
			if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(want) + `$`).Match(text) {
				t.Errorf("%s has no %s", name, want)
			}
		}
	}
}
