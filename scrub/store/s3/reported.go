package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// checksums are those that the service says of an object or of a part, in the
// protocol's text.
type checksums map[hashsets.Algorithm]*string

// Reported returns the checksums that the service keeps of an object. Those of
// type COMPOSITE, and all whose text ends in the number of parts, are over
// checksums of parts; what the parts themselves tell is asked for then. An ETag
// is the MD5 of the bytes unless it was sent in parts or is encrypted under a
// key of KMS or of the customer; services other than Amazon's may make it as
// they like.
func (b *Bucket) Reported(ctx context.Context, name string) (store.Reported, error) {
	h, err := b.head(ctx, name, "")
	if err != nil {
		return store.Reported{}, err
	}
	reported := store.Reported{Identity: h.identity}
	for algorithm, text := range checksumsOf(&h) {
		if text == nil {
			continue
		}
		if h.ChecksumType == types.ChecksumTypeComposite || strings.Contains(*text, "-") {
			reported.Composite = true
			continue
		}
		if sum, ok := decodeSum(algorithm, text); ok {
			reported.Digests = append(reported.Digests, hashsets.Digest{Algorithm: algorithm, Sum: sum})
		}
	}
	if reported.Composite {
		digests, err := b.partsTell(ctx, name, h.identity)
		if err != nil {
			return store.Reported{}, err
		}
		reported.Digests = append(reported.Digests, digests...)
	}
	slices.SortFunc(reported.Digests, func(a, b hashsets.Digest) int { return strings.Compare(string(a.Algorithm), string(b.Algorithm)) })
	encrypted := h.SSECustomerAlgorithm != nil || strings.HasPrefix(string(h.ServerSideEncryption), "aws:kms")
	if sum, err := hex.DecodeString(h.identity.ETag); err == nil && len(sum) == md5.Size && !encrypted {
		reported.Perhaps = append(reported.Perhaps, hashsets.Digest{Algorithm: hashsets.MD5, Sum: sum})
	}
	reported.Composite = reported.Composite || strings.Contains(h.identity.ETag, "-")
	return reported, nil
}

func checksumsOf(h *head) checksums {
	return checksums{
		hashsets.CRC32: h.ChecksumCRC32, hashsets.CRC32C: h.ChecksumCRC32C, hashsets.CRC64NVME: h.ChecksumCRC64NVME,
		hashsets.MD5: h.ChecksumMD5, hashsets.SHA1: h.ChecksumSHA1, hashsets.SHA256: h.ChecksumSHA256, hashsets.SHA512: h.ChecksumSHA512,
		hashsets.XXH64: h.ChecksumXXHASH64, hashsets.XXH128: h.ChecksumXXHASH128,
	}
}

func checksumsOfPart(p types.ObjectPart) checksums {
	return checksums{
		hashsets.CRC32: p.ChecksumCRC32, hashsets.CRC32C: p.ChecksumCRC32C, hashsets.CRC64NVME: p.ChecksumCRC64NVME,
		hashsets.MD5: p.ChecksumMD5, hashsets.SHA1: p.ChecksumSHA1, hashsets.SHA256: p.ChecksumSHA256, hashsets.SHA512: p.ChecksumSHA512,
		hashsets.XXH64: p.ChecksumXXHASH64, hashsets.XXH128: p.ChecksumXXHASH128,
	}
}

// decodeSum reads a checksum of all bytes of something.
func decodeSum(algorithm hashsets.Algorithm, text *string) ([]byte, bool) {
	sum, err := base64.StdEncoding.DecodeString(aws.ToString(text))
	return sum, err == nil && len(sum) == algorithm.Size()
}

// partsTell returns the digests of all bytes that follow from those of the
// parts: any algorithm's where there is one part, and else those of the CRCs.
// There are none where the service does not tell of the parts, or must not.
func (b *Bucket) partsTell(ctx context.Context, name string, of hashsets.Identity) ([]hashsets.Digest, error) {
	parts, err := b.parts(ctx, name, of)
	if errors.Is(err, store.ErrPermission) || errors.Is(err, store.ErrUnsupported) || errors.Is(err, store.ErrChanged) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return joined(parts, of.Size), nil
}

// parts asks for the layout of an object that was sent in parts.
func (b *Bucket) parts(ctx context.Context, name string, of hashsets.Identity) ([]types.ObjectPart, error) {
	key := b.prefix + name
	var all []types.ObjectPart
	in := &sdk.GetObjectAttributesInput{
		Bucket: &b.bucket, Key: &key, VersionId: optional(of.Version),
		ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesEtag, types.ObjectAttributesObjectParts},
	}
	for more := true; more; {
		err := b.call(ctx, "ask for the parts of", name, func(ctx context.Context, client *sdk.Client) error {
			out, err := client.GetObjectAttributes(ctx, in)
			if err != nil {
				return err
			}
			if out.ETag != nil && bareETag(out.ETag) != of.ETag {
				return store.ErrChanged
			}
			if more = out.ObjectParts != nil && aws.ToBool(out.ObjectParts.IsTruncated); out.ObjectParts != nil {
				all = append(all, out.ObjectParts.Parts...)
				more = more && len(out.ObjectParts.Parts) > 0 && out.ObjectParts.NextPartNumberMarker != nil && len(all) < maxParts
				in.PartNumberMarker = out.ObjectParts.NextPartNumberMarker
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("ask for the parts of %q: %w", name, err)
		}
	}
	return all, nil
}

// joined returns the digests of size bytes that lie in parts.
func joined(parts []types.ObjectPart, size int64) []hashsets.Digest {
	slices.SortFunc(parts, func(a, b types.ObjectPart) int {
		return int(aws.ToInt32(a.PartNumber)) - int(aws.ToInt32(b.PartNumber))
	})
	var sum int64
	for _, p := range parts {
		sum += aws.ToInt64(p.Size)
	}
	if len(parts) == 0 || sum != size {
		return nil
	}
	var digests []hashsets.Digest
	for algorithm := range checksumsOfPart(parts[0]) {
		if whole, ok := join(algorithm, parts); ok {
			digests = append(digests, hashsets.Digest{Algorithm: algorithm, Sum: whole})
		}
	}
	return digests
}

func join(algorithm hashsets.Algorithm, parts []types.ObjectPart) (whole []byte, ok bool) {
	for i, p := range parts {
		sum, has := decodeSum(algorithm, checksumsOfPart(p)[algorithm])
		if !has {
			return nil, false
		}
		if i == 0 {
			whole = sum
			continue
		}
		if whole, ok = algorithm.Join(whole, sum, aws.ToInt64(p.Size)); !ok {
			return nil, false
		}
	}
	return whole, true
}

var _ store.Reporting = (*Bucket)(nil)
