package report

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
)

// rateMemory is over which time a rate is smoothed.
const rateMemory = 5 * time.Second

// A Track follows how far a run is, and tells how fast it is and when it will
// be done. It belongs to one goroutine.
type Track struct {
	last   Progress
	all    speed
	stores map[string]*speed
}

// A speed is bytes a second, smoothed.
type speed struct {
	bytes int64
	rate  float64
}

// follow moves the rate towards what the last moments had.
func (s *speed) follow(bytes int64, since time.Duration) {
	grown := bytes - s.bytes
	s.bytes = bytes
	if since <= 0 || grown < 0 {
		return
	}
	now := float64(grown) / since.Seconds()
	if s.rate == 0 {
		s.rate = now
		return
	}
	s.rate += (now - s.rate) * (1 - math.Exp(-since.Seconds()/rateMemory.Seconds()))
}

// Update takes what a run says. Another verb, and less than before, begin anew.
func (t *Track) Update(p Progress) {
	since := p.Elapsed - t.last.Elapsed
	another := p.Store != t.last.Store && len(p.Stores) == 0
	if p.Verb != t.last.Verb || another || since < 0 || p.Bytes < t.last.Bytes {
		*t = Track{}
		since = p.Elapsed
	}
	t.all.follow(p.Bytes, since)
	if t.stores == nil {
		t.stores = map[string]*speed{}
	}
	for _, s := range p.Stores {
		if t.stores[s.Store] == nil {
			t.stores[s.Store] = &speed{}
		}
		t.stores[s.Store].follow(s.Bytes, since)
	}
	t.last = p
}

// Rate is in bytes a second.
func (t *Track) Rate() float64 { return t.all.rate }

// Left is how long it will take to the end of the run; 0 when nothing tells.
func (t *Track) Left() time.Duration {
	left := leftAt(t.last.Bytes, t.last.Total, t.all.rate)
	if t.last.Left > 0 && (left == 0 || t.last.Left < left) {
		return t.last.Left
	}
	return left
}

func leftAt(bytes, total int64, rate float64) time.Duration {
	if total <= bytes || rate <= 0 {
		return 0
	}
	return time.Duration(min(float64(total-bytes)/rate*float64(time.Second), math.MaxInt64/2))
}

// Line says in one line how far the run is.
func (t *Track) Line() string {
	p := t.last
	words := []string{strings.TrimSpace(p.Verb + " " + p.Store)}
	words = append(words, farText(p.Bytes, p.Total)...)
	words = append(words, rateText(t.all.rate))
	if left := t.Left(); left > 0 {
		words = append(words, TimeText(left)+" left")
	}
	if p.Workers > 0 {
		words = append(words, plural(int64(p.Workers), "worker"))
	}
	words = append(words, plural(p.Findings, "finding"))
	return Escape(strings.Join(words, "  "))
}

// farText says how many bytes were read, and of how many.
func farText(bytes, total int64) []string {
	if total <= 0 {
		return []string{byteText(bytes)}
	}
	share := min(100, 100*float64(bytes)/float64(total))
	return []string{fmt.Sprintf("%.0f%%", math.Floor(share)), fmt.Sprintf("%s of %s", byteText(bytes), byteText(max(bytes, total)))}
}

// Bounds of the lines about stores.
const (
	storesTold     = 12
	storeNameWidth = 16
)

// Lines says it in as many lines as the run has stores, and one more; in one
// line when it is about one.
func (t *Track) Lines() []string {
	lines := []string{t.Line()}
	if len(t.last.Stores) < 2 {
		return lines
	}
	width := 0
	for _, s := range t.last.Stores {
		width = max(width, min(len([]rune(s.Store)), storeNameWidth))
	}
	for _, s := range t.last.Stores[:min(len(t.last.Stores), storesTold)] {
		lines = append(lines, t.storeLine(s, width))
	}
	if more := len(t.last.Stores) - storesTold; more > 0 {
		lines = append(lines, fmt.Sprintf("  and %s more", plural(int64(more), "store")))
	}
	return lines
}

func (t *Track) storeLine(s StoreProgress, width int) string {
	words := []string{fmt.Sprintf("  %-*s", width, cut(Escape(s.Store), width))}
	words = append(words, farText(s.Bytes, s.Total)...)
	if s.Workers > 0 {
		rate := t.stores[s.Store].rate
		words = append(words, rateText(rate))
		if left := leftAt(s.Bytes, s.Total, rate); left > 0 {
			words = append(words, TimeText(left)+" left")
		}
		words = append(words, plural(int64(s.Workers), "worker"))
	}
	if s.Findings > 0 {
		words = append(words, plural(s.Findings, "finding"))
	}
	return strings.Join(words, "  ")
}

// postEvery is how often a run says how far it is.
const postEvery = 200 * time.Millisecond

// KeepPosted says how far a run is, from time to time, until the returned
// function is called: a run that reads one large blob for an hour says so too.
func KeepPosted(rep Reporter, far func() Progress) (stop func()) {
	var posting sync.WaitGroup
	over := make(chan struct{})
	posting.Go(func() {
		ticker := time.NewTicker(postEvery)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				rep.Progress(far())
			}
		}
	})
	return func() {
		close(over)
		posting.Wait()
	}
}
