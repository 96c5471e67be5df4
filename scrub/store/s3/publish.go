package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/crc64nvme"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// Publish sends the replacement, if the target is still what is expected: the
// service compares it in the same step. It checks the bytes by their
// CRC-64/NVME, and they are read back and compared with what was staged.
// ErrDiffers says that the service took the replacement and delivers something
// else.
func (s *staged) Publish(ctx context.Context, expect *hashsets.Identity) (store.Entry, error) {
	if err := ctx.Err(); err != nil {
		return store.Entry{}, err
	}
	entry, err := s.publish(ctx, expect)
	if err != nil {
		return store.Entry{}, err
	}
	return entry, s.Discard(context.WithoutCancel(ctx))
}

func (s *staged) publish(ctx context.Context, expect *hashsets.Identity) (store.Entry, error) {
	b := s.bucket
	if !s.sealed {
		return store.Entry{}, b.fail("publish", s.name, errors.New("it was not sealed"))
	}
	current, err := s.target(ctx, expect)
	if err != nil {
		return store.Entry{}, err
	}
	sum, err := sumOf(s.content())
	if err != nil {
		return store.Entry{}, b.fail("read what was staged for", s.name, err)
	}
	u := s.newUpload(current, sum)
	err = u.send(ctx, s)
	if errors.Is(err, store.ErrChanged) && current == nil && !u.perhapsSent && s.isMissing(ctx) {
		u.overDeleteMarker()
		err = u.send(ctx, s)
	}
	if errors.Is(err, store.ErrChanged) && u.perhapsSent {
		// Perhaps an attempt whose answer was lost has succeeded.
		if entry, readErr := s.readBack(ctx, ""); readErr == nil {
			return entry, nil
		}
	}
	if err != nil {
		return store.Entry{}, s.orGone(ctx, current, err)
	}
	return s.readBack(ctx, u.etag)
}

// orGone tells of an object that was to be replaced and could not be found that
// it was deleted meanwhile.
func (o *object) orGone(ctx context.Context, current *head, err error) error {
	if current != nil && errors.Is(err, store.ErrNotFound) && o.isMissing(ctx) {
		return o.gone()
	}
	return err
}

func (o *object) gone() error {
	return o.bucket.fail("publish", o.name, fmt.Errorf("%w: it is gone", store.ErrChanged))
}

// target returns what stands in the place, nil for nothing, if it is what is
// expected.
func (o *object) target(ctx context.Context, expect *hashsets.Identity) (*head, error) {
	b := o.bucket
	current, err := b.head(ctx, o.name, "")
	switch {
	case errors.Is(err, store.ErrNotFound) && expect == nil:
		return nil, nil
	case errors.Is(err, store.ErrNotFound):
		return nil, o.gone()
	case err != nil:
		return nil, err
	case expect == nil:
		return nil, b.fail("publish", o.name, fmt.Errorf("%w: there is one now", store.ErrChanged))
	case current.identity != comparable(*expect):
		return nil, b.fail("publish", o.name, fmt.Errorf("%w: it was written at %s", store.ErrChanged, aws.ToTime(current.LastModified).UTC().Format(time.RFC3339)))
	}
	return &current, nil
}

// comparable leaves out what no object has.
func comparable(id hashsets.Identity) hashsets.Identity {
	id.ChangeTime, id.Device, id.Inode = 0, 0, 0
	return id
}

// isMissing tells whether there still is no object.
func (o *object) isMissing(ctx context.Context) bool {
	_, err := o.bucket.head(ctx, o.name, "")
	return errors.Is(err, store.ErrNotFound)
}

// readBack compares what the service delivers with what was staged. etag is
// what the service called it, or "" for whatever is there now.
func (s *staged) readBack(ctx context.Context, etag string) (store.Entry, error) {
	h, err := s.stillThere(ctx, etag)
	if err != nil {
		return store.Entry{}, err
	}
	differs := s.compareWith(ctx, h)
	if errors.Is(differs, store.ErrDiffers) || errors.Is(differs, store.ErrNotFound) {
		// Some services look up a name more than once in a request, and deliver
		// the bytes of a later writer as if they were ours.
		if _, err := s.stillThere(ctx, h.identity.ETag); err != nil {
			return store.Entry{}, err
		}
	}
	if differs != nil {
		return store.Entry{}, differs
	}
	return entryOf(s.name, h), nil
}

// stillThere looks at what stands in the place. etag is what it must be called,
// or "" when anything will do.
func (s *staged) stillThere(ctx context.Context, etag string) (head, error) {
	h, err := s.bucket.head(ctx, s.name, "")
	if errors.Is(err, store.ErrNotFound) || err == nil && etag != "" && h.identity.ETag != etag {
		err = s.bucket.fail("read back", s.name, fmt.Errorf("%w: somebody has written it after us", store.ErrChanged))
	}
	return h, err
}

