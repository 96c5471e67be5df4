package exchange_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/hashsets/manifest"
	"bitmend/repair/exchange"
	"bitmend/repair/protect"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
	"bitmend/scrub/verify"
)

// heard keeps what a run found.
type heard struct {
	findings []finding.Finding
	notes    []string
}

func (h *heard) Finding(f finding.Finding)    { h.findings = append(h.findings, f) }
func (h *heard) Repair(report.Repair)         {}
func (h *heard) Gate(report.Gate)             {}
func (h *heard) Progress(report.Progress)     {}
func (h *heard) Note(format string, a ...any) { h.notes = append(h.notes, fmt.Sprintf(format, a...)) }
func (h *heard) Summary(report.Summary)       {}
func (h *heard) has(name string, v finding.Verdict, words string) bool {
	for _, f := range h.findings {
		if f.Blob == name && f.Verdict == v && strings.Contains(f.Reason, words) {
			return true
		}
	}
	return false
}

// world is a vault with two stores, and a folder for lists beside them.
type world struct {
	*testing.T
	top string
	v   *vault.Vault
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, top: t.TempDir()}
	for _, name := range []string{"here", "there"} {
		if err := os.Mkdir(filepath.Join(w.top, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := vault.DefaultConfig(vault.StoreConfig{Name: "here", URL: filepath.Join(w.top, "here"), Role: vault.Primary})
	c.Stores = append(c.Stores, vault.StoreConfig{Name: "there", URL: filepath.Join(w.top, "there"), Role: vault.Replica})
	dir := filepath.Join(w.top, "vault")
	if err := vault.Init(context.Background(), dir, c); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(context.Background(), dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	w.v = v
	t.Cleanup(func() { v.Close() })
	return w
}

// old and young are before and after a list was written, and list when.
var (
	old   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	list  = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	young = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
)

func (w *world) write(name, content string, at time.Time) string {
	w.Helper()
	full := filepath.Join(w.top, filepath.FromSlash(name))
	err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(content), 0o644), os.Chtimes(full, at, at))
	if err != nil {
		w.Fatal(err)
	}
	return full
}

// sha256List and sizedList are lists of names and contents.
func sha256List(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256([]byte(pairs[i+1])), pairs[i])
	}
	return b.String()
}

func sizedList(pairs ...string) string {
	b := strings.Builder{}
	b.WriteString("%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename\n")
	for i := 0; i < len(pairs); i += 2 {
		content := []byte(pairs[i+1])
		fmt.Fprintf(&b, "%d,%x,%x,%s\n", len(content), md5.Sum(content), sha256.Sum256(content), pairs[i])
	}
	return b.String()
}

func (w *world) importLists(opts verify.Options, lists ...string) (report.Summary, *heard) {
	w.Helper()
	said := &heard{}
	opts.Paths = lists
	s, err := exchange.Import(context.Background(), w.v, exchange.ImportOptions{Lists: opts}, said)
	if err != nil {
		w.Fatal(err)
	}
	return s, said
}

func (w *world) protect() (report.Summary, *heard) {
	w.Helper()
	said := &heard{}
	s, err := protect.Run(context.Background(), w.v, protect.Options{}, said)
	if err != nil {
		w.Fatal(err, said)
	}
	return s, said
}

