package scrub

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bitmend/scrub/pace"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// notes is a Reporter that hands on notes alone.
type notes struct {
	report.Reporter
	said chan string
}

func (n notes) Note(format string, _ ...any) { n.said <- format }

func TestLimitsFollowTheConfigurationOnHangup(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := vault.InitTree(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	v, err := vault.OpenTree(t.Context(), tree, "scrub")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	file := filepath.Join(v.Dir, vault.ConfigFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pacer := pace.New(pace.Limits{Rate: 1e6, Workers: 3}) // as flags said
	hangups, said := make(chan os.Signal), notes{said: make(chan string, 1)}
	stop := followConfig(t.Context(), v, pacer, hangups, said)
	defer stop()
	for _, c := range []struct {
		line, note string
		want       pace.Limits
	}{
		{`limit_iops = 7`, "read", pace.Limits{Rate: 1e6, Workers: 3, IOPS: 7}},
		{`limit_iops = -7`, "stay", pace.Limits{Rate: 1e6, Workers: 3, IOPS: 7}},
		{`limit_rate = "5MB/s"`, "read", pace.Limits{Rate: 5e6, Workers: 3}},
		{`back_off = "35ms"`, "read", pace.Limits{BackOff: 35 * time.Millisecond, Workers: 3}},
	} {
		if err := os.WriteFile(file, []byte(string(text)+"\n"+c.line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		hangups <- syscall.SIGHUP
		if note := <-said.said; !strings.Contains(note, c.note) {
			t.Errorf("after %s it says %q", c.line, note)
		}
		if got := pacer.Limits(); got != c.want {
			t.Errorf("after %s the limits are %+v, want %+v", c.line, got, c.want)
		}
	}
}
