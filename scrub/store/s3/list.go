package s3

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// List yields the current objects below the prefix in the order of their keys,
// which is that of their names. A key that is no name, such as the marker of a
// directory, "x/", is yielded without a Kind, to be skipped and counted. It
// holds two pages of 1,000 keys: the next one is on its way while somebody works
// on the names of the last.
func (b *Bucket) List(ctx context.Context, opts store.ListOptions) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(store.Entry{}, err)
			return
		}
		versioned, err := b.isVersioned(ctx)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		l := listing{bucket: b, opts: opts, versioned: versioned, after: b.startAfter(opts.From)}
		ctx, cancel := context.WithCancel(ctx)
		pages := make(chan page)
		defer func() {
			cancel()
			for range pages { // until the listing has ended
			}
		}()
		go l.fetch(ctx, pages)
		for p := range pages {
			for _, entry := range p.entries {
				if err := ctx.Err(); err != nil {
					yield(store.Entry{}, err)
					return
				}
				if !yield(entry, nil) {
					return
				}
			}
			if p.err != nil {
				yield(store.Entry{}, p.err)
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(store.Entry{}, err)
		}
	}
}

// A page is what one request of a listing gave of the range.
type page struct {
	entries []store.Entry
	err     error
}

// fetch sends page after page, and closes the channel at the end of the range,
// after an error, and when the context has ended.
func (l *listing) fetch(ctx context.Context, pages chan<- page) {
	defer close(pages)
	for more := true; more; {
		var keys []listed
		var p page
		if keys, more, p.err = l.next(ctx); p.err != nil {
			more = false
		}
		for _, one := range keys {
			entry, state := l.take(one)
			if state == pastEnd {
				more = false
				break
			}
			if state == wanted {
				p.entries = append(p.entries, entry)
			}
		}
		select {
		case pages <- p:
		case <-ctx.Done():
			return
		}
	}
}

// A listing is one walk over the keys.
type listing struct {
	bucket    *Bucket
	opts      store.ListOptions
	versioned bool

	after   string  // the key to begin behind
	token   *string // where the next page begins
	version *string // with after, where the next page of versions begins
	last    string  // the last key that was taken
	begun   bool
	unmoved int // pages in a row that brought nothing new
}

// listed is one key of a page.
type listed struct {
	key      string
	identity hashsets.Identity
	archived string // the class that it is in, when its bytes are not to be read
}

type taken int

const (
	unwanted taken = iota // not in the range, or seen before
	wanted
	pastEnd
)

// take turns a key into an entry. A page that comes twice brings keys that
// were seen.
func (l *listing) take(one listed) (store.Entry, taken) {
	if l.begun && one.key <= l.last {
		return store.Entry{}, unwanted
	}
	l.last, l.begun, l.unmoved = one.key, true, 0
	name, below := strings.CutPrefix(one.key, l.bucket.prefix)
	switch {
	case !below, name == "", name < l.opts.From:
		return store.Entry{}, unwanted
	case l.opts.To != "" && name >= l.opts.To:
		return store.Entry{}, pastEnd
	}
	if store.CheckName(name) != nil {
		return store.Entry{Name: name}, wanted
	}
	return store.Entry{Name: name, Kind: hashsets.File, Identity: one.identity, Archived: one.archived}, wanted
}

// tooManyUnmoved is how many pages in a row may bring nothing new. One comes
// twice now and then; a service that goes on so would be asked for ever.
const tooManyUnmoved = 8

// next fetches a page.
func (l *listing) next(ctx context.Context) (page []listed, more bool, err error) {
	if l.unmoved++; l.unmoved > tooManyUnmoved {
		return nil, false, l.bucket.fail("list", "", fmt.Errorf("the service does not get on behind the key %q", l.last))
	}
	if l.versioned {
		page, more, err = l.nextVersions(ctx)
	} else {
		page, more, err = l.nextObjects(ctx)
	}
	if err == nil && !slices.IsSortedFunc(page, func(a, b listed) int { return strings.Compare(a.key, b.key) }) {
		err = l.bucket.fail("list", "", fmt.Errorf("the service does not list keys in their order: %w", store.ErrUnsupported))
	}
	return page, more, err
}

