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

// putParts sends a replacement in parts. Nothing of it is to be seen before the
// last request, which is conditional. What fails or is cancelled before that is
// aborted.
func (u *upload) putParts(ctx context.Context) (err error) {
	b := u.staged.bucket
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
		if abortErr := b.abort(ctx, noted{Key: u.staged.key, Upload: id}); abortErr != nil {
			err = errors.Join(err, abortErr)
		}
	}()
	parts, err := u.sendParts(ctx, id)
	if err != nil {
		return err
	}
	return u.complete(ctx, id, parts)
}

// begin asks for an upload and notes it, so that it is found after a crash.
func (u *upload) begin(ctx context.Context) (id string, err error) {
	s, b := u.staged, u.staged.bucket
	err = b.call(ctx, "publish", s.name, func(ctx context.Context, client *sdk.Client) error {
		out, err := client.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{
			Bucket: &b.bucket, Key: &s.key,
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject,
			ContentType: u.contentType(), Metadata: u.metadata(), Tagging: u.tagging(), StorageClass: types.StorageClass(u.class()),
			CacheControl: u.old.CacheControl, ContentDisposition: u.old.ContentDisposition,
			ContentEncoding: u.old.ContentEncoding, ContentLanguage: u.old.ContentLanguage,
		})
		if err == nil {
			id = aws.ToString(out.UploadId)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if err := b.noteUpload(noted{Key: s.key, Upload: id}); err != nil {
		return "", errors.Join(err, b.abort(context.WithoutCancel(ctx), noted{Key: s.key, Upload: id}))
	}
	return id, nil
}

// sendParts sends the parts, some at a time.
func (u *upload) sendParts(ctx context.Context, id string) ([]types.CompletedPart, error) {
	size := max(u.staged.bucket.options.PartSize, (u.staged.size+maxParts-1)/maxParts)
	parts := make([]types.CompletedPart, (u.staged.size+size-1)/size)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	for i := range parts {
		group.Go(func() error {
			part, err := u.sendPart(ctx, id, int32(i+1), int64(i)*size, min(size, u.staged.size-int64(i)*size))
			parts[i] = part
			return err
		})
	}
	return parts, group.Wait()
}

func (u *upload) sendPart(ctx context.Context, id string, number int32, off, length int64) (types.CompletedPart, error) {
	s, b := u.staged, u.staged.bucket
	body := func() *io.SectionReader { return io.NewSectionReader(s.Staged, off, length) }
	sum, err := sumOf(body())
	if err != nil {
		return types.CompletedPart{}, b.fail("read what was staged for", s.name, err)
	}
	part := types.CompletedPart{PartNumber: &number, ChecksumCRC64NVME: &sum}
	err = b.call(ctx, "publish", s.name, func(ctx context.Context, client *sdk.Client) error {
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
	s, b := u.staged, u.staged.bucket
	return b.call(ctx, "publish", s.name, func(ctx context.Context, client *sdk.Client) error {
		out, err := client.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{
			Bucket: &b.bucket, Key: &s.key, UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
			IfMatch: u.ifMatch, IfNoneMatch: u.ifNoneMatch,
			ChecksumType: types.ChecksumTypeFullObject, ChecksumCRC64NVME: &u.sum, MpuObjectSize: &s.size,
		})
		if err == nil {
			u.etag = bareETag(out.ETag)
		}
		u.perhapsSent = u.perhapsSent || err != nil && isTransient(err)
		return err
	})
}
