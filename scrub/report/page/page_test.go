package page_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bitmend/scrub/finding"
	"bitmend/scrub/report/page"
	"bitmend/scrub/store"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// hostile are names that would do something if they were taken for anything
// but text.
func hostile() []string {
	return []string{
		"<script>window.owned=1</script>", `"><img src=x onerror="window.owned=1">`, "'; window.owned=1; //",
		"{{.Vault}}", "</script><script>window.owned=1</script>", "javascript:window.owned=1", "a\x1b[31m\u202egnp.exe",
		"new\nline", "caf\xe9", "<!--", "]]>", "&lt;b&gt;", `\u003cscript\u003e`, "</title></style><script>window.owned=1</script>",
	}
}

// sample is a page with so many findings on all that a page can show.
func sample(findings int) *page.Page {
	p := &page.Page{
		Vault: "/srv/photos.bitmend", At: noon, Level: page.Bad, All: int64(findings), MaxAge: 30 * 24 * time.Hour,
		Sentence: "2 blobs are lost, 14 blobs are damaged, and 1 gate is open, and nothing is written there; of 1,200 blobs in all.",
		Next: []page.Step{
			{Command: "bitmend --vault /srv/photos.bitmend gates", Why: "look why a gate is open, and clear it once the reason is understood"},
			{Command: "bitmend --vault /srv/photos.bitmend repair --plan", Why: "see what would be rebuilt, and from what"},
		},
		Facts: []page.Fact{{Name: "Blobs", Value: "1,200, 73 GiB"}, {Name: "Checksums", Value: "xxh64 and sha256"}},
		Stores: []page.Store{
			{Name: "primary", Role: "primary", Blobs: 1200, Bytes: 73 << 30, Days: []int64{300, 200, 0, 100, 50, 20, 10, 520}, Groups: groups(300, 380, 520, 0), Typical: 26 * time.Hour, Oldest: 8 * 24 * time.Hour},
			{Name: "dr", Role: "replica", Blobs: 1200, Bytes: 73 << 30, Never: 3, Overdue: 40, Days: days(460), Groups: groups(0, 75, 123, 1002), Typical: 20 * 24 * time.Hour, Oldest: 460 * 24 * time.Hour},
		},
		Sets: []page.Set{
			{ID: 1, Data: 40, Parity: 4, Files: 400, Bytes: 7 << 30, BadFiles: 1, Left: 2, Hurt: 17},
			{ID: 2, Data: 40, Parity: 4, Files: 80, Bytes: 1 << 30, Left: 4},
			{ID: 3, Data: 4, Parity: 2, Files: 8, Bytes: 1 << 20, Left: -1, Hurt: 3, AtMost: true},
		},
		Gates: []page.Gate{{
			ID: 3, Name: "mass-damage", Store: "primary", Reason: "14 of 1,200 blobs are damaged (1.2 %)", Opened: noon.Add(-30 * time.Hour),
			Command: "bitmend --vault /srv/photos.bitmend gates clear 3 --reason TEXT",
		}},
	}
	for i := range findings {
		p.Findings = append(p.Findings, found(i))
	}
	for i := range 40 {
		r := page.Run{
			ID: int64(80 - i), Verb: "scrub", Started: noon.Add(-time.Duration(i)*24*time.Hour - 10*time.Hour), Over: true, Elapsed: 2 * time.Hour,
			Blobs: 60, Bytes: int64(900-i*7) << 30, Rate: float64(100+(i*37)%60) * 1e6, Damaged: int64(max(0, 14-i*3)), Exit: 4 * (i % 2), Meaning: "damage is left",
		}
		if i == 7 {
			r.Over = false
		}
		p.Runs = append(p.Runs, r)
	}
	return p
}

func groups(blobs ...int64) []page.Group {
	all := make([]page.Group, len(blobs))
	for i, n := range blobs {
		all[i] = page.Group{Ages: []string{"less than a day", "1 to 6 days", "7 to 29 days", "30 days and more"}[i], Blobs: n}
	}
	return all
}

func days(n int) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i*i%97) * int64(i%3)
	}
	return all
}

func found(i int) page.Finding {
	verdicts := []finding.Verdict{finding.Corrupt, finding.Missing, finding.Modified, finding.Unreadable}
	f := page.Finding{
		Store: "primary", Device: "8:1", Blob: fmt.Sprintf("2024/holiday/%04d.raw", i), Verdict: verdicts[i%4], Diagnosis: finding.BitFlip,
		Size: 40 << 20, Offset: int64(i) * 70 << 20, Since: noon.Add(-time.Duration(i) * time.Hour),
		Ranges:   []store.Range{{Offset: int64(i%600) << 16, Length: 65536}, {Offset: 35 << 20, Length: 3 << 20}},
		Evidence: []string{fmt.Sprintf("bit 3 of byte %d is 1 and was 0; nothing else differs in its shard", i)}, Sources: "parity, replica",
	}
	if f.Verdict == finding.Missing {
		f.Ranges, f.Diagnosis = nil, ""
	}
	if names := hostile(); i < len(names) {
		f.Blob, f.Evidence = names[i], names[i:i+1]
	}
	if i%7 == 3 {
		f.Store, f.Device, f.Sources, f.Lost = "dr", "", "", "6 shards of a stripe that bears 4 are bad"
	}
	return f
}

