package protect

import (
	"context"
	"time"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// How long a file system's clock may stand still: two ticks of a kernel that
// counts a hundred in a second, and the two seconds of FAT and some servers,
// whose times have no fractions.
const (
	tick       = 20 * time.Millisecond
	coarseTick = 2 * time.Second
)

// settledAt is when a further write of a file is sure to give it another
// modification time. One that is recorded before may be written once more under
// the same size and time, and would then look as if it had rotted.
func settledAt(e *store.Entry) time.Time {
	if e.Kind != hashsets.File || e.Identity.ETag != "" || e.Identity.ModTime == 0 {
		return time.Time{} // or what is new has a tag of its own
	}
	modified := time.Unix(0, e.Identity.ModTime)
	if modified.Nanosecond() == 0 {
		return modified.Add(coarseTick)
	}
	return modified.Add(tick)
}

// settle waits until all files that were seen to be new or changed are settled.
// A modification time that lies in the future is nobody's clock, and is not
// waited for.
func (s *surveyed) settle(ctx context.Context) error {
	wait := time.Until(s.settled)
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// saw notes when what is to be read will be settled.
func (s *surveyed) saw(e *store.Entry) {
	at := settledAt(e)
	if at.After(s.settled) && time.Until(at) <= coarseTick {
		s.settled = at
	}
}
