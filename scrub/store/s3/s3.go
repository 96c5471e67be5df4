// Package s3 keeps blobs in buckets of object storage that speaks the S3
// protocol, behind the interfaces of package store.
//
// It knows requests, retries and rights. It never judges what it delivers: a
// checksum that the service reports is handed on and not believed. Google's
// and Azure's storage would be packages beside it.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// Options of a Bucket. The zero value is right for all but tests and stores
// that are written to.
type Options struct {
	// Scratch is a directory on disk in which replacements are assembled
	// before they are sent. It may be missing. "" is one of the system's, which
	// goes when the Bucket is closed.
	Scratch string

	// Uploads is a directory on disk that outlives the run, where uploads in
	// parts are noted while they are under way, so that the next run aborts
	// what this one left. "" is none.
	Uploads string

	// Requests bounds the requests that are under way at a time; 64 when 0.
	Requests int

	// Attempts is how often a request is made in all, as long as no try brings
	// any byte; 8 when 0.
	Attempts int

	// FirstPause is about how long the first pause between two attempts is.
	// Each further one is up to twice as long. 200 ms when 0.
	FirstPause time.Duration

	// Stall is how long a transfer may go without bringing slowest bytes; then
	// it is given up and made anew. One minute when 0.
	Stall time.Duration

	// Allowance bounds the bytes of blobs that are fetched; nil does not.
	Allowance *store.Allowance

	// Pace holds what is read and sent; nil does not.
	Pace store.Pace

	// ReadSize is how much a request for a part of a large blob asks for, in
	// bytes; 4 MiB when 0.
	ReadSize int64

	// ReadAhead is how many parts are on their way before they are needed, of
	// all blobs together; 16 when 0.
	ReadAhead int

	// Quick is how many bytes a second one connection has to bring so that a
	// large blob is read in one request; 100 MB when 0. Amazon's reckon with 85
	// to 90 MB a second. With math.MaxInt64 it is read in parts from the start.
	Quick int64

	// PartSize is the length of the parts in which large blobs are sent, and
	// from twice of which on they are sent in parts; 16 MiB when 0.
	PartSize int64
}

func (o Options) withDefaults() Options {
	if o.Requests == 0 {
		o.Requests = 64
	}
	if o.Attempts == 0 {
		o.Attempts = 8
	}
	if o.FirstPause == 0 {
		o.FirstPause = 200 * time.Millisecond
	}
	if o.Stall == 0 {
		o.Stall = time.Minute
	}
	if o.ReadSize == 0 {
		o.ReadSize = 4 << 20
	}
	if o.ReadAhead == 0 {
		o.ReadAhead = 16
	}
	if o.Quick == 0 {
		o.Quick = 100_000_000
	}
	if o.PartSize == 0 {
		o.PartSize = 16 << 20
	}
	return o
}

// A Bucket is a store in a bucket, below a prefix. It has neither links nor
// directories: those are ErrUnsupported.
type Bucket struct {
	name string
	url  string
	location
	options Options

	slots   *semaphore.Weighted // a request holds one until it was answered
	ahead   *semaphore.Weighted // a part that is read ahead holds one until it was delivered
	counts  counters
	seen    atomic.Bool  // the bucket was seen to exist
	buffers sync.Pool    // of *[]byte, each of options.ReadSize
	whole   atomic.Int64 // blobs that are read from their first byte to their last
	slow    atomic.Bool  // a connection brought less than options.Quick

	mu        sync.Mutex
	connected *connection     // nil until the first request
	versioned *bool           // nil until it was asked for
	scratch   *store.Home     // nil until something is staged
	temporary string          // a directory to remove at the end; "" for none
	uploading map[string]bool // upload ids that this process has under way
}

