//go:build linux && (amd64 || arm64)

package repair_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bitmend/fixtures"
	"bitmend/fixtures/s3server"
	"bitmend/repair"
	"bitmend/scrub/vault"
)

// bucketWorld is a world whose replica is in a bucket of its own.
type bucketWorld struct {
	*world
	object string // the file that the server keeps of blob "d/a"
}

var (
	goodObject = content(1, 3*shard+77)
	badObject  = func() []byte { b := bytes.Clone(goodObject); b[shard+9] ^= 4; return b }()
)

func newBucketWorld(t *testing.T, server *s3server.Server, name string) *bucketWorld {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), names: []string{"primary"}}
	w.must(os.MkdirAll(w.root("primary"), 0o755))
	w.write("primary", "d/a", goodObject)
	w.write("primary", "b", content(2, shard))
	w.must(server.MakeBucket(t.Context(), name, false))
	w.must(s3server.Upload(t.Context(), server.Endpoint, w.root("primary"), name))
	c := vault.DefaultConfig(
		vault.StoreConfig{Name: "primary", URL: w.root("primary"), Role: vault.Primary},
		vault.StoreConfig{Name: "dr", URL: server.URL(name, ""), Role: vault.Replica})
	c.Overhead = 0
	w.must(vault.Init(t.Context(), w.vaultDir(), c))
	w.protect()
	w.scrub()
	return &bucketWorld{w, server.File(name, "d/a")}
}

func (w *bucketWorld) state() string {
	now, err := os.ReadFile(w.object)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "missing"
	case bytes.Equal(now, goodObject):
		return "repaired"
	case bytes.Equal(now, badObject):
		return "damaged"
	}
	return fmt.Sprintf("%d other bytes, %v", len(now), err)
}

// Each point is the end of the process within a request, or between two.
func TestKillingARepairOfABucketLeavesTheOriginalOrTheReplacement(t *testing.T) {
	fixtures.Sequential(t)
	server := s3server.ForTest(t)
	s3server.SetCredentials(t)
	buckets := 0
	for _, c := range []struct {
		name, do string
		harm     func(w *bucketWorld)
		before   string
	}{
		{"a rotten object", "repair", (*bucketWorld).rot, "damaged"},
		{"an empty bucket", "reseed", func(w *bucketWorld) {
			w.must(os.Remove(w.object))
			w.must(os.Remove(filepath.Join(filepath.Dir(w.object), "../b")))
		}, "missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			prepare := func() *bucketWorld {
				buckets++
				w := newBucketWorld(t, server, fmt.Sprintf("killed-%d", buckets))
				c.harm(w)
				if now := w.state(); now != c.before {
					t.Fatalf("before the repair the object is %s", now)
				}
				return w
			}
			w := prepare()
			whole := w.killed(c.do, "dr", 0)
			if now := w.state(); now != "repaired" {
				t.Fatalf("after a whole run the object is %s", now)
			}
			count := 0
			for _, at := range points(whole.Calls) {
				w := prepare()
				r := w.killed(c.do, "dr", at)
				if r.Killed {
					count++
				}
				where := fmt.Sprintf("killed at call %d of %d, %s,", at, whole.Calls, r.Where)
				switch now := w.state(); {
				case now == "repaired" && c.before == "damaged":
					w.quarantineHas(crashCase{kept: func(*world) []byte { return badObject }}, where)
				case now != "repaired" && now != c.before:
					t.Errorf("%s the object is neither the original nor the replacement: %s", where, now)
				}
				if c.do == "reseed" {
					_, _, err := w.reseed("dr", repair.Options{})
					w.must(err)
				} else {
					w.repair(repair.Options{})
				}
				if now := w.state(); now != "repaired" {
					t.Errorf("%s the next run left the object %s", where, now)
				}
				w.tidy()
				w.scrub()
				if left := w.findings(); len(left) > 0 {
					t.Errorf("%s findings are left: %+v", where, left)
				}
				if t.Failed() {
					t.FailNow()
				}
			}
			t.Logf("killed at %d of %d points", count, whole.Calls)
		})
	}
}
