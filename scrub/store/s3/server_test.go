package s3_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"
	"unicode/utf8"

	"bitmend/fixtures"
	"bitmend/fixtures/s3server"
	"bitmend/scrub/store"
	"bitmend/scrub/store/storetest"
)

func TestABucketOfARealServerKeepsThePromisesOfAStore(t *testing.T) {
	fixtures.Sequential(t) // the race detector sees the promises kept by a fake one
	for _, versioned := range []bool{false, true} {
		t.Run(fmt.Sprintf("versioned %v", versioned), func(t *testing.T) {
			server := s3server.ForTest(t)
			var buckets atomic.Int64
			storetest.Run(t, func(t *testing.T) storetest.Subject {
				name := fmt.Sprintf("bucket-%d", buckets.Add(1))
				must(t, server.MakeBucket(context.Background(), name, versioned))
				return realSubject(open(t, server.URL(name, "photos"), quick(t)))
			})
		})
	}
}

// realSubject leaves out the names that this server, whose objects are files,
// cannot keep.
func realSubject(b store.Writable) storetest.Subject {
	s := subject(b)
	s.Attributes.Tags = map[string]string{"project": "a b+c=d"}
	s.Keeps = keepable
	return s
}

// keepable tells which names a server keeps whose objects are files, and which
// it lists as they are.
func keepable(name string) bool {
	for component := range strings.SplitSeq(name, "/") {
		if len(component) > 200 {
			return false
		}
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return false
	}
	return utf8.ValidString(name) && len(name) <= 1000
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
