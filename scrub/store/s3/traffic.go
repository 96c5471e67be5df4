package s3

import "bitmend/scrub/store"

// keysInPage is how many keys a page of a listing has.
const keysInPage = 1000

// Traffic is what the service was asked for so far.
func (b *Bucket) Traffic() store.Traffic {
	return store.Traffic{
		Store: b.name, Requests: b.counts.requests.Load(),
		Fetched: b.counts.fetched.Load(), Sent: b.counts.sent.Load(), Retried: b.counts.retried.Load(),
	}
}

// Readers is as many as requests may be under way: one takes the time of a
// round trip, however small the object is.
func (b *Bucket) Readers() int { return b.options.Requests }

// Reading is one request for each part, and one for an object without bytes.
// Where connections are quick it is one for all parts.
func (b *Bucket) Reading(size int64) store.Traffic {
	part := b.options.ReadSize
	return store.Traffic{Store: b.name, Requests: max(1, (size+part-1)/part), Fetched: size}
}

// Listing is one request for each page.
func (b *Bucket) Listing(blobs int64) store.Traffic {
	return store.Traffic{Store: b.name, Requests: blobs/keysInPage + 1}
}

var _ store.Remote = (*Bucket)(nil)
