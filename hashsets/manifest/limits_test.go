package manifest_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"bitmend/hashsets/manifest"
)

func hexString(sum []byte) string { return hex.EncodeToString(sum) }

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// generated is a list that is made while it is read.
type generated struct {
	head, tail string
	entry      func(i int) string
	entries    int

	made    int
	pending []byte
}

func (g *generated) Read(p []byte) (int, error) {
	for len(g.pending) == 0 {
		switch {
		case g.head != "":
			g.pending, g.head = []byte(g.head), ""
		case g.made < g.entries:
			g.pending = []byte(g.entry(g.made))
			g.made++
		case g.tail != "":
			g.pending, g.tail = []byte(g.tail), ""
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, g.pending)
	g.pending = g.pending[n:]
	return n, nil
}

// counter is a Sink that keeps nothing. At the last entry it asks how much
// memory is in use.
type counter struct {
	entries, last int
	inUse         uint64
	problems      []manifest.Problem
}

func (c *counter) Entry(manifest.Entry) error {
	if c.entries++; c.entries == c.last {
		c.inUse = inUse()
	}
	return nil
}

func (c *counter) Problem(p manifest.Problem) error {
	c.problems = append(c.problems, p)
	return nil
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A list is read in bounded memory, however many entries it has.
func TestListsStream(t *testing.T) {
	const most = 4 << 20
	for format, list := range map[manifest.Format]*generated{
		manifest.SumFile:  {entries: 1_000_000, entry: func(i int) string { return filledMD5 + fmt.Sprintf("  dir/%d\n", i) }},
		manifest.SFV:      {entries: 200_000, entry: func(i int) string { return fmt.Sprintf("dir/%d 363a3020\r\n", i) }},
		manifest.Hashdeep: {entries: 200_000, head: "%%%% size,md5,filename\n", entry: func(i int) string { return fmt.Sprintf("6,%s,dir/%d\n", filledMD5, i) }},
		manifest.BagIt:    {entries: 200_000, entry: func(i int) string { return filledMD5 + fmt.Sprintf("  data/%d\n", i) }},
		manifest.Deb822:   {entries: 200_000, head: "Files:\n", entry: func(i int) string { return fmt.Sprintf(" %s 6 %d\n", filledMD5, i) }},
		manifest.Record:   {entries: 200_000, entry: func(i int) string { return fmt.Sprintf("dir/%d,md5=sZRqySSS0jR8YjW00mERhA,6\n", i) }},
		manifest.MHL: {entries: 50_000, head: "<hashlist>", tail: "</hashlist>", entry: func(i int) string {
			return fmt.Sprintf("\n   <hash>\n<file>%d</file>\n<md5>%s</md5></hash>%s", i, filledMD5, strings.Repeat(" ", 100))
		}},
	} {
		t.Run(string(format), func(t *testing.T) {
			if testing.Short() {
				list.entries /= 10
			}
			before := inUse()
			c := &counter{last: list.entries}
			if err := manifest.Read(format, list, named("manifest-md5.txt"), c); err != nil {
				t.Fatal(err)
			}
			if c.entries != list.entries || len(c.problems) > 0 {
				t.Fatalf("%d of %d entries, %v", c.entries, list.entries, c.problems)
			}
			if c.inUse > before+most {
				t.Errorf("%d bytes are in use after %d entries", c.inUse-before, c.entries)
			}
		})
	}
}

var filledMD5 = filled("{md5}")

// What never ends is given up after bounded memory: a line, a quotation, a
// text, a comment, a document.
func TestWhatNeverEndsIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		format manifest.Format
		list   generated
	}{
		"a line":          {manifest.SumFile, generated{entry: func(int) string { return "xxxxxxxxxxxxxxxx" }}},
		"a line of a bag": {manifest.BagIt, generated{entry: func(int) string { return "xxxxxxxxxxxxxxxx" }}},
		"a quotation":     {manifest.Record, generated{head: `"`, entry: func(int) string { return "xxxxxxxxxxxxxx\n" }}},
		"a comment":       {manifest.MHL, generated{head: "<hashlist><!--", entry: func(int) string { return "<xxxxxxxxxxxxx>" }}},
		"character data":  {manifest.ASCMHL, generated{head: "<hashlist><![CDATA[", entry: func(int) string { return "<xxxxxxxxxxxxx>" }}},
		"a text in parts": {manifest.MHL, generated{head: "<hashlist>", entry: func(int) string { return "xxxx<!---->" }}},
		"a value of JSON": {manifest.NPM, generated{head: `{"a":"`, entry: func(int) string { return "xxxxxxxxxxxxxxxx" }}},
	} {
		t.Run(name, func(t *testing.T) {
			c.list.entries = 128 << 20 / 16
			if c.format != manifest.NPM {
				c.list.entries /= 8
			}
			limited := &counter{}
			if err := manifest.Read(c.format, &c.list, named("manifest-md5.txt"), limited); err != nil {
				t.Fatal(err)
			}
			if len(limited.problems) != 1 || limited.problems[0].Kind != manifest.Malformed {
				t.Errorf("%.200v", limited.problems)
			}
		})
	}
}
