package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// Open opens an object for reading by ranges. All that the Reader delivers is
// of the version that was there then, or the error is ErrChanged.
func (b *Bucket) Open(ctx context.Context, name string, access store.Access) (store.Reader, error) {
	return b.open(ctx, name, "", access)
}

func (b *Bucket) open(ctx context.Context, name, version string, access store.Access) (store.Reader, error) {
	if version == "" && store.IsStaged(name) {
		reader, err := b.openStaged(ctx, name, access)
		if !errors.Is(err, store.ErrNotFound) {
			return reader, err
		}
	}
	if access.Whole && version == "" {
		return b.openWhole(ctx, name, access)
	}
	h, err := b.head(ctx, name, version)
	if err != nil {
		return nil, err
	}
	if h.archived {
		return nil, b.archived(name, h.class)
	}
	r := b.newReader(ctx, name, h.identity, version)
	r.direct = access.Direct
	r.contentType, r.class, r.metadata = h.ContentType, h.class, h.Metadata
	if access.Whole {
		r.readsAll(access.From)
	}
	return r, nil
}

// openWhole asks at once for what is to be read: of a small object all, which
// is one request instead of two, and of a large one as much as firstRequest
// says.
func (b *Bucket) openWhole(ctx context.Context, name string, access store.Access) (store.Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key, err := b.keyOf(name)
	if err != nil {
		return nil, b.fail("open", name, err)
	}
	versioned, err := b.isVersioned(ctx)
	if err != nil {
		return nil, err
	}
	r := b.newReader(ctx, name, hashsets.Identity{}, "")
	r.direct = access.Direct
	r.readsAll(access.From)
	from, length := access.From, b.firstRequest(access)
	var total int64
	empty, archived := false, ""
	err = b.call(ctx, "open", name, func(_ context.Context, client *sdk.Client) error {
		if err := b.options.Allowance.Take(length); err != nil {
			return err
		}
		out, err := b.get(r.ctx, client, &sdk.GetObjectInput{Bucket: &b.bucket, Key: &key, Range: byteRange(from, length)})
		if err != nil {
			b.options.Allowance.Return(length)
			if code(err) == "InvalidRange" {
				empty = true
				return nil
			}
			return err
		}
		if total, err = rangeOf(out, from, length); err == nil && b.isArchived(string(out.StorageClass), "", aws.ToString(out.Restore)) {
			archived = string(out.StorageClass)
		}
		if err != nil || archived != "" {
			out.Body.Close()
			b.options.Allowance.Return(length)
			return err
		}
		b.options.Allowance.Return(max(0, from+length-total))
		r.entry = store.Entry{Name: name, Kind: hashsets.File, Identity: identityOf(&total, out.LastModified, out.ETag, out.VersionId, versioned)}
		r.contentType, r.class, r.metadata = out.ContentType, classOf(string(out.StorageClass)), out.Metadata
		r.stream = &stream{body: out.Body, at: from, end: min(from+length, total)}
		return nil
	})
	if err == nil && !empty && archived == "" {
		return r, nil
	}
	r.Close()
	if archived != "" {
		return nil, b.archived(name, archived)
	}
	if err == nil {
		return b.open(ctx, name, "", store.Access{Direct: access.Direct})
	}
	if errors.Is(err, store.ErrNotFound) {
		err = b.orNoBucket(ctx, err)
	}
	return nil, err
}

func byteRange(from, length int64) *string {
	return aws.String(fmt.Sprintf("bytes=%d-%d", from, from+length-1))
}

// archived is what opening an object fails with whose bytes are not to be
// read.
func (b *Bucket) archived(name, class string) error {
	return b.fail("open", name, fmt.Errorf("%w: storage class %s", store.ErrArchived, class))
}

// A reader delivers ranges of one version of an object.
type reader struct {
	bucket  *Bucket
	ctx     context.Context // of Open; reading has no other
	cancel  context.CancelFunc
	entry   store.Entry
	version string // to read; "" for the current one, as long as its ETag stays

	contentType *string
	class       string
	metadata    map[string]string
	direct      bool
	whole       bool // it will be read to its end: bytes are asked for before they are needed
	closed      bool

	mu       sync.Mutex
	stream   *stream            // nil when there is none
	broke    error              // what the last one broke off with, until that was told
	next     int64              // where a reader of all goes on
	ahead    []*part            // that are on their way, in their order
	aheadCtx context.Context    // of them
	stop     context.CancelFunc // ends them; nil when there are none
	pending  sync.WaitGroup
}

