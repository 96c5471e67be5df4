package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// Stat looks at one name.
func (b *Bucket) Stat(ctx context.Context, name string) (store.Entry, error) {
	if store.IsStaged(name) {
		entry, err := b.statStaged(ctx, name)
		if !errors.Is(err, store.ErrNotFound) {
			return entry, err
		}
	}
	head, err := b.head(ctx, name, "")
	if err != nil {
		return store.Entry{}, err
	}
	return entryOf(name, head), nil
}

// A head is what the service says of an object besides its bytes.
type head struct {
	identity hashsets.Identity
	class    string // "" for the standard one
	archived bool   // its bytes cannot be read now
	sdk.HeadObjectOutput
}

func entryOf(name string, h head) store.Entry {
	entry := store.Entry{Name: name, Kind: hashsets.File, Identity: h.identity}
	if h.archived {
		entry.Archived = h.class
	}
	return entry
}

// head looks at a version of an object, or with version "" at the current one.
func (b *Bucket) head(ctx context.Context, name, version string) (head, error) {
	if err := ctx.Err(); err != nil {
		return head{}, err
	}
	key, err := b.keyOf(name)
	if err != nil {
		return head{}, b.fail("look at", name, err)
	}
	versioned, err := b.isVersioned(ctx)
	if err != nil {
		return head{}, err
	}
	var h head
	err = b.call(ctx, "look at", name, func(ctx context.Context, client *sdk.Client) error {
		out, err := client.HeadObject(ctx, &sdk.HeadObjectInput{
			Bucket: &b.bucket, Key: &key, VersionId: optional(version), ChecksumMode: "ENABLED",
		})
		if err == nil {
			h.HeadObjectOutput = *out
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return head{}, b.orNoBucket(ctx, err)
	}
	if err != nil {
		return head{}, err
	}
	h.identity = identityOf(h.ContentLength, h.LastModified, h.ETag, h.VersionId, versioned)
	h.class = classOf(string(h.StorageClass))
	h.archived = b.isArchived(h.class, string(h.ArchiveStatus), aws.ToString(h.Restore))
	return h, nil
}

// orNoBucket turns err, which says that a blob is missing, into one that says
// that the bucket is, when nothing has shown yet that it is there: the answer
// to HEAD does not tell the two apart.
func (b *Bucket) orNoBucket(ctx context.Context, err error) error {
	if b.seen.Load() {
		return err
	}
	if _, probed := b.Probe(ctx); probed != nil {
		return probed
	}
	return err
}

// identityOf makes an identity of what the service says. Listings tell times
// more finely than headers do, so they are cut to the second.
func identityOf(size *int64, modified *time.Time, etag, version *string, versioned bool) hashsets.Identity {
	id := hashsets.Identity{Size: aws.ToInt64(size), ETag: bareETag(etag)}
	if modified != nil {
		id.ModTime = modified.Truncate(time.Second).UnixNano()
	}
	if versioned {
		id.Version = aws.ToString(version)
	}
	return id
}

// bareETag takes the quotes off, which some services leave out in places.
func bareETag(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// optional is nil for "".
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// Attributes returns content type, storage class, metadata and tags.
func (b *Bucket) Attributes(ctx context.Context, name string) (hashsets.Attributes, error) {
	h, err := b.head(ctx, name, "")
	if err != nil {
		return hashsets.Attributes{}, err
	}
	return b.attributesOf(ctx, name, h.ContentType, h.class, h.Metadata)
}

// attributesOf adds the tags to what came with the blob.
func (b *Bucket) attributesOf(ctx context.Context, name string, contentType *string, class string, metadata map[string]string) (hashsets.Attributes, error) {
	attrs := hashsets.Attributes{ContentType: aws.ToString(contentType), StorageClass: class}
	if len(metadata) > 0 {
		attrs.Metadata = metadata
	}
	var err error
	attrs.Tags, err = b.tags(ctx, name, "")
	return attrs, err
}

// tags returns the tags of a version of an object, or with version "" of the
// current one; none where the service has no such thing.
func (b *Bucket) tags(ctx context.Context, name, version string) (map[string]string, error) {
	key := b.prefix + name
	var tags map[string]string
	err := b.call(ctx, "read tags of", name, func(ctx context.Context, client *sdk.Client) error {
		out, err := client.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: &b.bucket, Key: &key, VersionId: optional(version)})
		if err != nil {
			if causeOf(err) == unsupported || code(err) == "NoSuchTagSet" {
				return nil
			}
			return err
		}
		for _, tag := range out.TagSet {
			if tags == nil {
				tags = map[string]string{}
			}
			tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
		return nil
	})
	return tags, err
}

// classOf is the storage class as it is recorded: "" for the standard one,
// which some services name and some do not.
func classOf(class string) string {
	if class == "STANDARD" {
		return ""
	}
	return class
}

// isArchived tells whether the bytes of an object are not to be read: it must
// be restored before, or each read costs extra. restore is the header that says
// so of one that was, or is being, restored.
func (b *Bucket) isArchived(class, archiveStatus, restore string) bool {
	switch class {
	case "GLACIER", "DEEP_ARCHIVE":
	case "GLACIER_IR":
		return !b.instant
	default:
		if archiveStatus == "" {
			return false
		}
	}
	return !strings.Contains(restore, `ongoing-request="false"`)
}

// isVersioned tells whether the bucket keeps versions and lets us see them.
// It asks the service once.
func (b *Bucket) isVersioned(ctx context.Context) (bool, error) {
	b.mu.Lock()
	known := b.versioned
	b.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	versioned, err := b.askVersioned(ctx)
	if err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.versioned = &versioned
	return versioned, nil
}

func (b *Bucket) askVersioned(ctx context.Context) (bool, error) {
	var status string
	err := b.call(ctx, "ask for versions of", "", func(ctx context.Context, client *sdk.Client) error {
		out, err := client.GetBucketVersioning(ctx, &sdk.GetBucketVersioningInput{Bucket: &b.bucket})
		if err == nil {
			status = string(out.Status)
		}
		return err
	})
	if err == nil && status != "" {
		one := int32(1)
		err = b.call(ctx, "list versions of", "", func(ctx context.Context, client *sdk.Client) error {
			_, err := client.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{Bucket: &b.bucket, Prefix: &b.prefix, MaxKeys: &one})
			return err
		})
	}
	switch {
	case errors.Is(err, store.ErrPermission), errors.Is(err, store.ErrUnsupported):
		return false, nil // what may not be seen is as if it were not there
	case err != nil:
		return false, fmt.Errorf("ask whether the bucket keeps versions: %w", err)
	}
	return status != "", nil
}
