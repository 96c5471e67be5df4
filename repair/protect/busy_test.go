package protect_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"bitmend/repair/protect"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// A meddler changes blobs while they are being read.
type meddler struct {
	store.Store
	mu     sync.Mutex
	meddle func(name string, off int64)
}

func (m *meddler) Open(ctx context.Context, name string, a store.Access) (store.Reader, error) {
	r, err := m.Store.Open(ctx, name, a)
	if err != nil {
		return nil, err
	}
	return &meddled{r, m, name}, nil
}

type meddled struct {
	store.Reader
	m    *meddler
	name string
}

func (r *meddled) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Reader.ReadAt(p, off)
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	r.m.meddle(r.name, off)
	return n, err
}

// A blob that changes while it is read is left out, or taken on a second try,
// and what was added of it is not left in the parity of others.
func TestBusyBlobs(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int
		times int // how often it changes
	}{
		{"small, once", 3000, 1},
		{"small, always", 3000, 1000},
		{"in one slab, once", 1200 << 10, 1},
		{"in one slab, always", 1200 << 10, 1000},
		{"in several slabs, once", 9 << 20, 1},
		{"in several slabs, always", 9 << 20, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 4, 2, 0.5 })
			w.populate(random(1), "a", 12, 100<<10)
			w.write("busy", content(random(2), c.size))
			w.populate(random(3), "c", 12, 100<<10)
			left := c.times
			w.opts = w.opts.WithSlab(1).WithSource(func(s store.Store) store.Store {
				return &meddler{Store: s, meddle: func(name string, off int64) {
					if name != "busy" || left == 0 || off < int64(c.size)/2 && c.size > 1<<20 {
						return
					}
					left--
					f, err := os.OpenFile(w.path(name), os.O_WRONLY, 0)
					if err == nil {
						_, err = f.WriteAt([]byte{byte(left), byte(left >> 8)}, int64(c.size)/3)
						w.files[name][c.size/3], w.files[name][c.size/3+1] = byte(left), byte(left>>8)
						f.Close()
					}
					if err != nil {
						t.Error(err)
					}
				}}
			})
			s, err := w.try()
			if err != nil {
				t.Fatal(err)
			}
			w.opts = protect.Options{}
			if c.times > 1 {
				if s.Verdicts[finding.Busy] != 1 || len(w.said.findings) != 1 {
					t.Errorf("said %+v, %+v", w.said.findings, s)
				}
				busy := w.files["busy"]
				delete(w.files, "busy")
				w.checkRecorded()
				w.checkRebuild(w.names())
				w.files["busy"] = busy
			} else if len(w.said.findings) != 0 {
				t.Errorf("said %+v", w.said.findings)
			}
			w.protect()
			w.checkRecorded()
			w.checkPlaces()
			w.checkParityFiles()
			w.checkRebuild(w.names())
		})
	}
}

// A cancelled run stops at once, and what is recorded is consistent.
func TestCancel(t *testing.T) {
	for reads := range 6 {
		t.Run(fmt.Sprint(reads), func(t *testing.T) {
			w := newWorld(t, func(c *vault.Config) { c.Data, c.Parity, c.Overhead = 4, 1, 0.25 })
			w.populate(random(1), "a", 30, 100<<10)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			left := 5 * reads
			var at time.Time
			w.opts = w.opts.WithSource(func(s store.Store) store.Store {
				return &meddler{Store: s, meddle: func(string, int64) {
					if left--; left == 0 {
						cancel()
						at = time.Now()
					}
				}}
			})
			v := w.open()
			s, err := protect.Run(ctx, v, w.opts, w.said)
			if reads > 0 && (!errors.Is(err, context.Canceled) || !s.Cancelled) {
				t.Errorf("a cancelled run gave %v, %+v", err, s)
			}
			if took := time.Since(at); reads > 0 && took > 2*time.Second {
				t.Errorf("it took %v to stop", took)
			}
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			w.opts = protect.Options{}
			w.protect()
			w.checkRecorded()
			w.checkPlaces()
			w.checkParityFiles()
			w.checkRebuild(w.names())
		})
	}
}