// compareWith reads the object h and compares it with what was staged.
func (s *staged) compareWith(ctx context.Context, h head) error {
	b := s.bucket
	differs := func(what string) error {
		return b.fail("read back", s.name, fmt.Errorf("%w: the service took the replacement and %s", store.ErrDiffers, what))
	}
	if h.identity.Size != s.size {
		return differs(fmt.Sprintf("holds %d bytes instead of %d", h.identity.Size, s.size))
	}
	r := b.newReader(ctx, s.name, h.identity, "")
	defer r.Close()
	r.readsAll(0)
	most := b.options.ReadSize
	got, want := b.buffer(most), b.buffer(most)
	defer b.giveBack(got)
	defer b.giveBack(want)
	for off := int64(0); off < s.size; {
		piece := min(most, s.size-off)
		if _, err := r.ReadAt(got[:piece], off); err != nil && err != io.EOF {
			return err
		}
		if _, err := s.ReadAt(want[:piece], off); err != nil && err != io.EOF {
			return b.fail("read what was staged for", s.name, err)
		}
		if !bytes.Equal(got[:piece], want[:piece]) {
			return differs(fmt.Sprintf("delivers other bytes from %d on", off))
		}
		off += piece
	}
	return nil
}

// sumOf returns the CRC-64/NVME of all that r holds, as the protocol writes it.
func sumOf(r io.Reader) (string, error) {
	sum := crc64nvme.New()
	if _, err := io.Copy(sum, r); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, sum.Sum64())), nil
}

// An upload is the sending of one replacement.
type upload struct {
	*object
	sum       string                  // CRC-64/NVME of all bytes; "" when it is not known
	old       head                    // what it takes over from; zero for nothing
	algorithm types.ChecksumAlgorithm // of the parts
	kind      types.ChecksumType      // of all of them together

	ifMatch, ifNoneMatch *string
	etag                 string // what the service calls the replacement
	perhapsSent          bool   // an attempt was made whose answer is not known
}

// newUpload prepares to replace current. What belongs to the object besides its
// bytes stays as it is, unless the attributes say otherwise.
func (o *object) newUpload(current *head, sum string) *upload {
	u := &upload{object: o, sum: sum, algorithm: types.ChecksumAlgorithmCrc64nvme, kind: types.ChecksumTypeFullObject}
	if current == nil {
		u.ifNoneMatch = aws.String("*")
		return u
	}
	u.old, u.ifMatch = *current, aws.String(quoted(current.identity.ETag))
	return u
}

// overDeleteMarker changes the condition for services that take the marker of a
// deleted object for an object, and refuse If-None-Match. versitygw 1.8 is one:
// to it the marker has an empty ETag, which no object has.
func (u *upload) overDeleteMarker() {
	u.ifNoneMatch, u.ifMatch = nil, aws.String(quoted(""))
}

// send sends a replacement in one request, or a large one in parts.
func (u *upload) send(ctx context.Context, s *staged) error {
	if u.size < 2*u.bucket.options.PartSize {
		return u.put(ctx, s)
	}
	return u.inParts(ctx, func(ctx context.Context, id string) ([]types.CompletedPart, error) {
		return u.sendParts(ctx, s, id)
	})
}

func (u *upload) contentType() *string {
	if u.attrs.ContentType != "" {
		return &u.attrs.ContentType
	}
	return u.old.ContentType
}

func (u *upload) class() string {
	if u.attrs.StorageClass != "" {
		return u.attrs.StorageClass
	}
	return u.old.class
}

func (u *upload) metadata() map[string]string {
	if u.attrs.Metadata != nil {
		return u.attrs.Metadata
	}
	return u.old.Metadata
}

func (u *upload) tagging() *string {
	if len(u.attrs.Tags) == 0 {
		return nil
	}
	tags := url.Values{}
	for key, value := range u.attrs.Tags {
		tags.Set(key, value)
	}
	return aws.String(tags.Encode())
}

// put sends a replacement in one request.
func (u *upload) put(ctx context.Context, s *staged) error {
	b := u.bucket
	lock := u.lock()
	return u.explain(b.send(ctx, s.name, s.size, func(ctx context.Context, client *sdk.Client) error {
		out, err := client.PutObject(ctx, &sdk.PutObjectInput{
			Bucket: &b.bucket, Key: &s.key, Body: s.content(), ContentLength: &s.size,
			IfMatch: u.ifMatch, IfNoneMatch: u.ifNoneMatch, ChecksumCRC64NVME: &u.sum,
			ContentType: u.contentType(), Metadata: u.metadata(), Tagging: u.tagging(), StorageClass: types.StorageClass(u.class()),
			CacheControl: u.old.CacheControl, ContentDisposition: u.old.ContentDisposition,
			ContentEncoding: u.old.ContentEncoding, ContentLanguage: u.old.ContentLanguage,
			ObjectLockLegalHoldStatus: lock.hold, ObjectLockMode: lock.mode, ObjectLockRetainUntilDate: lock.until,
		})
		if err == nil {
			u.etag = bareETag(out.ETag)
		}
		u.perhapsSent = u.perhapsSent || err != nil && isTransient(err)
		return err
	}))
}

// send makes a request that sends so many bytes, at the pace of the run. It is
// not held within: a service takes a body that waits for one that has stalled.
func (b *Bucket) send(ctx context.Context, name string, bytes int64, request func(ctx context.Context, client *sdk.Client) error) error {
	_, err := store.Held(b.options.Pace, func() (int, error) { return int(bytes), b.call(ctx, "publish", name, request) })
	return err
}
