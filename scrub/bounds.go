package scrub

import (
	"sync/atomic"
	"time"
)

// Bounds limit what a scrub reads. A bounded run takes the blobs that were not
// looked at for longest first, those never looked at before all others, so
// that such runs together cover everything. It looks for what is recorded and
// lists nothing: of blobs that are not recorded it says nothing. The zero
// value bounds nothing.
type Bounds struct {
	Budget      time.Duration // how long to read; 0 for as long as it takes
	Until       time.Time     // when to stop reading; zero for never
	MaxRead     int64         // bytes to read from stores; 0 for no limit
	Percent     float64       // of what is recorded; 0 for no limit
	OlderThan   time.Duration // only what was not looked at for longer than this
	OnlyDamaged bool          // only what has a finding
}

// Any tells whether anything is bounded.
func (b Bounds) Any() bool { return b != Bounds{} }

// blobCost is what a blob takes of a share of everything besides its bytes, so
// that a percentage of a million empty blobs is a percentage.
const blobCost = 4096

// part returns the bounds of a part of the work, which is done first.
func (b Bounds) part(begun time.Time, share float64) Bounds {
	if b.Budget > 0 {
		b.Budget = max(time.Duration(float64(b.Budget)*share), 1)
	}
	if !b.Until.IsZero() {
		b.Until = begun.Add(time.Duration(float64(b.Until.Sub(begun)) * share))
	}
	if b.MaxRead > 0 {
		b.MaxRead = int64(float64(b.MaxRead)*share) + 1
	}
	return b
}

// resumeFrom is the size in bytes from which on a blob whose reading is stopped
// is gone on with later; a smaller one is read anew.
const resumeFrom = 64 << 20

// A budget is what is left to a bounded run. The nil budget never ends. Its
// methods may be called from many goroutines.
type budget struct {
	now      func() time.Time
	deadline time.Time    // zero when time is not bounded
	metered  bool         // bytes are bounded
	left     atomic.Int64 // bytes
	perBlob  int64        // what a blob costs besides its bytes
}

// newBudget makes the budget of a run that has begun. recorded is what all
// blobs of the stores that it chooses from amount to.
func newBudget(b Bounds, begun time.Time, now func() time.Time, blobs, bytes int64) *budget {
	m := &budget{now: now, deadline: b.Until}
	if ends := begun.Add(b.Budget); b.Budget > 0 && (m.deadline.IsZero() || ends.Before(m.deadline)) {
		m.deadline = ends
	}
	if b.MaxRead > 0 {
		m.metered = true
		m.left.Store(b.MaxRead)
	}
	if b.Percent > 0 {
		share := int64(float64(bytes+blobs*blobCost)*b.Percent/100) + 1
		if !m.metered || share < b.MaxRead {
			m.left.Store(share)
			m.perBlob = blobCost
		}
		m.metered = true
	}
	return m
}

// late tells whether the time is over.
func (b *budget) late() bool {
	return b != nil && !b.deadline.IsZero() && !b.now().Before(b.deadline)
}

// spent tells whether nothing more should be begun.
func (b *budget) spent() bool {
	return b != nil && (b.metered && b.left.Load() <= 0 || b.late())
}

// take takes a blob of size bytes out of the budget and returns how many of
// them may be read. A blob is not cut for little.
func (b *budget) take(size int64) int64 {
	if b == nil || !b.metered {
		return size
	}
	granted := min(size, max(b.left.Load(), 0))
	if size-granted < resumeFrom {
		granted = size
	}
	b.left.Add(-granted - b.perBlob)
	return granted
}

// giveBack returns what was taken and not read.
func (b *budget) giveBack(bytes int64) {
	if b != nil && b.metered && bytes > 0 {
		b.left.Add(bytes)
	}
}
