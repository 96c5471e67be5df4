package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bitmend/fixtures/s3proxy"
	"bitmend/fixtures/s3server"
	"bitmend/hashsets"
	"bitmend/scrub/store"
	"bitmend/scrub/store/s3"
)

// A past is a bucket that keeps versions, with an object of two of them: the
// older one is content, with tags, and the current one is not wanted.
type past struct {
	server  *s3server.Server
	proxy   *s3proxy.Proxy
	bucket  *s3.Bucket
	content []byte
	digests []hashsets.Digest // of content
	older   string            // its version
	current *hashsets.Identity
}

func newPast(t *testing.T, algorithm types.ChecksumAlgorithm, size int, rules ...s3proxy.Rule) *past {
	t.Helper()
	p := &past{server: s3server.ForTest(t), content: pattern(int64(size))}
	must(t, p.server.MakeBucket(t.Context(), "bucket", true))
	out, err := p.server.Client().PutObject(t.Context(), &sdk.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("a blob"), Body: bytes.NewReader(p.content), ChecksumAlgorithm: algorithm,
		ContentType: aws.String("image/x-raw"), Tagging: aws.String("project=a+b"),
	})
	must(t, err)
	p.older = *out.VersionId
	p.write(t, "what came later")
	p.proxy = s3proxy.Start(t, p.server.Endpoint, rules...)
	p.bucket = open(t, s3server.URL(p.proxy.URL, "bucket", ""), quick(t))
	now, err := p.bucket.Stat(t.Context(), "a blob")
	must(t, err)
	p.current = &now.Identity
	hasher, err := hashsets.NewHasher([]hashsets.Algorithm{hashsets.SHA256, hashsets.XXH64}, hashsets.DefaultShardSize)
	must(t, err)
	hasher.Write(p.content)
	p.digests = hasher.HashSet().Digests
	return p
}

func (p *past) write(t *testing.T, text string) {
	t.Helper()
	_, err := p.server.Client().PutObject(context.Background(), &sdk.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("a blob"), Body: strings.NewReader(text),
	})
	must(t, err)
}

func (p *past) copyBack(t *testing.T) error {
	t.Helper()
	_, err := p.bucket.CopyVersion(t.Context(), "a blob", p.older, p.digests, p.current)
	return err
}

// now returns what is current, as somebody else sees it.
func (p *past) now(t *testing.T) []byte {
	t.Helper()
	out, err := p.server.Client().GetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a blob")})
	must(t, err)
	content, err := io.ReadAll(out.Body)
	must(t, err)
	return content
}

func TestAnOlderVersionIsCopiedWithoutADownload(t *testing.T) {
	for name, deleted := range map[string]bool{"over another": false, "over a deletion": true} {
		t.Run(name, func(t *testing.T) {
			p := newPast(t, types.ChecksumAlgorithmCrc32, 3<<20)
			if deleted {
				must(t, s3server.Remove(t.Context(), p.server.Endpoint, "bucket", "a blob"))
				p.current = nil
			}
			before, err := p.bucket.Versions(t.Context(), "a blob")
			must(t, err)
			must(t, p.copyBack(t))
			if traffic := p.bucket.Traffic(); traffic.Fetched+traffic.Sent > 10_000 {
				t.Errorf("%+v went through this host", traffic)
			}
			if !bytes.Equal(p.now(t), p.content) {
				t.Error("the content is not back")
			}
			attrs, err := p.bucket.Attributes(t.Context(), "a blob")
			must(t, err)
			if attrs.ContentType != "image/x-raw" || attrs.Tags["project"] != "a b" {
				t.Errorf("attributes %+v", attrs)
			}
			after, err := p.bucket.Versions(t.Context(), "a blob")
			must(t, err)
			if len(after) != len(before)+1 {
				t.Errorf("there are %d versions, and were %d", len(after), len(before))
			}
			if left := uploads(t, p.server, "bucket"); left != 0 {
				t.Errorf("%d uploads are left", left)
			}
		})
	}
}

func TestAVersionIsNotCopiedThatIsNotProven(t *testing.T) {
	for name, c := range map[string]struct {
		algorithm types.ChecksumAlgorithm
		spoil     func(t *testing.T, p *past)
	}{
		"rotten under the service":                 {types.ChecksumAlgorithmCrc32, rotVersions},
		"whose checksum the service copies unread": {types.ChecksumAlgorithmSha256, rotVersions},
		"of other bytes":                           {types.ChecksumAlgorithmCrc32, func(t *testing.T, p *past) { p.digests[0].Sum = make([]byte, 32) }},
		"without a digest that proves":             {types.ChecksumAlgorithmCrc32, func(t *testing.T, p *past) { p.digests = p.digests[1:] }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPast(t, c.algorithm, 100_000)
			c.spoil(t, p)
			if err := p.copyBack(t); !errors.Is(err, store.ErrUnsupported) {
				t.Errorf("error %v, want ErrUnsupported", err)
			}
			if string(p.now(t)) != "what came later" {
				t.Error("something was put in place")
			}
			if left := uploads(t, p.server, "bucket"); left != 0 {
				t.Errorf("%d uploads are left", left)
			}
		})
	}
}

