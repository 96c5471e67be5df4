package store

import (
	"context"
	"time"
)

// A Device is what a store on this host lies on.
type Device interface {
	// Rotating tells whether it is a disk that turns.
	Rotating() bool
	// Latency is how long requests of all processes took on the average since
	// it was last asked. It is false the first time, when there were none, and
	// where the system does not count them. One goroutine at a time asks.
	Latency() (time.Duration, bool)
}

// OnDisk is a Store that lies on a disk of this host.
type OnDisk interface {
	Store
	// Disk returns the device of the root.
	Disk(ctx context.Context) (Device, error)
	// Place returns where on the device the File name begins, in bytes: files
	// of neighbouring places are read fastest one after the other. It is 0
	// where the file system does not tell, and for a file without content.
	Place(ctx context.Context, name string) (int64, error)
}

// A disk is a block device, as far as the system tells of it. The zero disk
// tells nothing.
type disk struct {
	folder   string // of sysfs; "" when the device is not known
	rotating bool
	before   *diskCount // when Latency was asked before
}

// A diskCount is what a device has done since the system began.
type diskCount struct {
	requests int64
	took     time.Duration // by all of them
}

// Rotating tells whether it is a disk that turns.
func (d *disk) Rotating() bool { return d.rotating }

// Latency is how long requests took on the average since it was last asked.
func (d *disk) Latency() (time.Duration, bool) {
	now, ok := d.count()
	if !ok {
		return 0, false
	}
	before := d.before
	d.before = &now
	if before == nil || now.requests <= before.requests || now.took < before.took {
		return 0, false
	}
	return (now.took - before.took) / time.Duration(now.requests-before.requests), true
}
