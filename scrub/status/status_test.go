package status_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/report/metrics"
	"bitmend/scrub/status"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// A world is a vault of blobs a, b, c … of four shards each. Each lies in a
// data column of its own of the only parity set, from its beginning on, so that
// their shards share stripes.
type world struct {
	*testing.T
	vault *vault.Vault
}

func newWorld(t *testing.T, names ...string) *world {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	w := &world{T: t}
	w.must(os.Mkdir(tree, 0o755))
	config := vault.DefaultConfig(vault.StoreConfig{Name: "primary", URL: tree, Role: vault.Primary},
		vault.StoreConfig{Name: "dr", URL: filepath.Join(dir, "dr"), Role: vault.Replica})
	config.MaxAge = 30 * day
	w.must(os.Mkdir(filepath.Join(dir, "dr"), 0o755))
	w.must(vault.Init(t.Context(), filepath.Join(dir, "vault"), config))
	v, err := vault.Open(t.Context(), filepath.Join(dir, "vault"), "test")
	w.must(err)
	t.Cleanup(func() { v.Close() })
	w.vault = v
	w.change(func(tx *catalog.Tx) error {
		set, err := tx.PutSet(catalog.Set{Data: len(names), Parity: 3, ShardSize: shard, ColumnSize: 1 << 30, Stripes: 2, Code: "test", Tops: make([]int64, len(names))})
		w.must(err)
		for band := range int64(2) {
			b := catalog.Band{Set: set, Number: band, Version: 1}
			for i := range 3 {
				b.Files = append(b.Files, catalog.ParityFile{Index: i, Name: fmt.Sprintf("1/%d-1.p%d", band, i), Hashes: hashes(2 * shard)})
			}
			w.must(tx.PutBand(b))
		}
		for i, name := range names {
			w.must(tx.PutRecord(catalog.Record{Name: name, Generation: 1, RecordedAt: noon.Add(-40 * day), Kind: hashsets.File,
				Identity: hashsets.Identity{Size: 4 * shard, Device: 0x801}, Hashes: hashes(4 * shard)}))
			w.must(tx.PutPlace(catalog.Place{Set: set, Column: i, Length: 4 * shard, Name: name, Generation: 1}))
			w.must(tx.PutCoverage(catalog.Coverage{Store: "primary", Name: name, Generation: 1, VerifiedAt: noon.Add(-time.Duration(i) * 10 * day), Depth: catalog.DeepDirect}))
		}
		return nil
	})
	return w
}

const shard = 65536

func hashes(size int64) hashsets.HashSet {
	return hashsets.HashSet{Size: size, ShardSize: shard, ShardSums: make([]uint64, (size+shard-1)/shard),
		Digests: []hashsets.Digest{{Algorithm: hashsets.XXH64, Sum: make([]byte, 8)}}}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) change(change func(*catalog.Tx) error) {
	w.Helper()
	w.must(w.vault.Catalog.Update(w.Context(), change))
}

func (w *world) find(f finding.Finding) {
	w.Helper()
	detail, err := json.Marshal(f)
	w.must(err)
	w.change(func(tx *catalog.Tx) error {
		return tx.PutFinding(catalog.Finding{Store: f.Store, Name: f.Blob, Verdict: string(f.Verdict), Generation: f.Generation,
			Detail: detail, FirstSeen: noon.Add(-day), LastSeen: noon.Add(-time.Hour), Lost: f.Lost})
	})
}

// corrupt finds shards of a blob damaged.
func (w *world) corrupt(store_, blob string, shards ...int64) {
	w.Helper()
	f := finding.Finding{Store: store_, Blob: blob, Verdict: finding.Corrupt, Diagnosis: finding.BitFlip, Generation: 1, Size: 4 * shard}
	for _, n := range shards {
		f.Ranges = append(f.Ranges, store.Range{Offset: n * shard, Length: shard})
	}
	w.find(f)
}

func (w *world) look() status.State {
	w.Helper()
	s, err := status.Look(w.Context(), w.vault, noon)
	w.must(err)
	return s
}

