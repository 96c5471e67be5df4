package repair_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair"
	"bitmend/repair/protect"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// world is a vault with stores in a folder of its own.
type world struct {
	t     testing.TB
	dir   string
	names []string // of the stores; the first is the primary
}

// newWorld makes a vault over empty stores. A store whose name begins with
// "lag" is a lagged one.
func newWorld(t testing.TB, stores ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), names: stores}
	w.init(func(c *vault.Config) { c.Overhead = 0 })
	return w
}

// newParityWorld makes a vault over one empty store, with sets of k data and m
// parity columns.
func newParityWorld(t testing.TB, k, m int, stores ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), names: append([]string{"primary"}, stores...)}
	w.init(func(c *vault.Config) {
		c.Overhead, c.Data, c.Parity = float64(m)/float64(k), k, m
	})
	return w
}

// newProtected is a parity world of so many blobs of a shard each, which is
// protected. Those of two seeds differ in content alone.
func newProtected(t testing.TB, k, m, blobs, seed int) *world {
	t.Helper()
	w := newParityWorld(t, k, m)
	for i := range blobs {
		w.everywhere(fmt.Sprintf("d/%03d", i), content(seed+i, shard))
	}
	w.protect()
	return w
}

func (w *world) init(change func(*vault.Config)) {
	var configs []vault.StoreConfig
	for i, name := range w.names {
		w.must(os.MkdirAll(w.root(name), 0o755))
		c := vault.StoreConfig{Name: name, URL: w.root(name), Role: vault.Replica}
		switch {
		case i == 0:
			c.Role = vault.Primary
		case strings.HasPrefix(name, "lag"):
			c.Role, c.Lag = vault.Lagged, time.Hour
		}
		configs = append(configs, c)
	}
	c := vault.DefaultConfig(configs...)
	change(&c)
	w.must(vault.Init(w.t.Context(), w.vaultDir(), c))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) root(name string) string { return filepath.Join(w.dir, name) }
func (w *world) vaultDir() string        { return filepath.Join(w.dir, "vault") }
func (w *world) path(storeName, blob string) string {
	return filepath.Join(w.root(storeName), filepath.FromSlash(blob))
}

// with opens the vault for f.
func (w *world) with(f func(v *vault.Vault)) {
	w.t.Helper()
	v, err := vault.Open(w.t.Context(), w.vaultDir(), "test")
	w.must(err)
	defer func() { w.must(v.Close()) }()
	f(v)
}

// write makes the file of blob in a store, with a time that is not now.
func (w *world) write(storeName, blob string, content []byte) {
	w.t.Helper()
	path := w.path(storeName, blob)
	w.must(os.MkdirAll(filepath.Dir(path), 0o755))
	w.must(os.WriteFile(path, content, 0o640))
	at := time.Date(2024, 2, 3, 4, 5, 6, 123456789, time.UTC)
	w.must(os.Chtimes(path, at, at))
}

// everywhere makes the file of blob in every store.
func (w *world) everywhere(blob string, content []byte) {
	w.t.Helper()
	for _, name := range w.names {
		w.write(name, blob, content)
	}
}

func (w *world) read(storeName, blob string) []byte {
	w.t.Helper()
	content, err := os.ReadFile(w.path(storeName, blob))
	w.must(err)
	return content
}

func (w *world) harm(storeName string, f fixtures.Fault) {
	w.t.Helper()
	w.must(f.Apply(w.root(storeName)))
}

func (w *world) snapshot(storeName string) fixtures.Snapshot {
	w.t.Helper()
	s, err := fixtures.Take(w.root(storeName))
	w.must(err)
	return s
}

// protect records what the primary store holds and writes parity.
func (w *world) protect() {
	w.t.Helper()
	w.with(func(v *vault.Vault) {
		_, err := protect.Run(w.t.Context(), v, protect.Options{}, &heard{})
		w.must(err)
	})
}

// scrub reads everything and keeps the findings.
func (w *world) scrub() {
	w.t.Helper()
	w.with(func(v *vault.Vault) {
		_, err := scrub.Run(w.t.Context(), v, scrub.Options{Buffered: true}, &heard{})
		w.must(err)
	})
}

