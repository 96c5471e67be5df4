package notice_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"bitmend/scrub/finding"
	"bitmend/scrub/notice"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// A listener is a server that remembers what it was sent.
type listener struct {
	*httptest.Server
	mu      sync.Mutex
	got     []string // METHOD path: body
	answers []int    // in turn; the last one for all that follow
}

func listen(t *testing.T, answers ...int) *listener {
	l := &listener{answers: answers}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, fmt.Sprintf("%s %s: %s", r.Method, r.URL.Path, body))
		answer := http.StatusOK
		if len(l.answers) > 0 {
			answer = l.answers[0]
		}
		if len(l.answers) > 1 {
			l.answers = l.answers[1:]
		}
		if answer/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(answer)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.got
}

func notifier(config vault.NotifyConfig, env ...string) *notice.Notifier {
	if config.Timeout == 0 {
		config.Timeout = 20 * time.Second
	}
	return &notice.Notifier{Config: config, Pause: time.Millisecond, Getenv: func(name string) string {
		for i := 0; i+1 < len(env); i += 2 {
			if env[i] == name {
				return env[i+1]
			}
		}
		return ""
	}}
}

func ended(exit report.Exit) notice.Notice {
	return notice.Notice{Vault: "/srv/photos.bitmend", Heartbeat: true, Summary: report.Summary{
		Verb: "scrub", Blobs: 10, Damaged: 1, Verdicts: map[finding.Verdict]int64{finding.Corrupt: 1}, Exit: int(exit),
	}}
}

func TestWhoIsToldOfWhat(t *testing.T) {
	for name, c := range map[string]struct {
		exit         report.Exit
		scrub        bool
		hook, beaten bool
	}{
		"all is well":                  {0, true, false, true},
		"all is well in another verb":  {0, false, false, false},
		"all was repaired":             {report.ExitRepaired, true, true, true},
		"overdue":                      {report.ExitCannotVouch, true, true, true},
		"damage is left":               {report.ExitDamageLeft, true, true, true},
		"it did not finish":            {report.ExitOperational, true, true, false},
		"cancelled":                    {report.ExitCancelled, true, false, false},
		"damage, and then cancelled":   {report.ExitCancelled | report.ExitDamageLeft, true, true, false},
		"a gate refused, and all read": {report.ExitRefused, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			n := ended(c.exit)
			n.Heartbeat = c.scrub
			if err := notifier(vault.NotifyConfig{URL: l.URL + "/hook", Heartbeat: l.URL + "/beat"}).Tell(t.Context(), n); err != nil {
				t.Error(err)
			}
			heard := strings.Join(l.heard(), "\n")
			if hook := strings.Contains(heard, "POST /hook: {"); hook != c.hook {
				t.Errorf("the hook was called: %v", hook)
			}
			if beaten := strings.Contains(heard, "GET /beat: "); beaten != c.beaten {
				t.Errorf("the heartbeat was sent: %v", beaten)
			}
		})
	}
}

func TestWhatIsPosted(t *testing.T) {
	l := listen(t)
	n := ended(report.ExitDamageLeft)
	n.Vault = "/srv/caf\xe9"
	if err := notifier(vault.NotifyConfig{URL: l.URL}).Tell(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Event, Vault, Host, Text string
		Summary                  struct {
			Event    string
			Verb     string
			Exit     int
			Verdicts map[string]int64
		}
	}
	_, body, _ := strings.Cut(l.heard()[0], ": ")
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Event != "notice" || got.Vault != `"/srv/caf\xe9"` || got.Host == "" || got.Summary.Event != "summary" ||
		got.Summary.Exit != 4 || got.Summary.Verdicts["corrupt"] != 1 || !strings.Contains(got.Text, "damage is left (exit status 4)") {
		t.Errorf("posted %s", body)
	}
}

// A hook that is away for a moment is asked again, and one that says no is not.
func TestRequestsAreMadeAgain(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int
		calls   int
		fails   bool
	}{
		"once away":       {[]int{503, 200}, 2, false},
		"too many":        {[]int{429, 204}, 2, false},
		"always away":     {[]int{500}, 3, true},
		"gone":            {[]int{404}, 1, true},
		"moved elsewhere": {[]int{302}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, c.answers...)
			err := notifier(vault.NotifyConfig{URL: l.URL + "/secret-token"}).Tell(t.Context(), ended(report.ExitDamageLeft))
			if len(l.heard()) != c.calls || (err != nil) != c.fails {
				t.Errorf("%d calls, %v", len(l.heard()), err)
			}
			if err != nil && (strings.Contains(err.Error(), "secret-token") || !strings.Contains(err.Error(), "127.0.0.1")) {
				t.Errorf("it says %v", err)
			}
		})
	}
}

