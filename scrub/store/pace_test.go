package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// A weighed pace limits nothing and counts what it is asked about.
type weighed struct {
	mu           sync.Mutex
	began, bytes int
}

func (w *weighed) Limited() bool { return true }

func (w *weighed) Before() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began++
}

func (w *weighed) After(n int, _ time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes += n
}

// Every byte of a blob that is read or written is held to the pace.
func TestEveryTransferIsHeldToThePace(t *testing.T) {
	root := t.TempDir()
	d, pace := open(t, root), &weighed{}
	d.HoldTo(pace)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	moved := func(what string, transfers, n int) {
		t.Helper()
		if pace.began != transfers || pace.bytes != n {
			t.Errorf("%s: %d transfers of %d bytes were held, want %d of %d", what, pace.began, pace.bytes, transfers, n)
		}
		pace.began, pace.bytes = 0, 0
	}
	must(os.WriteFile(filepath.Join(root, "blob"), make([]byte, 1000), 0o600))

	r, err := d.Open(t.Context(), "blob", store.Access{})
	must(err)
	_, err = r.ReadAt(make([]byte, 600), 0)
	must(err)
	_, _ = r.ReadAt(make([]byte, 600), 600)
	must(r.Close())
	moved("reading", 2, 1000)

	s, err := d.Stage(t.Context(), "new", "id")
	must(err)
	_, err = s.WriteAt(make([]byte, 700), 0)
	must(err)
	moved("writing a replacement", 1, 700)
	must(s.Seal(t.Context(), 700, hashsets.Attributes{}))
	_, err = s.ReadAt(make([]byte, 700), 0)
	must(err)
	moved("reading it back", 1, 700)
	_, err = s.Publish(t.Context(), nil)
	must(err)
	must(s.Close())

	found, err := d.Stat(t.Context(), "blob")
	must(err)
	_, err = d.Overwrite(t.Context(), "blob", bytes.NewReader(make([]byte, 1000)), []store.Range{{Offset: 100, Length: 300}}, 1000, hashsets.Attributes{}, found.Identity)
	must(err)
	moved("writing in place", 1, 300)
}
