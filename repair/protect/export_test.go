package protect

import "bitmend/scrub/store"

// WithSource puts something between protect and the primary store.
func (o Options) WithSource(wrap func(store.Store) store.Store) Options {
	o.source = wrap
	return o
}
