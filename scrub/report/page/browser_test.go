package page_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bitmend/scrub/report/page"
)

var screenshots = flag.String("screenshots", "", "a folder for pictures of the page, to be looked at")

// A browser is a Chromium that is told what to do through a pipe, in the DevTools
// protocol: JSON objects that end with a NUL.
type browser struct {
	t       *testing.T
	to      io.Writer
	from    *bufio.Reader
	session string
	id      int
	trouble []string // what went to its console
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	if program == "" {
		t.Skip("no Chromium is installed: the page is not looked at in a browser")
	}
	reads, toBrowser, err := os.Pipe()
	fromBrowser, writes, err2 := os.Pipe()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
		"--user-data-dir="+profile(t), "about:blank")
	c.ExtraFiles = []*os.File{reads, writes} // 3 and 4
	c.WaitDelay = 10 * time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	reads.Close()
	writes.Close()
	b := &browser{t: t, to: toBrowser, from: bufio.NewReader(fromBrowser)}
	t.Cleanup(func() {
		b.session = ""
		b.send("Browser.close", nil)
		toBrowser.Close()
		c.Wait()
		fromBrowser.Close()
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// profile makes a folder for a browser. What the browser left running may still
// write there for a moment when it has ended.
func profile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bitmend-browser-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 100 {
			if err = os.RemoveAll(dir); err == nil {
				return
			}
		}
		t.Logf("the browser's folder stays: %v", err)
	})
	return dir
}

type message struct {
	ID     int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct{ Message string }
}

func (b *browser) send(method string, params any) int {
	b.id++
	text, err := json.Marshal(map[string]any{"id": b.id, "method": method, "params": params, "sessionId": b.session})
	if b.session == "" {
		text, err = json.Marshal(map[string]any{"id": b.id, "method": method, "params": params})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.to.Write(append(text, 0))
	return b.id
}

// next reads one message and notes what went wrong in the page, and what it
// asked of a network.
func (b *browser) next() message {
	text, err := b.from.ReadBytes(0)
	if err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	var m message
	if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
		b.t.Fatal(err)
	}
	switch m.Method {
	case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded":
		b.trouble = append(b.trouble, string(m.Params))
	case "Network.requestWillBeSent":
		var asked struct{ Request struct{ URL string } }
		if json.Unmarshal(m.Params, &asked); !strings.HasPrefix(asked.Request.URL, "file:") && !strings.HasPrefix(asked.Request.URL, "data:") {
			b.trouble = append(b.trouble, "it fetched "+asked.Request.URL)
		}
	}
	return m
}

func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	id := b.send(method, params)
	for {
		m := b.next()
		if m.ID != id {
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatal(err)
			}
		}
		return
	}
}

// open loads a page, and returns how long that took as the browser saw it.
func (b *browser) open(p *page.Page) time.Duration {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(write(b.t, p)), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.send("Page.navigate", map[string]any{"url": "file://" + file})
	for b.next().Method != "Page.loadEventFired" {
	}
	// Two frames, so that all of it was laid out and painted.
	b.eval("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(0))))")
	return time.Duration(b.eval("performance.now()").(float64) * float64(time.Millisecond))
}

func (b *browser) eval(script string) any {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", script, r.ExceptionDetails.Text)
	}
	return r.Result.Value
}

// fits fails when something makes the page wider than the window.
func (b *browser) fits() {
	b.t.Helper()
	const wide = `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.wide > *')).map(e => e.outerHTML.slice(0, 150)).join('\n')`
	if text := b.eval(wide); text != "" || b.eval("document.documentElement.scrollWidth <= innerWidth") != true {
		b.t.Errorf("wider than the window: %s", text)
	}
}

func (b *browser) quiet() {
	b.t.Helper()
	for _, trouble := range b.trouble {
		b.t.Errorf("the browser complains: %s", trouble)
	}
	b.trouble = nil
}

// column reads a column of the rows that are shown.
func (b *browser) column(table string, n int) string {
	b.t.Helper()
	return b.eval(fmt.Sprintf(`[...document.querySelector('table[data-filter=%s]').tBodies[0].rows].filter(r => r.offsetParent).map(r => r.cells[%d]?.firstChild?.textContent ?? "").join(' ')`, table, n)).(string)
}

func TestThePageInABrowser(t *testing.T) {
	b := startBrowser(t)
	b.open(sample(16))
	heading := func(table, text string) string {
		return fmt.Sprintf(`[...document.querySelectorAll('table[data-filter=%s] th')].find(h => h.textContent === %q).querySelector('button').click()`, table, text)
	}
	before := b.column("runs", 0)
	b.eval(heading("runs", "Run"))
	up := b.column("runs", 0)
	b.eval(heading("runs", "Run"))
	if down := b.column("runs", 0); up == down || down != before || !strings.HasPrefix(up, "41 42 43 ") {
		t.Errorf("runs sort as %s and as %s", up, down)
	}
	b.eval(heading("runs", "Rate"))
	if rates := b.column("runs", 6); !strings.HasPrefix(strings.TrimSpace(rates), "95 MiB/s") || !strings.HasSuffix(rates, "151 MiB/s") {
		t.Errorf("rates sort as %s", rates)
	}
	b.eval(`{const i = document.querySelector('input[aria-label="Filter findings"]'); i.value = 'HOLIDAY dr'; i.dispatchEvent(new Event('input'))}`)
	if stores := b.column("findings", 1); stores != "" && strings.Trim(stores, "dr ") != "" {
		t.Errorf("the filter leaves the stores %s", stores)
	}
	b.eval(`{const i = document.querySelector('input[aria-label="Filter findings"]'); i.value = ''; i.dispatchEvent(new Event('input'))}`)
	b.eval(`{const s = document.querySelector('select[aria-label="Only the verdict"]'); s.value = 'missing'; s.dispatchEvent(new Event('change'))}`)
	if verdicts := b.column("findings", 2); verdicts != "missing missing missing missing" {
		t.Errorf("the choice leaves the verdicts %s", verdicts)
	}
	if told := b.eval(`document.querySelector('.tools output').textContent`); told != "4 of 16 rows" {
		t.Errorf("it tells of %v", told)
	}
	b.quiet()
}