func (w *world) current(name string) catalog.Record {
	w.Helper()
	r, err := w.v.Catalog.Current(context.Background(), name)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

func (w *world) recorded(name string) bool {
	_, err := w.v.Catalog.Current(context.Background(), name)
	return err == nil
}

// A list with sizes is believed as it is: nothing is read, and no shard sums
// are recorded. What was written after the list is no witness of its content.
func TestAListWithSizesIsRecordedUnread(t *testing.T) {
	w := newWorld(t)
	w.write("here/a", "hello", old)
	w.write("here/sub/b", "edited", young)
	s, said := w.importLists(verify.Options{}, w.write("here/x.hashdeep", sizedList("a", "hello", "sub/b", "world", "gone", "gone"), list))
	if s.New != 3 || s.Unverified != 3 || s.BytesRead != 0 || s.Exit != 0 || len(said.findings) > 0 {
		t.Errorf("%+v %+v", s, said)
	}
	for name, size := range map[string]int64{"a": 5, "sub/b": 5, "gone": 4} {
		r := w.current(name)
		if r.Generation != 1 || r.Hashes.Size != size || r.Hashes.ShardSize != 0 || len(r.Hashes.Digests) != 2 || !r.RecordedAt.Equal(list) {
			t.Errorf("%s is recorded as %+v", name, r)
		}
	}
	if w.current("a").Identity.ModTime != old.UnixNano() || w.current("sub/b").Identity.ModTime != 0 {
		t.Error("the file that is older than its list is not known by its time, or the younger one is")
	}
}

// A list without sizes is believed where the bytes match, of any store; what
// was read is recorded whole.
func TestAListWithoutSizesIsRecordedWhereItMatches(t *testing.T) {
	w := newWorld(t)
	w.write("here/good", "hello", young)
	w.write("here/rotten", "hellO", old)
	w.write("there/rotten", "hello", old)
	w.write("here/edited", "other", young)
	w.write("here/damaged", "hellO", old)
	s, said := w.importLists(verify.Options{}, w.write("here/SHA256SUMS", sha256List("good", "hello", "rotten", "hello", "edited", "hello", "damaged", "hello", "gone", "hello"), list))
	if s.New != 2 || s.Intact != 1 || s.Damaged != 2 || s.Exit != 6 {
		t.Errorf("%+v", s)
	}
	if len(said.findings) != 3 || !said.has("edited", finding.Modified, "no list tells its size") || !said.has("damaged", finding.Corrupt, "no list tells its size") || !said.has("gone", finding.Missing, "no list tells its size") {
		t.Errorf("%+v", said.findings)
	}
	for _, name := range []string{"good", "rotten"} {
		if r := w.current(name); r.Hashes.Size != 5 || len(r.Hashes.ShardSums) != 1 || len(r.Hashes.Digests) != 2 {
			t.Errorf("%s is recorded as %+v", name, r)
		}
	}
	for _, name := range []string{"edited", "damaged", "gone"} {
		if w.recorded(name) {
			t.Errorf("%s is recorded", name)
		}
	}
}

// What is recorded is never recorded anew.
func TestAnImportDoesNotChangeARecord(t *testing.T) {
	w := newWorld(t)
	w.write("here/a", "hello", old)
	w.write("here/b", "hello", old)
	w.protect()
	before := w.current("a")
	s, said := w.importLists(verify.Options{}, w.write("here/x.hashdeep", sizedList("a", "hullo", "b", "hello"), young),
		w.write("lists/MD5SUMS", fmt.Sprintf("%x  ../x\n", md5.Sum(nil)), young))
	if s.New != 0 || s.Unchanged != 1 || s.Exit != 2 || !said.has("a", finding.Undecided, "contradicts generation 1") {
		t.Errorf("%+v %+v", s, said.findings)
	}
	if after := w.current("a"); after.Generation != 1 || !after.Hashes.Equal(&before.Hashes) {
		t.Errorf("it is recorded as %+v", after)
	}
	s, said = w.importLists(verify.Options{Root: filepath.Join(w.top, "here")}, w.write("lists/MD5SUMS", fmt.Sprintf("%x  b\n", md5.Sum([]byte("hello"))), young))
	if s.Unchanged != 0 || s.Exit != 2 || !said.has("b", finding.Unverifiable, "no algorithm in common") {
		t.Errorf("%+v %+v", s, said.findings)
	}
}

func TestListsThatContradictEachOtherAreNotBelieved(t *testing.T) {
	w := newWorld(t)
	w.write("here/a", "hello", old)
	one, two := w.write("here/one.hashdeep", sizedList("a", "hello"), list), w.write("here/two.hashdeep", sizedList("a", "hullo"), list)
	s, said := w.importLists(verify.Options{}, one, two)
	if s.New != 0 || s.Exit != 2 || w.recorded("a") || !said.has("a", finding.Undecided, "lists give different checksums") {
		t.Errorf("%+v %+v", s, said.findings)
	}
	if s, _ = w.importLists(verify.Options{}, one); s.New != 1 || s.Exit != 0 {
		t.Errorf("%+v", s)
	}
}

// Digests of 32 bytes may be of many algorithms: one that was taken for another
// would make every later scrub find damage.
func TestAnAlgorithmIsNotGuessed(t *testing.T) {
	w := newWorld(t)
	unnamed := w.write("here/sums", sha256List("gone", "x"), list)
	if s, said := w.importLists(verify.Options{}, unnamed); s.New != 0 || s.Exit != 2 || !said.has("gone", finding.Unverifiable, "say --algorithm") {
		t.Errorf("%+v %+v", s, said.findings)
	}
	w.write("here/a", "hello", old) // a file that matches proves the algorithm
	if s, said := w.importLists(verify.Options{}, w.write("here/sums", sha256List("a", "hello"), list)); s.New != 1 || s.Exit != 0 {
		t.Errorf("%+v %+v", s, said.findings)
	}
}

// A blob that vanished and is listed again gets its next generation.
func TestAnImportedRecordIsTheNextGeneration(t *testing.T) {
	w := newWorld(t)
	file := w.write("here/a", "hello", old)
	w.write("here/b", "stays", old)
	w.protect()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	w.protect()
	if s, _ := w.importLists(verify.Options{}, w.write("here/x.hashdeep", sizedList("a", "hello, again"), list)); s.New != 1 || w.current("a").Generation != 2 {
		t.Errorf("%+v, generation %d", s, w.current("a").Generation)
	}
}

// Names are those of blobs wherever a list stands, and what is outside of the
// store is left out.
func TestNamesOfBlobsWhereverTheListStands(t *testing.T) {
	w := newWorld(t)
	w.write("here/sub/a", "hello", old)
	inside := w.write("here/sub/SHA256SUMS", sha256List("a", "hello"), list)
	above := w.write("SHA256SUMS", sha256List("here/sub/a", "hello", "vault/x", "hello"), list)
	elsewhere := w.write("lists/SHA256SUMS", sha256List("sub/a", "hello"), list)
	for n, c := range []struct {
		list      string
		root      string
		new, same int64
		exit      int
	}{{inside, "", 1, 0, 0}, {above, "", 0, 1, 2}, {elsewhere, "here", 0, 1, 0}, {elsewhere, "", 0, 0, 2}} {
		opts := verify.Options{}
		if c.root != "" {
			opts.Root = filepath.Join(w.top, c.root)
		}
		s, said := w.importLists(opts, c.list)
		if s.New != c.new || s.Unchanged != c.same || s.Exit != c.exit || !w.recorded("sub/a") {
			t.Errorf("%d: %+v %+v", n, s, said)
		}
	}
}

func TestAnImportNeedsTheStore(t *testing.T) {
	w := newWorld(t)
	l := w.write("lists/SHA256SUMS", sha256List("a", "hello"), list)
	if err := os.Remove(filepath.Join(w.top, "here")); err != nil {
		t.Fatal(err)
	}
	_, err := exchange.Import(context.Background(), w.v, exchange.ImportOptions{Lists: verify.Options{Paths: []string{l}}}, &heard{})
	if !errors.Is(err, gate.ErrRefused) {
		t.Error(err)
	}
}

// protect reads what was imported without shard sums. It completes what
// matches, as no change, and does not bless what does not.
func TestProtectCompletesWhatWasImported(t *testing.T) {
	w := newWorld(t)
	var pairs []string
	for n := range 30 {
		name := fmt.Sprintf("f%02d", n)
		w.write("here/"+name, name, old)
		pairs = append(pairs, name, name)
	}
	w.write("here/rotten", "hellO", old)
	w.write("here/edited", "other", young)
	w.importLists(verify.Options{}, w.write("here/x.hashdeep", sizedList(append(pairs, "rotten", "hello", "edited", "hello")...), list))
	s, said := w.protect()
	if s.New != 1 || s.Changed != 1 || s.Unchanged != 30 || !said.has("rotten", finding.Corrupt, "") || len(said.findings) != 1 {
		t.Errorf("%+v %+v", s, said.findings)
	}
	if r := w.current("f07"); len(r.Hashes.ShardSums) != 1 || r.Generation != 2 {
		t.Errorf("it is recorded as %+v", r)
	}
	if r := w.current("rotten"); r.Generation != 1 || r.Hashes.ShardSize != 0 {
		t.Errorf("it is recorded as %+v", r)
	}
	if places, err := w.v.Catalog.PlacesOf(context.Background(), "f07", 2); err != nil || len(places) == 0 {
		t.Errorf("it has no parity: %v", err)
	}
	if s, _ := w.protect(); s.Unchanged != 32 || s.BytesWritten != 0 {
		t.Errorf("a second run: %+v", s)
	}
}

func export(w *world, opts exchange.ExportOptions) (string, report.Summary, *heard) {
	w.Helper()
	var out bytes.Buffer
	said := &heard{}
	to := manifest.NewWriter(&out, opts.List)
	s, err := exchange.Export(context.Background(), w.v, opts, said, to.Write)
	if err := errors.Join(err, to.Close()); err != nil {
		w.Fatal(err)
	}
	return out.String(), s, said
}

func TestExport(t *testing.T) {
	w := newWorld(t)
	w.write("here/b\nc", "hello", old)
	w.write("here/a", "world", old)
	if err := os.Symlink("a", filepath.Join(w.top, "here/link")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	w.protect()
	lists, err := exchange.Usual(w.v, manifest.StyleGNU)
	if err != nil || len(lists) != 1 {
		t.Fatal(err, lists)
	}
	text, s, said := export(w, exchange.ExportOptions{List: lists[0]})
	want := sha256List("a", "world") + `\` + sha256List(`b\nc`, "hello")
	if text != want || s.Blobs != 2 || s.Exit != 0 || len(said.notes) != 1 {
		t.Errorf("%q, want %q\n%+v %+v", text, want, s, said)
	}
	if text, s, _ := export(w, exchange.ExportOptions{List: lists[0], Store: "there"}); text != "" || s.Exit != 2 {
		t.Errorf("of a store that holds nothing: %q %+v", text, s)
	}
	sha1, err := manifest.StyleGNU.Lists([]hashsets.Algorithm{"sha1"})
	if err != nil {
		t.Fatal(err)
	}
	if text, s, said := export(w, exchange.ExportOptions{List: sha1[0]}); text != "" || s.Exit != 2 || !said.has("a", finding.Unverifiable, "no sha1 of it is recorded") {
		t.Errorf("of an algorithm that is not recorded: %q %+v", text, s)
	}
}
