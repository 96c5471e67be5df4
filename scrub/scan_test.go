package scrub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/fixtures/faultstore"
	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// A bench is a vault over a tree that is recorded, without parity.
type bench struct {
	testing.TB
	tree  string
	vault *vault.Vault
}

func newBench(t *testing.T, replicas ...string) *bench {
	t.Helper()
	return newBenchOf(t, fixtures.Small(1), replicas...)
}

func newBenchOf(t testing.TB, corpus fixtures.Corpus, replicas ...string) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{TB: t, tree: filepath.Join(dir, "tree")}
	b.must(os.Mkdir(b.tree, 0o755))
	b.must(corpus.Write(t.Context(), b.tree))
	stores := []vault.StoreConfig{{Name: "primary", URL: b.tree, Role: vault.Primary}}
	for _, name := range replicas {
		root := filepath.Join(dir, name)
		b.must(os.Mkdir(root, 0o755))
		b.must(corpus.Write(t.Context(), root))
		stores = append(stores, vault.StoreConfig{Name: name, URL: root, Role: vault.Replica})
	}
	config := vault.DefaultConfig(stores...)
	config.Overhead = 0
	b.must(vault.Init(t.Context(), filepath.Join(dir, "vault"), config))
	v, err := vault.Open(t.Context(), filepath.Join(dir, "vault"), "test")
	b.must(err)
	t.Cleanup(func() { v.Close() })
	b.vault = v
	b.record(1)
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// record puts the tree as it is into the catalog.
func (b *bench) record(generation int64) {
	b.Helper()
	s, err := b.vault.Store("primary")
	b.must(err)
	now := time.Now()
	b.must(b.vault.Catalog.Update(b.Context(), func(tx *catalog.Tx) error {
		for entry, err := range s.List(b.Context(), store.ListOptions{}) {
			if err != nil {
				return err
			}
			if err := b.recordEntry(tx, entry, generation, now); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (b *bench) recordEntry(tx *catalog.Tx, entry store.Entry, generation int64, now time.Time) error {
	r := catalog.Record{Name: entry.Name, Generation: generation, RecordedAt: now, Kind: entry.Kind, Identity: entry.Identity}
	at := filepath.Join(b.tree, entry.Name)
	var content []byte
	var err error
	switch entry.Kind {
	case hashsets.File:
		content, err = os.ReadFile(at)
	case hashsets.Link:
		r.Target, err = os.Readlink(at)
	}
	if err != nil {
		return err
	}
	if entry.Kind == hashsets.File {
		hasher, err := hashsets.NewHasher([]hashsets.Algorithm{hashsets.XXH64, hashsets.SHA256}, fixtures.ShardSize)
		if err != nil {
			return err
		}
		hasher.Write(content)
		r.Hashes = hasher.HashSet()
	}
	return tx.PutRecord(r)
}

// scrub runs a scrub and returns what it said.
func (b *bench) scrub(opts scrub.Options) *said {
	b.Helper()
	s := &said{}
	summary, err := scrub.Run(b.Context(), b.vault, opts, s)
	b.must(err)
	s.summary = summary
	return s
}

func (b *bench) target(blob string) fixtures.Target {
	info, err := os.Lstat(filepath.Join(b.tree, blob))
	b.must(err)
	return fixtures.Target{
		Path: blob, Directory: blob, Size: info.Size(), ShardSize: fixtures.ShardSize, Seed: 1,
		Other: "sizes/text", Older: []byte("what an earlier generation held"),
	}
}

func (b *bench) damage(fault, blob string) {
	b.Helper()
	named, err := fixtures.FaultNamed(fault)
	b.must(err)
	b.must(named.On(b.target(blob)).Apply(b.tree))
}

// said collects what a run reports.
type said struct {
	mu       sync.Mutex
	findings []finding.Finding
	gates    []report.Gate
	notes    []string
	summary  report.Summary
}

func (s *said) Finding(f finding.Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.findings = append(s.findings, f)
}
func (s *said) Gate(g report.Gate)         { s.gates = append(s.gates, g) }
func (s *said) Repair(report.Repair)       {}
func (s *said) Progress(report.Progress)   {}
func (s *said) Summary(report.Summary)     {}
func (s *said) Note(f string, args ...any) { s.notes = append(s.notes, fmt.Sprintf(f, args...)) }

func (s *said) one(t *testing.T) finding.Finding {
	t.Helper()
	if len(s.findings) != 1 {
		t.Fatalf("%d findings, want one: %+v", len(s.findings), s.findings)
	}
	return s.findings[0]
}

const shard = fixtures.ShardSize

func TestIntactTree(t *testing.T) {
	b := newBench(t)
	got := b.scrub(scrub.Options{})
	if len(got.findings) > 0 || got.summary.Exit != 0 {
		t.Fatalf("an intact tree: %+v, exit %d", got.findings, got.summary.Exit)
	}
	totals, err := b.vault.Catalog.Totals(t.Context())
	b.must(err)
	if got.summary.Intact != totals.Blobs || got.summary.Blobs != totals.Blobs {
		t.Errorf("%d of %d blobs intact, %d are recorded", got.summary.Intact, got.summary.Blobs, totals.Blobs)
	}
	c, err := b.vault.Catalog.Coverage(t.Context(), "primary", "sizes/text")
	b.must(err)
	if c.Depth != catalog.DeepBuffered && c.Depth != catalog.DeepDirect {
		t.Errorf("coverage of a verified blob: %+v", c)
	}
}

// Each fault that can befall a file is found, with the verdict that it
// deserves and the ranges that it touched.
func TestFaults(t *testing.T) {
	const blob = "sizes/seven-shards-plus-77"
	whole := []store.Range{{Offset: 0, Length: 7*shard + 77}}
	one := func(i int64) []store.Range { return []store.Range{{Offset: i * shard, Length: shard}} }
	for _, test := range []struct {
		fault   string
		verdict finding.Verdict
		ranges  []store.Range
	}{
		{"bit-flip-first", finding.Corrupt, one(0)},
		{"bit-flip-middle", finding.Corrupt, one(3)},
		{"bit-flip-last", finding.Corrupt, []store.Range{{Offset: 7 * shard, Length: 77}}},
		{"zeroed", finding.Corrupt, whole},
		{"shard-zeroed", finding.Corrupt, nil},
		{"shards-swapped", finding.Corrupt, nil},
		{"shard-of-another", finding.Corrupt, nil},
		{"truncated-by-1", finding.Corrupt, []store.Range{{Offset: 7 * shard, Length: 77}}},
		{"truncated-to-nothing", finding.Corrupt, whole},
		{"extended", finding.Corrupt, []store.Range{}},
		{"shifted-up", finding.Corrupt, nil},
		{"deleted", finding.Missing, whole},
		{"replaced-by-link", finding.Modified, whole},
		{"replaced-by-directory", finding.Modified, whole},
		{"replaced-by-fifo", finding.Modified, whole},
	} {
		t.Run(test.fault, func(t *testing.T) {
			b := newBench(t)
			b.damage(test.fault, blob)
			got := b.scrub(scrub.Options{})
			f := got.one(t)
			if f.Blob != blob || f.Store != "primary" || f.Verdict != test.verdict {
				t.Errorf("found %q in %q %s (%v), want %s", f.Blob, f.Store, f.Verdict, f.Evidence, test.verdict)
			}
			if test.ranges != nil && !slices.Equal(f.Ranges, test.ranges) {
				t.Errorf("ranges %v, want %v", f.Ranges, test.ranges)
			}
			want := 4
			if test.verdict == finding.Modified {
				want = 2
			}
			if got.summary.Exit != want || got.summary.Verdicts[test.verdict] != 1 {
				t.Errorf("exit %d, want %d; verdicts %v", got.summary.Exit, want, got.summary.Verdicts)
			}
		})
	}
}

// A finding stays in the catalog until the blob is verified intact again.
func TestFindingsSettle(t *testing.T) {
	b := newBench(t)
	const blob = "sizes/text"
	at := filepath.Join(b.tree, blob)
	info, err := os.Stat(at)
	b.must(err)
	good, err := os.ReadFile(at)
	b.must(err)
	b.damage("bit-flip-first", blob)
	b.scrub(scrub.Options{})
	if n := b.kept(); n != 1 {
		t.Fatalf("%d findings kept, want 1", n)
	}
	b.scrub(scrub.Options{Light: true})
	if n := b.kept(); n != 1 {
		t.Fatalf("%d findings kept after a light scrub, which read nothing; want 1", n)
	}
	b.must(os.WriteFile(at, good, 0o644))
	b.must(os.Chtimes(at, time.Time{}, info.ModTime()))
	b.scrub(scrub.Options{})
	if n := b.kept(); n != 0 {
		t.Fatalf("%d findings kept though the blob is good again", n)
	}
}

func (b *bench) kept() int {
	n := 0
	for f, err := range b.vault.Catalog.Findings(b.Context(), "") {
		b.must(err)
		var detail finding.Finding
		b.must(json.Unmarshal(f.Detail, &detail))
		if detail.Blob != f.Name {
			b.Errorf("the finding of %q is kept under the name %q", detail.Blob, f.Name)
		}
		n++
	}
	return n
}

// What the store does while it is read decides between damage and doubt.
func TestReading(t *testing.T) {
	const blob = "sizes/seven-shards-plus-77"
	for _, test := range []struct {
		name    string
		rule    faultstore.Rule
		verdict finding.Verdict // "" for no finding
		ranges  []store.Range
	}{
		{"a bad sector", faultstore.MediumError(blob, store.Range{Offset: 2*shard + 5, Length: 1}), finding.Unreadable, []store.Range{{Offset: 2 * shard, Length: shard}}},
		{"a bit that flips each time", faultstore.FlippedBit(blob, 5*shard, 0), finding.Corrupt, []store.Range{{Offset: 5 * shard, Length: shard}}},
		{"a bit that flipped once", faultstore.FlippedBit(blob, 5*shard, 0).Once(), finding.Flaky, nil},
		{"written during the first read", faultstore.ChangedWhileRead(blob).Once(), "", nil},
		{"written during every read", faultstore.ChangedWhileRead(blob), finding.Busy, nil},
		{"permission denied", faultstore.Denied(blob), finding.Unreadable, nil},
		{"a read that ends too soon", faultstore.ShortRead(blob, store.Range{Offset: 7 * shard, Length: 1}), finding.Unreadable, []store.Range{{Offset: 7 * shard, Length: 77}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			got := b.scrub(scrub.Options{Open: b.faulty(test.rule)})
			if test.verdict == "" {
				if len(got.findings) > 0 {
					t.Fatalf("found %+v", got.findings)
				}
				return
			}
			f := got.one(t)
			if f.Verdict != test.verdict {
				t.Errorf("%s (%v), want %s", f.Verdict, f.Evidence, test.verdict)
			}
			if test.ranges != nil && !slices.Equal(f.Ranges, test.ranges) {
				t.Errorf("ranges %v, want %v", f.Ranges, test.ranges)
			}
		})
	}
}

func (b *bench) faulty(rules ...faultstore.Rule) func(string) (store.Store, error) {
	return func(name string) (store.Store, error) {
		s, err := b.vault.Store(name)
		return faultstore.New(s, rules...), err
	}
}

// An error of the host says nothing of a blob.
func TestHostErrorsAreNoDamage(t *testing.T) {
	b := newBench(t)
	rule := faultstore.Rule{Blob: "sizes/text", Step: faultstore.Open, Err: fmt.Errorf("too many open files")}
	got := b.scrub(scrub.Options{Open: b.faulty(rule)})
	if len(got.findings) > 0 || got.summary.Unchecked != 1 || got.summary.Damaged != 0 {
		t.Errorf("found %+v, %d unchecked", got.findings, got.summary.Unchecked)
	}
	if got.summary.Exit != 2 || len(got.notes) != 1 {
		t.Errorf("exit %d, notes %q", got.summary.Exit, got.notes)
	}
}

// One scrub by the wrong user, or on a host that is out of something, stops no
// repair: no gate opens, also where everything is refused. What may not be read
// is told as unreadable, and red.
func TestErrorsOfTheHostOpenNoGate(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		findings bool
		exit     int
	}{
		"no permission":       {fmt.Errorf("open: %w", store.ErrPermission), true, 4},
		"no file descriptors": {&os.PathError{Op: "open", Err: syscall.EMFILE}, false, 2},
		"no memory":           {&os.PathError{Op: "open", Err: syscall.ENOMEM}, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			got := b.scrub(scrub.Options{Open: b.faulty(faultstore.Rule{Step: faultstore.Open, Err: c.err})})
			if len(got.gates) > 0 || got.summary.Exit != c.exit || (len(got.findings) > 20) != c.findings {
				t.Errorf("%d findings, exit %d, gates %+v", len(got.findings), got.summary.Exit, got.gates)
			}
			for _, f := range got.findings {
				if f.Verdict != finding.Unreadable || !strings.Contains(fmt.Sprint(f.Evidence), "not permitted") {
					t.Errorf("%+v", f)
				}
			}
			if again := b.scrub(scrub.Options{}); again.summary.Exit != 0 {
				t.Errorf("a scrub that may read exits %d", again.summary.Exit)
			}
		})
	}
}

// What a run may not read says nothing of trouble that opened a gate before:
// the gate does not open again for what a person acknowledged.
func TestWhatMayNotBeReadEndsNoTrouble(t *testing.T) {
	b := newBenchOf(t, fixtures.Tiny(1, 30, 100, 200))
	var damaged []string
	for known, err := range b.vault.Catalog.Records(t.Context(), catalog.Query{}) {
		b.must(err)
		if known.Kind == hashsets.File && len(damaged) < 12 {
			damaged = append(damaged, known.Name)
		}
	}
	for _, name := range damaged {
		b.damage("bit-flip-first", name)
	}
	first := b.scrub(scrub.Options{})
	if len(first.gates) != 1 {
		t.Fatalf("gates %+v", first.gates)
	}
	_, err := gate.Clear(t.Context(), b.vault.Catalog, first.gates[0].ID, "it is known", time.Now())
	b.must(err)
	b.scrub(scrub.Options{Open: b.faulty(faultstore.Rule{Step: faultstore.Open, Err: store.ErrPermission})})
	if got := b.scrub(scrub.Options{}); len(got.gates) > 0 || got.summary.Damaged != 12 {
		t.Errorf("%d are damaged as before, and there are gates: %+v", got.summary.Damaged, got.gates)
	}
}

func TestStaleAndModified(t *testing.T) {
	b := newBench(t)
	const blob = "sizes/text"
	at := filepath.Join(b.tree, blob)
	old, err := os.ReadFile(at)
	b.must(err)
	b.must(os.WriteFile(at, []byte("new content"), 0o644))
	got := b.scrub(scrub.Options{}).one(t)
	if got.Verdict != finding.Modified {
		t.Errorf("an edited blob is %s", got.Verdict)
	}
	b.record(2)
	recorded, err := os.Stat(at)
	b.must(err)
	b.must(os.WriteFile(at, old, 0o644))
	if got = b.scrub(scrub.Options{}).one(t); got.Verdict != finding.Modified {
		t.Errorf("a blob that was given its old content is %s", got.Verdict)
	}
	b.must(os.Chtimes(at, time.Time{}, recorded.ModTime()))
	got = b.scrub(scrub.Options{}).one(t)
	if got.Verdict != finding.Stale || !slices.Equal(got.Ranges, []store.Range{{Offset: 0, Length: 11}}) {
		t.Errorf("the bytes of before are %s, ranges %v", got.Verdict, got.Ranges)
	}
}

func TestStoresNamesAndLight(t *testing.T) {
	b := newBench(t, "dr")
	b.damage("bit-flip-first", "sizes/text")
	b.must(os.Remove(filepath.Join(filepath.Dir(b.tree), "dr", "sizes/shard")))

	got := b.scrub(scrub.Options{})
	if len(got.findings) != 2 || got.summary.Damaged != 2 {
		t.Errorf("in both stores: %+v", got.findings)
	}
	if f := b.scrub(scrub.Options{Stores: []string{"dr"}}).one(t); f.Store != "dr" || f.Verdict != finding.Missing {
		t.Errorf("in dr alone: %+v", f)
	}
	names, err := scrub.ParseNames([]string{"sizes/t*"})
	b.must(err)
	got = b.scrub(scrub.Options{Names: names})
	if f := got.one(t); f.Blob != "sizes/text" || got.summary.Blobs != 4 {
		t.Errorf("%d blobs looked at: %+v", got.summary.Blobs, f)
	}
	got = b.scrub(scrub.Options{Light: true})
	if f := got.one(t); f.Verdict != finding.Missing || got.summary.Intact != 0 || got.summary.Unverified == 0 {
		t.Errorf("light: %+v, %d intact", f, got.summary.Intact)
	}
}

// A light scrub verifies nothing, and leaves what deep ones noted.
func TestLightNotesNoVerification(t *testing.T) {
	b := newBench(t)
	b.scrub(scrub.Options{Light: true})
	if c, err := b.vault.Catalog.Coverage(t.Context(), "primary", "sizes/text"); err == nil {
		t.Errorf("a light scrub noted %+v", c)
	}
}

func TestCancelledScrubKeepsWhatItVerified(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	summary, err := scrub.Run(ctx, b.vault, scrub.Options{}, &said{})
	if err == nil || summary.Exit&32 == 0 {
		t.Errorf("a cancelled run: %v, exit %d", err, summary.Exit)
	}
}
