package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// said keeps the last request, and answers what is to be answered.
type said struct {
	last   *http.Request
	answer http.Response
}

func (s *said) Do(r *http.Request) (*http.Response, error) {
	s.last = r
	answer := s.answer
	answer.Body = io.NopCloser(strings.NewReader(answer.Status))
	return &answer, nil
}

func somebody(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "user", SecretAccessKey: "secret", SessionToken: "a token"}, nil
}

func clientOf(service *said, change func(*sdk.Options)) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "eu-west-1", HTTPClient: service, Credentials: aws.CredentialsProviderFunc(somebody),
		Retryer: aws.NopRetryer{},
	}, change)
}

func TestAGetterAsksAsTheLibraryDoes(t *testing.T) {
	for name, change := range map[string]func(*sdk.Options){
		"Amazon's":               func(*sdk.Options) {},
		"with two stacks":        func(o *sdk.Options) { o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled },
		"of no region":           func(o *sdk.Options) { o.Region = "aws-global" },
		"path style":             func(o *sdk.Options) { o.UsePathStyle = true },
		"another's":              func(o *sdk.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String("http://127.0.0.1:9000"), true },
		"another's, by host":     func(o *sdk.Options) { o.BaseEndpoint = aws.String("https://s3.example.org") },
		"another's, in a folder": func(o *sdk.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String("https://example.org/s3/"), true },
	} {
		for _, bucket := range []string{"photos", "photos.example"} {
			for _, key := range []string{"a", "2024/a b+c=d&e?f#g.raw", "ü/%41/~!*'();:@$,[]", " /  ", "a\x01b", "x/y//z/"} {
				t.Run(name+"/"+bucket+"/"+key, func(t *testing.T) {
					service := &said{answer: http.Response{StatusCode: 200, Header: http.Header{}}}
					client := clientOf(service, change)
					in := &sdk.GetObjectInput{Bucket: &bucket, Key: &key, Range: aws.String("bytes=0-9"), IfMatch: aws.String(`"etag"`), VersionId: aws.String("v/+ 1")}
					if _, err := client.GetObject(t.Context(), in); err != nil {
						t.Fatal(err)
					}
					want := service.last
					if _, err := newGetter(t.Context(), client, bucket).get(t.Context(), in); err != nil {
						t.Fatal(err)
					}
					got := service.last
					if got.Method != want.Method || got.URL.Scheme != want.URL.Scheme || got.URL.EscapedPath() != want.URL.EscapedPath() || got.URL.Query().Encode() != want.URL.Query().Encode() {
						t.Errorf("it asks for %s, and the library for %s", got.URL, want.URL)
					}
					if got.URL.Host != want.URL.Host || got.Host != want.URL.Host {
						t.Errorf("it asks %s with the name %q, and the library %s", got.URL.Host, got.Host, want.URL.Host)
					}
					for _, header := range []string{"Range", "If-Match", "Accept-Encoding", "X-Amz-Content-Sha256", "X-Amz-Security-Token"} {
						if got.Header.Get(header) == "" || got.Header.Get(header) != want.Header.Get(header) {
							t.Errorf("it says %s: %q, and the library %q", header, got.Header.Get(header), want.Header.Get(header))
						}
					}
					if scopeOf(got) != scopeOf(want) {
						t.Errorf("it signs for %q, and the library for %q", scopeOf(got), scopeOf(want))
					}
				})
			}
		}
	}
}

// scopeOf is what a signature is good for.
func scopeOf(r *http.Request) string {
	scope, _, _ := strings.Cut(r.Header.Get("Authorization"), ", ")
	return scope
}

func TestOtherSignaturesAreLeftToTheLibrary(t *testing.T) {
	client := clientOf(&said{}, func(*sdk.Options) {})
	for _, bucket := range []string{"photos--euw1-az1--x-s3", "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap"} {
		if newGetter(t.Context(), client, bucket) != nil {
			t.Errorf("it would ask for objects of %s by itself", bucket)
		}
	}
}

