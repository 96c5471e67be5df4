package s3

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bitmend/scrub/store"
)

// Versions returns the versions of an object, delete markers among them, the
// newest first.
func (b *Bucket) Versions(ctx context.Context, name string) ([]store.Version, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key, err := b.keyOf(name)
	if err != nil {
		return nil, b.fail("list versions of", name, err)
	}
	if versioned, err := b.isVersioned(ctx); err != nil || !versioned {
		return nil, err
	}
	var all []store.Version
	in := &sdk.ListObjectVersionsInput{Bucket: &b.bucket, Prefix: &key, EncodingType: types.EncodingTypeUrl}
	for more := true; more; {
		err := b.call(ctx, "list versions of", name, func(ctx context.Context, client *sdk.Client) error {
			out, err := client.ListObjectVersions(ctx, in)
			if err != nil {
				return err
			}
			page, past, err := versionsOf(out, key)
			if err != nil {
				return err
			}
			all = append(all, page...)
			more = aws.ToBool(out.IsTruncated) && !past
			after, err := decoded(out.EncodingType, out.NextKeyMarker)
			if more && err == nil && after == aws.ToString(in.KeyMarker) && aws.ToString(out.NextVersionIdMarker) == aws.ToString(in.VersionIdMarker) {
				err = fmt.Errorf("the service does not get on behind the key %q", after)
			}
			in.KeyMarker, in.VersionIdMarker = &after, out.NextVersionIdMarker
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	newestFirst(all)
	return all, nil
}

// versionsOf takes the versions of a key from a page. past says that the page
// goes on to other keys, which begin with it.
func versionsOf(out *sdk.ListObjectVersionsOutput, key string) (page []store.Version, past bool, err error) {
	for _, v := range out.Versions {
		one, err := decoded(out.EncodingType, v.Key)
		if err != nil {
			return nil, false, err
		}
		if past = past || one > key; one == key {
			page = append(page, store.Version{Identity: identityOf(v.Size, v.LastModified, v.ETag, v.VersionId, true), Current: aws.ToBool(v.IsLatest)})
		}
	}
	for _, m := range out.DeleteMarkers {
		one, err := decoded(out.EncodingType, m.Key)
		if err != nil {
			return nil, false, err
		}
		if one == key {
			page = append(page, store.Version{Identity: identityOf(nil, m.LastModified, nil, m.VersionId, true), Current: aws.ToBool(m.IsLatest), Deleted: true})
		}
	}
	return page, past, nil
}

// newestFirst sorts by time, and keeps the order of the service within one
// second; the current one is the newest.
func newestFirst(all []store.Version) {
	slices.SortStableFunc(all, func(a, b store.Version) int {
		if a.Current != b.Current {
			if a.Current {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Identity.ModTime, a.Identity.ModTime)
	})
}

// OpenVersion opens an older version for reading by ranges.
func (b *Bucket) OpenVersion(ctx context.Context, name, version string, access store.Access) (store.Reader, error) {
	return b.open(ctx, name, version, access)
}

var _ store.Versioned = (*Bucket)(nil)
