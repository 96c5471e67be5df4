package s3

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

// A connection is a client with what must be closed with it.
type connection struct {
	client      *sdk.Client
	getter      *getter               // nil when the client itself makes all requests
	credentials *aws.CredentialsCache // nil when there are none to refresh
	transport   *http.Transport
}

func (c *connection) close() { c.transport.CloseIdleConnections() }

// forget makes the next request ask for credentials anew.
func (c *connection) forget() {
	if c.credentials != nil {
		c.credentials.Invalidate()
	}
}

// connect returns the client, and makes it on first use. Credentials come from
// the environment and the shared files.
func (b *Bucket) connect(ctx context.Context) (*connection, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.connected != nil {
		return b.connected, nil
	}
	plain := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = b.options.Requests + b.options.ReadAhead
		t.MaxIdleConnsPerHost = t.MaxIdleConns
		t.ReadBufferSize = 32 << 10 // a small object comes with its headers in one system call
		t.ResponseHeaderTimeout = 0 // ours to watch
		t.DisableCompression = true // bytes are counted and compared as they are stored
		t.ForceAttemptHTTP2 = false
	})
	watched := &watchedClient{
		inner: &http.Client{Transport: plain.GetTransport(), CheckRedirect: refuseRedirect},
		stall: b.options.Stall, counts: &b.counts,
	}
	loaded, err := config.LoadDefaultConfig(ctx, b.configured()...)
	if err != nil {
		return nil, fmt.Errorf("load the configuration of object storage: %w", err)
	}
	if loaded.Region == "" {
		loaded.Region = "us-east-1"
	}
	c := &connection{transport: plain.GetTransport()}
	c.credentials, _ = loaded.Credentials.(*aws.CredentialsCache)
	c.client = sdk.NewFromConfig(loaded, func(o *sdk.Options) {
		o.HTTPClient = watched
		o.UsePathStyle = b.pathStyle
		o.Retryer = aws.NopRetryer{} // retries are ours: they go on where a body broke off
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
		o.ContinueHeaderThresholdBytes = -1
		if b.endpoint != "" {
			o.BaseEndpoint = &b.endpoint
		}
	})
	c.getter = newGetter(ctx, c.client, b.bucket)
	b.connected = c
	return c, nil
}

func (b *Bucket) configured() []func(*config.LoadOptions) error {
	with := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if b.region != "" {
		with = append(with, config.WithRegion(b.region))
	}
	if b.profile != "" {
		with = append(with, config.WithSharedConfigProfile(b.profile))
	}
	return with
}

// refuseRedirect hands a redirection back as the answer: a signed request is
// good for one host, and the answer says which region would be right.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// counters count requests, the bytes of bodies that came and went, and the
// attempts after the first.
type counters struct{ requests, fetched, sent, retried atomic.Int64 }

// longestPause is to what pauses between attempts grow.
const longestPause = 20 * time.Second
