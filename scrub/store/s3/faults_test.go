package s3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"bitmend/fixtures/s3proxy"
	"bitmend/fixtures/s3server"
	"bitmend/hashsets"
	"bitmend/scrub/store"
	"bitmend/scrub/store/s3"
)

// through opens a new bucket of a fake server behind a proxy.
func through(t *testing.T, rules ...s3proxy.Rule) (*s3.Bucket, *s3proxy.Proxy) {
	t.Helper()
	server := s3server.StartFake(t)
	proxy := s3proxy.Start(t, server.Endpoint, rules...)
	return open(t, s3server.URL(proxy.URL, server.MakeBucket(t), ""), quick(t)), proxy
}

// publish puts size bytes under name, over what is expected there.
func publish(t *testing.T, b *s3.Bucket, name string, size int64, expect *hashsets.Identity) (store.Entry, error) {
	t.Helper()
	staged, err := b.Stage(t.Context(), name, "id")
	must(t, err)
	defer staged.Close()
	_, err = staged.WriteAt(pattern(size), 0)
	must(t, err)
	must(t, staged.Seal(t.Context(), size, hashsets.Attributes{}))
	return staged.Publish(t.Context(), expect)
}

func pattern(size int64) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i*7) ^ byte(i>>8)
	}
	return p
}

func TestPublishSurvivesALostAnswer(t *testing.T) {
	for name, size := range map[string]int64{"in one request": 100_000, "in parts": 12 << 20} {
		t.Run(name, func(t *testing.T) {
			b, proxy := through(t, s3proxy.Rule{Fault: s3proxy.LoseAnswer, Method: "PUT", Path: "blob", Times: 1})
			entry, err := publish(t, b, "blob", size, nil)
			must(t, err)
			if proxy.Met(0) != 1 || entry.Identity.Size != size {
				t.Errorf("met %d, published %+v", proxy.Met(0), entry)
			}
		})
	}
}

func TestPublishNoticesWhatTheServiceDoesNotKeep(t *testing.T) {
	b, _ := through(t, s3proxy.Rule{Fault: s3proxy.WrongBytes, Method: "GET", Path: "/blob?x-id=GetObject"})
	if _, err := publish(t, b, "blob", 1000, nil); !errors.Is(err, store.ErrDiffers) {
		t.Errorf("error %v, want ErrDiffers", err)
	}
}

// There are services that deliver what was written later under the conditions
// of what was there before.
func TestPublishTakesALaterWriterForOneAndNotForDamage(t *testing.T) {
	server := s3server.StartFake(t)
	bucket := server.MakeBucket(t)
	other := open(t, s3server.URL(server.Endpoint, bucket, ""), quick(t))
	overwrite := func() {
		entry, err := other.Stat(t.Context(), "blob")
		must(t, err)
		_, err = publish(t, other, "blob", 2000, &entry.Identity)
		must(t, err)
	}
	proxy := s3proxy.Start(t, server.Endpoint, s3proxy.Rule{Fault: s3proxy.WrongBytes, Method: "GET", Path: "/blob?x-id=GetObject", Times: 1, After: overwrite})
	b := open(t, s3server.URL(proxy.URL, bucket, ""), quick(t))
	if _, err := publish(t, b, "blob", 1000, nil); !errors.Is(err, store.ErrChanged) || proxy.Met(0) != 1 {
		t.Errorf("error %v, want ErrChanged", err)
	}
}

func TestPublishTakesADeletionForAWriter(t *testing.T) {
	server := s3server.ForTest(t)
	must(t, server.MakeBucket(t.Context(), "deleted", false))
	for name, c := range map[string]struct {
		size   int64
		before s3proxy.Rule // the request that the deletion comes before
	}{
		"in one request": {100_000, s3proxy.Rule{Path: "/blob?x-id=PutObject", Skip: 1}},
		"in parts":       {12 << 20, s3proxy.Rule{Method: "POST", Path: "uploadId="}},
		"read back":      {100_000, s3proxy.Rule{Path: "/blob?x-id=GetObject", Skip: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			remove := func() {
				_, err := server.Client().DeleteObject(t.Context(), &sdk.DeleteObjectInput{Bucket: aws.String("deleted"), Key: aws.String("blob")})
				must(t, err)
			}
			c.before.Fault, c.before.Then = s3proxy.Dress, remove
			proxy := s3proxy.Start(t, server.Endpoint, c.before)
			b := open(t, s3server.URL(proxy.URL, "deleted", ""), quick(t))
			there, err := publish(t, b, "blob", 1000, nil)
			must(t, err)

			if _, err = publish(t, b, "blob", c.size, &there.Identity); !errors.Is(err, store.ErrChanged) {
				t.Errorf("error %v, want ErrChanged", err)
			}
			if proxy.Met(0) != 1 {
				t.Errorf("%d such requests", proxy.Met(0))
			}
		})
	}
}

