package pace

import "time"

// How a scrub slows down for others: once a second the latency of the device is
// looked at. Above the limit the share of time that is spent reading is halved,
// below five sevenths of it (25 ms for 35) it grows again by half.
const (
	brakeEvery = time.Second
	leastShare = 1.0 / 64
	mostPause  = 5 * time.Second
)

// A brake makes pauses between reads while the device is slow.
type brake struct {
	up, down time.Duration // 0 for no brake
	share    float64       // of time spent reading; 0 stands for 1
	looked   time.Time     // when the latency was last looked at

	reads int           // since then, of our own
	took  time.Duration // by them
}

// limit sets the latency above which the brake acts.
func (b *brake) limit(up time.Duration) {
	b.up, b.down = up, up*5/7
	if up == 0 {
		b.share = 0
	}
}

// reset forgets what was seen of another device.
func (b *brake) reset() { b.looked, b.share, b.reads, b.took = time.Time{}, 0, 0, 0 }

// pause returns how long to wait after a read that took so long.
func (b *brake) pause(took time.Duration, now time.Time, device Device) time.Duration {
	if b.up == 0 {
		return 0
	}
	b.reads++
	b.took += took
	if b.looked.IsZero() {
		b.looked = now
		b.latency(device) // what was before us
	}
	if now.Sub(b.looked) >= brakeEvery {
		b.adjust(b.latency(device))
		b.looked, b.reads, b.took = now, 0, 0
	}
	if b.share == 0 || b.share >= 1 {
		return 0
	}
	return min(time.Duration(float64(took)*(1/b.share-1)), mostPause)
}

// latency is that of the device, or that of our own reads where it tells none.
func (b *brake) latency(device Device) time.Duration {
	if device != nil {
		if latency, ok := device.Latency(); ok {
			return latency
		}
	}
	return b.took / time.Duration(max(b.reads, 1))
}

func (b *brake) adjust(latency time.Duration) {
	if b.share == 0 {
		b.share = 1
	}
	switch {
	case latency > b.up:
		b.share = max(b.share/2, leastShare)
	case latency < b.down:
		b.share = min(b.share*1.5, 1)
	}
}
