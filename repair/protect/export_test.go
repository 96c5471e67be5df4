package protect

import "bitmend/scrub/store"

// WithSource puts something between protect and the primary store.
func (o Options) WithSource(wrap func(store.Store) store.Store) Options {
	o.source = wrap
	return o
}

// WithSlab bounds the accumulators that are in work at once, in bytes.
func (o Options) WithSlab(bytes int64) Options {
	o.slab = bytes
	return o
}