func TestPublishTellsAMissingRight(t *testing.T) {
	b, _ := through(t, s3proxy.Rule{Fault: s3proxy.Deny, Method: "PUT"})
	_, err := publish(t, b, "blob", 1000, nil)
	if !errors.Is(err, store.ErrPermission) || !strings.Contains(err.Error(), "s3:PutObject") {
		t.Errorf("error %v, want ErrPermission that names the right", err)
	}
}

func TestAnUploadThatFailsIsAborted(t *testing.T) {
	for name, rule := range map[string]s3proxy.Rule{
		"a part":  {Fault: s3proxy.Fail, Method: "PUT", Path: "partNumber=3"},
		"the end": {Fault: s3proxy.Fail, Method: "POST", Path: "?uploadId="},
	} {
		t.Run(name, func(t *testing.T) {
			server := s3server.ForTest(t)
			must(t, server.MakeBucket(t.Context(), "bucket", false))
			proxy := s3proxy.Start(t, server.Endpoint, rule)
			b := open(t, s3server.URL(proxy.URL, "bucket", ""), quick(t))
			if _, err := publish(t, b, "blob", 20<<20, nil); err == nil || proxy.Met(0) == 0 {
				t.Fatalf("error %v, met %d", err, proxy.Met(0))
			}
			if left := uploads(t, server, "bucket"); left != 0 {
				t.Errorf("%d uploads are left", left)
			}
			if _, err := b.Stat(t.Context(), "blob"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("something is to be seen: %v", err)
			}
		})
	}
}

// uploads counts those that are under way in a bucket.
func uploads(t *testing.T, server *s3server.Server, bucket string) int {
	t.Helper()
	out, err := server.Client().ListMultipartUploads(context.Background(), &sdk.ListMultipartUploadsInput{Bucket: &bucket})
	must(t, err)
	return len(out.Uploads)
}

func TestTheNextRunAbortsWhatWasLeftAndNothingElse(t *testing.T) {
	server := s3server.ForTest(t)
	must(t, server.MakeBucket(t.Context(), "bucket", false))
	foreign, err := server.Client().CreateMultipartUpload(t.Context(), &sdk.CreateMultipartUploadInput{Bucket: aws.String("bucket"), Key: aws.String("another's")})
	must(t, err)
	options := quick(t)

	// The one that ends here never learns what became of its last request.
	proxy := s3proxy.Start(t, server.Endpoint,
		s3proxy.Rule{Fault: s3proxy.Fail, Method: "PUT", Path: "partNumber=3"}, s3proxy.Rule{Fault: s3proxy.Fail, Method: "DELETE"})
	killed := open(t, s3server.URL(proxy.URL, "bucket", ""), options)
	if _, err := publish(t, killed, "blob", 20<<20, nil); err == nil {
		t.Fatal("it was to fail")
	}
	if left := uploads(t, server, "bucket"); left != 2 {
		t.Fatalf("%d uploads are under way, want 2", left)
	}

	next := open(t, server.URL("bucket", ""), options)
	_, err = next.Probe(t.Context())
	must(t, err)
	out, err := server.Client().ListMultipartUploads(t.Context(), &sdk.ListMultipartUploadsInput{Bucket: aws.String("bucket")})
	must(t, err)
	if len(out.Uploads) != 1 || aws.ToString(out.Uploads[0].UploadId) != *foreign.UploadId {
		t.Errorf("under way are %v", out.Uploads)
	}
	if notes, _ := filepath.Glob(options.Uploads + "/*"); len(notes) != 0 {
		t.Errorf("notes are left: %q", notes)
	}
}

func TestACancelledUploadIsAborted(t *testing.T) {
	server := s3server.ForTest(t)
	must(t, server.MakeBucket(t.Context(), "bucket", false))
	ctx, cancel := context.WithCancel(t.Context())
	proxy := s3proxy.Start(t, server.Endpoint, s3proxy.Rule{Fault: s3proxy.Mute, Method: "PUT", Path: "partNumber=4", Then: cancel})
	options := quick(t)
	options.Stall = 1 << 40
	b := open(t, s3server.URL(proxy.URL, "bucket", ""), options)
	staged, err := b.Stage(t.Context(), "blob", "id")
	must(t, err)
	defer staged.Close()
	_, err = staged.WriteAt(pattern(20<<20), 0)
	must(t, err)
	must(t, staged.Seal(t.Context(), 20<<20, hashsets.Attributes{}))
	if _, err := staged.Publish(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was cancelled", err)
	}
	if left := uploads(t, server, "bucket"); left != 0 {
		t.Errorf("%d uploads are left", left)
	}
}

