package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/auth"
	"github.com/aws/smithy-go/encoding/httpbinding"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A getter makes the one kind of request of which there are millions. The
// client's library goes through some forty steps for each, which cost more
// than all else that is done to a small object. What has to be right stays with
// it: where the bucket is, credentials, and the signature.
type getter struct {
	http   sdk.HTTPClient
	bucket url.URL     // what the keys are below
	header http.Header // of every request

	credentials     aws.CredentialsProvider
	signer          sdk.HTTPSignerV4
	service, region string
}

// newGetter returns nil for buckets whose requests are signed in another way
// than most, such as those of S3 Express: the library knows how.
func newGetter(ctx context.Context, client *sdk.Client, bucket string) *getter {
	o := client.Options()
	at, err := o.EndpointResolverV2.ResolveEndpoint(ctx, sdk.EndpointParameters{
		Bucket: &bucket, Region: &o.Region, Endpoint: o.BaseEndpoint, ForcePathStyle: &o.UsePathStyle,
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
		Accelerate:   &o.UseAccelerate, UseArnRegion: &o.UseARNRegion,
		DisableMultiRegionAccessPoints: &o.DisableMultiRegionAccessPoints, DisableS3ExpressSessionAuth: o.DisableS3ExpressSessionAuth,
	})
	if err != nil || o.Credentials == nil || o.HTTPSignerV4 == nil {
		return nil // the library says what is wrong, when it is asked
	}
	g := &getter{
		http: o.HTTPClient, bucket: at.URI, header: at.Headers.Clone(),
		credentials: o.Credentials, signer: o.HTTPSignerV4, service: "s3", region: o.Region,
	}
	g.bucket.Path, g.bucket.RawPath = strings.TrimSuffix(at.URI.Path, "/")+"/", strings.TrimSuffix(at.URI.EscapedPath(), "/")+"/"
	if g.header == nil {
		g.header = http.Header{}
	}
	g.header.Set("Accept-Encoding", "identity")
	g.header.Set("User-Agent", "bitmend")
	options, _ := auth.GetAuthOptions(&at.Properties)
	if len(options) == 0 {
		return g
	}
	if !strings.HasSuffix(auth.SchemeIDSigV4, options[0].SchemeID) {
		return nil
	}
	if service, some := smithyhttp.GetSigV4SigningName(&options[0].SignerProperties); some {
		g.service = service
	}
	if region, some := smithyhttp.GetSigV4SigningRegion(&options[0].SignerProperties); some {
		g.region = region
	}
	return g
}

// get asks for an object or for a range of it.
func (b *Bucket) get(ctx context.Context, client *sdk.Client, in *sdk.GetObjectInput) (*sdk.GetObjectOutput, error) {
	b.mu.Lock()
	getter := b.connected.getter
	b.mu.Unlock()
	if getter == nil {
		return client.GetObject(ctx, in)
	}
	out, err := getter.get(ctx, in)
	if !isOfSigning(err) {
		return out, err
	}
	b.mu.Lock()
	if b.connected != nil && b.connected.getter == getter {
		b.connected.getter = nil
	}
	b.mu.Unlock()
	return client.GetObject(ctx, in)
}

// isOfSigning tells whether a service took offence at how or when a request was
// signed. The library knows what helps: it learns how far this host's clock is
// off from the answer.
func isOfSigning(err error) bool {
	var refused smithy.APIError
	return errors.As(err, &refused) &&
		slices.Contains([]string{"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture", "SignatureDoesNotMatch"}, refused.ErrorCode())
}

// noBytes is the SHA-256 of nothing, which is what a GET sends.
const noBytes = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// get makes a request of Key, VersionId, Range and IfMatch. Its errors are made
// like the library's, so that one place tells what they mean.
func (g *getter) get(ctx context.Context, in *sdk.GetObjectInput) (*sdk.GetObjectOutput, error) {
	request := g.request(in)
	credentials, err := g.credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoCredentials, err)
	}
	if err := g.signer.SignHTTP(ctx, credentials, request, noBytes, g.service, g.region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign a request: %w", err)
	}
	response, err := g.http.Do(request.WithContext(ctx))
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	if response.StatusCode < 200 || response.StatusCode >= 300 {
		return nil, refusal(response)
	}
	return answer(response)
}

func (g *getter) request(in *sdk.GetObjectInput) *http.Request {
	at := g.bucket
	at.Path += *in.Key
	at.RawPath += httpbinding.EscapePath(*in.Key, false)
	at.RawQuery = "x-id=GetObject"
	if in.VersionId != nil {
		at.RawQuery = "versionId=" + url.QueryEscape(*in.VersionId) + "&" + at.RawQuery
	}
	header := make(http.Header, 8)
	for name, values := range g.header {
		header[name] = values
	}
	header["X-Amz-Content-Sha256"] = []string{noBytes}
	if in.Range != nil {
		header["Range"] = []string{*in.Range}
	}
	if in.IfMatch != nil {
		header["If-Match"] = []string{*in.IfMatch}
	}
	return &http.Request{Method: http.MethodGet, URL: &at, Host: at.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
}

// longestRefusal bounds what is read of the text that says why.
const longestRefusal = 64 << 10

func refusal(response *http.Response) error {
	defer response.Body.Close()
	var said struct{ Code, Message string }
	err := xml.NewDecoder(io.LimitReader(response.Body, longestRefusal)).Decode(&said)
	if err != nil || said.Code == "" {
		said.Message = http.StatusText(response.StatusCode)
		said.Code = strings.ReplaceAll(said.Message, " ", "")
	}
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: response},
		Err:      &smithy.GenericAPIError{Code: said.Code, Message: said.Message},
	}
}

// metadataHeader is what the headers begin with that a user gave an object.
const metadataHeader = "X-Amz-Meta-"

// answer takes from the headers what is asked for in this package.
func answer(response *http.Response) (*sdk.GetObjectOutput, error) {
	header := func(name string) *string {
		if values := response.Header[name]; len(values) > 0 {
			return aws.String(strings.TrimSpace(values[0]))
		}
		return nil
	}
	out := &sdk.GetObjectOutput{
		Body: response.Body, ETag: header("Etag"), VersionId: header("X-Amz-Version-Id"), ContentType: header("Content-Type"),
		ContentRange: header("Content-Range"), Restore: header("X-Amz-Restore"), Metadata: map[string]string{},
		StorageClass: types.StorageClass(aws.ToString(header("X-Amz-Storage-Class"))),
	}
	if response.ContentLength >= 0 {
		out.ContentLength = &response.ContentLength
	}
	if text := header("Last-Modified"); text != nil {
		at, err := http.ParseTime(*text)
		if err != nil {
			response.Body.Close()
			return nil, fmt.Errorf("read when the object was written: %w", err)
		}
		out.LastModified = &at
	}
	for name, values := range response.Header {
		if key, own := strings.CutPrefix(name, metadataHeader); own && len(values) > 0 {
			out.Metadata[strings.ToLower(key)] = strings.TrimSpace(values[0])
		}
	}
	return out, nil
}