func TestHostileNamesInABrowser(t *testing.T) {
	b := startBrowser(t)
	b.open(allHostile())
	if owned := b.eval("window.owned === undefined && document.images.length === 0 && document.scripts.length === 1"); owned != true {
		t.Error("a name was obeyed")
	}
	b.fits()
	b.quiet()
}

// What a page of a thousand findings costs a browser is said, and depends on the
// machine. What makes the cost does not: how much there is, and how little of it
// is laid out before somebody scrolls there.
func TestAThousandFindingsOpenInASecond(t *testing.T) {
	b := startBrowser(t)
	b.open(sample(1)) // the browser itself has begun
	b.call("Performance.enable", map[string]any{"timeDomain": "threadTicks"}, nil)
	painted := b.open(sample(1000))
	t.Logf("it took %.2f s of a processor, and %v until it was painted", b.metric("TaskDuration"), painted.Round(time.Millisecond))
	const rows = `[...document.querySelector('table[data-filter=findings]').tBodies[0].rows]`
	laidOut := b.eval(rows + `.filter(r => r.cells[0].checkVisibility({contentVisibilityAuto: true})).length`).(float64)
	elements := b.eval(`document.querySelectorAll('*').length`).(float64)
	if all := b.eval(rows + `.length`); all != 1000.0 || laidOut < 50 || laidOut > 100 || elements > 17_000 {
		t.Errorf("%v rows, of which %v are laid out, and %v elements in all", all, laidOut, elements)
	}
	last := b.eval(rows + `[999].scrollIntoView(), new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(` + rows + `[999].cells[0].checkVisibility({contentVisibilityAuto: true})))))`)
	if last != true {
		t.Error("the last row is not shown to who scrolls there")
	}
	b.quiet()
}

// metric is one figure of the browser's; times are in seconds that its thread
// for the page computed.
func (b *browser) metric(name string) float64 {
	b.t.Helper()
	var r struct {
		Metrics []struct {
			Name  string
			Value float64
		}
	}
	b.call("Performance.getMetrics", nil, &r)
	for _, m := range r.Metrics {
		if m.Name == name {
			return m.Value
		}
	}
	b.t.Fatalf("the browser has no metric %s", name)
	return 0
}

// The page fits where it is read, and can be looked at.
func TestHowThePageLooks(t *testing.T) {
	b := startBrowser(t)
	for _, look := range []struct {
		name     string
		width    int
		scheme   string
		findings int
		level    page.Level
	}{
		{"desktop-light", 1280, "light", 16, page.Bad},
		{"desktop-dark", 1280, "dark", 16, page.Bad},
		{"phone-light", 390, "light", 16, page.Bad},
		{"phone-dark", 360, "dark", 4, page.Warn},
		{"well", 1024, "light", 0, page.Good},
	} {
		b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": look.width, "height": 900, "deviceScaleFactor": 1, "mobile": look.width < 600}, nil)
		b.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": look.scheme}}}, nil)
		p := sample(look.findings)
		p.Level = look.level
		b.open(p)
		b.fits()
		high := b.eval("document.documentElement.scrollHeight").(float64)
		for top := 0.0; top < min(high, 8000); top += 1400 {
			clip := map[string]any{"x": 0, "y": top, "width": look.width, "height": min(1400, high-top), "scale": 1}
			b.picture(fmt.Sprintf("%s-%d", look.name, int(top)/1400), "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true, "clip": clip})
		}
	}
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 720, "height": 1000, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"media": "print"}, nil)
	b.open(sample(16))
	b.fits()
	if display := b.eval(`getComputedStyle(document.querySelector('table[data-filter=runs] td')).display`); display != "table-cell" {
		t.Errorf("a cell of a table is a %v on paper, which is as narrow as some screens", display)
	}
	b.picture("paper", "Page.printToPDF", map[string]any{"printBackground": true})
	b.quiet()
}

func (b *browser) picture(name, method string, params map[string]any) {
	if *screenshots == "" {
		return
	}
	var r struct{ Data string }
	b.call(method, params, &r)
	data, err := base64.StdEncoding.DecodeString(r.Data)
	ending := map[string]string{"Page.captureScreenshot": ".png", "Page.printToPDF": ".pdf"}[method]
	if err = errors.Join(err, os.WriteFile(filepath.Join(*screenshots, name+ending), data, 0o644)); err != nil {
		b.t.Fatal(err)
	}
}
