package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// maxCopy is the longest part that the protocol copies in one request.
const maxCopy = 5 << 30

// KeepsReplaced is true of versions that have an id: what is written while no
// versions are kept has the id "null", and so has what overwrites it.
func (b *Bucket) KeepsReplaced(state hashsets.Identity) bool {
	return state.Version != "" && state.Version != "null"
}

// CopyVersion makes the version the only part of an upload, whose SHA-256 the
// service tells before the last request, which is conditional. Where the
// service keeps a SHA-256 of the version already it may copy that instead of
// computing it, which would prove nothing of the bytes: ErrUnsupported.
func (b *Bucket) CopyVersion(ctx context.Context, name, version string, digests []hashsets.Digest, expect *hashsets.Identity) (store.Entry, error) {
	key, err := b.keyOf(name)
	if err != nil {
		return store.Entry{}, b.fail("copy a version of", name, err)
	}
	old, err := b.head(ctx, name, version)
	if err != nil {
		return store.Entry{}, err
	}
	want, known := (&hashsets.HashSet{Digests: digests}).Digest(hashsets.SHA256)
	if size := old.identity.Size; !known || old.archived || old.ChecksumSHA256 != nil || size == 0 || size > maxCopy {
		return store.Entry{}, b.unsupported(ctx, "copy a version of", name)
	}
	o := &object{bucket: b, name: name, key: key, size: old.identity.Size}
	if o.attrs.Tags, err = b.tags(ctx, name, version); err != nil {
		return store.Entry{}, err
	}
	current, err := o.target(ctx, expect)
	if err != nil {
		return store.Entry{}, err
	}
	u := o.newUpload(current, "")
	u.old, u.algorithm, u.kind = old, types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite
	if err := u.copy(ctx, version, want); err != nil {
		return store.Entry{}, o.orGone(ctx, current, err)
	}
	h, err := b.head(ctx, name, "")
	if errors.Is(err, store.ErrNotFound) || err == nil && h.identity.ETag != u.etag {
		err = b.fail("look at the copy of", name, fmt.Errorf("%w: somebody has written it after us", store.ErrChanged))
	}
	if err == nil && h.identity.Size != o.size {
		err = b.fail("look at the copy of", name, fmt.Errorf("%w: it has %d bytes instead of %d", store.ErrDiffers, h.identity.Size, o.size))
	}
	if err != nil {
		return store.Entry{}, err
	}
	return entryOf(name, h), nil
}

// copy carries out the upload whose only part is a version.
func (u *upload) copy(ctx context.Context, version string, want []byte) error {
	send := func(ctx context.Context) error {
		return u.inParts(ctx, func(ctx context.Context, id string) ([]types.CompletedPart, error) {
			part, err := u.copyPart(ctx, id, version, want)
			return []types.CompletedPart{part}, err
		})
	}
	err := send(ctx)
	if errors.Is(err, store.ErrChanged) && u.ifNoneMatch != nil && u.isMissing(ctx) {
		u.overDeleteMarker()
		err = send(ctx)
	}
	return err
}

func (u *upload) copyPart(ctx context.Context, id, version string, want []byte) (types.CompletedPart, error) {
	b := u.bucket
	number := int32(1)
	part := types.CompletedPart{PartNumber: &number}
	source := b.bucket + "/" + strings.ReplaceAll(url.PathEscape(u.key), "%2F", "/") + "?versionId=" + url.QueryEscape(version)
	err := b.call(ctx, "copy a version of", u.name, func(ctx context.Context, client *sdk.Client) error {
		out, err := client.UploadPartCopy(ctx, &sdk.UploadPartCopyInput{
			Bucket: &b.bucket, Key: &u.key, UploadId: &id, PartNumber: &number,
			CopySource: &source, CopySourceIfMatch: aws.String(quoted(u.old.identity.ETag)),
		})
		if err == nil && out.CopyPartResult != nil {
			part.ETag, part.ChecksumSHA256 = out.CopyPartResult.ETag, out.CopyPartResult.ChecksumSHA256
		}
		return err
	})
	if code(err) == "InvalidArgument" || code(err) == "InvalidRequest" {
		// MinIO is asked for a checksum of what it copies, and computes none.
		err = fmt.Errorf("%w: %w", store.ErrUnsupported, err)
	}
	if err != nil {
		return part, err
	}
	sum, ok := decodeSum(hashsets.SHA256, part.ChecksumSHA256)
	switch {
	case !ok:
		return part, b.fail("copy a version of", u.name, fmt.Errorf("%w: the service does not tell what it has copied", store.ErrUnsupported))
	case !bytes.Equal(sum, want):
		return part, b.fail("copy a version of", u.name, fmt.Errorf("%w: the version has other bytes than are wanted", store.ErrUnsupported))
	}
	return part, nil
}

var _ store.Copier = (*Bucket)(nil)
