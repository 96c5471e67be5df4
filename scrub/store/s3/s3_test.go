package s3_test

import (
	"context"
	"net/http/httptest"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"

	"bitmend/hashsets"
	"bitmend/scrub/store"
	"bitmend/scrub/store/s3"
	"bitmend/scrub/store/storetest"
)

// The credentials of all servers in the tests of this package.
func TestMain(m *testing.M) {
	for key, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "user", "AWS_SECRET_ACCESS_KEY": "secret-of-user",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		os.Setenv(key, value)
	}
	os.Exit(m.Run())
}

// quick are options under which a failing service is given up soon.
func quick(t testing.TB) s3.Options {
	return s3.Options{
		Scratch: t.TempDir(), Uploads: t.TempDir(),
		Attempts: 4, FirstPause: time.Millisecond, Stall: 300 * time.Millisecond, PartSize: 5 << 20,
	}
}

func TestABucketKeepsThePromisesOfAStore(t *testing.T) {
	server := startFake(t)
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		b := open(t, server.bucket(t, ""), quick(t))
		return subject(b)
	})
}

func TestAHomeInABucketKeepsThePromisesOfAStore(t *testing.T) {
	server := startFake(t)
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		home, err := s3.OpenHome("parity", server.bucket(t, "parity/of/photos"), quick(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { home.Close() })
		return subject(home)
	})
}

// subject says what a bucket is able to keep.
func subject(b store.Writable) storetest.Subject {
	return storetest.Subject{
		Store: b,
		Attributes: hashsets.Attributes{
			ContentType: "image/x-raw", Metadata: map[string]string{"camera": "x100"},
		},
		Keeps: func(name string) bool { return utf8.ValidString(name) && len(name) <= 1000 },
	}
}

// open opens a bucket for the length of a test.
func open(t testing.TB, url string, options s3.Options) *s3.Bucket {
	t.Helper()
	b, err := s3.Open("remote", url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// fake is a server in this process.
type fake struct {
	endpoint string
	backend  *s3mem.Backend
	buckets  atomic.Int64
}

func startFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{backend: s3mem.New()}
	server := httptest.NewServer(gofakes3.New(listed{f.backend}, gofakes3.WithoutVersioning()).Server())
	t.Cleanup(server.Close)
	f.endpoint = server.URL
	return f
}

// listed lists behind a key that is not there, too: the fake's own listing then
// leaves out the first key that follows.
type listed struct{ *s3mem.Backend }

func (l listed) ListBucket(ctx context.Context, name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	all, err := l.Backend.ListBucket(ctx, name, prefix, gofakes3.ListBucketPage{})
	if err != nil {
		return nil, err
	}
	list := gofakes3.NewObjectList()
	for _, content := range all.Contents {
		switch {
		case content.Key <= page.Marker:
		case page.MaxKeys > 0 && int64(len(list.Contents)) == page.MaxKeys:
			list.NextMarker, list.IsTruncated = list.Contents[page.MaxKeys-1].Key, true
			return list, nil
		default:
			list.Add(content)
		}
	}
	return list, nil
}

// bucket makes a bucket and returns the URL of a prefix in it.
func (f *fake) bucket(t testing.TB, prefix string) string {
	t.Helper()
	name := "bucket-" + string(rune('a'+f.buckets.Add(1)%26)) + time.Now().Format("150405.000000000")
	if err := f.backend.CreateBucket(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "s3", Host: name, Path: "/" + prefix, RawQuery: url.Values{"endpoint": {f.endpoint}, "region": {"test"}}.Encode()}).String()
}
