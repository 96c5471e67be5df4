package scrub_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bitmend/fixtures/faultstore"
	"bitmend/hashsets/catalog"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

// Scrubs of ranges of names together find, verify and count exactly what one
// scrub of everything does, wherever they join: at a blob, within a directory,
// between names.
func TestRangesMergeIntoOneScrub(t *testing.T) {
	troubled := func() *bench {
		b := newBench(t)
		b.damage("bit-flip-middle", "sizes/seven-shards-plus-77")
		b.damage("deleted", "sizes/two-shards")
		b.damage("truncated-by-half", "sizes/text")
		b.must(os.WriteFile(filepath.Join(b.tree, "new"), []byte("unrecorded"), 0o600))
		b.must(os.WriteFile(filepath.Join(b.tree, "sizes", "zz-new"), []byte("unrecorded"), 0o600))
		return b
	}
	denied := faultstore.Denied("sizes/one-byte")
	whole := troubled()
	want := whole.scrub(scrub.Options{Open: whole.faulty(denied)})
	if len(want.findings) != 6 || want.summary.Intact < 20 {
		t.Fatalf("%+v", want.summary)
	}
	for _, joints := range [][]string{{"sizes/seven-shards-plus-77"}, {"a", "sizes", "sizes/", "sizes/t", "zzz"}, {"new", "new\x00"}} {
		b := troubled()
		var findings []finding.Finding
		var sum report.Summary
		from := ""
		for i, to := range append(slices.Clone(joints), "") {
			part := b.scrub(scrub.Options{Names: scrub.Names{}.Within(from, to), Open: b.faulty(denied)})
			if findings = append(findings, part.findings...); i == 0 {
				sum = part.summary
			} else {
				sum = sum.Merge(part.summary)
			}
			from = to
		}
		if got, want := toldOf(findings), toldOf(want.findings); got != want {
			t.Errorf("joined at %q it finds\n%s\nwant\n%s", joints, got, want)
		}
		if got, want := b.covered(), whole.covered(); got != want {
			t.Errorf("joined at %q it covers\n%s\nwant\n%s", joints, got, want)
		}
		one := want.summary
		for _, s := range []*report.Summary{&sum, &one} {
			s.Run, s.Elapsed = 0, 0
		}
		if fmt.Sprintf("%+v", sum) != fmt.Sprintf("%+v", one) {
			t.Errorf("joined at %q it counts\n%+v\nwant\n%+v", joints, sum, one)
		}
	}
}

func toldOf(findings []finding.Finding) string {
	slices.SortFunc(findings, func(a, b finding.Finding) int { return cmp.Compare(a.Blob, b.Blob) })
	text := ""
	for _, f := range findings {
		text += fmt.Sprintln(f.Blob, f.Verdict, f.Diagnosis, f.Ranges, f.Evidence)
	}
	return text
}

// covered says of each blob how it was verified.
func (b *bench) covered() string {
	b.Helper()
	text := ""
	for known, err := range b.vault.Catalog.Records(b.Context(), catalog.Query{Store: "primary"}) {
		b.must(err)
		if known.Seen != nil {
			text += fmt.Sprintln(known.Name, known.Seen.Depth, known.Seen.Generation)
		}
	}
	return text
}

func TestWhatARangeSelects(t *testing.T) {
	globs, err := scrub.ParseNames([]string{"*.raw"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		names    scrub.Names
		from, to string
		want     string
	}{
		{scrub.Names{}, "", "", "a b b/c.raw c"},
		{scrub.Names{}, "b", "", "b b/c.raw c"},
		{scrub.Names{}, "", "b", "a"},
		{scrub.Names{}, "b", "c", "b b/c.raw"},
		{globs, "b", "c", "b/c.raw"},
		{globs, "", "b/c.raw", ""},
	} {
		within := c.names.Within(c.from, c.to)
		var has []string
		for _, name := range []string{"a", "b", "b/c.raw", "c"} {
			if within.Has(name) {
				has = append(has, name)
			}
		}
		if got := strings.Join(has, " "); got != c.want || within.All() != (c.want == "a b b/c.raw c") {
			t.Errorf("from %q to %q it has %s, all: %v; want %s", c.from, c.to, got, within.All(), c.want)
		}
	}
}