// put puts findings into the catalog as scrub does.
func (w *world) put(v *vault.Vault, found ...finding.Finding) {
	w.t.Helper()
	w.must(v.Catalog.Update(w.t.Context(), func(tx *catalog.Tx) error {
		for _, f := range found {
			detail, err := json.Marshal(f)
			if err != nil {
				return err
			}
			err = tx.PutFinding(catalog.Finding{
				Store: f.Store, Name: f.Blob, Verdict: string(f.Verdict), Generation: f.Generation, Identity: f.Identity,
				Detail: detail, FirstSeen: time.Now(), LastSeen: time.Now(),
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// heard is what a run said.
type heard struct {
	mu       sync.Mutex
	findings []finding.Finding
	repairs  []report.Repair
	gates    []report.Gate
	notes    []string
}

func (h *heard) Finding(f finding.Finding) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.findings = append(h.findings, f)
}
func (h *heard) Progress(report.Progress) {}
func (h *heard) Summary(report.Summary)   {}
func (h *heard) Repair(r report.Repair) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.repairs = append(h.repairs, r)
}
func (h *heard) Gate(g report.Gate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gates = append(h.gates, g)
}
func (h *heard) Note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}

// of returns the repair events of a blob in a store.
func (h *heard) of(storeName, blob string) []report.Repair {
	var found []report.Repair
	for _, r := range h.repairs {
		if r.Store == storeName && r.Blob == blob {
			found = append(found, r)
		}
	}
	return found
}

// expect fails unless the blob had one event of that outcome, and returns it.
func (w *world) expect(h *heard, storeName, blob string, outcome report.Outcome) report.Repair {
	w.t.Helper()
	events := h.of(storeName, blob)
	if len(events) != 1 || events[0].Outcome != outcome {
		w.t.Fatalf("events of %s %q: %+v, want one %s; notes: %q", storeName, blob, events, outcome, h.notes)
	}
	return events[0]
}

// repair runs a repair and returns what it said.
func (w *world) repair(opts repair.Options) (*heard, report.Summary) {
	w.t.Helper()
	h := &heard{}
	var summary report.Summary
	w.with(func(v *vault.Vault) {
		var err error
		summary, err = repair.Run(w.t.Context(), v, opts, h)
		if err != nil {
			w.t.Fatalf("repair: %v; it said %+v, %+v, %q", err, h.repairs, h.gates, h.notes)
		}
	})
	return h, summary
}

// findings returns the findings that are left.
func (w *world) findings() []catalog.Finding {
	w.t.Helper()
	var left []catalog.Finding
	w.with(func(v *vault.Vault) {
		for f, err := range v.Catalog.Findings(w.t.Context(), "") {
			w.must(err)
			left = append(left, f)
		}
	})
	return left
}

// receipt returns the receipt of an ID, and what it says.
func (w *world) receipt(id string) (catalog.Receipt, map[string]any) {
	w.t.Helper()
	var found catalog.Receipt
	w.with(func(v *vault.Vault) {
		for r, err := range v.Catalog.Receipts(w.t.Context()) {
			w.must(err)
			if r.ID == id {
				found = r
			}
		}
	})
	if found.ID == "" {
		w.t.Fatalf("there is no receipt %q", id)
	}
	var detail map[string]any
	w.must(json.Unmarshal(found.Detail, &detail))
	return found, detail
}

// kept returns the bytes that the quarantine has of a repair.
func (w *world) kept(id string) []byte {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.vaultDir(), "quarantine", id, "original"))
	w.must(err)
	return content
}

// tidy fails when a repair left anything behind: a journal entry, or a
// temporary file.
func (w *world) tidy() {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.vaultDir(), "journal"))
	w.must(err)
	for _, e := range entries {
		w.t.Errorf("the journal has %s left", e.Name())
	}
	for _, name := range w.names {
		w.must(filepath.WalkDir(w.root(name), func(path string, d os.DirEntry, err error) error {
			if err == nil && store.IsStaged(d.Name()) {
				w.t.Errorf("%s is left", path)
			}
			return err
		}))
	}
}

// same fails when a tree is not as it was. The time of a directory in which a
// name was made again may be another.
func (w *world) same(before fixtures.Snapshot, storeName string) {
	w.t.Helper()
	if diff := before.WithoutDirectoryTimes().Diff(w.snapshot(storeName).WithoutDirectoryTimes()); len(diff) > 0 {
		w.t.Errorf("store %s differs: %v", storeName, diff)
	}
}

// content makes n bytes that differ from shard to shard and from seed to seed.
func content(seed, n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "seed %d line %d: all work and no play\n", seed, i)
	}
	return slices.Clone(b.Bytes()[:n])
}

const shard = hashsets.DefaultShardSize
