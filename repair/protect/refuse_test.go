package protect_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// rot changes a byte of a file and leaves its times of modification as they
// were.
func (w *world) rot(name string, at int) {
	w.Helper()
	info, err := os.Stat(w.path(name))
	if err != nil {
		w.Fatal(err)
	}
	p, err := os.ReadFile(w.path(name))
	if err != nil {
		w.Fatal(err)
	}
	p[at] ^= 1
	f, err := os.OpenFile(w.path(name), os.O_WRONLY, 0)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := f.WriteAt(p, 0); err != nil {
		w.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.Fatal(err)
	}
	if err := os.Chtimes(w.path(name), info.ModTime(), info.ModTime()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) current(name string) catalog.Record {
	w.Helper()
	v := w.open()
	defer v.Close()
	r, err := v.Catalog.Current(context.Background(), name)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// Content that differs under the same modification time is a finding and is
// never recorded, unless a person accepts it by name.
func TestRotIsNotBlessed(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(w *world)
	}{
		{"a flipped bit", func(w *world) { w.rot("f", 5000) }},
		{"cut off", func(w *world) {
			info, _ := os.Stat(w.path("f"))
			os.Truncate(w.path("f"), 100)
			os.Chtimes(w.path("f"), info.ModTime(), info.ModTime())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.write("f", content(random(1), 20<<10))
			w.write("g", content(random(2), 20<<10))
			w.protect()
			before := w.current("f")
			c.damage(w)
			for range 2 {
				s, err := w.try()
				if err != nil {
					t.Fatal(err)
				}
				if len(w.said.findings) != 1 || w.said.findings[0].Verdict != finding.Corrupt || s.Damaged != 1 || s.Changed != 0 {
					t.Fatalf("said %+v, %+v", w.said.findings, s)
				}
				if now := w.current("f"); !now.Hashes.Equal(&before.Hashes) || now.Generation != 1 {
					t.Errorf("rot was recorded: %+v", now)
				}
			}
			v := w.open()
			lost := w.rebuild(v, []string{"f"}, nil)
			v.Close()
			if lost != 0 {
				t.Errorf("%d shards of the damaged file cannot be rebuilt", lost)
			}
			w.opts.Accept = []string{"f"}
			w.files["f"], _ = os.ReadFile(w.path("f"))
			if s := w.protect(); s.Changed != 1 {
				t.Errorf("accepted rot: %+v", s)
			}
			w.opts.Accept = nil
			w.protect()
			w.checkRecorded()
			w.checkPlaces()
		})
	}
}

// A blob that was damaged when it was checked last stays red when it changes
// or vanishes, until a person accepts it.
func TestDamageIsNotForgotten(t *testing.T) {
	w := newWorld(t, nil)
	for _, name := range []string{"changed", "gone", "healed"} {
		w.write(name, content(random(1), 10<<10))
	}
	w.write("other", content(random(3), 10<<10))
	w.protect()
	v := w.open()
	if err := v.Catalog.Update(context.Background(), func(tx *catalog.Tx) error {
		for _, name := range []string{"changed", "gone", "healed"} {
			f := catalog.Finding{Store: "primary", Name: name, Verdict: "corrupt", Generation: 1, Detail: []byte("{}"), FirstSeen: time.Now(), LastSeen: time.Now()}
			if err := tx.PutFinding(f); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	v.Close()
	w.write("changed", content(random(2), 11<<10))
	w.remove("gone")
	w.write("healed", w.files["healed"])
	s, err := w.try()
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]finding.Verdict{}
	for _, f := range w.said.findings {
		verdicts[f.Blob] = f.Verdict
	}
	if len(verdicts) != 2 || verdicts["changed"] != finding.Corrupt || verdicts["gone"] != finding.Missing || s.Damaged != 2 || s.Changed+s.Vanished != 0 {
		t.Fatalf("said %v, %+v", verdicts, s)
	}
	if r := w.current("gone"); r.Generation != 1 {
		t.Errorf("the vanished blob is recorded as %+v", r)
	}
	w.opts.Accept = []string{"changed", "gone"}
	if s := w.protect(); s.Changed != 1 || s.Vanished != 1 {
		t.Errorf("accepted: %+v", s)
	}
	v = w.open()
	defer v.Close()
	for f, err := range v.Catalog.Findings(context.Background(), "") {
		t.Errorf("a finding is left: %+v, %v", f, err)
	}
}

// Mass change, mass loss, a store that is not mounted, and an immutable store
// keep everything as it is recorded.
func TestGatesKeepTheRecords(t *testing.T) {
	for _, c := range []struct {
		name   string
		config func(c *vault.Config)
		change func(w *world)
		gate   string
	}{
		{"mass change", nil, func(w *world) {
			for _, name := range w.names()[:15] {
				w.write(name, []byte("something else"))
			}
		}, gate.MassChange},
		{"mass loss", nil, func(w *world) {
			for _, name := range w.names()[:12] {
				w.remove(name)
			}
		}, gate.MassMissing},
		{"not mounted", nil, func(w *world) {
			if err := os.Rename(w.tree, w.tree+".away"); err != nil {
				w.Fatal(err)
			}
		}, gate.Unmounted},
		{"empty", nil, func(w *world) {
			if err := os.Rename(w.tree, w.tree+".away"); err != nil {
				w.Fatal(err)
			}
			if err := os.Mkdir(w.tree, 0o755); err != nil {
				w.Fatal(err)
			}
		}, gate.Unmounted},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(v *vault.Config) {
				d := vault.DefaultConfig()
				v.MassChange, v.MassMissing = d.MassChange, d.MassMissing
			})
			w.populate(random(3), "a", 60, 20<<10)
			w.protect()
			before := w.recorded()
			c.change(w)
			w.write2("newcomer", c.gate != gate.Unmounted)
			_, err := w.try()
			if !errors.Is(err, gate.ErrRefused) || len(w.said.gates) != 1 || w.said.gates[0].Name != c.gate {
				t.Fatalf("protect gave %v and %+v", err, w.said.gates)
			}
			if after := w.recorded(); after != before {
				t.Error("records changed behind a gate")
			}
		})
	}
}

