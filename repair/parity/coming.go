package parity

// Coming says what a layout will be asked to place, so that it can choose how
// high to fill the columns. Add counts blobs in; Live, Vault and Overhead are
// for the caller to set.
type Coming struct {
	Total    int64   // bytes of the blobs to come
	Largest  int64   // bytes of the largest of them
	Live     int64   // bytes of the blobs that lie in the set already
	Overhead float64 // parity bytes wanted per data byte

	// Padded is Total with what shards that are not full cost; 0 when it is
	// not known. With it columns are filled to the right height at once.
	Padded int64
	// Vault is the bytes of all blobs in all sets and to come, over which the
	// overhead is held; 0 when this set is the only one.
	Vault int64

	room int64 // free rest of the shard that small blobs share
}

// Add counts in a blob of size bytes that is to come, in the order of placing.
func (c *Coming) Add(size, shardSize int64) {
	c.Total += size
	c.Largest = max(c.Largest, size)
	if size < shardSize && size <= c.room {
		c.room -= size
		return
	}
	padded := ceilDiv(size, shardSize) * shardSize
	c.Padded += padded
	c.room = max(c.room, padded-size)
}

// forecast is Coming in shards, less what was placed.
type forecast struct {
	left     int64 // shards still to come
	bearable int64 // the largest blob, in shards, that the overhead allows to be repairable
}

func newForecast(g Geometry, c Coming) forecast {
	all := max(c.Vault, c.Live+c.Total)
	overhead := c.Overhead
	if overhead <= 0 {
		overhead = float64(g.Parity) / float64(g.Data)
	}
	return forecast{
		left:     ceilDiv(max(c.Padded, c.Total), g.ShardSize),
		bearable: max(int64(g.Parity), int64(max(Free, overhead*float64(all))/float64(g.ShardSize))),
	}
}

func (f *forecast) took(shards int64) { f.left = max(0, f.left-shards) }

// most is how many shards of one stripe a blob of so many may cost: all but one
// of what parity bears, or all, when the overhead allows so much parity for it
// at all.
func (f *forecast) most(g Geometry, shards int64) int {
	m := int64(g.Parity)
	switch {
	case m > 1 && shards*m <= f.bearable*(m-1):
		return g.Parity - 1
	case shards <= f.bearable:
		return g.Parity
	}
	return g.Data
}
