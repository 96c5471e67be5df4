package verify_test

import (
	"strings"
	"testing"

	"bitmend/scrub/finding"
	"bitmend/scrub/verify"
)

const poem = "first line\nsecond line\n\nthird: naïve café\n"

func windows(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// utf16 is UTF-16 with a byte order mark, of characters below U+10000.
func utf16(s string) string {
	var b []byte
	for _, r := range "\ufeff" + s {
		b = append(b, byte(r), byte(r>>8))
	}
	return string(b)
}

const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:PUT\nsize 42\n"

// What a checkout, an editor or a shell does to a fixture is named, with what
// to do about it.
func TestADeveloperIsToldWhatHappenedToAFixture(t *testing.T) {
	blob := strings.Repeat("0123456789abcdef", 3)[:40]
	for name, c := range map[string]struct {
		recorded, found string
		diagnosis       finding.Diagnosis
		says            string
	}{
		"CR LF by a checkout":         {poem, windows(poem), finding.NewlineConversion, "it differs only by line endings: each LF became CR LF, as by Git's autocrlf"},
		"LF by a checkout":            {windows(poem), poem, finding.NewlineConversion, "it differs only by line endings: each CR LF became LF"},
		"CR LF without a final one":   {"a\nb", "a\r\nb", finding.NewlineConversion, "each LF became CR LF"},
		"lone CR kept":                {"a\rb\n", "a\rb\r\n", finding.NewlineConversion, "each LF became CR LF"},
		"long lines":                  {strings.Repeat("x", 100<<10) + "\n", strings.Repeat("x", 100<<10) + "\r\n", finding.NewlineConversion, "each LF became CR LF"},
		"CR at the end of a buffer":   {strings.Repeat("x", 64<<10-1) + "\n", strings.Repeat("x", 64<<10-1) + "\r\n", finding.NewlineConversion, "each LF became CR LF"},
		"CR LF added across buffers":  {strings.Repeat("x", 64<<10-1), strings.Repeat("x", 64<<10-1) + "\r\n", finding.Extended, "a text editor added a final newline"},
		"nothing left":                {poem, "", finding.Truncated, "it was truncated to 0 bytes"},
		"a newline added":             {strings.TrimSuffix(poem, "\n"), poem, finding.Extended, "a text editor added a final newline"},
		"CR LF added":                 {strings.TrimSuffix(windows(poem), "\r\n"), windows(poem), finding.Extended, "a text editor added a final newline"},
		"a newline taken away":        {poem, strings.TrimSuffix(poem, "\n"), finding.Truncated, "the final newline was taken away"},
		"CR LF taken away":            {windows(poem), strings.TrimSuffix(windows(poem), "\r\n"), finding.Truncated, "the final newline, CR LF, was taken away"},
		"a byte order mark added":     {poem, "\ufeff" + poem, finding.TextTranscoding, "a UTF-8 byte order mark was added"},
		"a byte order mark gone":      {"\ufeff" + poem, poem, finding.TextTranscoding, "the UTF-8 byte order mark was taken away"},
		"a mark and CR LF":            {poem, "\ufeff" + windows(poem), finding.TextTranscoding, "a UTF-8 byte order mark was added, and each LF became CR LF"},
		"UTF-16":                      {poem, utf16(poem), finding.TextTranscoding, "it was saved as UTF-16, as PowerShell's > does"},
		"UTF-16 and CR LF":            {poem, utf16(windows(poem)), finding.TextTranscoding, "it was saved as UTF-16 with CR LF"},
		"Windows-1252":                {poem, strings.NewReplacer("ï", "\xef", "é", "\xe9").Replace(poem), finding.TextTranscoding, "it was UTF-8 and was saved as Windows-1252"},
		"UTF-8 twice":                 {poem, strings.NewReplacer("ï", "Ã¯", "é", "Ã©").Replace(poem), finding.TextTranscoding, "was saved as UTF-8 once more"},
		"ident":                       {"$Id$\n" + poem, "$Id: " + blob + " $\n" + poem, finding.Extended, "Git's ident attribute"},
		"a pointer":                   {poem, strings.Replace(pointer, "PUT", strings.Repeat("ab", 32), 1), finding.LFSPointer, "it is a Git LFS pointer: run git lfs pull"},
		"the pointer of what it was":  {poem, strings.Replace(pointer, "PUT", strings.Fields(sumLine("a", poem))[0], 1), finding.LFSPointer, "it is the Git LFS pointer of the recorded content: run git lfs pull"},
		"another text":                {poem, "other\n", "", "sha256 is 7e4fa2eb…, recorded"},
		"CR LF and an edit":           {poem, windows(poem) + "edit\r\n", "", "sha256 is"},
		"two newlines added":          {strings.TrimSuffix(poem, "\n"), poem + "\n", "", "sha256 is"},
		"a mark in place of the text": {poem, "\ufeff", "", "sha256 is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, "fixture", c.found)
			write(t, "SHA256SUMS", sumLine("fixture", c.recorded))
			rec := run(t, verify.Options{})
			if len(rec.results) != 1 || rec.results[0].Status != verify.Bad {
				t.Fatalf("%s", rec)
			}
			if got := rec.results[0].Diagnosis; got != c.diagnosis {
				t.Errorf("diagnosis %q, want %q (%q)", got, c.diagnosis, rec.results[0].Evidence)
			}
			said, _ := say(t, "text", verify.Options{})
			if first, _, _ := strings.Cut(said, "\n"); !strings.Contains(first, c.says) || !strings.HasSuffix(first, "(SHA256SUMS:1)") {
				t.Errorf("it says %q, want %q", first, c.says)
			}
		})
	}
}
