package store

import "time"

// A Pace holds what is read and written to what the host can spare. Its methods
// may be called from many goroutines.
type Pace interface {
	// Limited tells whether anything is to be waited for now.
	Limited() bool
	// Before returns when one more read or write may be made.
	Before()
	// After returns when others may follow one of n bytes that took so long.
	After(n int, took time.Duration)
}

// Held makes one read or write at a pace; without one, as fast as it can be.
func Held(p Pace, transfer func() (int, error)) (int, error) {
	if p == nil || !p.Limited() {
		return transfer()
	}
	p.Before()
	begun := time.Now()
	n, err := transfer()
	p.After(n, time.Since(begun))
	return n, err
}

// HoldTo holds what is read from and written to blobs of the store to a pace.
// It comes before all other use.
func (d *Directory) HoldTo(p Pace) { d.pace = p }
