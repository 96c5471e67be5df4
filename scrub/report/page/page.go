// Package page writes the state of a vault as one page of HTML that needs
// nothing else: no network, no other file. It is read in a browser, on a phone
// and on paper, in light and in dark, and without its script too.
//
// It decides nothing and counts nothing. All that it is told may be hostile,
// names of blobs above all; html/template escapes it where it stands.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// Page is what the page tells.
type Page struct {
	Vault    string
	At       time.Time
	Level    Level
	Sentence string // the state
	Next     []Step // what to do next, the most urgent first
	Facts    []Fact
	Stores   []Store
	Findings []Finding // those that are listed
	All      int64     // how many there are
	Sets     []Set
	Gates    []Gate
	Runs     []Run         // newest first
	MaxAge   time.Duration // the promise; 0 when none is made
}

// Level is how urgent the state is: it gives the colour, and a word.
type Level string

// The levels.
const (
	Good Level = "good"
	Warn Level = "warn"
	Bad  Level = "bad"
)

// Step is a command, and why.
type Step struct{ Command, Why string }

// Fact is a figure with its name.
type Fact struct{ Name, Value string }

// Store is how lately the blobs of a store were looked at.
type Store struct {
	Name    string
	Role    string
	Blobs   int64
	Bytes   int64
	Never   int64
	Overdue int64
	Days    []int64 // blobs by age in days, of less than a day first
	Groups  []Group // the same in words
	Typical time.Duration
	Oldest  time.Duration
	Note    string
}

// Group is how many blobs have an age.
type Group struct {
	Ages  string
	Blobs int64
}

// Finding is one blob that is not intact.
type Finding struct {
	Store     string
	Device    string // "" when it is not known
	Blob      string
	Verdict   finding.Verdict
	Diagnosis finding.Diagnosis
	Size      int64
	Ranges    []store.Range // of the blob; none is all of it
	Offset    int64         // of the blob among all of its store, in bytes; -1 when it has no place
	Evidence  []string
	Sources   string // what it can be rebuilt from, in words
	Lost      string
	Since     time.Time
}

// Set is how much more damage a parity set can bear.
type Set struct {
	ID           int64
	Data, Parity int
	Files        int64
	Bytes        int64
	BadFiles     int64
	Left         int
	AtMost       bool
	Hurt         int64
}

// Gate is an open gate.
type Gate struct {
	ID      int64
	Name    string
	Store   string
	Reason  string
	Opened  time.Time
	Command string // that clears it
}

// Run is how a run ended.
type Run struct {
	ID       int64
	Verb     string
	Started  time.Time
	Over     bool
	Elapsed  time.Duration
	Blobs    int64
	Bytes    int64
	Rate     float64 // bytes a second
	Damaged  int64
	Repaired int64
	Exit     int
	Meaning  string // of Exit
}

// LeftText is what is left, in words.
func (s Set) LeftText() string {
	text := fmt.Sprintf("%d of %d", max(0, s.Left), s.Parity)
	switch {
	case s.Left < 0:
		return fmt.Sprintf("%s, and %d too many are bad", text, -s.Left)
	case s.AtMost:
		return "at most " + text
	}
	return text
}

//go:embed page.tmpl page.css page.js
var files embed.FS

// Write writes the page.
func Write(w io.Writer, p *Page) error {
	style, err := files.ReadFile("page.css")
	if err != nil {
		return err
	}
	script, err := files.ReadFile("page.js")
	if err != nil {
		return err
	}
	t, err := template.New("page.tmpl").Funcs(template.FuncMap{
		"bytes": bytesText, "comma": humanize.Comma, "time": timeText, "stamp": stamp, "age": ageText, "took": report.TimeText, "count": func(found []Finding) int64 { return int64(len(found)) },
		"rate": func(perSecond float64) string { return bytesText(int64(perSecond)) + "/s" },
	}).ParseFS(files, "page.tmpl")
	if err != nil {
		return err
	}
	p = p.plain()
	return t.Execute(w, &view{
		Page: p, Style: template.CSS(style), Script: template.JS(script),
		StyleHash: hashOf(style), ScriptHash: hashOf(script),
		Strips: stripsOf(p), Calendars: calendarsOf(p), Rows: rowsOf(p.Findings), History: historyOf(p.Runs),
	})
}

// view is the page with its drawings.
type view struct {
	*Page
	Style                 template.CSS
	Script                template.JS
	StyleHash, ScriptHash string
	Strips                []strip
	Calendars             []calendar
	Rows                  []row
	History               *history
}

// Word is the level for who sees no colours.
func (l Level) Word() string {
	switch l {
	case Good:
		return "All is well"
	case Warn:
		return "To be looked at"
	}
	return "Trouble"
}

// hashOf is how a content security policy names what may stand in the page.
func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func bytesText(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

func timeText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