func (l *listing) nextObjects(ctx context.Context) (page []listed, more bool, err error) {
	b := l.bucket
	err = b.call(ctx, "list", "", func(ctx context.Context, client *sdk.Client) error {
		in := &sdk.ListObjectsV2Input{
			Bucket: &b.bucket, Prefix: &b.prefix, EncodingType: types.EncodingTypeUrl, ContinuationToken: l.token,
			OptionalObjectAttributes: restored,
		}
		if l.token == nil {
			in.StartAfter = optional(l.after)
		}
		out, err := client.ListObjectsV2(ctx, in)
		if err != nil {
			return err
		}
		page = page[:0]
		for _, o := range out.Contents {
			one, err := listedOf(out.EncodingType, o.Key, o.Size, o.LastModified, o.ETag, nil)
			if err != nil {
				return err
			}
			one.archived = b.archiveOf(string(o.StorageClass), o.RestoreStatus)
			page = append(page, one)
		}
		l.token, more = out.NextContinuationToken, aws.ToBool(out.IsTruncated)
		if more && l.token == nil {
			return fmt.Errorf("the service says that there is more and not where")
		}
		return nil
	})
	return page, more, err
}

// nextVersions lists versions and keeps the current ones, since a listing of
// objects does not tell their version ids.
func (l *listing) nextVersions(ctx context.Context) (page []listed, more bool, err error) {
	b := l.bucket
	err = b.call(ctx, "list versions of", "", func(ctx context.Context, client *sdk.Client) error {
		out, err := client.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{
			Bucket: &b.bucket, Prefix: &b.prefix, EncodingType: types.EncodingTypeUrl,
			KeyMarker: optional(l.after), VersionIdMarker: l.version,
			OptionalObjectAttributes: restored,
		})
		if err != nil {
			return err
		}
		page = page[:0]
		for _, o := range out.Versions {
			if !aws.ToBool(o.IsLatest) {
				continue
			}
			one, err := listedOf(out.EncodingType, o.Key, o.Size, o.LastModified, o.ETag, o.VersionId)
			if err != nil {
				return err
			}
			one.archived = b.archiveOf(string(o.StorageClass), o.RestoreStatus)
			page = append(page, one)
		}
		if more = aws.ToBool(out.IsTruncated); !more {
			return nil
		}
		after, err := decoded(out.EncodingType, out.NextKeyMarker)
		if err != nil {
			return err
		}
		version := optional(aws.ToString(out.NextVersionIdMarker))
		if after == l.after && aws.ToString(version) == aws.ToString(l.version) {
			return fmt.Errorf("the service does not get on behind the key %q", after)
		}
		l.after, l.version = after, version
		l.unmoved = 0 // many versions of one key can fill pages
		return nil
	})
	return page, more, err
}

// restored asks a listing which objects of archive tiers were restored.
var restored = []types.OptionalObjectAttributes{types.OptionalObjectAttributesRestoreStatus}

// archiveOf is the class of an object whose bytes are not to be read, and ""
// for all others.
func (b *Bucket) archiveOf(class string, status *types.RestoreStatus) string {
	header := ""
	if status != nil && !aws.ToBool(status.IsRestoreInProgress) && status.RestoreExpiryDate != nil {
		header = `ongoing-request="false"`
	}
	if b.isArchived(class, "", header) {
		return class
	}
	return ""
}

func listedOf(encoding types.EncodingType, key *string, size *int64, modified *time.Time, etag, version *string) (listed, error) {
	plain, err := decoded(encoding, key)
	return listed{key: plain, identity: identityOf(size, modified, etag, version, version != nil)}, err
}

// decoded undoes the encoding of a key in a listing, which XML needs.
func decoded(encoding types.EncodingType, text *string) (string, error) {
	if encoding != types.EncodingTypeUrl {
		if strings.ContainsRune(aws.ToString(text), utf8.RuneError) {
			return "", fmt.Errorf("the key %q holds what XML cannot, and the service does not encode it", aws.ToString(text))
		}
		return aws.ToString(text), nil
	}
	plain, err := url.QueryUnescape(aws.ToString(text))
	if err != nil {
		return "", fmt.Errorf("read a key of the listing: %w", err)
	}
	return plain, nil
}

// startAfter returns a key before that of the name from with few keys between
// the two: listings begin behind a key, and ranges with a name. "" is before
// all.
func (b *Bucket) startAfter(from string) string {
	if from == "" {
		return ""
	}
	key := b.prefix + from
	for i, r := range key {
		if r == utf8.RuneError {
			if _, width := utf8.DecodeRuneInString(key[i:]); width == 1 {
				return key[:i] // no key has such a byte
			}
		}
	}
	last, width := utf8.DecodeLastRuneInString(key)
	head := key[:len(key)-width]
	switch {
	case last == 0 || len(head) == 0 && last == 1:
		return head
	case last == 0xE000:
		last = 0xD800 // there are none between
	}
	return head + string(last-1) + string(utf8.MaxRune)
}