func write(t *testing.T, p *page.Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := page.Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestThePageOfAVaultInTrouble(t *testing.T) {
	html := write(t, sample(16))
	from, to := strings.Index(html, "<body>"), strings.Index(html, "<script>")
	got := html[from:to]
	const golden = "testdata/trouble.html"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s\n(-update writes it anew)", diff)
	}
}

func TestThePageOfANewVault(t *testing.T) {
	html := write(t, &page.Page{Vault: "/v", At: noon, Level: page.Good, Sentence: "Nothing is protected yet."})
	for _, unwanted := range []string{"<no value>", "Open gates", "Findings", "What to do next", "%!"} {
		if strings.Contains(html, unwanted) {
			t.Errorf("it has %q", unwanted)
		}
	}
}

var (
	tag     = regexp.MustCompile(`<[^>]*>`)
	quoted  = regexp.MustCompile(`"[^"]*"`)
	handler = regexp.MustCompile(`(?i)\son[a-z]+\s*=`)
)

// allHostile is a page in which every text is hostile.
func allHostile() *page.Page {
	p := sample(0)
	for i, name := range hostile() {
		f := found(i)
		f.Store, f.Device, f.Diagnosis, f.Lost, f.Sources, f.Evidence = name, name, finding.Diagnosis(name), name, name, []string{name}
		p.Findings = append(p.Findings, f)
		p.Next = append(p.Next, page.Step{Command: name, Why: name})
		p.Facts = append(p.Facts, page.Fact{Name: name, Value: name})
		p.Stores = append(p.Stores, page.Store{Name: name, Role: name, Note: name, Blobs: 1, Bytes: 1, Days: []int64{1}})
		p.Gates = append(p.Gates, page.Gate{Name: name, Store: name, Reason: name, Command: name})
		p.Runs = append(p.Runs, page.Run{Verb: name, Meaning: name, Over: true})
		p.Vault, p.Sentence = p.Vault+name, p.Sentence+name
	}
	return p
}

// What is in a page that a browser would fetch or obey is what is written here
// and nothing that it was told.
func TestHostileNamesAreText(t *testing.T) {
	html := write(t, allHostile())
	if n := strings.Count(html, "<script"); n != 1 {
		t.Errorf("it has %d scripts", n)
	}
	for _, tag := range tag.FindAllString(html, -1) {
		if handler.MatchString(quoted.ReplaceAllString(tag, `""`)) {
			t.Errorf("it has the tag %s", tag)
		}
	}
	for _, bad := range []string{"<img", "\x1b", "\u202e", "<!--"} {
		if strings.Contains(html, bad) {
			t.Errorf("it has %q", bad)
		}
	}
}

// Findings that are not listed are counted, where they are missed.
func TestWhatIsNotListedIsCounted(t *testing.T) {
	p := sample(16)
	if html := write(t, p); strings.Contains(html, "Only the first") || strings.Contains(html, "are listed") {
		t.Error("all are listed, and it says otherwise")
	}
	p.All = 123_456
	if html := write(t, p); !strings.Contains(html, "Only the first 16 of 123,456 findings are drawn") || !strings.Contains(html, "The first 16 of 123,456 are listed") {
		t.Error("it does not say that there are more")
	}
}

// A page of a thousand findings stays small, whatever they are.
func TestAThousandFindingsWeighUnderTwoMegabytes(t *testing.T) {
	const limit = 2 << 20
	plain := len(write(t, sample(1000)))
	p := sample(1000)
	for i := range p.Findings {
		f := &p.Findings[i]
		f.Blob = strings.Repeat("<&\x00\xff", 1000)
		f.Evidence = []string{strings.Repeat("\"&'<", 5000), strings.Repeat("x", 5000), "c", "d", "e"}
		f.Lost = strings.Repeat("'", 10_000)
		f.Ranges = nil
		for j := range 5000 {
			f.Ranges = append(f.Ranges, store.Range{Offset: int64(j) << 13, Length: 4096})
		}
	}
	worst := len(write(t, p))
	t.Logf("%d KiB, at worst %d KiB", plain>>10, worst>>10)
	if plain > limit/2 || worst > limit {
		t.Errorf("a thousand findings weigh %d bytes, and %d at worst", plain, worst)
	}
}

func BenchmarkAThousandFindings(b *testing.B) {
	p := sample(1000)
	for b.Loop() {
		if err := page.Write(io.Discard, p); err != nil {
			b.Fatal(err)
		}
	}
}