func TestPublishKeepsWhatBelongsToTheObject(t *testing.T) {
	server := s3server.ForTest(t)
	must(t, server.MakeBucket(t.Context(), "bucket", false))
	for _, size := range []int64{1000, 12 << 20} {
		_, err := server.Client().PutObject(t.Context(), &sdk.PutObjectInput{
			Bucket: aws.String("bucket"), Key: aws.String("blob"), Body: strings.NewReader("old"), ContentType: aws.String("image/x-raw"),
			CacheControl: aws.String("no-cache"), ContentLanguage: aws.String("de"), Metadata: map[string]string{"camera": "x100"}, Tagging: aws.String("project=a+b"),
		})
		must(t, err)
		b := open(t, server.URL("bucket", ""), quick(t))
		old, err := b.Stat(t.Context(), "blob")
		must(t, err)
		attrs, err := b.Attributes(t.Context(), "blob")
		must(t, err)
		staged, err := b.Stage(t.Context(), "blob", "id")
		must(t, err)
		_, err = staged.WriteAt(pattern(size), 0)
		must(t, err)
		must(t, staged.Seal(t.Context(), size, attrs))
		_, err = staged.Publish(t.Context(), &old.Identity)
		must(t, err)
		must(t, staged.Close())
		got, err := server.Client().HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("blob"), ChecksumMode: "ENABLED"})
		must(t, err)
		now, err := b.Attributes(t.Context(), "blob")
		must(t, err)
		if aws.ToString(got.CacheControl) != "no-cache" || aws.ToString(got.ContentLanguage) != "de" || now.ContentType != "image/x-raw" ||
			now.Metadata["camera"] != "x100" || now.Tags["project"] != "a b" {
			t.Errorf("%d bytes: %+v, attributes %+v", size, got, now)
		}
		if got.ChecksumCRC64NVME == nil || got.ChecksumType != "FULL_OBJECT" {
			t.Errorf("%d bytes: the service keeps the checksum %v of type %q", size, got.ChecksumCRC64NVME, got.ChecksumType)
		}
	}
}

func TestPublishKeepsTheStorageClass(t *testing.T) {
	class := http.Header{"X-Amz-Storage-Class": {"STANDARD_IA"}}
	for name, c := range map[string]struct {
		method string
		size   int64
	}{"in one request": {"PUT", 1000}, "in parts": {"POST", 12 << 20}} {
		t.Run(name, func(t *testing.T) {
			b, proxy := through(t)
			_, err := publish(t, b, "blob", 10, nil)
			must(t, err)
			old, err := b.Stat(t.Context(), "blob")
			must(t, err)
			var said []string
			proxy.Set(s3proxy.Rule{Fault: s3proxy.Dress, Method: "HEAD", Header: class},
				s3proxy.Rule{Fault: s3proxy.Dress, Method: c.method, Times: 1, See: func(r *http.Request) { said = append(said, r.Header.Get("X-Amz-Storage-Class")) }})
			_, err = publish(t, b, "blob", c.size, &old.Identity)
			must(t, err)
			if len(said) != 1 || said[0] != "STANDARD_IA" {
				t.Errorf("the replacement is sent with the class %q", said)
			}
		})
	}
}

func TestRottenBytesAreDelivered(t *testing.T) {
	server := s3server.ForTest(t)
	must(t, server.MakeBucket(t.Context(), "bucket", false))
	b := open(t, server.URL("bucket", ""), quick(t))
	before, err := publish(t, b, "blob", 5<<20, nil)
	must(t, err)
	file, err := os.OpenFile(server.File("bucket", "blob"), os.O_RDWR, 0)
	must(t, err)
	_, err = file.WriteAt([]byte("rot"), 3<<20)
	must(t, err)
	must(t, file.Close())
	for _, whole := range []bool{false, true} {
		r, err := b.Open(t.Context(), "blob", store.Access{Whole: whole})
		must(t, err)
		p := make([]byte, 5<<20)
		if n, err := r.ReadAt(p, 0); n != len(p) || err != nil && err != io.EOF || string(p[3<<20:][:3]) != "rot" {
			t.Errorf("it delivers %d bytes, %q, %v", n, p[3<<20:][:3], err)
		}
		entry, err := r.Entry()
		must(t, err)
		if entry.Identity.ETag != before.Identity.ETag {
			t.Errorf("the ETag is %s, was %s", entry.Identity.ETag, before.Identity.ETag)
		}
		must(t, r.Close())
	}
}

