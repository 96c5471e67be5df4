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

// partSize is how much one request for a part of a large blob asks for.
const partSize = 4 << 20

// Open opens an object for reading by ranges. All that the Reader delivers is
// of the version that was there then, or the error is ErrChanged.
func (b *Bucket) Open(ctx context.Context, name string, access store.Access) (store.Reader, error) {
	return b.open(ctx, name, "", access)
}

func (b *Bucket) open(ctx context.Context, name, version string, access store.Access) (store.Reader, error) {
	if access.Whole && version == "" {
		return b.openWhole(ctx, name, access)
	}
	h, err := b.head(ctx, name, version)
	if err != nil {
		return nil, err
	}
	r := b.newReader(ctx, name, h.identity, version)
	r.direct, r.whole = access.Direct, access.Whole
	r.contentType, r.class, r.metadata = h.ContentType, h.class, h.Metadata
	if h.archived {
		r.cancel()
		return nil, b.archived(name, h.class)
	}
	return r, nil
}

// openWhole asks for the first part at once, which is all of a small object:
// one request instead of two.
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
	r.direct, r.whole = access.Direct, true
	var total int64
	empty, archived := false, ""
	expected := int64(partSize)
	if access.Size > 0 {
		expected = min(expected, access.Size)
	}
	err = b.call(ctx, "open", name, func(_ context.Context, client *sdk.Client) error {
		if err := b.options.Allowance.Take(expected); err != nil {
			return err
		}
		out, err := b.get(r.ctx, client, &sdk.GetObjectInput{Bucket: &b.bucket, Key: &key, Range: aws.String(fmt.Sprintf("bytes=0-%d", partSize-1))})
		if err != nil {
			b.options.Allowance.Return(expected)
			if code(err) == "InvalidRange" {
				empty = true
				return nil
			}
			return err
		}
		if total, err = rangeOf(out, 0, partSize); err != nil {
			out.Body.Close()
			return err
		}
		b.options.Allowance.Return(max(0, expected-total))
		if b.isArchived(string(out.StorageClass), "", aws.ToString(out.Restore)) {
			archived = string(out.StorageClass)
			return out.Body.Close()
		}
		r.entry = store.Entry{Name: name, Kind: hashsets.File, Identity: identityOf(&total, out.LastModified, out.ETag, out.VersionId, versioned)}
		r.contentType, r.class, r.metadata = out.ContentType, classOf(string(out.StorageClass)), out.Metadata
		r.first = out.Body
		return nil
	})
	if err == nil && !empty && archived == "" {
		return r, nil
	}
	r.cancel()
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
	whole       bool // it will be read to its end: parts are asked for before they are needed

	mu       sync.Mutex
	first    io.ReadCloser // the body that opening brought, at firstAt; nil when there is none
	firstAt  int64
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
	r.readAhead(off, int64(len(wanted)))
	n := 0
	for n < len(wanted) {
		m, err := r.piece(wanted[n:], off+int64(n))
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

// piece reads some of p from the body that opening brought, from a part that
// was read ahead, or else by a request.
func (r *reader) piece(p []byte, off int64) (int, error) {
	if n := r.fromFirst(p, off); n > 0 {
		return n, nil
	}
	if n := r.fromAhead(p, off); n > 0 {
		return n, nil
	}
	p = p[:min(len(p), partSize)]
	return r.fetch(r.ctx, p, off)
}

// fromFirst reads on in the body that opening brought. When that breaks off,
// the rest is asked for anew.
func (r *reader) fromFirst(p []byte, off int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		return 0
	}
	end := min(int64(partSize), r.entry.Identity.Size)
	if off != r.firstAt || off >= end {
		r.dropFirst()
		return 0
	}
	n, err := io.ReadFull(r.first, p[:min(int64(len(p)), end-off)])
	r.firstAt += int64(n)
	if err != nil || r.firstAt == end {
		r.dropFirst()
	}
	return n
}

func (r *reader) dropFirst() {
	if r.first != nil {
		r.first.Close()
		r.first = nil
	}
}

// fetch fills p from off. A transfer that breaks off goes on where it did.
func (r *reader) fetch(ctx context.Context, p []byte, off int64) (int, error) {
	b := r.bucket
	key := b.prefix + r.entry.Name
	tries := b.newTries()
	for n := 0; ; {
		err := b.once(ctx, func(ctx context.Context, client *sdk.Client) error {
			m, err := r.fetchOnce(ctx, client, key, p[n:], off+int64(n))
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

func (r *reader) fetchOnce(ctx context.Context, client *sdk.Client, key string, p []byte, off int64) (int, error) {
	if err := r.bucket.options.Allowance.Take(int64(len(p))); err != nil {
		return 0, err
	}
	in := &sdk.GetObjectInput{
		Bucket: &r.bucket.bucket, Key: &key, VersionId: optional(r.version),
		Range:   aws.String(fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1)),
		IfMatch: aws.String(quoted(r.entry.Identity.ETag)),
	}
	out, err := r.bucket.get(ctx, client, in)
	if err != nil {
		r.bucket.options.Allowance.Return(int64(len(p)))
		return 0, err
	}
	defer out.Body.Close()
	if bareETag(out.ETag) != r.entry.Identity.ETag {
		return 0, fmt.Errorf("%w: it has the ETag %s now", store.ErrChanged, aws.ToString(out.ETag))
	}
	total, err := rangeOf(out, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	if total != r.entry.Identity.Size {
		return 0, fmt.Errorf("%w: of %d bytes, and there were %d", errWrongRange, total, r.entry.Identity.Size)
	}
	n, err := io.ReadFull(out.Body, p)
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
	r.dropFirst()
	r.dropAhead()
	r.pending.Wait()
	return nil
}
