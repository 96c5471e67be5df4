//go:build unix

package repair_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/urfave/cli/v2"

	"bitmend/fixtures"
	"bitmend/repair"
	"bitmend/repair/protect"
	"bitmend/scrub"
	"bitmend/scrub/report"
	"bitmend/scrub/verb"
)

// verb runs a verb on the vault as the program does, and returns its exit
// status and the summary that it ended with.
func (w *world) verb(args ...string) (report.Exit, map[string]any) {
	w.t.Helper()
	var out bytes.Buffer
	app := &cli.App{
		Flags: verb.GlobalFlags(), Writer: &out, ErrWriter: &out, ExitErrHandler: func(*cli.Context, error) {},
		Commands: []*cli.Command{protect.Command(repair.Recover), scrub.Command(repair.Healer{}), repair.Command()},
	}
	err := app.RunContext(w.t.Context(), append([]string{"bitmend", "--json", "--vault", w.vaultDir()}, args...))
	var status *report.Status
	if err != nil && !errors.As(err, &status) {
		w.t.Fatalf("%q: %v", args, err)
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	var summary map[string]any
	w.must(json.Unmarshal(lines[len(lines)-1], &summary))
	if summary["event"] != "summary" {
		w.t.Fatalf("%q did not end with a summary: %s", args, out.Bytes())
	}
	return verb.ExitOf(err), summary
}

// halfHealed is a hard-linked file whose repair in place was killed between
// two writes, so that its time says that somebody wrote it.
func halfHealed(t *testing.T) (w *world, good []byte) {
	w, good, bad, _ := interrupted(t, "second")
	w.patch(w.path("primary", "d/blob"), shard, bad[shard:shard+8])
	return w, good
}

func TestAVerbThatWritesFirstEndsTheRepairThatWasInterrupted(t *testing.T) {
	t.Parallel() // it waits for the disk
	fixtures.Sequential(t)
	for _, verb := range [][]string{{"protect"}, {"scrub", "--repair"}, {"repair"}} {
		t.Run(verb[0], func(t *testing.T) {
			w, good := halfHealed(t)

			exit, summary := w.verb(verb...)

			if exit != report.ExitRepaired || summary["repaired"] != 2.0 || summary["damaged"] != 2.0 {
				t.Errorf("exit status %d, %v: want two names damaged and repaired", exit, summary)
			}
			if !bytes.Equal(w.read("primary", "second"), good) {
				t.Error("the file is not healed")
			}
			w.tidy()
			if exit, summary := w.verb("scrub"); exit != report.ExitClean {
				t.Errorf("a scrub afterwards: exit status %d, %v", exit, summary)
			}
		})
	}
}

// What is half healed may never be recorded as what somebody meant to write,
// whatever runs in between.
func TestAScrubBetweenDoesNotBlessAFileThatWasHalfHealed(t *testing.T) {
	fixtures.Sequential(t)
	t.Parallel() // it waits for the disk
	w, good := halfHealed(t)
	w.verb("scrub")

	w.verb("protect")
	w.verb("scrub", "--repair")

	if !bytes.Equal(w.read("primary", "second"), good) || !bytes.Equal(w.read("primary", "d/blob"), good) {
		t.Error("the file is not healed")
	}
	if exit, summary := w.verb("scrub"); exit != report.ExitClean {
		t.Errorf("a scrub afterwards: exit status %d, %v", exit, summary)
	}
}

// The same while the repair cannot be ended: here the original in quarantine,
// which says what is whose, cannot be read.
func TestAHalfHealedFileIsNotRecordedWhileItsRepairCannotBeEnded(t *testing.T) {
	fixtures.Sequential(t)
	t.Parallel() // it waits for the disk
	w, good := halfHealed(t)
	quarantine := filepath.Join(w.vaultDir(), "quarantine")
	w.must(os.Rename(quarantine, quarantine+".away"))
	w.verb("scrub")

	for range 2 {
		exit, summary := w.verb("protect", "--accept", "**")
		if exit&report.ExitDamageLeft == 0 || summary["changed"] != 0.0 {
			t.Errorf("protect: exit status %d, %v", exit, summary)
		}
	}
	w.must(errors.Join(os.RemoveAll(quarantine), os.Rename(quarantine+".away", quarantine)))
	w.verb("scrub", "--repair")

	if !bytes.Equal(w.read("primary", "second"), good) || !bytes.Equal(w.read("primary", "d/blob"), good) {
		t.Error("the file is not healed")
	}
	if exit, summary := w.verb("scrub"); exit != report.ExitClean {
		t.Errorf("a scrub afterwards: exit status %d, %v", exit, summary)
	}
}

func TestAnEndedRepairDoesNotHideDamageThatIsLeft(t *testing.T) {
	fixtures.Sequential(t)
	t.Parallel() // it waits for the disk
	w, good, _, temporary := interrupted(t)
	w.swap(temporary, w.path("primary", "d/blob")) // killed just before it was recorded
	w.everywhere("other", content(2, shard))
	w.protect()
	w.flip("primary", "other", 0)
	w.scrub()
	w.write("primary", "other", []byte("what was judged is not there any more"))

	exit, summary := w.verb("repair")

	if exit&report.ExitDamageLeft == 0 {
		t.Errorf("exit status %d, %v: damage is left", exit, summary)
	}
	if !bytes.Equal(w.read("primary", "d/blob"), good) {
		t.Error("the file is not healed")
	}
}