// rotVersions flips a bit of the older version under the server's feet.
func rotVersions(t *testing.T, p *past) {
	rotten := 0
	err := filepath.WalkDir(p.server.Versions("bucket"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		rotten++
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		_, err = file.WriteAt([]byte{0xFF}, 5000)
		return errors.Join(err, file.Close())
	})
	must(t, err)
	if rotten != 1 {
		t.Fatalf("%d older versions were spoilt", rotten)
	}
}

func TestAConcurrentWriterWinsAgainstACopy(t *testing.T) {
	p := newPast(t, types.ChecksumAlgorithmCrc32, 100_000)
	p.proxy.Set(s3proxy.Rule{Fault: s3proxy.Dress, Method: "PUT", Path: "partNumber=1", Times: 1, Then: func() { p.write(t, "a third thing") }})
	if err := p.copyBack(t); !errors.Is(err, store.ErrChanged) {
		t.Errorf("error %v, want ErrChanged", err)
	}
	if p.proxy.Met(0) != 1 || string(p.now(t)) != "a third thing" {
		t.Errorf("met %d, and there is %q", p.proxy.Met(0), p.now(t)[:10])
	}
	if left := uploads(t, p.server, "bucket"); left != 0 {
		t.Errorf("%d uploads are left", left)
	}
}

// lockable makes a bucket with an object under a lock.
func lockable(t *testing.T, server *s3server.Server, until time.Time) {
	t.Helper()
	client := server.Client()
	_, err := client.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: aws.String("bucket"), ObjectLockEnabledForBucket: aws.Bool(true)})
	must(t, err)
	_, err = client.PutObject(t.Context(), &sdk.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("blob"), Body: strings.NewReader("locked"), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
		ObjectLockLegalHoldStatus: types.ObjectLockLegalHoldStatusOn,
		ObjectLockMode:            types.ObjectLockModeGovernance, ObjectLockRetainUntilDate: &until,
	})
	must(t, err)
}

func TestAReplacementIsLockedAsWhatItReplaces(t *testing.T) {
	for name, size := range map[string]int64{"in one request": 1000, "in parts": 12 << 20} {
		t.Run(name, func(t *testing.T) {
			server := s3server.ForTest(t)
			until := time.Now().Add(24 * time.Hour).Truncate(time.Second)
			lockable(t, server, until)
			b := open(t, server.URL("bucket", ""), quick(t))
			old, err := b.Stat(t.Context(), "blob")
			must(t, err)
			_, err = publish(t, b, "blob", size, &old.Identity)
			must(t, err)
			now, err := server.Client().HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("blob")})
			must(t, err)
			if now.ObjectLockLegalHoldStatus != types.ObjectLockLegalHoldStatusOn || now.ObjectLockMode != types.ObjectLockModeGovernance ||
				!aws.ToTime(now.ObjectLockRetainUntilDate).Equal(until) || aws.ToInt64(now.ContentLength) != size {
				t.Errorf("hold %q, mode %q until %v", now.ObjectLockLegalHoldStatus, now.ObjectLockMode, now.ObjectLockRetainUntilDate)
			}
			versions, err := b.Versions(t.Context(), "blob")
			must(t, err)
			if len(versions) != 2 || !b.KeepsReplaced(versions[1].Identity) {
				t.Errorf("versions %+v", versions)
			}
		})
	}
}

func TestALockedObjectThatCannotBeReplacedIsSaidSo(t *testing.T) {
	server := s3server.ForTest(t)
	lockable(t, server, time.Now().Add(24*time.Hour))
	proxy := s3proxy.Start(t, server.Endpoint)
	b := open(t, s3server.URL(proxy.URL, "bucket", ""), quick(t))
	old, err := b.Stat(t.Context(), "blob")
	must(t, err)
	for name, c := range map[string]struct {
		method string
		size   int64
	}{"in one request": {"PUT", 1000}, "in parts": {"POST", 12 << 20}} {
		proxy.Set(s3proxy.Rule{Fault: s3proxy.Deny, Method: c.method})
		_, err = publish(t, b, "blob", c.size, &old.Identity)
		if !errors.Is(err, store.ErrPermission) || !strings.Contains(err.Error(), "legal hold") || !strings.Contains(err.Error(), "locked (GOVERNANCE) until") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
