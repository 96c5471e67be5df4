package s3

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// The protocol's bounds on uploads in parts.
const (
	maxParts     = 10_000
	partsAtOnce  = 4
	abortTimeout = 30 * time.Second
)

// inParts makes an upload of the parts that send sends. Nothing of it is to be
// seen before the last request, which is conditional. What fails or is
// cancelled before that is aborted.
func (u *upload) inParts(ctx context.Context, send func(ctx context.Context, id string) ([]types.CompletedPart, error)) (err error) {
	b := u.bucket
	id, err := u.begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = b.forgetUpload(id)
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		if abortErr := b.abort(ctx, noted{Key: u.key, Upload: id}); abortErr != nil {
			err = errors.Join(err, abortErr)
		}
	}()
	parts, err := send(ctx, id)
	if err != nil {
		return err
	}
	return u.complete(ctx, id, parts)
}

// begin asks for an upload and notes it, so that it is found after a crash.
func (u *upload) begin(ctx context.Context) (id string, err error) {
	b := u.bucket
	lock := u.lock()
	err = b.call(ctx, "publish", u.name, func(ctx context.Context, client *sdk.Client) error {
		out, err := client.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{
			Bucket: &b.bucket, Key: &u.key,
			ChecksumAlgorithm: u.algorithm, ChecksumType: u.kind,
			ContentType: u.contentType(), Metadata: u.metadata(), Tagging: u.tagging(), StorageClass: types.StorageClass(u.class()),
			CacheControl: u.old.CacheControl, ContentDisposition: u.old.ContentDisposition,
			ContentEncoding: u.old.ContentEncoding, ContentLanguage: u.old.ContentLanguage,
			ObjectLockLegalHoldStatus: lock.hold, ObjectLockMode: lock.mode, ObjectLockRetainUntilDate: lock.until,
		})
		if err == nil {
			id = aws.ToString(out.UploadId)
		}
		return err
	})
	if err != nil {
		return "", u.explain(err)
	}
	if err := b.noteUpload(noted{Key: u.key, Upload: id}); err != nil {
		return "", errors.Join(err, b.abort(context.WithoutCancel(ctx), noted{Key: u.key, Upload: id}))
	}
	return id, nil
}

// sendParts sends the parts, some at a time.
func (u *upload) sendParts(ctx context.Context, s *staged, id string) ([]types.CompletedPart, error) {
	size := max(u.bucket.options.PartSize, (u.size+maxParts-1)/maxParts)
	parts := make([]types.CompletedPart, (u.size+size-1)/size)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	for i := range parts {
		group.Go(func() error {
			part, err := u.sendPart(ctx, s, id, int32(i+1), int64(i)*size, min(size, u.size-int64(i)*size))
			parts[i] = part
			return err
		})
	}
	return parts, group.Wait()
}

func (u *upload) sendPart(ctx context.Context, s *staged, id string, number int32, off, length int64) (types.CompletedPart, error) {
	b := u.bucket
	body := func() *io.SectionReader { return io.NewSectionReader(s.Staged, off, length) }
	sum, err := sumOf(body())
	if err != nil {
		return types.CompletedPart{}, b.fail("read what was staged for", s.name, err)
	}
	part := types.CompletedPart{PartNumber: &number, ChecksumCRC64NVME: &sum}
	err = b.send(ctx, s.name, length, func(ctx context.Context, client *sdk.Client) error {
		out, err := client.UploadPart(ctx, &sdk.UploadPartInput{
			Bucket: &b.bucket, Key: &s.key, UploadId: &id, PartNumber: &number,
			Body: body(), ContentLength: &length, ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumCRC64NVME: &sum,
		})
		if err == nil {
			part.ETag = out.ETag
		}
		return err
	})
	return part, err
}

// complete makes the parts an object, if the target is still what is expected.
func (u *upload) complete(ctx context.Context, id string, parts []types.CompletedPart) error {
	b := u.bucket
	return u.explain(b.call(ctx, "publish", u.name, func(ctx context.Context, client *sdk.Client) error {
		out, err := client.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{
			Bucket: &b.bucket, Key: &u.key, UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
			IfMatch: u.ifMatch, IfNoneMatch: u.ifNoneMatch,
			ChecksumType: u.kind, ChecksumCRC64NVME: optional(u.sum), MpuObjectSize: &u.size,
		})
		if err == nil {
			u.etag = bareETag(out.ETag)
		}
		u.perhapsSent = u.perhapsSent || err != nil && isTransient(err)
		return err
	}))
}
