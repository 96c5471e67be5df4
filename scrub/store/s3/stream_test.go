package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"testing"

	"bitmend/fixtures/s3proxy"
	"bitmend/fixtures/s3server"
	"bitmend/scrub/store"
	"bitmend/scrub/store/s3"
)

// behindProxy opens a bucket with an object of a size under "blob", and notes
// the ranges that are asked of it from then on.
func behindProxy(t *testing.T, size int64, options s3.Options, rules ...s3proxy.Rule) (*s3.Bucket, *asked) {
	t.Helper()
	server, a := s3server.StartFake(t), &asked{}
	bucket := server.MakeBucket(t)
	_, err := publish(t, open(t, server.URL(bucket, ""), quick(t)), "blob", size, nil)
	must(t, err)
	proxy := s3proxy.Start(t, server.Endpoint, append(rules, s3proxy.Rule{Fault: s3proxy.Dress, Method: "GET", Path: "/blob", See: a.note})...)
	options.Attempts, options.FirstPause = quick(t).Attempts, quick(t).FirstPause
	return open(t, s3server.URL(proxy.URL, bucket, ""), options), a
}

type asked struct {
	mu     sync.Mutex
	ranges []string
}

func (a *asked) note(r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ranges = append(a.ranges, r.Header.Get("Range"))
}

func (a *asked) first(t *testing.T) string {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ranges) == 0 {
		t.Fatal("nothing was asked for")
	}
	return a.ranges[0]
}

// readsOn reads a blob from an offset to its end, as a scrub does.
func readsOn(t *testing.T, b *s3.Bucket, size, from int64) {
	t.Helper()
	r, err := b.Open(t.Context(), "blob", store.Access{Whole: true, Size: size, From: from})
	must(t, err)
	want, p := pattern(size), make([]byte, 256<<10)
	for off := from; off < size; off += int64(len(p)) {
		p := p[:min(int64(len(p)), size-off)]
		if n, err := r.ReadAt(p, off); n != len(p) || err != nil && err != io.EOF || !bytes.Equal(p, want[off:][:n]) {
			t.Fatalf("at %d: %d bytes, %v", off, n, err)
		}
	}
	must(t, r.Close())
}

func TestHowALargeObjectIsReadDependsOnTheConnection(t *testing.T) {
	const size = 8 << 20
	for name, c := range map[string]struct {
		quick    int64
		requests int
		first    string
	}{
		"quick enough":     {1, 1, "bytes=0-8388607"},
		"found to be slow": {math.MaxInt64 - 1, 1 + 7, "bytes=0-8388607"}, // after the first read, but for one part
		"known for slow":   {math.MaxInt64, 8, "bytes=0-1048575"},
	} {
		t.Run(name, func(t *testing.T) {
			b, asked := behindProxy(t, size, s3.Options{ReadSize: 1 << 20, Quick: c.quick})
			before := b.Traffic()
			readsOn(t, b, size, 0)
			now := b.Traffic()
			if len(asked.ranges) != c.requests || asked.first(t) != c.first {
				t.Errorf("%d requests: %q", len(asked.ranges), asked.ranges)
			}
			if fetched := now.Fetched - before.Fetched; fetched < size || fetched > size+1000 { // whether the bucket keeps versions
				t.Errorf("%d bytes were fetched", fetched)
			}
		})
	}
}

// One object has all the parts ahead, and then another.
func TestPartsAreNeverAskedForInPieces(t *testing.T) {
	const size = 8 << 20
	b, asked := behindProxy(t, size, s3.Options{ReadSize: 1 << 20, ReadAhead: 4, Quick: math.MaxInt64})
	openAll := func() store.Reader {
		r, err := b.Open(t.Context(), "blob", store.Access{Whole: true, Size: size})
		must(t, err)
		return r
	}
	p := make([]byte, 256<<10)
	read := func(r store.Reader, from, to int64) {
		for off := from; off < to; off += int64(len(p)) {
			if _, err := r.ReadAt(p, off); err != nil && err != io.EOF {
				t.Fatal(err)
			}
		}
	}
	one := openAll()
	read(one, 0, 1<<20)
	other := openAll()
	read(other, 0, 2<<20)
	must(t, one.Close())
	read(other, 2<<20, size)
	must(t, other.Close())
	for _, asked := range asked.ranges {
		var first, last int64
		if _, err := fmt.Sscanf(asked, "bytes=%d-%d", &first, &last); err != nil || last-first+1 != 1<<20 {
			t.Errorf("it asks for %s, %v", asked, err)
		}
	}
}

func TestAStreamGoesOnWhereItBrokeOff(t *testing.T) {
	const size = 3 << 20
	for name, fault := range map[string]s3proxy.Fault{"reset": s3proxy.Reset, "cut short": s3proxy.Cut} {
		t.Run(name, func(t *testing.T) {
			b, asked := behindProxy(t, size, s3.Options{Quick: 1}, s3proxy.Rule{Fault: fault, Method: "GET", Path: "/blob", Times: 1})
			readsOn(t, b, size, 0)
			if len(asked.ranges) != 1 || asked.first(t) == "bytes=0-3145727" {
				t.Errorf("after the fault it asks for %q", asked.ranges)
			}
		})
	}
}

func TestAStreamThatNeverComesIsGivenUp(t *testing.T) {
	b, _ := behindProxy(t, 1000, s3.Options{Quick: 1}, s3proxy.Rule{Fault: s3proxy.Cut, Method: "GET", Path: "/blob"})
	r, err := b.Open(t.Context(), "blob", store.Access{Whole: true, Size: 1000})
	must(t, err)
	defer r.Close()
	if _, err := io.ReadAll(io.NewSectionReader(r, 0, 1000)); !errors.Is(err, store.ErrMedium) {
		t.Errorf("error %v, want ErrMedium", err)
	}
}

func TestAReadingThatGoesOnFetchesTheRestAlone(t *testing.T) {
	const size, from = 3 << 20, 2 << 20
	b, asked := behindProxy(t, size, s3.Options{Quick: 1})
	readsOn(t, b, size, from)
	if len(asked.ranges) != 1 || asked.first(t) != "bytes=2097152-3145727" {
		t.Errorf("it asks for %q", asked.ranges)
	}
}

func TestWhatAClosedReaderDidNotFetchMayBeFetched(t *testing.T) {
	const size = 3 << 20
	for name, quick := range map[string]int64{"a stream": 1, "parts": math.MaxInt64} {
		t.Run(name, func(t *testing.T) {
			allowance := store.NewAllowance(size)
			b, _ := behindProxy(t, size, s3.Options{Quick: quick, Allowance: allowance})
			r, err := b.Open(t.Context(), "blob", store.Access{Whole: true, Size: size})
			must(t, err)
			if left := allowance.Left(); left != 0 {
				t.Errorf("while it is read %d bytes may be fetched", left)
			}
			_, err = r.ReadAt(make([]byte, 1000), 0)
			must(t, err)
			must(t, r.Close())
			if left := allowance.Left(); left != size-1000 {
				t.Errorf("afterwards %d bytes may be fetched, want %d", left, size-1000)
			}
		})
	}
}
