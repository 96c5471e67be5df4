package verify_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bitmend/hashsets/manifest"
	"bitmend/scrub/verify"
)

// cases is the folder of real lists, made by the tools of their formats, with
// the results that are expected of them. It stands beside the module.
const cases = "../../../shared/cases"

// recorder is a Reporter that keeps what is not good.
type recorder struct {
	results []verify.Result
	notes   []string
	sum     *verify.Summary
}

func (r *recorder) Result(res *verify.Result) {
	if res.Status != verify.OK {
		r.results = append(r.results, *res)
	}
}
func (r *recorder) Note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}
func (r *recorder) Summary(s *verify.Summary) { r.sum = s }

func (r *recorder) String() string {
	var b strings.Builder
	for i := range r.results {
		fmt.Fprintf(&b, "\t%s %q %s %v\n", r.results[i].Status, r.results[i].Name, r.results[i].Reason, r.results[i].Evidence)
	}
	fmt.Fprintf(&b, "\tnotes %q exit %d counts %v", r.notes, r.sum.Exit, r.sum.Counts)
	return b.String()
}

func run(t *testing.T, opts verify.Options) *recorder {
	t.Helper()
	rec := &recorder{}
	if _, err := verify.Run(context.Background(), opts, rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

// reasons are what the cases that must fail are named after: a status, and
// words of the reason or of the name that it is about.
var reasons = map[string][2]string{
	"baginfo-missing-encoding": {"invalid", "Tag-File-Character-Encoding"},
	"bom-in-bagit.txt":         {"invalid", "byte order mark"},
	"corrupt-data-file":        {"bad", "data/"},
	"corrupt-tag-file":         {"bad", "bag"},
	"extra-file-in-bag":        {"extra", "data/bar"},
	"invalid-version-number":   {"invalid", "BagIt-Version"},
	"missing-baginfo":          {"missing", "bag-info.txt"},
	"missing-bagit.txt":        {"invalid", "bagit.txt is missing"},
	"out-of-scope-file-paths":  {"unsafe-path", ""},
	"different-hashes":         {"conflict", "twice"},
	"v1.0/invalid/same-filename-listed-twice-with-the-same-hash": {"invalid", "twice"},
	"bagit-with-invalid-whitespace":                              {"invalid", "BagIt-Version"},
	"notAllManifestsListAllFiles":                                {"extra", "missingFromManifest"},
	"scenario_04/file_server":                                    {"bad", "Sidecar.txt"},
}

// special are the cases whose lists and files stand in several places.
func optionsOf(id, path string) verify.Options {
	at := func(names ...string) []string {
		for i := range names {
			names[i] = filepath.Join(cases, names[i])
		}
		return names
	}
	switch {
	case id == "npm/lock":
		return verify.Options{Paths: at("npm/package-lock.json", "npm/tarballs")}
	case id == "go/cache":
		return verify.Options{Paths: at("go-modules/go.sum", "go-modules/cache")}
	case id == "debian/md5sums":
		packages, _ := filepath.Glob(filepath.Join(cases, "debian", "*.deb")) // the pattern is good
		return verify.Options{Paths: packages}
	case strings.HasPrefix(path, "tool-manifests/"):
		return verify.Options{Paths: at(path), Root: filepath.Join(cases, "tool-manifests/tree")}
	}
	return verify.Options{Paths: at(path)}
}

func TestEveryCaseIsAsExpected(t *testing.T) {
	table, err := os.ReadFile(filepath.Join(cases, "expected.tsv"))
	if err != nil {
		t.Skipf("the folder of cases is not there, so that none of its lists is checked: %v", err)
	}
	for _, row := range strings.Split(strings.TrimSpace(string(table)), "\n")[1:] {
		column := strings.Split(row, "\t")
		id, path, expected, detail := column[0], column[1], column[4], column[5]
		t.Run(id, func(t *testing.T) {
			rec := run(t, optionsOf(id, path))
			if problem := differs(id, expected, detail, rec); problem != "" {
				t.Errorf("expected %s (%s), and %s\n%s", expected, detail, problem, rec)
			}
		})
	}
}

// differs returns what is not as expected.
func differs(id, expected, detail string, rec *recorder) string {
	switch {
	case expected == "ok":
		if rec.sum.Exit != 0 {
			return "it is not ok"
		}
	case expected == "ok+warning":
		if strings.Contains(detail, "fail is also acceptable") && rec.sum.Exit != 0 && rec.has("missing", "") {
			return ""
		}
		if rec.sum.Exit != 0 || !rec.has("warning", "") {
			return "it is not ok with a warning"
		}
	case strings.HasPrefix(expected, "ok-except"):
		return exceptNewline(rec)
	case expected == "fail":
		for name, reason := range reasons {
			if strings.Contains("/"+id, name) {
				if rec.sum.Exit == 0 || !rec.has(reason[0], reason[1]) {
					return fmt.Sprintf("it does not fail with %s %q", reason[0], reason[1])
				}
				return ""
			}
		}
		return "no reason is known for it to fail"
	case expected == "conflict":
		if rec.sum.Exit == 0 || rec.sum.Counts[verify.Conflict] == 0 || rec.sum.Counts[verify.Bad] != 0 {
			return "it is no conflict"
		}
	case strings.HasPrefix(expected, "needs "):
		option := strings.TrimPrefix(expected, "needs ")
		if rec.sum.Exit == 0 || !slices.ContainsFunc(rec.notes, func(n string) bool { return strings.HasSuffix(n, option) }) {
			return "the option is not named"
		}
	default:
		return "this test does not know what that is"
	}
	return ""
}

func (r *recorder) has(status, words string) bool {
	return slices.ContainsFunc(r.results, func(res verify.Result) bool {
		return string(res.Status) == status && (strings.Contains(res.Reason, words) || strings.Contains(res.Name, words))
	})
}

// exceptNewline tells what else is not ok than the name with LF, which these
// tools break in two lines.
func exceptNewline(rec *recorder) string {
	if rec.sum.Exit == 0 {
		return "lines were passed over"
	}
	if rec.sum.Counts[verify.OK] != 29 {
		return fmt.Sprintf("%d of 29 files are ok", rec.sum.Counts[verify.OK])
	}
	for _, res := range rec.results {
		switch {
		case res.Status == verify.Malformed:
		case res.Status == verify.Missing && (res.Name == "new" || res.Name == "line"):
		default:
			return fmt.Sprintf("%q is %s", res.Name, res.Status)
		}
	}
	return ""
}

// What cannot be decided from the list alone is right with the option that the
// run named.
func TestTheOptionThatWasNamedHelps(t *testing.T) {
	if _, err := os.Stat(cases); err != nil {
		t.Skipf("the folder of cases is not there: %v", err)
	}
	opts := optionsOf("", "tool-manifests/xxhsum/H1.le.gnu")
	opts.Read = manifest.Options{LittleEndian: true}
	if rec := run(t, opts); rec.sum.Counts[verify.OK] != 29 || rec.sum.Counts[verify.Bad] != 0 {
		t.Errorf("with --little-endian:\n%s", rec)
	}
}

// A size that matches is never called a checksum that does.
func TestSizesAreCountedApart(t *testing.T) {
	if _, err := os.Stat(cases); err != nil {
		t.Skipf("the folder of cases is not there: %v", err)
	}
	rec := run(t, optionsOf("", "mhl-1.1/tests/aux_files/mhl_verify_null/null.mhl"))
	if rec.sum.Counts[verify.SizeOnly] != 3 || rec.sum.Counts[verify.OK] != 0 || rec.sum.Intact != 0 || rec.sum.Unverified != 3 {
		t.Errorf("%s", rec)
	}
}