func (w *world) write2(name string, really bool) {
	if really {
		w.write(name, []byte("new"))
	}
}

// recorded sums up all that is recorded.
func (w *world) recorded() string {
	w.Helper()
	v := w.open()
	defer v.Close()
	h := hashsets.SHA256.New()
	for k, err := range v.Catalog.Records(context.Background(), catalog.Query{Store: "primary"}) {
		if err != nil {
			w.Fatal(err)
		}
		seen := catalog.Coverage{}
		if k.Seen != nil {
			seen = *k.Seen
		}
		k.Seen = nil
		writeAll(h, k, seen)
	}
	return string(h.Sum(nil))
}

// In an immutable store every changed or vanished blob is a finding.
func TestImmutableStore(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Stores[0].Immutable = true })
	for _, name := range []string{"a", "b", "c"} {
		w.write(name, content(random(1), 5000))
	}
	w.protect()
	w.write("a", content(random(2), 6000))
	w.remove("b")
	w.write("d", content(random(3), 100))
	s, err := w.try()
	if err != nil {
		t.Fatal(err)
	}
	if len(w.said.findings) != 2 || s.Verdicts[finding.Corrupt] != 1 || s.Verdicts[finding.Missing] != 1 || s.New != 1 || s.Changed+s.Vanished != 0 {
		t.Errorf("said %+v, %+v", w.said.findings, s)
	}
	if r := w.current("b"); r.Generation != 1 {
		t.Errorf("b is recorded as %+v", r)
	}
}

