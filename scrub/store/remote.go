package store

import (
	"errors"
	"sync/atomic"
)

// Remote is a Store behind a network, where a request takes a while, and each
// one and each byte may cost money.
type Remote interface {
	Store
	// Traffic is what the store was asked for since it was opened.
	Traffic() Traffic
	// Readers is how many blobs to read at a time so that small ones fill the
	// link.
	Readers() int
	// Reading is what reading a blob of size bytes from its first to its last
	// takes at most, as long as nothing has to be asked for twice.
	Reading(size int64) Traffic
	// Listing is what listing so many blobs takes.
	Listing(blobs int64) Traffic
}

// Traffic is what goes between this host and one Remote.
type Traffic struct {
	Store    string `json:"store"`
	Requests int64  `json:"requests"`
	Fetched  int64  `json:"bytes_fetched"`
	Sent     int64  `json:"bytes_sent"`
	Retried  int64  `json:"retried"` // of the requests: those that were made anew
}

// Plus returns the sum of two traffics with the same store.
func (t Traffic) Plus(u Traffic) Traffic {
	t.Requests += u.Requests
	t.Fetched += u.Fetched
	t.Sent += u.Sent
	t.Retried += u.Retried
	return t
}

// ErrAllowance is what reading fails with when a run has fetched as much as it
// was allowed to. It says nothing of the blob.
var ErrAllowance = errors.New("the run may not fetch more bytes than --max-download says")

// An Allowance is how many bytes of blobs may be fetched, from all Remotes of a
// run together. nil allows any number.
type Allowance struct{ left atomic.Int64 }

// NewAllowance returns one of so many bytes.
func NewAllowance(bytes int64) *Allowance {
	a := &Allowance{}
	a.left.Store(bytes)
	return a
}

// Take takes bytes, or returns ErrAllowance and takes nothing.
func (a *Allowance) Take(bytes int64) error {
	if a == nil {
		return nil
	}
	for {
		left := a.left.Load()
		if left < bytes {
			return ErrAllowance
		}
		if a.left.CompareAndSwap(left, left-bytes) {
			return nil
		}
	}
}

// Return gives back what was taken and not fetched.
func (a *Allowance) Return(bytes int64) {
	if a != nil {
		a.left.Add(bytes)
	}
}

// Left returns how many bytes may still be fetched; many without a bound.
func (a *Allowance) Left() int64 {
	if a == nil {
		return 1<<63 - 1
	}
	return a.left.Load()
}