func TestTheRedundancyLeft(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(w *world)
		left   int
		hurt   int64
	}{
		"nothing is bad":             {func(*world) {}, 3, 0},
		"one shard":                  {func(w *world) { w.corrupt("primary", "a", 1) }, 2, 1},
		"two in different stripes":   {func(w *world) { w.corrupt("primary", "a", 1); w.corrupt("primary", "b", 2) }, 2, 2},
		"two in one stripe":          {func(w *world) { w.corrupt("primary", "a", 1); w.corrupt("primary", "b", 1) }, 1, 1},
		"a blob of all columns":      {func(w *world) { w.corrupt("primary", "a"); w.corrupt("primary", "b", 3) }, 1, 4},
		"a parity file":              {func(w *world) { w.corrupt(finding.ParityStore, "1/1-1.p2") }, 2, 0},
		"with data of the same band": {func(w *world) { w.corrupt(finding.ParityStore, "1/1-1.p2"); w.corrupt("primary", "a", 2) }, 1, 1},
		"with data of another band":  {func(w *world) { w.corrupt(finding.ParityStore, "1/1-1.p2"); w.corrupt("primary", "a", 1) }, 2, 1},
		"beyond it": {func(w *world) {
			for _, n := range []string{"a", "b", "c", "d"} {
				w.corrupt("primary", n, 0)
			}
		}, -1, 1},
		"a replica takes nothing": {func(w *world) { w.corrupt("dr", "a", 1) }, 3, 0},
		"an older generation neither": {func(w *world) {
			w.find(finding.Finding{Store: "primary", Blob: "a", Verdict: finding.Corrupt, Generation: 7, Size: shard})
		}, 3, 0},
		"nor a path that is to blame": {func(w *world) {
			w.find(finding.Finding{Store: "primary", Blob: "a", Verdict: finding.Flaky, Generation: 1, Size: shard})
		}, 3, 0},
		"what was edited is not there": {func(w *world) {
			w.find(finding.Finding{Store: "primary", Blob: "a", Verdict: finding.Modified, Generation: 1, Size: shard})
		}, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a", "b", "c", "d")
			c.damage(w)
			set := w.look().Sets[0]
			if set.Left != c.left || set.Hurt != c.hurt || set.AtMost || set.Bands != 2 || set.Files != 6 {
				t.Errorf("%+v, want %d left and %d stripes hurt", set, c.left, c.hurt)
			}
		})
	}
}

// troubled is a world with something of each kind.
func troubled(t *testing.T) *world {
	w := newWorld(t, "a", "b", "c", "d", "new\nline", "z")
	w.corrupt("primary", "b", 1, 3)
	w.corrupt("primary", "new\nline", 0)
	w.find(finding.Finding{Store: "dr", Blob: "d", Verdict: finding.Missing, Generation: 1, Size: 4 * shard, Lost: "no copy is known"})
	w.find(finding.Finding{Store: "primary", Blob: "z", Verdict: finding.Modified, Generation: 1, Size: 4 * shard})
	w.corrupt(finding.ParityStore, "1/0-1.p1")
	w.change(func(tx *catalog.Tx) error {
		for i, exit := range []report.Exit{report.ExitClean, report.ExitDamageLeft | report.ExitOperational, report.ExitDamageLeft} {
			started := noon.Add(-time.Duration(3-i) * day)
			id, err := tx.StartRun([]string{"protect", "scrub", "scrub"}[i], started)
			w.must(err)
			summary, err := json.Marshal(report.Summary{Blobs: 6, Bytes: 24 * shard, Damaged: int64(i), Elapsed: time.Minute, Exit: int(exit)})
			w.must(err)
			w.must(tx.FinishRun(catalog.Run{ID: id, Finished: started.Add(time.Minute), Exit: int(exit), Summary: summary}))
		}
		_, err := tx.OpenGate(catalog.Gate{Name: "mass-damage", Store: "primary", OpenedAt: noon.Add(-day), Reason: `2 of 6 blobs in store "primary" are damaged`, Level: 2})
		return err
	})
	return w
}