// Open returns the store name in the bucket of a URL of the form
// s3://BUCKET/PREFIX?endpoint=URL&region=REGION. It makes no request. The
// other keys are profile, for the shared configuration files, path_style, which
// is true unless there is no endpoint, and glacier_ir=read, without which
// objects of that class are left alone like those of other archive tiers.
func Open(name, url string, options Options) (*Bucket, error) {
	at, err := parse(url)
	if err != nil {
		return nil, fmt.Errorf("open store %q: %w", name, err)
	}
	options = options.withDefaults()
	b := &Bucket{
		name: name, url: url, location: at, options: options,
		slots: semaphore.NewWeighted(int64(options.Requests)),
		ahead: semaphore.NewWeighted(int64(options.ReadAhead)),
	}
	b.slow.Store(options.Quick == math.MaxInt64)
	return b, nil
}

// Name is the store's name in the configuration.
func (b *Bucket) Name() string { return b.name }

// URL is where the store is.
func (b *Bucket) URL() string { return b.url }

// Close gives back connections and scratch files.
func (b *Bucket) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	if b.connected != nil {
		b.connected.close()
	}
	if b.scratch != nil {
		errs = append(errs, b.scratch.Close())
	}
	if b.temporary != "" {
		errs = append(errs, os.RemoveAll(b.temporary))
	}
	b.scratch, b.temporary = nil, ""
	return errors.Join(errs...)
}

// Keeps tells that a bucket has files alone.
func (b *Bucket) Keeps(kind hashsets.Kind) bool { return kind == hashsets.File }

// Probe asks for the bucket. It is ErrNotMounted when there is none of that
// name; an endpoint that does not answer is an error of the host.
func (b *Bucket) Probe(ctx context.Context) (store.Volume, error) {
	err := b.call(ctx, "ask for the bucket", "", func(ctx context.Context, client *sdk.Client) error {
		_, err := client.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: &b.bucket})
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Volume{}, fmt.Errorf("store %q: %w: there is no bucket %q", b.name, store.ErrNotMounted, b.bucket)
	case errors.Is(err, store.ErrPermission), errors.Is(err, store.ErrUnsupported):
		// The right to see that it is there may be missing, and others not.
		err = b.list(ctx)
	}
	if err != nil {
		return store.Volume{}, err
	}
	if err := b.abortLeftovers(ctx); err != nil {
		return store.Volume{}, err
	}
	return store.Volume{ID: "s3:" + b.bucket}, nil
}

// list asks for the first name alone.
func (b *Bucket) list(ctx context.Context) error {
	one := int32(1)
	return b.call(ctx, "list", "", func(ctx context.Context, client *sdk.Client) error {
		_, err := client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: &b.bucket, Prefix: &b.prefix, MaxKeys: &one})
		return err
	})
}

// ReadLink is ErrNotABlob for all that is there: a bucket has no links.
func (b *Bucket) ReadLink(ctx context.Context, name string) (string, error) {
	if _, err := b.Stat(ctx, name); err != nil {
		return "", err
	}
	return "", b.fail("read link", name, store.ErrNotABlob)
}

// PutLink is ErrUnsupported.
func (b *Bucket) PutLink(ctx context.Context, name, _, _ string, _ hashsets.Attributes, _ *hashsets.Identity) (store.Entry, error) {
	return store.Entry{}, b.unsupported(ctx, "put link", name)
}

// PutDirectory is ErrUnsupported.
func (b *Bucket) PutDirectory(ctx context.Context, name string, _ hashsets.Attributes) error {
	return b.unsupported(ctx, "put directory", name)
}

// Overwrite is ErrUnsupported: objects are replaced whole, and have one name.
func (b *Bucket) Overwrite(ctx context.Context, name string, _ io.ReaderAt, _ []store.Range, _ int64, _ hashsets.Attributes, _ hashsets.Identity) (store.Entry, error) {
	return store.Entry{}, b.unsupported(ctx, "overwrite", name)
}

func (b *Bucket) unsupported(ctx context.Context, doing, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.fail(doing, name, store.ErrUnsupported)
}

// fail says what was being done to which blob of this store. Names are quoted:
// they may hold what a terminal obeys.
func (b *Bucket) fail(doing, name string, err error) error {
	if name == "" {
		return fmt.Errorf("store %q: %s: %w", b.name, doing, err)
	}
	return fmt.Errorf("store %q: %s %q: %w", b.name, doing, name, err)
}

var _ store.Writable = (*Bucket)(nil)
