package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// Reported returns the checksums that the service keeps of an object. Those of
// type COMPOSITE, and all whose text ends in the number of parts, are over
// checksums of parts. An ETag is the MD5 of the bytes unless it was sent in
// parts or is encrypted under a key of KMS or of the customer; services other
// than Amazon's may make it as they like.
func (b *Bucket) Reported(ctx context.Context, name string) (store.Reported, error) {
	h, err := b.head(ctx, name, "")
	if err != nil {
		return store.Reported{}, err
	}
	reported := store.Reported{Identity: h.identity}
	for algorithm, text := range map[hashsets.Algorithm]*string{
		hashsets.CRC32: h.ChecksumCRC32, hashsets.CRC32C: h.ChecksumCRC32C, hashsets.CRC64NVME: h.ChecksumCRC64NVME,
		hashsets.MD5: h.ChecksumMD5, hashsets.SHA1: h.ChecksumSHA1, hashsets.SHA256: h.ChecksumSHA256, hashsets.SHA512: h.ChecksumSHA512,
		hashsets.XXH64: h.ChecksumXXHASH64, hashsets.XXH128: h.ChecksumXXHASH128,
	} {
		if text == nil {
			continue
		}
		if h.ChecksumType == types.ChecksumTypeComposite || strings.Contains(*text, "-") {
			reported.Composite = true
			continue
		}
		if sum, err := base64.StdEncoding.DecodeString(*text); err == nil && len(sum) == algorithm.Size() {
			reported.Digests = append(reported.Digests, hashsets.Digest{Algorithm: algorithm, Sum: sum})
		}
	}
	encrypted := h.SSECustomerAlgorithm != nil || strings.HasPrefix(string(h.ServerSideEncryption), "aws:kms")
	if sum, err := hex.DecodeString(h.identity.ETag); err == nil && len(sum) == md5.Size && !encrypted {
		reported.Perhaps = append(reported.Perhaps, hashsets.Digest{Algorithm: hashsets.MD5, Sum: sum})
	}
	reported.Composite = reported.Composite || strings.Contains(aws.ToString(h.ETag), "-")
	return reported, nil
}

var _ store.Reporting = (*Bucket)(nil)