func TestWhereDamageStands(t *testing.T) {
	s := troubled(t).look()
	var got []string
	for _, f := range s.Findings {
		got = append(got, fmt.Sprintf("%s/%q at %d on %x", f.Store, f.Blob, f.Offset/shard, f.Device))
	}
	want := []string{`dr/"d" at 12 on 0`, `parity/"1/0-1.p1" at 0 on 0`, `primary/"b" at 4 on 801`, `primary/"new\nline" at 16 on 801`, `primary/"z" at 20 on 801`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// golden holds a text to its file; the folder of the test becomes /srv.
func (w *world) golden(file, got string) {
	w.Helper()
	got = strings.ReplaceAll(got, filepath.Dir(w.vault.Dir), "/srv")
	if *update {
		w.must(os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	w.must(err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		w.Errorf("%s\n(-update writes it anew)", diff)
	}
}

func TestTheMetrics(t *testing.T) {
	w := troubled(t)
	s := w.look()
	var b strings.Builder
	w.must(metrics.Write(&b, s.Metrics()))
	w.golden("testdata/trouble.prom", b.String())
}

// What promtool's linter asks for, as far as it can be broken here.
func TestTheMetricsKeepTheRules(t *testing.T) {
	s := troubled(t).look()
	seen := map[string]bool{}
	for _, f := range s.Metrics() {
		if seen[f.Name] || !strings.HasPrefix(f.Name, "bitmend_") || strings.ToLower(f.Name) != f.Name || f.Help == "" {
			t.Errorf("the family %+v", f)
		}
		seen[f.Name] = true
		for _, ending := range []string{"_total", "_count", "_sum", "_bucket", "_info", "_milliseconds", "_kilobytes", "_gauge"} {
			if strings.HasSuffix(f.Name, ending) {
				t.Errorf("%s is a gauge", f.Name)
			}
		}
		samples := map[string]bool{}
		for _, one := range f.Samples {
			key := fmt.Sprint(one.Labels)
			if samples[key] || math.IsNaN(one.Value) {
				t.Errorf("%s has %s twice, or without a value", f.Name, key)
			}
			samples[key] = true
			for _, l := range one.Labels {
				if l.Name == "le" || l.Name == "quantile" || strings.Contains(f.Name, "_"+l.Name+"_") && l.Name != "store" {
					t.Errorf("%s has the label %s", f.Name, l.Name)
				}
			}
		}
	}
}

func TestTheTerminal(t *testing.T) {
	w := troubled(t)
	s := w.look()
	s.Vault = "/srv/vault"
	for i := range s.Runs {
		s.Runs[i].Started = s.Runs[i].Started.In(time.Local)
	}
	var b strings.Builder
	w.must(s.Show(&b, report.CommandFor("", "/srv/vault")))
	for _, line := range strings.Split(b.String(), "\n") {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("more than 80 columns: %s", line)
		}
	}
	if time.Local.String() == "UTC" || time.Local.String() == "Local" && noon.Local().Hour() == 12 {
		w.golden("testdata/trouble.txt", b.String())
	}
}

func TestLongNamesStayWhole(t *testing.T) {
	w := newWorld(t, strings.Repeat("x", 200), "b")
	w.corrupt("primary", strings.Repeat("x", 200), 1)
	s := w.look()
	var b strings.Builder
	w.must(s.Show(&b, report.CommandFor("", "/srv/vault")))
	if !strings.Contains(b.String(), strings.Repeat("x", 200)+"\n") {
		t.Errorf("a name is cut in\n%s", b.String())
	}
}

func TestTheSentence(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world)
		level  status.Level
		want   string
	}{
		"well":    {func(*world) {}, status.Good, "2 were never looked at"},
		"damaged": {func(w *world) { w.corrupt("primary", "a", 1) }, status.Bad, "1 blob is damaged"},
		"lost": {func(w *world) {
			w.find(finding.Finding{Store: "primary", Blob: "a", Verdict: finding.Missing, Generation: 1, Lost: "x"})
		}, status.Bad, "1 blob is lost; of 2 blobs"},
		"edited": {func(w *world) {
			w.find(finding.Finding{Store: "primary", Blob: "a", Verdict: finding.Modified, Generation: 1})
		}, status.Warn, "1 blob cannot be vouched for"},
		"overdue": {func(w *world) { w.vault.Config.MaxAge = 30 * day }, status.Warn, "2 blobs are overdue"},
		"a gate": {func(w *world) {
			w.change(func(tx *catalog.Tx) error {
				_, err := tx.OpenGate(catalog.Gate{Name: "unmounted", Store: "dr", OpenedAt: noon, Reason: "gone"})
				return err
			})
		}, status.Bad, "1 open gate keeps bitmend from writing"},
		"unfinished": {func(w *world) {
			w.change(func(tx *catalog.Tx) error {
				id, err := tx.StartRun("scrub", noon)
				w.must(err)
				return tx.FinishRun(catalog.Run{ID: id, Finished: noon, Exit: int(report.ExitOperational), Summary: []byte("{}")})
			})
		}, status.Warn, "he last scrub did not finish"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a", "b")
			w.vault.Config.MaxAge = 0
			c.change(w)
			s := w.look()
			if got := s.Sentence(); s.Level() != c.level || !strings.Contains(got, c.want) {
				t.Errorf("level %d: %s", s.Level(), got)
			}
			if steps := s.Next(report.CommandFor("", "/v")); name != "well" && len(steps) == 0 {
				t.Error("nothing is to be done next")
			}
		})
	}
}
