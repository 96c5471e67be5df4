package s3_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bitmend/fixtures/s3proxy"
	"bitmend/fixtures/s3server"
	"bitmend/hashsets"
)

// What a service keeps of an object depends on how it was sent. Whatever is
// said to be a digest of all bytes must be one.
func TestReportedTellsDigestsOfBytesFromThoseOfParts(t *testing.T) {
	server := s3server.ForTest(t)
	must(t, server.MakeBucket(t.Context(), "bucket", false))
	const size = 6<<20 + 77
	content := pattern(size)
	composite, full := types.ChecksumTypeComposite, types.ChecksumTypeFullObject
	for name, c := range map[string]struct {
		upload    func(key string) error
		digests   []hashsets.Algorithm // of all bytes
		perhaps   bool                 // the ETag is the MD5
		composite bool
	}{
		"one request":                   {put(t, server, content, ""), nil, true, false},
		"one request with SHA-256":      {put(t, server, content, types.ChecksumAlgorithmSha256), []hashsets.Algorithm{hashsets.SHA256}, true, false},
		"one request with CRC-32C":      {put(t, server, content, types.ChecksumAlgorithmCrc32c), []hashsets.Algorithm{hashsets.CRC32C}, true, false},
		"parts":                         {sendParts(t, server, content, 5<<20, "", ""), nil, false, true},
		"parts with SHA-256":            {sendParts(t, server, content, 5<<20, types.ChecksumAlgorithmSha256, composite), nil, false, true},
		"parts with CRC-32C, composite": {sendParts(t, server, content, 5<<20, types.ChecksumAlgorithmCrc32c, composite), nil, false, true},
		"parts with CRC-32C, full":      {sendParts(t, server, content, 5<<20, types.ChecksumAlgorithmCrc32c, full), []hashsets.Algorithm{hashsets.CRC32C}, false, true},
		"parts with CRC-64, full":       {sendParts(t, server, content, 5<<20, types.ChecksumAlgorithmCrc64nvme, full), []hashsets.Algorithm{hashsets.CRC64NVME}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, c.upload(name))
			reported, err := open(t, server.URL("bucket", ""), quick(t)).Reported(t.Context(), name)
			must(t, err)
			var said []hashsets.Algorithm
			for _, d := range append(reported.Digests, reported.Perhaps...) {
				h := d.Algorithm.New()
				h.Write(content)
				if sum := h.Sum(nil); !bytes.Equal(sum, d.Sum) {
					t.Errorf("%s is %x, and that of the bytes %x", d.Algorithm, d.Sum, sum)
				}
			}
			for _, d := range reported.Digests {
				said = append(said, d.Algorithm)
			}
			for _, a := range c.digests {
				if !bytes.Contains([]byte(fmt.Sprint(said)), []byte(a)) {
					t.Errorf("it says %v, and not %s", said, a)
				}
			}
			if (len(reported.Perhaps) == 1) != c.perhaps || reported.Composite != c.composite {
				t.Errorf("ETag as MD5: %v, composite: %v", reported.Perhaps, reported.Composite)
			}
		})
	}
}

func put(t *testing.T, server *s3server.Server, content []byte, algorithm types.ChecksumAlgorithm) func(key string) error {
	return func(key string) error {
		_, err := server.Client().PutObject(t.Context(), &sdk.PutObjectInput{
			Bucket: aws.String("bucket"), Key: &key, Body: bytes.NewReader(content), ChecksumAlgorithm: algorithm,
		})
		return err
	}
}