// What cannot be read is said, and the rest goes on.
func TestUnreadableDirectory(t *testing.T) {
	if !fixtures.BoundByPermissions(t) {
		return
	}
	w := newWorld(t, nil)
	w.write("open/f", content(random(1), 5000))
	w.write("shut/g", content(random(2), 5000))
	w.protect()
	if err := os.Chmod(w.path("shut"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(w.path("shut"), 0o755)
	w.write("open/h", content(random(3), 5000))
	s, err := w.try()
	if err != nil {
		t.Fatal(err)
	}
	if s.New != 1 || s.Vanished != 0 || s.Verdicts[finding.Unreadable] != 1 {
		t.Errorf("said %+v, %+v", w.said.findings, s)
	}
}

// Links, empty files and directories are recorded with what brings them back.
func TestKinds(t *testing.T) {
	w := newWorld(t, nil)
	w.write("empty", nil)
	w.write("some", []byte("x"))
	if err := os.Mkdir(w.path("dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("some", w.path("link")); err != nil {
		t.Fatal(err)
	}
	s := w.protect()
	if s.New != 3 || s.Blobs != 3 {
		t.Errorf("%+v", s)
	}
	if r := w.current("link"); r.Kind != hashsets.Link || r.Target != "some" {
		t.Errorf("link: %+v", r)
	}
	if r := w.current("dir"); r.Kind != hashsets.Directory || r.Attributes.Mode != 0o700 {
		t.Errorf("dir: %+v", r)
	}
	if r := w.current("empty"); r.Kind != hashsets.File || len(r.Hashes.Digests) == 0 {
		t.Errorf("empty: %+v", r)
	}
	if err := os.Chmod(w.path("dir"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(w.path("some"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(w.path("link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("empty", w.path("link")); err != nil {
		t.Fatal(err)
	}
	s = w.protect()
	if s.New != 0 || s.Changed != 1 || s.Vanished != 0 {
		t.Errorf("%+v", s)
	}
	if r := w.current("link"); r.Target != "empty" || r.Generation != 2 {
		t.Errorf("link: %+v", r)
	}
	if r := w.current("dir"); r.Attributes.Mode != 0o750 || r.Generation != 1 {
		t.Errorf("dir: %+v", r)
	}
	if r := w.current("some"); r.Attributes.Mode != 0o600 || r.Generation != 1 {
		t.Errorf("some: %+v", r)
	}
}

// Without parity the same is recorded.
func TestWithoutParity(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Overhead = 0 })
	w.populate(random(5), "a", 40, 100<<10)
	w.protect()
	w.checkRecorded()
	w.churn(random(6), 1)
	w.protect()
	w.checkRecorded()
	if s := w.protect(); s.BytesRead != 0 {
		t.Errorf("a second run with nothing to do: %+v", s)
	}
}

// Parity that is turned on later covers what was recorded without it.
func TestParityTurnedOnLater(t *testing.T) {
	w := newWorld(t, func(c *vault.Config) { c.Overhead = 0 })
	w.populate(random(5), "a", 40, 100<<10)
	w.protect()
	path := filepath.Join(w.dir, vault.ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	on := regexp.MustCompile(`(?m)^overhead = .*$`).ReplaceAll(text, []byte(`overhead = "20%"`))
	if err := os.WriteFile(path, on, 0o644); err != nil {
		t.Fatal(err)
	}
	w.write("later", content(random(6), 70<<10))
	if s := w.protect(); s.New != 1 || s.BytesWritten == 0 {
		t.Errorf("%+v", s)
	}
	w.checkRecorded()
	w.checkPlaces()
	if s := w.protect(); s.BytesRead != 0 {
		t.Errorf("a run with nothing to do: %+v", s)
	}
	w.checkRebuild(w.names())
}

// What a run may not read is left as it is recorded, and opens no gate however
// much it is.
func TestProtectByTheWrongUserOpensNoGate(t *testing.T) {
	w := newWorld(t, func(*vault.Config) {})
	w.populate(random(1), "a", 40, 1000)
	w.protect()
	for _, name := range w.names() {
		if err := os.Chmod(w.path(name), 0o640); err != nil { // it is to be compared
			t.Fatal(err)
		}
	}
	w.opts = w.opts.WithSource(func(s store.Store) store.Store { return &denied{s} })
	s, err := w.try()
	if err != nil || s.Refused || s.Verdicts[finding.Unreadable] != 40 || s.Exit != 4 {
		t.Errorf("%v; %+v", err, s)
	}
	v := w.open()
	defer v.Close()
	if gates, err := v.Catalog.Gates(t.Context(), false); err != nil || len(gates) > 0 {
		t.Errorf("gates %+v, %v", gates, err)
	}
}

// A denied store lets nobody open a blob.
type denied struct{ store.Store }

func (*denied) Open(context.Context, string, store.Access) (store.Reader, error) {
	return nil, store.ErrPermission
}
