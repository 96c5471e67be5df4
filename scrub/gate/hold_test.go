//go:build unix

package gate_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
)

// notes is a Reporter that hears notes alone.
type notes struct{ list []string }

func (n *notes) Finding(finding.Finding)    {}
func (n *notes) Repair(report.Repair)       {}
func (n *notes) Gate(report.Gate)           {}
func (n *notes) Progress(report.Progress)   {}
func (n *notes) Summary(report.Summary)     {}
func (n *notes) Note(f string, args ...any) { n.list = append(n.list, fmt.Sprintf(f, args...)) }

func TestTheHoldCommandIsRunOnceForWhatMaySpread(t *testing.T) {
	v, tree := newVault(t)
	ran := filepath.Join(filepath.Dir(tree), "ran")
	v.Config.Hold.Command = []string{"/bin/sh", "-c", `echo "$BITMEND_GATE $BITMEND_STORE" | tee -a "$0"`, ran}
	hold := func() *notes {
		t.Helper()
		n := &notes{}
		if err := gate.Hold(t.Context(), v, n, now); err != nil {
			t.Fatal(err)
		}
		return n
	}
	open := func(name, store string) {
		t.Helper()
		if _, err := gate.OpenNow(t.Context(), v.Catalog, name, store, "a test", 1, now); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{gate.Unmounted, gate.BadRepair, gate.BadCatalog} {
		open(name, "primary")
	}
	hold()
	if _, err := os.Stat(ran); err == nil {
		t.Error("it was run for what does not spread")
	}
	open(gate.MassChange, "primary")
	if n := hold(); len(n.list) != 1 || !strings.Contains(n.list[0], "mass-change") {
		t.Errorf("notes %q", n.list)
	}
	hold()
	open(gate.Poisoned, "")
	hold()
	got, err := os.ReadFile(ran)
	if err != nil || string(got) != "mass-change primary\npoisoned \n" {
		t.Errorf("it was run as %q, %v", got, err)
	}
	output, err := os.ReadFile(filepath.Join(v.HoldDir(), "gate-4.log"))
	if err != nil || string(output) != "mass-change primary\n" {
		t.Errorf("its output is %q, %v", output, err)
	}
	if at, err := gate.HeldAt(t.Context(), v.Catalog, 4); err != nil || !at.Equal(now) {
		t.Errorf("held at %v, %v", at, err)
	}
}

func TestAHoldCommandThatFailsIsSaidAndRunAgain(t *testing.T) {
	v, tree := newVault(t)
	if _, err := gate.OpenNow(t.Context(), v.Catalog, gate.MassMissing, "primary", "a test", 1, now); err != nil {
		t.Fatal(err)
	}
	flag := filepath.Join(filepath.Dir(tree), "flag")
	for name, words := range map[string][]string{
		"it fails":         {"/bin/sh", "-c", "echo no; exit 3"},
		"it is not there":  {"/nonexistent/hold"},
		"it does not end":  {"/bin/sh", "-c", "sleep 5"},
		"it leaves a pipe": {"/bin/sh", "-c", "sleep 5 & exit 1"},
	} {
		v.Config.Hold.Command, v.Config.Hold.Timeout = words, 200*time.Millisecond
		begun := time.Now()
		err := gate.Hold(t.Context(), v, &notes{}, now)
		if !errors.Is(err, gate.ErrHold) || !strings.Contains(err.Error(), "gate-1.log") {
			t.Errorf("%s: error %v", name, err)
		}
		if time.Since(begun) > 4*time.Second {
			t.Errorf("%s: it was waited for", name)
		}
	}
	v.Config.Hold.Command = []string{"/bin/sh", "-c", `touch "$0"`, flag}
	v.Config.Hold.Timeout = time.Minute
	if err := gate.Hold(t.Context(), v, &notes{}, now); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(flag); err != nil {
		t.Error("it was not run again after it failed")
	}
}