func sendParts(t *testing.T, server *s3server.Server, content []byte, partSize int, algorithm types.ChecksumAlgorithm, kind types.ChecksumType) func(key string) error {
	return func(key string) error {
		client := server.Client()
		begun, err := client.CreateMultipartUpload(t.Context(), &sdk.CreateMultipartUploadInput{
			Bucket: aws.String("bucket"), Key: &key, ChecksumAlgorithm: algorithm, ChecksumType: kind,
		})
		if err != nil {
			return err
		}
		var parts []types.CompletedPart
		for off := 0; off < len(content); off += partSize {
			number := int32(off/partSize + 1)
			part, err := client.UploadPart(t.Context(), &sdk.UploadPartInput{
				Bucket: aws.String("bucket"), Key: &key, UploadId: begun.UploadId, PartNumber: &number,
				Body: bytes.NewReader(content[off:min(off+partSize, len(content))]), ChecksumAlgorithm: algorithm,
			})
			if err != nil {
				return err
			}
			parts = append(parts, types.CompletedPart{
				PartNumber: &number, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32, ChecksumCRC32C: part.ChecksumCRC32C,
				ChecksumCRC64NVME: part.ChecksumCRC64NVME, ChecksumSHA256: part.ChecksumSHA256,
			})
		}
		_, err = client.CompleteMultipartUpload(t.Context(), &sdk.CompleteMultipartUploadInput{
			Bucket: aws.String("bucket"), Key: &key, UploadId: begun.UploadId, ChecksumType: kind,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
		return err
	}
}

// Digests of parts tell those of all bytes where there is one part, and where
// they are CRCs. The server of the tests does not tell of parts, so that the
// proxy does.
func TestReportedJoinsWhatTheServiceSaysOfParts(t *testing.T) {
	server := s3server.ForTest(t)
	must(t, server.MakeBucket(t.Context(), "bucket", false))
	const size = 6<<20 + 77
	content := pattern(size)
	must(t, sendParts(t, server, content, 5<<20, types.ChecksumAlgorithmCrc32c, types.ChecksumTypeComposite)("blob"))
	for name, c := range map[string]struct {
		algorithm hashsets.Algorithm
		element   string
		partSize  int
		joined    bool
	}{
		"CRC-32C":              {hashsets.CRC32C, "ChecksumCRC32C", 5 << 20, true},
		"CRC-32":               {hashsets.CRC32, "ChecksumCRC32", 5 << 20, true},
		"CRC-64":               {hashsets.CRC64NVME, "ChecksumCRC64NVME", 1 << 20, true},
		"SHA-256":              {hashsets.SHA256, "ChecksumSHA256", 5 << 20, false},
		"SHA-256 of one part":  {hashsets.SHA256, "ChecksumSHA256", size, true},
		"without the last one": {hashsets.CRC32C, "ChecksumCRC32C", -(5 << 20), false},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := s3proxy.Start(t, server.Endpoint, s3proxy.Rule{Fault: s3proxy.Say, Path: "?attributes", Body: partsOf(content, c.algorithm, c.element, c.partSize)})
			reported, err := open(t, s3server.URL(proxy.URL, "bucket", ""), quick(t)).Reported(t.Context(), "blob")
			must(t, err)
			if proxy.Met(0) == 0 {
				t.Fatal("it does not ask for the parts")
			}
			if !c.joined {
				if len(reported.Digests) > 0 {
					t.Errorf("it says %v", reported.Digests)
				}
				return
			}
			h := c.algorithm.New()
			h.Write(content)
			if len(reported.Digests) != 1 || !bytes.Equal(reported.Digests[0].Sum, h.Sum(nil)) {
				t.Errorf("it says %v, want %x", reported.Digests, h.Sum(nil))
			}
		})
	}
}

// partsOf is what a service says of parts; of a negative size, without the last.
func partsOf(content []byte, algorithm hashsets.Algorithm, element string, size int) string {
	end := len(content)
	if size < 0 {
		size, end = -size, -size
	}
	text := ""
	for off := 0; off < end; off += size {
		part := content[off:min(off+size, end)]
		h := algorithm.New()
		h.Write(part)
		text += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><Size>%d</Size><%s>%s</%[3]s></Part>",
			off/size+1, len(part), element, base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	return "<GetObjectAttributesResponse><ObjectParts>" + text + "</ObjectParts></GetObjectAttributesResponse>"
}
