package s3_test

import (
	"os"
	"testing"
	"time"
	"unicode/utf8"

	"bitmend/fixtures/s3server"
	"bitmend/hashsets"
	"bitmend/scrub/store"
	"bitmend/scrub/store/s3"
	"bitmend/scrub/store/storetest"
)

// The credentials of all servers in the tests of this package.
func TestMain(m *testing.M) {
	for key, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": s3server.AccessKey, "AWS_SECRET_ACCESS_KEY": s3server.SecretKey,
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
		Attempts: 4, FirstPause: time.Millisecond, Stall: 20 * time.Second, PartSize: 5 << 20,
	}
}

func TestABucketKeepsThePromisesOfAStore(t *testing.T) {
	server := s3server.StartFake(t)
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		b := open(t, server.URL(server.MakeBucket(t), ""), quick(t))
		return subject(b)
	})
}

func TestAHomeInABucketKeepsThePromisesOfAStore(t *testing.T) {
	server := s3server.StartFake(t)
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		home, err := s3.OpenHome("parity", server.URL(server.MakeBucket(t), "parity/of/photos"), quick(t))
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
