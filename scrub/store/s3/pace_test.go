package s3_test

import (
	"sync/atomic"
	"testing"
	"time"

	"bitmend/fixtures/s3server"
	"bitmend/scrub/store"
)

// A weighed pace limits nothing and counts what it is asked about.
type weighed struct{ bytes atomic.Int64 }

func (w *weighed) Limited() bool                { return true }
func (w *weighed) Before()                      {}
func (w *weighed) After(n int, _ time.Duration) { w.bytes.Add(int64(n)) }

// Every byte that is fetched or sent is held to the pace: what is published is
// sent, and read back.
func TestEveryTransferIsHeldToThePace(t *testing.T) {
	server := s3server.StartFake(t)
	for name, size := range map[string]int64{"in one request": 100_000, "in parts": 12 << 20} {
		t.Run(name, func(t *testing.T) {
			pace, options := &weighed{}, quick(t)
			options.Pace = pace
			b := open(t, server.URL(server.MakeBucket(t), ""), options)
			_, err := publish(t, b, "blob", size, nil)
			must(t, err)
			if sent := pace.bytes.Swap(0); sent != 2*size {
				t.Errorf("publishing %d bytes held %d", size, sent)
			}
			r, err := b.Open(t.Context(), "blob", store.Access{Whole: true})
			must(t, err)
			for off := int64(0); off < size; off += 50_000 {
				_, err := r.ReadAt(make([]byte, min(50_000, size-off)), off)
				must(t, err)
			}
			must(t, r.Close())
			if fetched := pace.bytes.Load(); fetched != size {
				t.Errorf("reading %d bytes held %d", size, fetched)
			}
		})
	}
}