func TestOnlyWhatIsAskedForIsFetched(t *testing.T) {
	b, _ := through(t)
	_, err := publish(t, b, "blob", 20<<20, nil)
	must(t, err)
	r, err := b.Open(t.Context(), "blob", store.Access{})
	must(t, err)
	before := b.Traffic()
	for _, off := range []int64{0, 64 << 10, 10 << 20} {
		_, err := r.ReadAt(make([]byte, 64<<10), off)
		must(t, err)
	}
	must(t, r.Close())
	if now := b.Traffic(); now.Fetched-before.Fetched != 3*64<<10 || now.Requests-before.Requests != 3 {
		t.Errorf("%d bytes in %d requests", now.Fetched-before.Fetched, now.Requests-before.Requests)
	}
}

func TestNoMoreIsFetchedThanIsAllowed(t *testing.T) {
	server := s3server.StartFake(t)
	options := quick(t)
	bucket := server.MakeBucket(t)
	_, err := publish(t, open(t, server.URL(bucket, ""), options), "blob", 1000, nil)
	must(t, err)
	options.Allowance = store.NewAllowance(2500)
	b := open(t, server.URL(bucket, ""), options)
	for i := range 4 {
		r, err := b.Open(t.Context(), "blob", store.Access{Whole: i%2 == 0, Size: 1000})
		if err == nil {
			_, err = r.ReadAt(make([]byte, 1000), 0)
			must(t, r.Close())
		}
		if allowed := i < 2; allowed != (err == nil) || !allowed && !errors.Is(err, store.ErrAllowance) {
			t.Errorf("reading for time %d: %v", i+1, err)
		}
	}
	if left := options.Allowance.Left(); left != 500 {
		t.Errorf("%d bytes are left", left)
	}
}

func TestWhatDidNotComeMayBeFetched(t *testing.T) {
	const size = 3 << 20
	for name, c := range map[string]struct {
		rule  s3proxy.Rule
		whole bool
		left  int64
	}{
		"another range":  {s3proxy.Rule{Fault: s3proxy.WrongRange}, true, 2 * size},
		"an archive":     {s3proxy.Rule{Fault: s3proxy.Dress, Header: http.Header{"X-Amz-Storage-Class": {"GLACIER"}}}, true, 2 * size},
		"a stream cut":   {s3proxy.Rule{Fault: s3proxy.Cut, Times: 1}, true, size},
		"a part cut off": {s3proxy.Rule{Fault: s3proxy.Cut, Times: 1}, false, size},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Method, c.rule.Path = "GET", "/blob"
			allowance := store.NewAllowance(2 * size)
			b, _ := behindProxy(t, size, s3.Options{Quick: 1, Allowance: allowance}, c.rule)
			r, err := b.Open(t.Context(), "blob", store.Access{Whole: c.whole, Size: size})
			if err == nil {
				_, err = r.ReadAt(make([]byte, size), 0)
				must(t, r.Close())
			}
			if left := allowance.Left(); left != c.left {
				t.Errorf("%d bytes are left, want %d (%v)", left, c.left, err)
			}
		})
	}
}

func TestAnObjectThatShrankIsChanged(t *testing.T) {
	const size = 3 << 20
	b, _ := behindProxy(t, size, s3.Options{Quick: 1}, s3proxy.Rule{Fault: s3proxy.Shrink, Method: "GET", Path: "/blob", Skip: 1})
	r, err := b.Open(t.Context(), "blob", store.Access{Whole: true, Size: size})
	must(t, err)
	defer r.Close()
	if _, err := r.ReadAt(make([]byte, 1000), size-1000); !errors.Is(err, store.ErrChanged) {
		t.Errorf("error %v, want ErrChanged", err)
	}
}

func TestAMissingBucketIsNotMounted(t *testing.T) {
	server := s3server.StartFake(t)
	b := open(t, server.URL("nobody", ""), quick(t))
	if _, err := b.Probe(t.Context()); !errors.Is(err, store.ErrNotMounted) {
		t.Errorf("probe: %v", err)
	}
	if _, err := b.Stat(t.Context(), "blob"); !errors.Is(err, store.ErrNotMounted) {
		t.Errorf("stat: %v", err)
	}
}

func TestAnEndpointThatIsNotThereIsAnErrorOfTheHost(t *testing.T) {
	b := open(t, s3server.URL("http://127.0.0.1:1", "bucket", ""), quick(t))
	_, err := b.Probe(t.Context())
	if err == nil || errors.Is(err, store.ErrNotMounted) || errors.Is(err, store.ErrMedium) {
		t.Errorf("probe: %v", err)
	}
}