func TestAGetterUnderstandsAnswersAsTheLibraryDoes(t *testing.T) {
	service := &said{answer: http.Response{StatusCode: 206, ContentLength: 5, Status: "bytes", Header: http.Header{
		"Etag": {`"e"`}, "X-Amz-Version-Id": {"v"}, "Content-Type": {"image/png"}, "Content-Range": {"bytes 0-4/9"},
		"X-Amz-Restore": {`ongoing-request="true"`}, "X-Amz-Storage-Class": {"GLACIER"}, "Last-Modified": {"Sat, 28 Nov 2026 10:11:12 GMT"},
		"X-Amz-Meta-Camera": {"x100 "}, "Content-Length": {"5"},
	}}}
	client, bucket := clientOf(service, func(*sdk.Options) {}), "photos"
	in := &sdk.GetObjectInput{Bucket: &bucket, Key: aws.String("a")}
	want, err := client.GetObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := newGetter(t.Context(), client, bucket).get(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if *got.ETag != *want.ETag || *got.VersionId != *want.VersionId || *got.ContentType != *want.ContentType || *got.ContentRange != *want.ContentRange ||
		*got.Restore != *want.Restore || got.StorageClass != want.StorageClass || !got.LastModified.Equal(*want.LastModified) ||
		*got.ContentLength != *want.ContentLength || len(got.Metadata) != 1 || got.Metadata["camera"] != want.Metadata["camera"] {
		t.Errorf("it understands %+v, and the library %+v", got, want)
	}
}

func TestAGetterUnderstandsRefusalsAsTheLibraryDoes(t *testing.T) {
	for text, answer := range map[string]http.Response{
		"with its reason":     {StatusCode: 403, Status: "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>not you</Message></Error>"},
		"for a while":         {StatusCode: 503, Header: http.Header{"Retry-After": {"7"}}, Status: "<Error><Code>SlowDown</Code></Error>"},
		"without a reason":    {StatusCode: 500},
		"by a proxy":          {StatusCode: 502, Status: "<html>Bad gateway"},
		"elsewhere":           {StatusCode: 301, Status: "<Error><Code>PermanentRedirect</Code></Error>"},
		"with expired rights": {StatusCode: 400, Status: "<Error><Code>ExpiredToken</Code></Error>"},
	} {
		t.Run(text, func(t *testing.T) {
			service, bucket := &said{answer: answer}, "photos"
			client := clientOf(service, func(*sdk.Options) {})
			in := &sdk.GetObjectInput{Bucket: &bucket, Key: aws.String("a")}
			_, want := client.GetObject(t.Context(), in)
			_, got := newGetter(t.Context(), client, bucket).get(t.Context(), in)
			var response *smithyhttp.ResponseError
			if !errors.As(got, &response) || response.HTTPStatusCode() != answer.StatusCode {
				t.Fatalf("error %v", got)
			}
			if causeOf(got) != causeOf(want) || isTransient(got) != isTransient(want) || retryAfter(got) != retryAfter(want) || isExpired(got) != isExpired(want) {
				t.Errorf("it understands %v, and the library %v", got, want)
			}
			if told := bare(got).Error(); strings.Contains(told, fmt.Sprintf("%d :", answer.StatusCode)) {
				t.Errorf("it tells people %q", told)
			}
		})
	}
}

func TestAClockThatIsOffIsLeftToTheLibrary(t *testing.T) {
	now := http.Header{"Date": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}
	service := &said{answer: http.Response{StatusCode: 403, Header: now, Status: "<Error><Code>RequestTimeTooSkewed</Code></Error>"}}
	client := clientOf(service, func(*sdk.Options) {})
	bucket := "photos"
	b := &Bucket{connected: &connection{client: client}}
	b.connected.getter = newGetter(t.Context(), client, bucket)
	in := &sdk.GetObjectInput{Bucket: &bucket, Key: aws.String("a")}
	if _, err := b.get(t.Context(), client, in); err == nil {
		t.Fatal("no error, though the service refuses")
	}
	if b.connected.getter != nil {
		t.Fatal("it goes on to sign by itself")
	}
	service.answer = http.Response{StatusCode: 200, Header: now}
	if _, err := b.get(t.Context(), client, in); err != nil {
		t.Fatal(err)
	}
	signed, err := time.Parse("20060102T150405Z", service.last.Header.Get("X-Amz-Date"))
	if err != nil || time.Until(signed) < 50*time.Minute {
		t.Errorf("the request is signed for %v (%v), and the service's clock is an hour ahead", signed, err)
	}
}