func (b *Bucket) newReader(ctx context.Context, name string, identity hashsets.Identity, version string) *reader {
	r := &reader{bucket: b, version: version, entry: store.Entry{Name: name, Kind: hashsets.File, Identity: identity}}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

// readsAll says that the object will be read from an offset to its end.
func (r *reader) readsAll(from int64) {
	r.whole, r.next = true, from
	r.bucket.whole.Add(1)
}

// ReadAt is store.Reader's.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	return store.Held(r.bucket.options.Pace, func() (int, error) { return r.readAt(p, off) })
}

func (r *reader) readAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, r.fail(off, errors.New("an offset below zero"))
	}
	size := r.entry.Identity.Size
	if off >= size {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	wanted := p[:min(int64(len(p)), size-off)]
	if len(wanted) == 0 {
		return 0, nil
	}
	read := r.fetchPart
	if r.goesOn(off, int64(len(wanted))) {
		read = r.goOn
	}
	n := 0
	for n < len(wanted) {
		m, err := read(wanted[n:], off+int64(n))
		n += m
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// fetchPart fills p from off, or as much of it as one request asks for.
func (r *reader) fetchPart(p []byte, off int64) (int, error) {
	return r.fetch(r.ctx, p[:min(int64(len(p)), r.bucket.options.ReadSize)], off)
}

// fetch fills p from off. A transfer that breaks off goes on where it did.
func (r *reader) fetch(ctx context.Context, p []byte, off int64) (int, error) {
	b := r.bucket
	tries := b.newTries()
	for n := 0; ; {
		err := b.once(ctx, func(ctx context.Context, client *sdk.Client) error {
			m, err := r.fetchOnce(ctx, client, p[n:], off+int64(n))
			if n += m; m > 0 {
				tries.progressed()
			}
			return err
		})
		if err == nil {
			return n, nil
		}
		if err = tries.again(ctx, err); err != nil {
			return n, r.fail(off+int64(n), b.refused(ctx, "read", r.entry.Name, err))
		}
	}
}

func (r *reader) fetchOnce(ctx context.Context, client *sdk.Client, p []byte, off int64) (int, error) {
	if err := r.bucket.options.Allowance.Take(int64(len(p))); err != nil {
		return 0, err
	}
	out, err := r.ask(ctx, client, off, int64(len(p)))
	if err != nil {
		r.bucket.options.Allowance.Return(int64(len(p)))
		return 0, err
	}
	defer out.Body.Close()
	n, err := io.ReadFull(out.Body, p)
	r.bucket.options.Allowance.Return(int64(len(p) - n))
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errCutShort
	}
	return n, err
}

// rangeOf returns the size of the object by what the answer says. An answer
// that holds other bytes than were asked for is errWrongRange.
func rangeOf(out *sdk.GetObjectOutput, off, length int64) (size int64, err error) {
	if out.ContentLength == nil {
		return 0, fmt.Errorf("%w: of a length that is not said", errWrongRange)
	}
	announced := *out.ContentLength
	if out.ContentRange == nil {
		if off != 0 {
			return 0, fmt.Errorf("%w: all of it", errWrongRange)
		}
		return announced, nil // all of it, of which the beginning is right
	}
	var first, last int64
	if _, err := fmt.Sscanf(*out.ContentRange, "bytes %d-%d/%d", &first, &last, &size); err != nil {
		return 0, fmt.Errorf("%w: %q", errWrongRange, *out.ContentRange)
	}
	if first != off || last != min(off+length, size)-1 || announced != last-first+1 {
		return 0, fmt.Errorf("%w: %q, of %d bytes", errWrongRange, *out.ContentRange, announced)
	}
	return size, nil
}

func quoted(etag string) string { return `"` + etag + `"` }

func (r *reader) fail(off int64, err error) error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	return fmt.Errorf("at %d: %w", off, err)
}

// Opened is the object as it was when it was opened.
func (r *reader) Opened() store.Entry { return r.entry }

// Entry returns what was opened: other bytes are not delivered.
func (r *reader) Entry() (store.Entry, error) { return r.entry, nil }

// Attributes returns what belongs to the blob besides its bytes.
func (r *reader) Attributes() (hashsets.Attributes, error) {
	return r.bucket.attributesOf(r.ctx, r.entry.Name, r.contentType, r.class, r.metadata)
}

// Direct tells what was asked for: no cache of this host is between.
func (r *reader) Direct() bool { return r.direct }

// Close ends what is under way.
func (r *reader) Close() error {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropStream()
	r.dropAhead()
	r.pending.Wait()
	if r.whole && !r.closed {
		r.bucket.whole.Add(-1)
	}
	r.closed = true
	return nil
}