func TestAHookThatIsNotThereIsSaidWithoutItsAddress(t *testing.T) {
	l := listen(t)
	l.Close()
	for _, c := range []vault.NotifyConfig{{URL: l.URL + "/secret-token"}, {Heartbeat: l.URL + "/secret-token"}} {
		err := notifier(c).Tell(t.Context(), ended(report.ExitDamageLeft))
		if err == nil || strings.Contains(err.Error(), "secret-token") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestAHookThatHangsIsLeft(t *testing.T) {
	over := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer hanging.Close()
	defer close(over)
	err := notifier(vault.NotifyConfig{URL: hanging.URL, Timeout: 50 * time.Millisecond}).Tell(t.Context(), ended(report.ExitDamageLeft))
	if err == nil {
		t.Error("nothing is said of it")
	}
}

func TestVariablesGoBeforeTheConfiguration(t *testing.T) {
	file, variable := listen(t), listen(t)
	n := notifier(vault.NotifyConfig{URL: file.URL, Heartbeat: file.URL},
		notice.URLVariable, variable.URL+"/hook", notice.HeartbeatVariable, variable.URL+"/beat")
	if err := n.Tell(t.Context(), ended(report.ExitDamageLeft)); err != nil {
		t.Fatal(err)
	}
	if len(file.heard()) != 0 || len(variable.heard()) != 2 {
		t.Errorf("heard %q and %q", file.heard(), variable.heard())
	}
	n = notifier(vault.NotifyConfig{}, notice.URLVariable, "file:///etc/secret")
	if err := n.Tell(t.Context(), ended(report.ExitDamageLeft)); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("what is no address: %v", err)
	}
}

// TestMain is also the command that is run: with an argument it does what that
// says.
func TestMain(m *testing.M) {
	if len(os.Args) < 3 || os.Args[1] != "tell" {
		os.Exit(m.Run())
	}
	switch os.Args[2] {
	case "keep":
		input, _ := io.ReadAll(os.Stdin)
		text := fmt.Sprintf("%s %s %s %q %s", os.Getenv("BITMEND_VAULT"), os.Getenv("BITMEND_VERB"), os.Getenv("BITMEND_EXIT"), os.Args[3:], input)
		os.WriteFile("told", []byte(text), 0o600)
	case "fail":
		fmt.Fprint(os.Stderr, "no mail today\x1b[31m"+strings.Repeat("!", 10_000))
		os.Exit(7)
	case "hang":
		time.Sleep(time.Hour)
	case "leave":
		os.Exit(0) // without reading its input
	}
}

func TestTheCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the vault's folder stays in use there")
	}
	dir := t.TempDir()
	tell := func(timeout time.Duration, words ...string) error {
		n := ended(report.ExitDamageLeft)
		n.Vault = dir
		return notifier(vault.NotifyConfig{Command: append([]string{os.Args[0], "tell"}, words...), Timeout: timeout}).Tell(t.Context(), n)
	}
	if err := tell(0, "keep", "$(id)", "a b; rm -rf x"); err != nil {
		t.Fatal(err)
	}
	told, err := os.ReadFile(filepath.Join(dir, "told"))
	if want := dir + ` scrub 4 ["$(id)" "a b; rm -rf x"] {"event":"notice"`; err != nil || !strings.HasPrefix(string(told), want) {
		t.Errorf("it was told %s, %v; want %s", told, err, want)
	}
	if err := tell(0, "leave"); err != nil {
		t.Errorf("one that does not read: %v", err)
	}
	if err := tell(0, "fail"); err == nil || !strings.Contains(err.Error(), "exit status 7; it said: no mail today\\x1b") || len(err.Error()) > 1000 {
		t.Errorf("one that fails: %.200v", err)
	}
	if err := tell(50*time.Millisecond, "hang"); err == nil || !strings.Contains(err.Error(), "did not end within 50ms") {
		t.Errorf("one that hangs: %v", err)
	}
}
